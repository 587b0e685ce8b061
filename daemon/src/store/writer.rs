//! The one thread that writes. It takes what waits, decides each command in turn in one transaction, commits once, and answers.
//!
//! There is no timer: an idle daemon commits at once, a busy one batches by itself.

mod heal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::{Millis, Stamp};
use tokio::sync::oneshot;

use super::apply::apply;
use super::chain::{Head, Who};
use super::handle::Handle;
use super::order::{Steps, carry_out};
use super::queue::{Full, Queue};
use super::records::Mark;
use super::refusals::{self, Kind, Refusals};
use super::rows::{Rows, WriterRows};
use super::schema::{META_MARK, Table};
use super::witness::Witness;
use super::{StoreError, facts};
use crate::clock::Clock;
use crate::domain::command::{ActiveKeys, Case, Command, Fresh, Policy};
use crate::domain::decide::decide;
use crate::domain::effect::{Audit, Decision, Effect, Outcome};
use crate::domain::keyset::{self, Key};
use crate::domain::policy::Permit;
use crate::domain::raise::{Raise, raised};
use crate::domain::time::{Moment, Outage};

/// Most commands in one transaction.
const BATCH: usize = 256;
/// How far stamps are reserved ahead, so that few transactions have to write the mark. Time is written down as often.
const RESERVE: Duration = Duration::from_secs(10);
/// How old the time on disk may be where something is written anyway. What a crash makes of it decides how long a retry is taken for one.
const PRECISION: Duration = Duration::from_secs(1);
/// How many stamps are reserved where they are that far ahead of the clock already.
const RESERVE_AT_LEAST: u64 = 4096;

/// A command that waits, and who waits for its answer.
struct Job {
    permit: Permit,
    command: Command,
    fresh: Fresh,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// The way to the writer thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: Arc<Queue<Job>>,
    visible: Arc<AtomicU64>,
    changed_at: Arc<AtomicU64>,
    life: Arc<AtomicU64>,
}

/// Who is told of every commit before anybody is answered.
pub(crate) trait Audience: Send {
    /// This is on disk now.
    fn committed(&self, committed: &Committed);
    /// The disk has failed: what is on it is not known, and nothing is written until it is well again.
    fn failed(&self);
    /// The database was read again. These are its keys, and this stamp lies above every one that was ever given out.
    fn read_again(&self, keys: &[Key], floor: Stamp);
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
    pub(super) policy: Policy,
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
        };
        let mut state = State {
            last: parts.floor,
            refusals: Refusals::default(),
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
        match self.queue.push(&caller, urgent, Job { permit, command, fresh, answer }) {
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
    refusals: Refusals,
    closing: bool,
    writer: Writer,
    last: Stamp,
}

/// What a batch came to, before it is committed.
struct Decided {
    outcomes: Vec<Result<Outcome, Refusal>>,
    head: Head,
    mark: Mark,
    changed: bool,
    committed: Committed,
}

impl Decided {
    /// Writes what one decision asks for.
    fn write(
        &mut self,
        rows: &mut WriterRows<'_>,
        decision: &Decision,
        at: &Moment,
    ) -> Result<(), StoreError> {
        apply(rows, &decision.effects, at)?;
        self.committed
            .raises
            .extend(decision.effects.iter().filter_map(raised).map(|raise| (raise, at.stamp)));
        self.changed |= decision.effects.iter().any(|effect| !matches!(effect, Effect::SayAgain(_)));
        if decision.effects.iter().any(|effect| matches!(effect, Effect::PutKey(_) | Effect::RemoveKey(..))) {
            self.committed.keys = Some(rows.keys()?);
        }
        Ok(())
    }

    /// Writes an audit entry.
    fn tell(
        &mut self,
        rows: &mut WriterRows<'_>,
        audit: Audit,
        outcome: &str,
        who: &Who<'_>,
        at: &Moment,
    ) -> Result<(), StoreError> {
        let record = self.head.link(audit, outcome, who, at);
        self.changed = true;
        rows.put(Table::Audit, &self.head.number.to_be_bytes(), &record)
    }
}

/// Commands that are done together. If the disk fails, the jobs are dropped unanswered, which tells each caller that the outcome is unknown: that is the
/// truth until the file is read again.
struct Batch<'a> {
    state: &'a mut State,
    jobs: Vec<Job>,
}

