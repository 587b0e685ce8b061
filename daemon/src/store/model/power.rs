//! The power is cut again and again, at any operation of the disk, and what is found afterwards is what was acknowledged.
//!
//! Two houses are told the same. The driver holds the first against the reference, and nothing happens to its disk; the disk of the second goes dark.
//! What it then holds is, row for row, what the first held after the last command that was answered, or after the one that was not. Then both go on
//! with that. `HALLPASS_POWER_CUTS` says how often and `HALLPASS_POWER_SEED` from which seed; a failure names the seed that shows it alone.

mod fault;

use std::io::Write;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::disk::{Dice, Disk, Trap};
use super::driver::{Driver, Saved};
use super::house::{House, keys};
use super::seen::{Checked, Seen, holds, same};
use super::{Op, from_environment, op};
use crate::clock::Manual;
use crate::domain::fixture;
use crate::store::medium::builder;
use crate::store::open::initialise;
use crate::store::rows::RawRow;

/// Cuts of one database, before another is begun.
const CUTS_PER_LIFE: u64 = 50;
/// Most commands between two of them.
const STEPS: u64 = 40;

/// What must have happened, or less is tested than it seems.
const MUST_HAPPEN: [&str; 9] = [
    "login ok",
    "rotated",
    "user.password ok",
    "session.revoke ok",
    "everything.revoke ok",
    "key.rotate ok",
    "touched",
    "swept",
    "refresh.reuse reused",
];

/// How the cuts went.
#[derive(Debug, Default)]
struct Tally {
    cuts: u64,
    /// In the command that nobody was answered, those that had got through.
    made: u64,
    /// And those that had not.
    lost: u64,
    opening: u64,
    closing: u64,
    acknowledged: u64,
}

/// The image of a database as it is made.
pub(super) fn new_image() -> Vec<u8> {
    let disk = Disk::with(Vec::new(), None, Dice(0));
    let database = builder().create_with_backend(disk.clone()).unwrap();
    initialise(&database, [7; 48], |_| Ok(keys())).unwrap();
    drop(database);
    disk.image()
}

/// Chance that comes the same again from the same seed, for operations.
pub(super) fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// What may not have been done: how it was before.
struct Open {
    saved: Saved,
    rows: Vec<RawRow>,
}

/// Both houses, one of which is cut.
struct Life {
    driver: Driver,
    tested: House,
    disk: Disk,
    time: Arc<Manual>,
    dice: Dice,
    ops: TestRunner,
    open: Option<Open>,
    tally: Tally,
}

impl Life {
    fn new(seed: u64) -> (Self, Vec<u8>) {
        let time = Arc::new(Manual::at(fixture::START));
        let mut driver = Driver::on(new_image(), Arc::clone(&time));
        let image = driver.close();
        driver.submitted();
        let disk = Disk::with(image.clone(), None, Dice(0));
        let tested = House::on(disk.clone(), Arc::clone(&time));
        let (dice, ops, tally) = (Dice(seed), runner(seed), Tally::default());
        (Self { driver, tested, disk, time, dice, ops, open: None, tally }, image)
    }

    /// From one cut to the next: what is on the disk then.
    fn round(&mut self, image: Vec<u8>) -> Result<Vec<u8>, TestCaseError> {
        let soon = if self.dice.percent(30) { 30 } else { 400 };
        let trap = Trap::Cut(1 + self.dice.below(soon));
        let down = self.dice.below(3_000);
        self.time.wait(down);
        self.disk = Disk::with(image.clone(), Some(trap), Dice(self.dice.next()));
        self.driver.go_on(image)?;
        self.tested.put_on(self.disk.clone());
        if self.tested.try_start().is_ok() {
            self.traffic()?;
        } else {
            holds("only a cut keeps a store from opening", self.disk.is_dark())?;
            self.tally.opening += 1;
        }
        self.disk.cut();
        // A store without power cannot stop well.
        let _ = self.tested.try_stop();
        self.tally.cuts += 1;
        let image = self.disk.image();
        self.judge(&image)?;
        Ok(image)
    }

