//! The real store and writer under a clock that a test sets, and the checks that everything goes through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_protocol::error::Refusal;
use hallpass_protocol::time::Millis;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::reference::{ABSOLUTE, IDLE, MAX_SESSIONS, Ms, WINDOW};
use crate::clock::{Clock, TimeSource};
use crate::domain::command::{Command, Fresh, Policy, WhenFull};
use crate::domain::effect::Outcome;
use crate::domain::fixture;
use crate::domain::keyset::{Key, KeyKind, KeyState, Sealed};
use crate::domain::policy::Permit;
use crate::store::records::Record;
use crate::store::{Audience, AuditRecord, Committed, Store, Writer, WriterThread};

/// A clock that stands where it was put, in microseconds.
#[derive(Debug)]
pub(super) struct Manual {
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
    pub(super) fn new() -> Self {
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
}

/// The store while it is open.
struct Open {
    store: Store,
    writer: Writer,
    thread: WriterThread,
    clock: Arc<Clock>,
}

/// The daemon's store, to be closed and opened again.
pub(super) struct House {
    runtime: tokio::runtime::Runtime,
    dir: TempDir,
    pub(super) time: Arc<Manual>,
    open: Option<Open>,
    drawn: u64,
}

/// Memory, where there is such a place: then a commit costs no turn of a disk.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl House {
    pub(super) fn new() -> Self {
        let mut house = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            dir: tempfile::tempdir_in(place()).unwrap(),
            time: Arc::new(Manual::new()),
            open: None,
            drawn: 0,
        };
        house.start();
        house
    }

    /// Opens the store, and says where its time may start, in milliseconds.
    pub(super) fn start(&mut self) -> Ms {
        let state = self.dir.path().join("state");
        let store = Store::open(&state, [7; 48], |_, _| Ok(keys())).unwrap();
        let floor = store.time_floor();
        let clock = Arc::new(Clock::starting_at(self.time.clone(), floor));
        let (stopped, _) = tokio::sync::oneshot::channel();
        let (writer, thread) = store
            .start_writer(clock.clone(), policy(), store.stamp_mark(), Arc::new(Nobody), stopped)
            .unwrap();
        self.open = Some(Open { store, writer, thread, clock });
        floor / 1000
    }

    pub(super) fn stop(&mut self) {
        let Open { store, writer, thread, .. } = self.open.take().unwrap();
        writer.close();
        thread.join().unwrap();
        drop(store);
    }

    pub(super) fn submit(&mut self, permit: Permit, command: Command) -> Result<Outcome, Refusal> {
        let fresh = self.fresh();
        let writer = &self.open.as_ref().unwrap().writer;
        self.runtime.block_on(writer.submit(permit, command, fresh))
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
fn keys() -> Vec<Key> {
    let key = |kind| {
        let sealed = Sealed { nonce: [0; 24], bytes: vec![1] };
        Key {
            kind,
            number: 1,
            state: KeyState::Active,
            created: Millis::default(),
            kid: "kid".into(),
            sealed,
        }
    };
    KeyKind::ALL.map(key).to_vec()
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
