//! The one thread that writes. It takes what waits, decides each command in turn in one transaction, commits once, and answers.
//!
//! There is no timer: an idle daemon commits at once, a busy one batches by itself.

mod batch;
mod decided;
mod heal;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::{Millis, Stamp};
use tokio::sync::oneshot;
use tracing::{Level, Span};

use super::StoreError;
use super::chain::Head;
use super::handle::Handle;
use super::queue::{Full, Queue};
use super::records::Mark;
use super::refusals::{Kind, Refusals};
use super::room::Room;
use super::witness::Witness;
use crate::clock::Clock;
use crate::domain::command::{Command, Fresh};
use crate::domain::effect::Outcome;
use crate::domain::keyset::Key;
use crate::domain::policy::Permit;
use crate::domain::raise::Raise;
use crate::domain::time::{Moment, Outage};
use crate::live::Policies;
use crate::metrics::Written;

/// Most commands in one transaction.
const BATCH: usize = 256;

/// Most of them where room is short: each may need some pages of its own.
const FEW: usize = 8;

/// A command that waits, and who waits for its answer.
struct Job {
    permit: Permit,
    command: Command,
    fresh: Fresh,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
    /// What stands around what is logged of the request that it is of.
    span: Span,
}

/// The way to the writer thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: Arc<Queue<Job>>,
    visible: Arc<AtomicU64>,
    changed_at: Arc<AtomicU64>,
    life: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
    room_is_little: Arc<AtomicBool>,
    written: Arc<Written>,
}

/// Who is told of every commit before anybody is answered.
pub(crate) trait Audience: Send {
    /// This is about to be on disk. Whoever could not go by it says so, and it is not committed.
    fn prepare(&self, changes: &Committed) -> Result<(), StoreError>;
    /// This is on disk now.
    fn committed(&self, committed: &Committed);
    /// The disk has failed: what is on it is not known, and nothing is written until it is well again.
    fn failed(&self);
    /// The disk has so little room that nothing may be kept that takes any.
    fn running_out(&self);
    /// The database was read again. These are its keys, and this stamp lies above every one that was ever given out.
    fn read_again(&self, keys: &[Key], floor: Stamp) -> Result<(), StoreError>;
    /// It can be written again, and a mark above this stamp is on disk: with it another life of the daemon begins.
    fn healed(&self, life: Stamp, now: Millis);
}

/// What a commit has changed, for those who act on it without reading the store.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Whom it concerns, each with the stamp of its change.
    pub(crate) raises: Vec<(Raise, Stamp)>,
    /// Every key, if any has changed.
    pub(crate) keys: Option<Vec<Key>>,
    /// Every change up to this stamp is on disk.
    pub(crate) upto: Stamp,
}

/// What the writer thread works with.
pub(super) struct Parts {
    pub(super) handle: Arc<Handle>,
    pub(super) clock: Arc<Clock>,
    pub(super) policies: Policies,
    pub(super) audience: Arc<dyn Audience + Sync>,
    pub(super) outage: Outage,
    pub(super) head: Head,
    pub(super) witness: Option<Witness>,
    pub(super) mark: Mark,
    /// Above every stamp that was ever given out.
    pub(super) floor: Stamp,
}

/// The running writer thread, for the one who started it.
#[derive(Debug)]
pub(crate) struct WriterThread {
    thread: std::thread::JoinHandle<Result<(), StoreError>>,
}

impl WriterThread {
    /// Waits until the queue is closed and what waited is done.
    ///
    /// # Errors
    /// The fault that made the writer stop before that.
    pub(crate) fn join(self) -> Result<(), StoreError> {
        self.thread.join().unwrap_or_else(|_| {
            Err(StoreError::Layout(
                "the writer met what cannot be in a whole database, and stands still; its message is above; start again, and restore a backup \
                 if it comes again"
                    .into(),
            ))
        })
    }
}

