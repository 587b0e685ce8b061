//! One bit of a database's file is wrong. Whatever that leads to, nobody is accepted who was not before, and nothing ends without words.
//!
//! `HALLPASS_FLIPS` says how many bits are tried and `HALLPASS_POWER_SEED` which.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Millis;
use proptest::strategy::{Strategy, ValueTree};

use super::commands::{asked, shown};
use super::disk::{Dice, Disk};
use super::driver::Driver;
use super::house::House;
use super::power::{new_image, runner};
use super::{Change, Op, from_environment, op};
use crate::clock::Manual;
use crate::domain::check::{Found, Shown, verify};
use crate::domain::command::{Command, Fresh};
use crate::domain::fixture::{self, permit};
use crate::domain::policy::admit_daemon;

/// Commands that make the database.
const STEPS: u64 = 250;

/// What the flips led to.
#[derive(Debug, Default)]
struct Tally {
    flips: u64,
    refused: u64,
    rows: u64,
    /// Reads that redb panicked in, which a caller is told is an internal fault.
    reads: u64,
    /// Writers that ended in a panic, with words.
    writers: u64,
    /// Sessions that were not found any more: they are dead.
    missing: u64,
    without_effect: u64,
}

/// A session as it was before anything was flipped, and whether it is accepted.
struct Known {
    id: SessionId,
    app: String,
    shown: Shown,
    counter: u32,
    accepted: bool,
}

/// A file with users, sessions of all kinds and ends, and what is true of them.
fn made(seed: u64, time: &Arc<Manual>) -> (Vec<u8>, Vec<Known>) {
    let mut driver = Driver::on(new_image(), Arc::clone(time));
    let mut ops = runner(seed);
    for _ in 0..STEPS {
        driver.step(&op().new_tree(&mut ops).unwrap().current()).unwrap();
    }
    // A day later every try counts anew; of four sessions one is ended again.
    driver.step(&Op::Wait(90_000_000)).unwrap();
    for name in 0..2 {
        for op in [Op::Add(name), Op::Change(name, Change::Enable)] {
            driver.step(&op).unwrap();
        }
        for cookie in [false, true] {
            driver.step(&Op::Login { name, app: 0, device: false, right: true, cookie }).unwrap();
        }
    }
    driver.step(&Op::RevokeSession { session: 0, own: true }).unwrap();
    let (snapshot, now) = (driver.snapshot(), driver.now());
    let sessions = snapshot.all().into_iter().filter(|(table, ..)| *table == "session_hot");
    let known = sessions.map(|(_, key, _)| {
        let id = SessionId::from_bytes(key.try_into().unwrap());
        let found = snapshot.found(id).unwrap();
        let session = found.session.clone().unwrap();
        let shown = match session.cold.kind {
            SessionKind::Cookie => Shown::Session(id),
            SessionKind::Token => {
                Shown::Access { session: id, user: session.cold.user, expires: Millis::MAX }
            }
        };
        let app = session.cold.app.clone();
        let accepted = accepts(&app, shown, now, &found).is_ok();
        Known { id, app, shown, counter: session.hot.counter, accepted }
    });
    let known = known.collect();
    drop(snapshot);
    (driver.close(), known)
}

fn accepts(app: &str, shown: Shown, now: Millis, found: &Found) -> Result<(), ErrorCode> {
    verify(&asked(&permit(app), shown, now), found).map(drop).map_err(|refusal| refusal.code)
}

/// Looks at everything through the damage: never an acceptance that is wrong. Says whether all was as it should be.
fn look(house: &House, known: &[Known], tally: &mut Tally, flip: &str) -> bool {
    let mut whole = true;
    let now = Millis::from_u64(house.now());
    for Known { id, app, shown, accepted, .. } in known {
        let found = catch_unwind(AssertUnwindSafe(|| house.store().snapshot()?.found(*id)));
        let verdict = match found {
            Ok(Ok(found)) => accepts(app, *shown, now, &found).is_ok(),
            Ok(Err(error)) => {
                assert!(!error.to_string().is_empty());
                tally.rows += 1;
                whole = false;
                continue;
            }
            Err(_) => {
                tally.reads += 1;
                whole = false;
                continue;
            }
        };
        assert!(!verdict || *accepted, "{flip}: {id} is accepted, which it was not");
        if verdict != *accepted {
            tally.missing += 1;
            whole = false;
        }
    }
    whole
}

/// Has the writer go through what is damaged too.
fn write(house: &House, known: &[Known]) {
    let fresh = || Fresh { id: [9; 10], jti: [9; 8], device: [9; 16], jitter: 0 };
    for Known { id, app, counter, .. } in known {
        let _ = house.submit_with(permit(app), shown(*id, *counter, None), fresh());
    }
    let _ = house.submit_with(admit_daemon(0, 1), Command::Sweep, fresh());
}

#[test]
fn a_flipped_bit_leads_to_a_refusal_or_to_a_bad_row_or_to_nothing() {
    let flips = from_environment("HALLPASS_FLIPS", 150);
    let seed = from_environment("HALLPASS_POWER_SEED", 1);
    let time = Arc::new(Manual::at(fixture::START));
    let (image, known) = made(seed, &time);
    assert!(known.iter().any(|known| known.accepted) && known.iter().any(|known| !known.accepted));
    let (mut dice, mut tally) = (Dice(seed), Tally::default());
    let used: Vec<_> = (0..image.len()).filter(|at| image[*at] != 0).collect();
    // Few bits of a hundred matter, and a small number of flips may meet none of them: then it goes on until one is met.
    while tally.flips < flips || tally.refused + tally.rows == 0 && tally.flips < 20 * flips {
        // Most of a file is free; half of the bits are where something lies.
        let anywhere = usize::try_from(dice.below(image.len() as u64)).unwrap();
        let at = if dice.percent(50) { anywhere } else { used[anywhere % used.len()] };
        let bit = dice.below(8);
        let flip = format!("HALLPASS_POWER_SEED={seed}, byte {at} bit {bit}");
        let mut flipped = image.clone();
        flipped[at] ^= 1 << bit;
        let mut house = House::on(Disk::with(flipped, None, Dice(0)), Arc::clone(&time));
        tally.flips += 1;
        if let Err(error) = house.try_start() {
            assert!(error.to_string().contains(' '), "{flip}: {error:?}");
            tally.refused += 1;
            continue;
        }
        let whole = look(&house, &known, &mut tally, &flip);
        write(&house, &known);
        look(&house, &known, &mut tally, &flip);
        tally.without_effect += u64::from(whole);
        if let Err(error) = house.try_stop() {
            assert!(error.to_string().contains(' '), "{flip}: {error:?}");
            tally.writers += 1;
        }
    }
    // Shown with `--nocapture`, for who tries many.
    std::io::stdout().write_all(format!("{tally:?}\n").as_bytes()).unwrap();
    assert!(tally.without_effect > 0 && tally.refused + tally.rows > 0, "{tally:?}");
}