    fn traffic(&mut self) -> Checked {
        for _ in 0..STEPS {
            let op = op().new_tree(&mut self.ops).unwrap().current();
            for op in self.driver.one_by_one(op) {
                if let Op::Restart(down) = op {
                    self.restart(down)?;
                } else {
                    self.step(&op)?;
                }
                if self.disk.is_dark() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Both do the same; the second may be cut in it.
    fn step(&mut self, op: &Op) -> Checked {
        let (saved, before) = (self.driver.save(), self.driver.snapshot());
        if self.dice.percent(8) {
            self.driver.tend_keys(&mut self.dice)?;
        } else {
            self.driver.step(op)?;
        }
        let Some(submitted) = self.driver.submitted() else { return Ok(()) };
        let outcome = self.tested.submit_with(submitted.permit, submitted.command, submitted.fresh);
        if self.disk.is_dark() {
            self.open = Some(Open { saved, rows: before.all() });
            return holds("nothing is acknowledged in the dark", outcome.is_err());
        }
        self.tally.acknowledged += 1;
        same("an outcome", format!("{outcome:?}"), submitted.outcome)
    }

    /// A stop in order, which may be cut too, and a start.
    fn restart(&mut self, down: u64) -> Checked {
        let (saved, before) = (self.driver.save(), self.driver.snapshot().all());
        let stopped = self.tested.try_stop();
        self.driver.stops_and_starts(down)?;
        if stopped.is_err() || self.disk.is_dark() {
            self.tally.closing += 1;
            self.open = Some(Open { saved, rows: before });
            return holds("only a cut keeps a store from stopping", self.disk.is_dark());
        }
        let started = self.tested.try_start();
        holds("only a cut keeps a store from opening", started.is_ok() || self.disk.is_dark())
    }

    /// What is there is what was acknowledged, with or without what was under way.
    fn judge(&mut self, image: &[u8]) -> Checked {
        let mut found = House::on(Disk::with(image.to_vec(), None, Dice(0)), Arc::clone(&self.time));
        found.try_start().map_err(|error| TestCaseError::fail(format!("it does not open: {error}")))?;
        let rows = found.store().snapshot().unwrap().all();
        found.stop();
        let open = self.open.take();
        let wanted = self.driver.snapshot().all();
        if rows == wanted {
            self.tally.made += u64::from(open.is_some());
            return Ok(());
        }
        let Some(Open { saved, rows: before }) = open else {
            return Err(TestCaseError::fail(format!(
                "what is not as acknowledged: {}",
                apart(&rows, &wanted)
            )));
        };
        holds("what was under way is there as a whole or not at all", rows == before)?;
        self.tally.lost += 1;
        self.driver.restore(saved);
        Ok(())
    }
}

/// The rows that only one side has.
fn apart(found: &[RawRow], wanted: &[RawRow]) -> String {
    let only = |these: &[RawRow], those: &[RawRow]| {
        let alone = these.iter().filter(|row| !those.contains(row));
        alone.map(|(table, key, _)| format!("{table} {}", crate::hex::encode(key))).collect::<Vec<_>>()
    };
    format!("too much is {:?}, missing is {:?}", only(found, wanted), only(wanted, found))
}

fn live(seed: u64, cuts: u64, tally: &mut Tally, met: &mut Seen) -> Checked {
    let (mut life, mut image) = Life::new(seed);
    life.tally = std::mem::take(tally);
    for _ in 0..cuts {
        image = life.round(image)?;
    }
    *tally = life.tally;
    for (what, times) in &life.driver.has_seen().0 {
        *met.0.entry(what.clone()).or_default() += times;
    }
    Ok(())
}

#[test]
fn g14_what_was_acknowledged_outlives_every_cut_of_the_power() {
    let cuts = from_environment("HALLPASS_POWER_CUTS", 100);
    let first = from_environment("HALLPASS_POWER_SEED", 1);
    let (mut tally, mut met) = (Tally::default(), Seen::default());
    for life in 0..cuts.div_ceil(CUTS_PER_LIFE) {
        let seed = first + life;
        let share = CUTS_PER_LIFE.min(cuts - life * CUTS_PER_LIFE);
        if let Err(error) = live(seed, share, &mut tally, &mut met) {
            panic!("HALLPASS_POWER_SEED={seed} HALLPASS_POWER_CUTS={share}: {error}");
        }
    }
    // Shown with `--nocapture`, for who makes many.
    let told = format!("{tally:?}\n");
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    if cuts >= 300 {
        met.all_of(&MUST_HAPPEN);
        assert!(tally.made > 0 && tally.lost > 0 && tally.opening > 0 && tally.closing > 0, "{tally:?}");
    }
}
