//! The journal alone, on a disk of which the power is cut: what was synced is in its places after it is played back, and nothing of another file is.

use super::*;
use crate::store::medium::Medium;
use crate::store::model::disk::{Dice, Disk};

const PAGE: usize = 512;
const PAGES: u64 = 64;

/// A file under a journal, and what it must look like.
struct Written {
    ground: Box<dyn Ground>,
    wanted: Vec<u8>,
    dice: Dice,
}

impl Written {
    fn on(disk: &Disk, dice: Dice) -> Self {
        let ground = disk.reach().unwrap();
        ground.recover().unwrap();
        let wanted = vec![0; usize::try_from(ground.len().unwrap()).unwrap()];
        let mut written = Self { ground, wanted, dice };
        written.ground.read(0, &mut written.wanted).unwrap();
        written
    }

    fn write(&mut self, page: u64, pages: usize) {
        let data: Vec<u8> = (0..pages * PAGE / 8).flat_map(|_| self.dice.next().to_le_bytes()).collect();
        let at = page * PAGE as u64;
        self.ground.write(at, &data).unwrap();
        self.wanted[within(at)..within(at) + data.len()].copy_from_slice(&data);
    }

    /// Some pages, the first among them, as in every commit of redb's.
    fn commit(&mut self, most: u64) {
        for _ in 0..self.dice.below(most) {
            let pages = 1 + self.dice.below(4);
            let page = 1 + self.dice.below(PAGES - pages - 1);
            self.write(page, within(pages));
        }
        self.write(0, 1);
        self.ground.sync_data().unwrap();
    }
}

fn empty() -> Disk {
    Disk::with(vec![0; PAGE * within(PAGES)], None, Dice(1))
}

#[test]
fn g14_what_was_synced_is_there_after_a_cut_however_often_the_halves_were_changed() {
    for seed in 0..200 {
        let disk = empty();
        let mut written = Written::on(&disk, Dice(seed));
        for _ in 0..written.dice.clone().below(60) {
            written.commit(24);
        }
        let unsynced = written.wanted.clone();
        written.write(7, 1);
        disk.cut();
        assert!(disk.image() == unsynced, "seed {seed}");
    }
}

#[test]
fn what_waits_is_read_and_what_is_too_much_goes_to_its_places() {
    let disk = empty();
    let mut written = Written::on(&disk, Dice(3));
    for _ in 0..20 {
        written.write(3, 4);
        written.write(5, 1);
        written.write(1, 3);
        let mut found = vec![0; written.wanted.len()];
        written.ground.read(0, &mut found).unwrap();
        assert!(found == written.wanted);
    }
    // Over and over the same few pages, and still it is bounded by what is written, not by what was.
    written.commit(2);
    let large = WAITING / PAGE + 1;
    disk.clone().set_len((2 * large * PAGE) as u64).unwrap();
    written.wanted.resize(2 * large * PAGE, 0);
    written.write(2, large);
    written.write(1, 1);
    written.commit(2);
    written.commit(2);
    disk.cut();
    assert!(disk.image() == written.wanted);
}

#[test]
fn g13_a_journal_is_not_played_back_onto_another_file() {
    let disk = empty();
    let mut written = Written::on(&disk, Dice(5));
    written.commit(9);
    let older = written.wanted.clone();
    written.ground.close().unwrap();
    for dice in [6, 7] {
        written = Written::on(&disk, Dice(dice));
        written.commit(9);
        if dice == 6 {
            written.ground.close().unwrap();
        }
    }
    disk.cut();
    let whole = disk.after_the_cut(None, Dice(0));
    assert!(whole.image() == written.wanted);
    let swapped = disk.after_the_cut(None, Dice(0));
    swapped.exchange(older.clone());
    assert!(swapped.image() == older, "put back by hand, it stays as it is");
}

#[test]
fn once_it_has_failed_nothing_is_written_before_it_is_opened_again() {
    let disk = Disk::with(
        vec![0; PAGE * within(PAGES)],
        Some(crate::store::model::disk::Trap::Fail { at: 12, times: 1, errno: nix::errno::Errno::EIO }),
        Dice(2),
    );
    let written = Written::on(&disk, Dice(7));
    let mut failed = false;
    for page in 0..40 {
        let done = written.ground.write(page * 512, &[9; 512]).and_then(|()| written.ground.sync_data());
        assert!(!(failed && done.is_ok()), "page {page}");
        failed |= done.is_err();
    }
    assert!(failed && written.ground.close().is_err());
}
