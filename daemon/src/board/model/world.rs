//! The parts of the model: a page of words, a store, a batch on its way, and somebody who verifies.

use std::sync::Arc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Release};

use hallpass_protocol::board::{Ask, Header, LEASE, Memory, MemoryMut, Reader, Watched, Writer};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use loom::sync::Mutex;
use loom::sync::atomic::AtomicU64;

use super::super::{Says, put};
use crate::domain::raise::Raise;
use crate::store::order::Steps;

/// The one session there is, and its user. On this board they have a slot each.
pub(super) const SESSION: SessionId = SessionId::from_bytes([1; 16]);
pub(super) const USER: UserId = UserId::from_bytes([2; 16]);

/// When everything happens, by the clock of leases.
pub(super) const NOW: u64 = 1_000_000_000;
pub(super) const TIME: Millis = Millis::from_u64(1);

/// Who was told of what. Each bit is set with `Release` when an answer leaves, and read with `Acquire` before a verification begins.
pub(super) const REVOKED: u64 = 1;
pub(super) const DEMOTED: u64 = 2;
pub(super) const TOKEN: u64 = 4;
pub(super) const UNKNOWN: u64 = 8;

/// Where the words lie that are written while others read them, and the slots after them.
const PLACES: [usize; 8] = [16, 17, 18, 24, 25, 26, 512, 513];

/// Memory that several processes have mapped. The words are the model checker's, so it sees every order in which they can be seen.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<[AtomicU64; PLACES.len()]>);

impl Page {
    pub(super) fn new() -> Self {
        Self(Arc::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }

    fn word(&self, word: usize) -> &AtomicU64 {
        &self.0[PLACES.iter().position(|place| *place == word).unwrap()]
    }

    pub(super) fn reader(&self) -> Reader<Self> {
        Reader::new(self.clone(), header(), 0)
    }

    pub(super) fn writer(&self) -> Writer<Self> {
        Writer::new(self.clone(), header())
    }
}

impl Memory for Page {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.word(word).load(order)
    }
}

impl MemoryMut for Page {
    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.word(word).store(value, order);
    }
}

fn header() -> Header {
    Header { slots: 2, hash_key: [0; 32], database: [0; 16], boot: [0; 16] }
}

/// What is on disk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rows {
    pub(super) revoked: bool,
    pub(super) demoted: bool,
    /// No stamp above it was ever given out.
    pub(super) mark: Stamp,
}

/// A daemon, its store and its board, and what its callers have heard.
#[derive(Debug)]
pub(super) struct World {
    pub(super) page: Page,
    pub(super) rows: Mutex<Rows>,
    /// Whether the daemon serves: nobody extends the lease of one that does not.
    pub(super) serves: Mutex<bool>,
    /// What answers bear that are made now.
    pub(super) visible: AtomicU64,
    told: AtomicU64,
    /// The state that was opened last to answer from, and the stamp that it goes with.
    pub(super) kept: Mutex<Option<(Stamp, Rows)>>,
}

impl World {
    /// A board that was never opened, of a daemon that has given out stamps up to 2.
    pub(super) fn new() -> Arc<Self> {
        let page = Page::new();
        let reader = page.reader();
        let shared = reader.watch(SESSION, UserId::from_bytes(*SESSION.as_bytes()));
        assert_ne!(watched(&reader), shared, "one slot would do for the other");
        let rows = Rows { mark: Stamp(2), ..Rows::default() };
        Arc::new(Self {
            page,
            rows: Mutex::new(rows),
            serves: Mutex::new(true),
            visible: AtomicU64::new(2),
            told: AtomicU64::new(0),
            kept: Mutex::new(None),
        })
    }

    /// A daemon that serves: stamps up to 2 are on its board, and its keys have version 1.
    pub(super) fn serving() -> Arc<Self> {
        let world = Self::new();
        super::super::begin(&world.page.writer(), &says(1, 2), NOW, TIME);
        world
    }

    pub(super) fn rows(&self) -> Rows {
        *self.rows.lock().unwrap()
    }

    pub(super) fn visible(&self) -> Stamp {
        Stamp(self.visible.load(Acquire))
    }

    /// Somebody has an answer.
    pub(super) fn tell(&self, what: u64) {
        self.told.fetch_or(what, AcqRel);
    }

    /// What is known to whoever begins to verify now.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Acquire)
    }
}

