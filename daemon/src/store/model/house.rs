//! The real store and writer under a clock that a test sets, and the checks that everything goes through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_protocol::error::Refusal;
use hallpass_protocol::time::{Millis, Stamp};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::disk::Disk;
use super::reference::{ABSOLUTE, IDLE, MAX_SESSIONS, Ms, WINDOW};
use crate::clock::{Clock, TimeSource};
use crate::domain::command::{Command, Fresh, Policy, WhenFull};
use crate::domain::effect::Outcome;
use crate::domain::fixture;
use crate::domain::keyset::{Key, KeyKind, KeyState, Sealed};
use crate::domain::policy::Permit;
use crate::store::records::Record;
use crate::store::{Audience, AuditRecord, Committed, Store, StoreError, Writer, WriterThread};

/// A clock that stands where it was put, in microseconds.
#[derive(Debug)]
pub(in crate::store) struct Manual {
    wall: AtomicU64,
    steady: AtomicU64,
}

impl TimeSource for Manual {
    fn wall_micros(&self) -> u64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn steady_micros(&self) -> u64 {
        self.steady.load(Ordering::Relaxed)
    }
}

impl Manual {
    pub(in crate::store) fn new() -> Self {
        let wall = AtomicU64::new(fixture::START.as_u64() * 1000);
        Self { wall, steady: AtomicU64::new(0) }
    }

    pub(super) fn wait(&self, millis: Ms) {
        self.wall.fetch_add(millis * 1000, Ordering::Relaxed);
        self.steady.fetch_add(millis * 1000, Ordering::Relaxed);
    }

    pub(super) fn set(&self, by: i64) {
        let wall = self.wall_micros().saturating_add_signed(by * 1000);
        self.wall.store(wall, Ordering::Relaxed);
    }

    pub(super) fn wall(&self) -> Ms {
        self.wall_micros() / 1000
    }

    pub(super) fn steady(&self) -> Ms {
        self.steady_micros() / 1000
    }
}

/// Whoever acts on what was committed is not here.
struct Nobody;

impl Audience for Nobody {
    fn committed(&self, _: &Committed) {}
    fn failed(&self) {}
    fn running_out(&self) {}
    fn prepare(&self, _: &Committed) -> Result<(), StoreError> {
        Ok(())
    }
    fn read_again(&self, _: &[Key], _: Stamp) -> Result<(), StoreError> {
        Ok(())
    }
    fn healed(&self, _: Stamp, _: Millis) {}
}

/// The store while it is open.
struct Open {
    store: Store,
    writer: Writer,
    thread: WriterThread,
    clock: Arc<Clock>,
}

/// What a store lies in.
enum Place {
    Dir(TempDir),
    Disk(Disk),
}

/// A command as it was submitted, and what came of it.
pub(super) struct Submitted {
    pub(super) permit: Permit,
    pub(super) command: Command,
    pub(super) fresh: Fresh,
    pub(super) outcome: String,
}

/// The daemon's store, to be closed and opened again.
pub(super) struct House {
    runtime: tokio::runtime::Runtime,
    place: Place,
    pub(super) time: Arc<Manual>,
    open: Option<Open>,
    drawn: u64,
    /// The command that was submitted last.
    pub(super) last: Option<Submitted>,
}

