//! The disk fails again and again, at any operation, and the store heals by itself: no restart, nothing acknowledged lost, nothing half done.
//!
//! `HALLPASS_DISK_FAULTS` says how often and `HALLPASS_POWER_SEED` from which seed. A sync that fails loses what it was to make durable, as it does on a
//! real disk: who takes a second one for a success is found out.

use nix::errno::Errno;

use super::{
    Arc, CUTS_PER_LIFE, Checked, Dice, Disk, House, Life, Open, RawRow, STEPS, TestCaseError, Trap, Write,
    apart, from_environment, holds, op, same,
};
use crate::domain::command::Command;
use crate::domain::policy::admit_daemon;
use crate::store::model::house::Submitted;
use proptest::strategy::{Strategy, ValueTree};

/// How the faults went.
#[derive(Debug, Default)]
struct Tally {
    faults: u64,
    healed: u64,
    made: u64,
    opening: u64,
    unnoticed: u64,
}

impl Life {
    /// From one fault to the next: what is on the disk then.
    fn fault(&mut self, image: Vec<u8>, tally: &mut Tally) -> Result<Vec<u8>, TestCaseError> {
        // Broken, full, or read-only for a while.
        let errno = [Errno::EIO, Errno::ENOSPC, Errno::EROFS][usize::try_from(self.dice.below(3)).unwrap()];
        let times = if self.dice.percent(70) { 1 } else { 1 + self.dice.below(12) };
        let soon = if self.dice.percent(20) { 30 } else { 250 };
        let trap = Trap::Fail { at: 1 + self.dice.below(soon), times, errno };
        let down = self.dice.below(3_000);
        self.time.wait(down);
        self.disk = Disk::with(image.clone(), Some(trap), Dice(self.dice.next()));
        self.driver.go_on(image)?;
        self.tested.put_on(self.disk.clone());
        if self.tested.try_start().is_ok() {
            self.until_it_fails(tally)?;
        } else {
            holds("only a fault keeps a store from opening", self.disk.failures() > 0)?;
            tally.opening += 1;
        }
        tally.faults += self.disk.failures();
        // A fault that is left for the end makes this a cut like any other.
        let _ = self.tested.try_stop();
        self.disk.cut();
        Ok(self.disk.image())
    }

    fn until_it_fails(&mut self, tally: &mut Tally) -> Checked {
        for _ in 0..STEPS {
            let op = op().new_tree(&mut self.ops).unwrap().current();
            for op in self.driver.one_by_one(op) {
                if matches!(op, super::Op::Restart(_)) {
                    continue;
                }
                let (saved, before) = (self.driver.save(), self.driver.snapshot());
                self.driver.step(&op)?;
                let Some(Submitted { permit, command, fresh, outcome }) = self.driver.submitted() else {
                    continue;
                };
                let visible = self.tested.visible();
                let tested = format!("{:?}", self.tested.submit_with(permit, command, fresh));
                if tested == outcome {
                    continue;
                }
                holds("only a fault makes an outcome unknown", tested.contains("Unknown"))?;
                holds("only a fault makes it so", self.disk.failures() > 0)?;
                let life = self.tested.healed();
                holds("the floor lies above what was visible", life > visible)?;
                let rows = before.all();
                drop(before);
                tally.healed += 1;
                return self.heals(Open { saved, rows }, life, tally);
            }
        }
        tally.unnoticed += u64::from(self.disk.failures() > 0);
        Ok(())
    }

    /// What is there is what was acknowledged, with or without what was under way, and that it was opened again; and it can be written.
    fn heals(&mut self, open: Open, life: hallpass_protocol::time::Stamp, tally: &mut Tally) -> Checked {
        let rows = self.tested.store().snapshot().unwrap().all();
        let after = self.driver.snapshot().all();
        if is_but_for_reopening(&rows, &after) {
            tally.made += 1;
        } else {
            let fits = is_but_for_reopening(&rows, &open.rows);
            holds(&format!("whole or not at all: {}", apart(&rows, &open.rows)), fits)?;
            self.driver.restore(open.saved);
        }
        let disk = Disk::with(self.disk.image(), None, Dice(0));
        let mut found = House::on(disk, Arc::clone(&self.time));
        found.start();
        holds("the floor is durable before anybody goes by it", found.store().stamp_mark() >= life)?;
        found.stop();
        let again = self.tested.submit_with(admit_daemon(0, 1), Command::Start, fresh());
        // Faults that are still to come may meet this one, and heal too.
        self.tested.healed();
        holds("it can be written again", again.is_ok() || self.disk.failures() > 1)
    }
}

fn fresh() -> crate::domain::command::Fresh {
    crate::domain::command::Fresh { id: [0; 10], jti: [0; 8], device: [0; 16], jitter: 0 }
}

/// Whether these are the wanted rows but for the mark, and for entries at the end of the chain that say that the database was opened again.
fn is_but_for_reopening(rows: &[RawRow], wanted: &[RawRow]) -> bool {
    let but_mark = |(table, key, _): &&RawRow| (*table, key.as_slice()) != ("meta", b"mark");
    let entries = |rows: &[RawRow]| rows.iter().filter(|row| row.0 == "audit").count();
    let reopened = |(table, _, value): &RawRow| {
        *table == "audit" && value.windows(13).any(|word| word == b"daemon.reopen")
    };
    let more = entries(rows).saturating_sub(entries(wanted));
    let newest = rows.iter().filter(|row| row.0 == "audit").rev().take(more);
    let newest: Vec<_> = newest.collect();
    let rest = rows.iter().filter(but_mark).filter(|row| !newest.contains(row));
    more > 0 && newest.iter().all(|row| reopened(row)) && rest.eq(wanted.iter().filter(but_mark))
}

fn live(seed: u64, faults: u64, tally: &mut Tally) -> Checked {
    let (mut life, mut image) = Life::new(seed);
    for _ in 0..faults {
        image = life.fault(image, tally)?;
    }
    same("what is open", life.open.is_none(), true)
}

#[test]
fn g7_a_store_heals_from_every_failure_of_its_disk_without_a_restart() {
    let faults = from_environment("HALLPASS_DISK_FAULTS", 100);
    let first = from_environment("HALLPASS_POWER_SEED", 1);
    let mut tally = Tally::default();
    for life in 0..faults.div_ceil(CUTS_PER_LIFE) {
        let seed = first + life;
        let share = CUTS_PER_LIFE.min(faults - life * CUTS_PER_LIFE);
        if let Err(error) = live(seed, share, &mut tally) {
            panic!("HALLPASS_POWER_SEED={seed} HALLPASS_DISK_FAULTS={share}: {error}");
        }
    }
    // Shown with `--nocapture`, for who makes many.
    std::io::stdout().write_all(format!("{tally:?}\n").as_bytes()).unwrap();
    assert!(faults < 100 || tally.healed > 0 && tally.made > 0 && tally.opening > 0, "{tally:?}");
}