/// What a board says whose keys have not changed since.
pub(super) fn says(floor: u64, visible: u64) -> Says {
    Says { life: Stamp(floor), floor: Stamp(floor), keys: Stamp(1), visible: Stamp(visible) }
}

/// What the store does at one stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Revoke,
    Demote,
    /// A refresh: an access token with the roles of now. It changes nothing that anybody holds.
    Token,
    /// The keys are replaced in an emergency: what the old ones have signed is worth nothing.
    Emergency,
    /// What was asked for is so already.
    Nothing,
}

/// One batch on its way: the daemon's order, with a store that is three words.
pub(super) struct Batch {
    pub(super) world: Arc<World>,
    pub(super) changes: Vec<(What, u64)>,
    /// Whether the daemon is not told that it was committed.
    pub(super) is_lost: bool,
    pub(super) tells: u64,
}

impl Batch {
    pub(super) fn of(world: &Arc<World>, changes: &[(What, u64)], tells: u64) -> Self {
        Self { world: Arc::clone(world), changes: changes.to_vec(), is_lost: false, tells }
    }

    pub(super) fn upto(&self) -> Stamp {
        Stamp(self.changes.iter().map(|(_, stamp)| *stamp).max().unwrap())
    }
}

/// A commit of which nobody knows whether it was made.
#[derive(Debug)]
pub(super) struct Lost;

impl Steps for Batch {
    type Done = ();
    type Error = Lost;

    fn commit(&mut self) -> Result<(), Lost> {
        let mut rows = self.world.rows.lock().unwrap();
        rows.mark = rows.mark.max(self.upto());
        rows.revoked |= self.changes.iter().any(|(what, _)| *what == What::Revoke);
        rows.demoted |= self.changes.iter().any(|(what, _)| *what == What::Demote);
        if self.is_lost { Err(Lost) } else { Ok(()) }
    }

    fn lost(&mut self, _: &Self::Error) {
        let mut serves = self.world.serves.lock().unwrap();
        *serves = false;
        self.world.page.writer().close();
    }

    fn publish(&mut self, (): &()) {
        let concerns = |(what, stamp): &(What, u64)| {
            let raise = match what {
                What::Revoke => Raise::Session(SESSION),
                What::Demote => Raise::User(USER),
                What::Emergency => Raise::Everything,
                What::Token | What::Nothing => return None,
            };
            Some((raise, Stamp(*stamp)))
        };
        let raises: Vec<_> = self.changes.iter().filter_map(concerns).collect();
        let keys = self.changes.iter().any(|(what, _)| *what == What::Emergency).then(|| self.upto());
        put(&self.world.page.writer(), &raises, keys, self.upto());
    }

    fn show(&mut self, (): &()) {
        self.world.visible.store(self.upto().0, Release);
    }

    fn answer(&mut self, (): ()) {
        self.world.tell(self.tells);
    }
}

/// What somebody holds who verifies without asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) stamp: Stamp,
    pub(super) demoted: bool,
}

impl Held {
    /// An answer from before anything happened.
    pub(super) const OLD: Self = Self { stamp: Stamp(2), demoted: false };

    /// What the daemon answers to a verification, if it is a yes.
    pub(super) fn answered((stamp, rows): (Stamp, Rows)) -> Option<Self> {
        (!rows.revoked).then_some(Self { stamp, demoted: rows.demoted })
    }

    /// Whether to go by it is wrong once this was told.
    pub(super) fn is_over(self, told: u64) -> bool {
        told & (REVOKED | UNKNOWN) != 0 || told & DEMOTED != 0 && !self.demoted
    }
}

/// Whether what is held may be gone by, as the client asks the board.
pub(super) fn check(reader: &Reader<Page>, stamp: Stamp, monotonic: u64) -> Result<(), Ask> {
    reader.check(stamp, watched(reader), monotonic).map(drop)
}

/// Whether an access token may be judged that was not seen before, by keys of this version.
pub(super) fn check_first(reader: &Reader<Page>, stamp: Stamp, keys: Stamp) -> Result<(), Ask> {
    reader.check_first(stamp, watched(reader), keys, NOW)
}

pub(super) fn watched(reader: &Reader<Page>) -> Watched {
    reader.watch(SESSION, USER)
}

/// When every lease that was given at the moment of the model is over.
pub(super) fn after_the_lease() -> u64 {
    NOW + u64::try_from(LEASE.as_nanos()).unwrap()
}
