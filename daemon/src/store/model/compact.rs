//! A compaction that is cut at any of its operations has lost nothing.

use std::sync::Arc;

use super::commands::{admin, roles};
use super::disk::{Dice, Disk, Trap};
use super::from_environment;
use super::house::{House, Manual};
use super::power::new_image;
use crate::domain::account::{Change, Name, NewUser};
use crate::domain::command::Command;
use crate::store::compact::squeeze;
use crate::store::medium::builder;
use crate::store::rows::RawRow;

/// Users that come, of whom every tenth stays.
const USERS: u32 = 400;

/// A database in which much was, and what is in it now.
fn full_of_holes() -> (Vec<u8>, Vec<RawRow>) {
    let time = Arc::new(Manual::new());
    let mut house = House::on(Disk::with(new_image(), None, Dice(1)), Arc::clone(&time));
    house.start();
    let name = |number: u32| Name::parse(&format!("user{number}")).unwrap();
    for number in 0..USERS {
        let new = NewUser { roles: roles(3), ..NewUser::named(name(number)) };
        let add = Command::AddUser(Box::new(new));
        house.submit(admin(), add).unwrap();
    }
    for number in (0..USERS).filter(|number| number % 10 > 0) {
        house.submit(admin(), Command::ChangeUser(name(number), Change::Remove)).unwrap();
    }
    house.stop();
    let image = house.image();
    let rows = rows_on(image.clone(), &time);
    (image, rows)
}

fn rows_on(image: Vec<u8>, time: &Arc<Manual>) -> Vec<RawRow> {
    let mut house = House::on(Disk::with(image, None, Dice(0)), Arc::clone(time));
    house.start();
    let rows = house.store().snapshot().unwrap().all();
    house.stop();
    rows
}

/// Compacts until the power fails, if it does: whether it has, and what is on the disk then.
fn compacted(image: &[u8], trap: Option<Trap>, seed: u64) -> (bool, Vec<u8>) {
    let disk = Disk::with(image.to_vec(), trap, Dice(seed));
    if let Ok(mut database) = builder().create_with_backend(disk.clone()) {
        let squeezed = squeeze(&mut database);
        assert!(squeezed.is_ok() || disk.is_dark(), "{squeezed:?}");
    }
    let was_cut = disk.is_dark();
    disk.cut();
    (was_cut, disk.image())
}

/// G14. `HALLPASS_COMPACTIONS` says how many of its operations are tried.
#[test]
fn g14_a_compaction_gives_room_back_and_outlives_every_cut_of_the_power() {
    let (image, rows) = full_of_holes();
    let time = Arc::new(Manual::new());
    let (_, whole) = compacted(&image, None, 0);
    assert!(whole.len() * 3 < image.len() * 2, "{} bytes before, {} now", image.len(), whole.len());
    assert_eq!(rows_on(whole, &time), rows);
    let mut cuts = 0;
    for at in 1..=from_environment("HALLPASS_COMPACTIONS", 40) {
        let (was_cut, left) = compacted(&image, Some(Trap::Cut(at)), at);
        cuts += u64::from(was_cut);
        assert!(rows_on(left, &time) == rows, "cut at operation {at}");
    }
    assert!(cuts > 20, "only {cuts} cuts");
}