/// Memory, where there is such a place: then a commit costs no turn of a disk.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl House {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir_in(place()).unwrap();
        let mut house = Self::at(Place::Dir(dir), Arc::new(Manual::new()));
        house.start();
        house
    }

    /// A house on this disk, under a clock that others may share. It is not open yet.
    pub(super) fn on(disk: Disk, time: Arc<Manual>) -> Self {
        Self::at(Place::Disk(disk), time)
    }

    fn at(place: Place, time: Arc<Manual>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { runtime, place, time, open: None, drawn: 0, last: None }
    }

    /// What is on its disk for certain.
    pub(super) fn image(&self) -> Vec<u8> {
        match &self.place {
            Place::Disk(disk) => disk.image(),
            Place::Dir(_) => unreachable!("only a house on a disk is asked"),
        }
    }

    /// Exchanges the disk of a house that is closed.
    pub(super) fn put_on(&mut self, disk: Disk) {
        assert!(self.open.is_none());
        self.place = Place::Disk(disk);
    }

    /// Opens the store, and says where its time may start, in milliseconds.
    pub(super) fn start(&mut self) -> Ms {
        self.try_start().unwrap()
    }

    pub(super) fn try_start(&mut self) -> Result<Ms, StoreError> {
        let store = match &self.place {
            Place::Dir(dir) => Store::open(&dir.path().join("state"), [7; 48], |_, _| Ok(keys()))?,
            Place::Disk(disk) => Store::on(Box::new(disk.clone()), false, None)?,
        };
        let floor = store.time_floor();
        let clock = Arc::new(Clock::starting_at(self.time.clone(), floor));
        let (stopped, _) = tokio::sync::oneshot::channel();
        let (writer, thread) =
            store.start_writer(clock.clone(), policy(), store.stamp_mark(), Arc::new(Nobody), stopped)?;
        self.open = Some(Open { store, writer, thread, clock });
        Ok(floor / 1000)
    }

    pub(super) fn stop(&mut self) {
        self.try_stop().unwrap();
    }

    /// Stops what may have failed before.
    pub(super) fn try_stop(&mut self) -> Result<(), StoreError> {
        let Some(Open { store, writer, thread, .. }) = self.open.take() else { return Ok(()) };
        writer.close();
        let ended = thread.join();
        drop(store);
        ended
    }

    pub(super) fn submit(&mut self, permit: Permit, command: Command) -> Result<Outcome, Refusal> {
        let fresh = self.fresh();
        let outcome = self.submit_with(permit.clone(), command.clone(), fresh.clone());
        self.last = Some(Submitted { permit, command, fresh, outcome: format!("{outcome:?}") });
        outcome
    }

    /// Submits what another house was submitted.
    pub(super) fn submit_with(
        &self,
        permit: Permit,
        command: Command,
        fresh: Fresh,
    ) -> Result<Outcome, Refusal> {
        let writer = &self.open.as_ref().unwrap().writer;
        self.runtime.block_on(writer.submit(permit, command, fresh))
    }

    /// Waits until the disk is well again, and says what the new life is called.
    pub(super) fn healed(&self) -> Stamp {
        let writer = &self.open.as_ref().unwrap().writer;
        let mut tries = 0;
        while writer.is_ailing() {
            tries += 1;
            assert!(tries < 20_000, "it does not heal");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        writer.life()
    }

    pub(super) fn visible(&self) -> Stamp {
        self.open.as_ref().unwrap().writer.visible()
    }

    /// Never the same twice, as randomness is.
    fn fresh(&mut self) -> Fresh {
        self.drawn += 1;
        let drawn = self.drawn.to_be_bytes();
        let (mut id, mut device) = ([0; 10], [0; 16]);
        id[2..].copy_from_slice(&drawn);
        device[8..].copy_from_slice(&drawn);
        Fresh { id, jti: drawn, device, jitter: 0 }
    }

    pub(super) fn now(&self) -> Ms {
        self.open.as_ref().unwrap().clock.now().as_u64()
    }

    pub(super) fn store(&self) -> &Store {
        &self.open.as_ref().unwrap().store
    }
}

/// Keys that nobody opens: tokens are not made here.
pub(in crate::store) fn keys() -> Vec<Key> {
    KeyKind::ALL.map(|kind| key(kind, 1)).to_vec()
}

pub(super) fn key(kind: KeyKind, number: u16) -> Key {
    let sealed = Sealed { nonce: [0; 24], bytes: vec![1] };
    let name = format!("{} {number}", kind.as_str());
    Key { kind, number, state: KeyState::Active, created: Millis::default(), kid: name, sealed }
}

fn policy() -> Policy {
    let mut policy = fixture::policy();
    policy.lifetimes.idle = std::time::Duration::from_millis(IDLE);
    policy.lifetimes.absolute = std::time::Duration::from_millis(ABSOLUTE);
    policy.rotation.retry_window = std::time::Duration::from_millis(WINDOW);
    // The rate is a rule of its own with tests of its own; here it would only thin out the rotations.
    policy.rotation.per_minute = 0;
    policy.max_sessions = MAX_SESSIONS;
    policy.when_full = WhenFull::EvictOldest;
    policy
}

/// The hash that an audit entry must have, by the book.
pub(super) fn chained(number: u64, before: [u8; 32], record: &AuditRecord) -> [u8; 32] {
    let unhashed = AuditRecord { hash: [0; 32], ..record.clone() };
    let parts: [&[u8]; 4] = [b"hallpass audit v1", &number.to_be_bytes(), &before, &unhashed.to_bytes()];
    Sha256::digest(parts.concat()).into()
}
