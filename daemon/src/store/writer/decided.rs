//! What a batch comes to: each command decided in turn, its effects and its audit entry written, nothing committed yet.

use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::{Millis, Stamp};

use super::{Committed, Job, State, tally};
use crate::domain::command::{Case, Command};
use crate::domain::decide::decide;
use crate::domain::effect::{Audit, Decision, Effect, Outcome};
use crate::domain::raise::raised;
use crate::domain::time::Moment;
use crate::metrics::Tally;
use crate::store::StoreError;
use crate::store::apply::apply;
use crate::store::chain::{Head, Who};
use crate::store::facts::{self, Standing};
use crate::store::records::{AuditRecord, Mark};
use crate::store::refusals::{self, Kind};
use crate::store::rows::WriterRows;
use crate::store::schema::{META_MARK, Table};

/// How far stamps are reserved ahead, so that few transactions have to write the mark. Time is written down as often.
const RESERVE: Duration = Duration::from_secs(10);
/// How old the time on disk may be where something is written anyway. What a crash makes of it decides how long a retry is taken for one.
const PRECISION: Duration = Duration::from_secs(1);
/// How many stamps are reserved where they are that far ahead of the clock already.
const RESERVE_AT_LEAST: u64 = 4096;

/// What a batch came to, before it is committed.
pub(super) struct Decided {
    pub(super) outcomes: Vec<Result<Outcome, Refusal>>,
    pub(super) head: Head,
    pub(super) mark: Mark,
    pub(super) changed: bool,
    pub(super) committed: Committed,
    /// What is counted of it.
    pub(super) tally: Tally,
    /// The audit entries, by number, where they are to be said in the log too.
    pub(super) told: Vec<(u64, AuditRecord)>,
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
        decision.effects.iter().for_each(|effect| tally::add(&mut self.tally, effect, at.stamp));
        self.committed
            .raises
            .extend(decision.effects.iter().filter_map(raised).map(|raise| (raise, at.stamp)));
        self.changed |=
            decision.effects.iter().any(|effect| !matches!(effect, Effect::SayAgain(_) | Effect::AskAnew));
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
        rows.put(Table::Audit, &self.head.number.to_be_bytes(), &record)?;
        self.told.push((self.head.number, record));
        Ok(())
    }
}

impl State {
    pub(super) fn decide_all(
        &mut self,
        rows: &mut WriterRows<'_>,
        batch: &[Job],
    ) -> Result<Decided, StoreError> {
        let mut decided = Decided {
            outcomes: Vec::with_capacity(batch.len()),
            head: self.parts.head,
            mark: self.parts.mark,
            changed: false,
            committed: Committed::default(),
            tally: Tally::default(),
            told: Vec::new(),
        };
        let mut standing = Standing::load(rows)?;
        let policy = self.parts.policies.now();
        for job in batch {
            if self.room.is_little() && job.command.adds() {
                decided.outcomes.push(Err(Refusal::new(ErrorCode::DiskFull)));
                continue;
            }
            let at = self.next_moment();
            let facts = match facts::load(rows, &job.command, &standing, &policy, &at) {
                Ok(facts) => facts,
                Err(StoreError::Row(error)) => {
                    tracing::error!(%error, "a command needs a row that cannot be read; it was not done");
                    decided.outcomes.push(Err(Refusal::because(ErrorCode::Internal, error.to_string())));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let case =
                Case { permit: &job.permit, facts: &facts, policy: &policy, fresh: &job.fresh, at: &at };
            let mut decision = decide(&job.command, &case);
            decided.write(rows, &decision, &at)?;
            self.audit(rows, &mut decision, job, &at, &mut decided)?;
            if matches!(job.command, Command::Sweep) {
                self.close_refusals(rows, &at, &mut decided)?;
            }
            // Whoever is refused a proof waits for the disk, whether a row tells of it or not: else its time would tell a name that nobody has.
            decided.changed |= decision.outcome.is_err() && job.command.proves();
            if decision.effects.iter().any(Standing::is_changed_by) {
                standing = Standing::load(rows)?;
            }
            decided.outcomes.push(decision.outcome);
        }
        self.mark(rows, &mut decided)?;
        Ok(decided)
    }

    /// Writes how far stamps and time have come, where that has to be known.
    fn mark(&self, rows: &mut WriterRows<'_>, decided: &mut Decided) -> Result<(), StoreError> {
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
        Ok(())
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
        if let Command::NoteRefused(refused) = &job.command {
            return decided.tell(rows, audit, refused.code.as_str(), &who, at);
        }
        let outcome = decision.outcome.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "ok");
        // What was done is told each time, and so is a kill; not each of what somebody can bring about as often as they like.
        let is_counted =
            if decision.outcome.is_err() { decision.effects.is_empty() } else { audit.event.is_cheap() };
        if is_counted {
            let (app, event, user) = (who.app.to_owned(), audit.event, audit.user);
            match self.refusals.is_first(Kind { uid: who.uid, app, event, outcome, user }, at.now) {
                None => return Ok(()),
                Some(0) => {}
                Some(count) => audit.detail = refusals::more(count),
            }
        }
        decided.tell(rows, audit, outcome, &who, at)
    }

    /// Writes how many refusals of a kind a minute has had besides the first.
    fn close_refusals(
        &mut self,
        rows: &mut WriterRows<'_>,
        at: &Moment,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        let mut closing = self.refusals.closing(at.now);
        closing.sort_by(|(one, _), (other, _)| one.words().cmp(&other.words()));
        for (kind, count) in closing {
            let detail = refusals::more(count);
            let audit = Audit { event: kind.event, user: kind.user, session: None, detail };
            let who = Who { uid: kind.uid, pid: 0, app: &kind.app };
            decided.tell(rows, audit, kind.outcome, &who, at)?;
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