impl Steps for Batch<'_> {
    type Done = Decided;
    type Error = StoreError;

    fn commit(&mut self) -> Result<Decided, StoreError> {
        self.state.commit(&self.jobs)
    }

    /// What was merely damaged has stopped the batch before anything of it was done.
    fn lost(&mut self, error: &StoreError) {
        if error.is_of_the_disk() {
            self.state.fail();
        }
    }

    fn publish(&mut self, done: &Decided) {
        self.state.parts.audience.committed(&done.committed);
    }

    fn show(&mut self, done: &Decided) {
        self.state.writer.visible.store(done.committed.upto.0, Ordering::Release);
    }

    fn answer(&mut self, done: Decided) {
        for (job, outcome) in self.jobs.drain(..).zip(done.outcomes) {
            // A caller who left is no matter: what they asked for is done.
            let _ = job.answer.send(outcome);
        }
        // Nobody goes by it any more, and it is let go of now so that the next commit can use its pages.
        self.state.parts.handle.newest().forget();
    }
}

impl Drop for Batch<'_> {
    /// A fault of our own is like a commit that failed, and nobody may hear of it before the board is closed: the jobs are dropped after this.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.state.parts.audience.failed();
        }
    }
}

impl State {
    fn run(&mut self) -> Result<(), StoreError> {
        loop {
            let jobs = self.writer.queue.take(BATCH);
            // The time of a clean stop is known to the millisecond.
            self.closing = jobs.is_empty();
            match self.batch(jobs) {
                Ok(()) if self.closing => return Ok(()),
                Ok(()) => {}
                Err(fault) if self.closing => return Err(fault),
                Err(fault) => self.heal(fault)?,
            }
        }
    }

    /// One transaction for the whole batch.
    fn batch(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut batch = Batch { state: self, jobs };
        let Err(fault) = carry_out(&mut batch) else { return Ok(()) };
        if fault.is_of_the_disk() || batch.jobs.is_empty() {
            return Err(fault);
        }
        let jobs = std::mem::take(&mut batch.jobs);
        drop(batch);
        self.one_by_one(jobs, &fault)
    }

    /// Something that is damaged stopped the batch, and nothing of it was done: only the job that needs it has to be refused.
    fn one_by_one(&mut self, mut jobs: Vec<Job>, fault: &StoreError) -> Result<(), StoreError> {
        // Entries of refusals were undone with the rest, so the refusals are the first of their kind again.
        self.refusals = Refusals::default();
        if jobs.len() > 1 {
            return jobs.into_iter().try_for_each(|job| self.batch(vec![job]));
        }
        tracing::error!(error = %fault, "a command met damage in the database; it was not done");
        if let Some(job) = jobs.pop() {
            let _ = job.answer.send(Err(Refusal::because(ErrorCode::Internal, fault.to_string())));
        }
        Ok(())
    }

    /// From here on nobody may go by what they hold, and nothing is taken to be done.
    fn fail(&mut self) {
        self.parts.audience.failed();
        for job in self.writer.queue.pause() {
            let _ = job.answer.send(Err(heal::ailing()));
        }
    }

    fn commit(&mut self, batch: &[Job]) -> Result<Decided, StoreError> {
        let handle = Arc::clone(&self.parts.handle);
        let txn = handle.begin_write()?;
        let mut decided = {
            let mut rows = Rows::of_writer(&txn, handle.checksums())?;
            self.decide_all(&mut rows, batch)?
        };
        if decided.changed {
            if batch.iter().any(|job| !job.permit.is_the_daemon()) {
                self.writer.changed_at.store(self.parts.clock.now().as_u64(), Ordering::Relaxed);
            }
            let is_marked = decided.mark != self.parts.mark;
            txn.commit().map_err(|error| StoreError::Unsettled(error.into()))?;
            (self.parts.head, self.parts.mark) = (decided.head, decided.mark);
            if is_marked {
                self.parts
                    .witness
                    .iter()
                    .for_each(|witness| witness.note(&self.parts.head, &self.parts.mark));
            }
        } else {
            txn.abort()?;
        }
        decided.committed.upto = self.last;
        Ok(decided)
    }