impl Writer {
    /// Starts the thread. `stopped` is dropped when it ends, for whatever reason.
    pub(super) fn start(parts: Parts, stopped: oneshot::Sender<()>) -> std::io::Result<(Self, WriterThread)> {
        let writer = Self {
            queue: Arc::new(Queue::new()),
            visible: Arc::new(AtomicU64::new(parts.floor.0)),
            changed_at: Arc::default(),
            life: Arc::new(AtomicU64::new(parts.floor.0)),
            turns: Arc::default(),
            room_is_little: Arc::default(),
            written: Arc::default(),
        };
        let mut state = State {
            last: parts.floor,
            refusals: Refusals::default(),
            room: Room::default(),
            closing: false,
            parts,
            writer: writer.clone(),
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            let _stopped = stopped;
            // Whatever ends this thread, nobody may wait for it any more.
            let _closed = CloseOnDrop(Arc::clone(&state.writer.queue));
            state.run()
        })?;
        Ok((writer, WriterThread { thread }))
    }

    /// Hands a command to the writer and waits for its answer, which comes after its changes are on disk.
    ///
    /// The command is done or not done as a whole even if the caller stops waiting.
    pub(crate) async fn submit(
        &self,
        permit: Permit,
        command: Command,
        fresh: Fresh,
    ) -> Result<Outcome, Refusal> {
        let (answer, answered) = oneshot::channel();
        let urgent = permit.is_urgent() || matches!(command, Command::Revoke(_));
        let caller = permit.app().to_owned();
        let span = if tracing::enabled!(Level::DEBUG) { Span::current() } else { Span::none() };
        match self.queue.push(&caller, urgent, Job { permit, command, fresh, answer, span }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Unknown))),
            Err(Full::Busy) => Err(Refusal::new(ErrorCode::Busy)),
            Err(Full::Paused) => Err(heal::ailing()),
            Err(Full::Closed) => Err(Refusal::new(ErrorCode::Unavailable)),
        }
    }

    /// Takes no more commands; those that wait are still done.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// How many commands wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// How often the thread has begun or ended something, and whether there is nothing for it to do.
    pub(crate) fn turns(&self) -> (u64, bool) {
        let turns = self.turns.load(Ordering::Acquire);
        (turns, turns.is_multiple_of(2) && self.queue.len() == 0)
    }

    /// Whether the disk has failed and is not well again yet.
    #[cfg(test)]
    pub(super) fn is_ailing(&self) -> bool {
        self.queue.is_paused()
    }

    /// When a caller last had something changed. After that the time has to be written down often: it decides what a retry is.
    pub(crate) fn changed_at(&self) -> Millis {
        Millis::from_u64(self.changed_at.load(Ordering::Relaxed))
    }

    /// What tells this life of the daemon from those before it: it begins with a start, and anew when the disk has failed. See [`crate::board::Board::open`].
    pub(crate) fn life(&self) -> Stamp {
        Stamp(self.life.load(Ordering::Acquire))
    }

    /// Whether the disk has so little room that nothing new is begun.
    pub(crate) fn room_is_little(&self) -> bool {
        self.room_is_little.load(Ordering::Relaxed)
    }

    /// The newest stamp whose change is on disk.
    pub(crate) fn visible(&self) -> Stamp {
        Stamp(self.visible.load(Ordering::Acquire))
    }
}

struct CloseOnDrop(Arc<Queue<Job>>);

impl Drop for CloseOnDrop {
    /// Jobs that nobody will do are dropped, which answers each with `unknown`.
    fn drop(&mut self) {
        self.0.close();
        while !self.0.take(BATCH).is_empty() {}
    }
}

struct State {
    parts: Parts,
    refusals: Refusals<Kind>,
    room: Room,
    closing: bool,
    writer: Writer,
    last: Stamp,
}

impl State {
    fn run(&mut self) -> Result<(), StoreError> {
        loop {
            let jobs = self.writer.queue.take(if self.room.is_little() { FEW } else { BATCH });
            self.turn(1);
            // The time of a clean stop is known to the millisecond.
            self.closing = jobs.is_empty();
            match self.batch(jobs) {
                Ok(()) if self.closing => return Ok(()),
                Ok(()) => {}
                Err(fault) if self.closing => return Err(fault),
                Err(fault) => self.heal(fault)?,
            }
            self.turn(1);
        }
    }

    /// Shows whoever watches this thread that it gets on. While it does something the number is odd.
    fn turn(&self, by: u64) {
        self.writer.turns.fetch_add(by, Ordering::Release);
    }

    /// A stamp above every one before it, and the time that goes with it.
    fn next_moment(&mut self) -> Moment {
        let micros = self.parts.clock.now_micros();
        self.last = Stamp(micros.max(self.last.0 + 1));
        Moment { now: Millis::from_u64(micros / 1000), stamp: self.last, outage: self.parts.outage }
    }
}

#[cfg(test)]
mod tests;