    fn decide_all(&mut self, rows: &mut WriterRows<'_>, batch: &[Job]) -> Result<Decided, StoreError> {
        let mut decided = Decided {
            outcomes: Vec::with_capacity(batch.len()),
            head: self.parts.head,
            mark: self.parts.mark,
            changed: false,
            committed: Committed::default(),
        };
        let mut keys = active(&rows.keys()?)?;
        for job in batch {
            let at = self.next_moment();
            let facts = match facts::load(rows, &job.command, &keys, &at) {
                Ok(facts) => facts,
                Err(StoreError::Row(error)) => {
                    tracing::error!(%error, "a command needs a row that cannot be read; it was not done");
                    decided.outcomes.push(Err(Refusal::because(ErrorCode::Internal, error.to_string())));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let case = Case {
                permit: &job.permit,
                facts: &facts,
                policy: &self.parts.policy,
                fresh: &job.fresh,
                at: &at,
            };
            let mut decision = decide(&job.command, &case);
            decided.write(rows, &decision, &at)?;
            self.audit(rows, &mut decision, job, &at, &mut decided)?;
            if matches!(job.command, Command::Sweep) {
                self.close_refusals(rows, &at, &mut decided)?;
            }
            decided.outcomes.push(decision.outcome);
            if let Some(changed) = &decided.committed.keys {
                keys = active(changed)?;
            }
        }
        // A stamp may leave the daemon only if a mark at least as high is on disk, even where nothing else was written.
        // Time is written down as it is, at least every so often, and the reserve is counted from it. Stamps run ahead of it after a restart:
        // counted from them, every restart would drive both further ahead.
        let now = self.parts.clock.now_micros();
        let latest = Millis::from_u64(now / 1000);
        let stale = latest.since(decided.mark.latest);
        if self.last > decided.mark.reserved
            || stale >= RESERVE
            || decided.changed && stale >= PRECISION
            || self.closing
        {
            let reserved = (now + micros(RESERVE)).max(self.last.0 + RESERVE_AT_LEAST);
            decided.mark = Mark { reserved: Stamp(reserved), latest };
            rows.put(Table::Meta, META_MARK, &decided.mark)?;
            decided.changed = true;
        }
        Ok(decided)
    }

    /// Writes what is to be remembered of a decision: a success, a kill, and the first refusal of its kind in a minute.
    fn audit(
        &mut self,
        rows: &mut WriterRows<'_>,
        decision: &mut Decision,
        job: &Job,
        at: &Moment,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        let Some(mut audit) = decision.audit.take() else { return Ok(()) };
        let principal = job.permit.principal();
        let who = Who { uid: principal.uid, pid: principal.pid, app: job.permit.app() };
        let Err(refusal) = &decision.outcome else { return decided.tell(rows, audit, "ok", &who, at) };
        let (event, user, code) = (audit.event, audit.user, refusal.code);
        let kind = Kind { uid: who.uid, app: who.app.to_owned(), event, code, user };
        if decision.effects.is_empty() {
            match self.refusals.is_first(kind, at.now) {
                None => return Ok(()),
                Some(0) => {}
                Some(count) => audit.detail = refusals::more(count),
            }
        }
        decided.tell(rows, audit, code.as_str(), &who, at)
    }

    /// Writes how many refusals of a kind a minute has had besides the first.
    fn close_refusals(
        &mut self,
        rows: &mut WriterRows<'_>,
        at: &Moment,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        for (kind, audit) in self.refusals.closing(at.now) {
            let who = Who { uid: kind.uid, pid: 0, app: &kind.app };
            decided.tell(rows, audit, kind.code.as_str(), &who, at)?;
        }
        Ok(())
    }

    /// A stamp above every one before it, and the time that goes with it.
    fn next_moment(&mut self) -> Moment {
        let micros = self.parts.clock.now_micros();
        self.last = Stamp(micros.max(self.last.0 + 1));
        Moment { now: Millis::from_u64(micros / 1000), stamp: self.last, outage: self.parts.outage }
    }
}

/// The keys that new tokens are made with. A database without them was never whole.
fn active(keys: &[Key]) -> Result<ActiveKeys, StoreError> {
    keyset::active(keys)
        .ok_or_else(|| StoreError::Layout("the database has no active key; restore a backup".into()))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
