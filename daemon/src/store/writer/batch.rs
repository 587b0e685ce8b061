//! Commands that are done together: one transaction, one commit, and then the answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::Stamp;

use super::decided::Decided;
use super::{Job, State, heal};
use crate::clock::Stopwatch;
use crate::domain::effect::Outcome;
use crate::store::StoreError;
use crate::store::handle::Handle;
use crate::store::mirror;
use crate::store::order::{Steps, carry_out};
use crate::store::refusals::Refusals;
use crate::store::rows::Rows;

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
            self.state.writer.written.failed.add(1);
            self.state.fail();
        }
    }

    fn publish(&mut self, done: &Decided) {
        self.state.parts.audience.committed(&done.committed);
        self.state.writer.written.add(&done.tally);
        self.state.writer.written.raised(&done.committed.raises);
    }

    fn show(&mut self, done: &Decided) {
        self.state.writer.visible.store(done.committed.upto.0, Ordering::Release);
    }

    fn answer(&mut self, done: Decided) {
        for (job, outcome) in self.jobs.drain(..).zip(done.outcomes) {
            if !job.span.is_disabled() {
                job.span.in_scope(|| said(&outcome, done.committed.upto));
            }
            // A caller who left is no matter: what they asked for is done.
            let _ = job.answer.send(outcome);
        }
        done.told.iter().for_each(|(number, record)| mirror::say(*number, record));
        // Nobody goes by it any more, and it is let go of now so that the next commit can use its pages.
        self.state.parts.handle.newest().forget();
    }
}

fn said(outcome: &Result<Outcome, Refusal>, upto: Stamp) {
    let outcome = outcome.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "ok");
    tracing::debug!(outcome, upto = upto.0, "decided, and whatever it changed is on disk");
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
    /// One transaction for the whole batch.
    pub(super) fn batch(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
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
        self.look_for_room(&handle)?;
        let txn = handle.begin_write()?;
        let mut decided = {
            let mut rows = Rows::of_writer(&txn, handle.checksums())?;
            self.decide_all(&mut rows, batch)?
        };
        decided.committed.upto = self.last;
        if decided.changed {
            self.parts.audience.prepare(&decided.committed)?;
            if batch.iter().any(|job| !job.permit.is_the_daemon()) {
                self.writer.changed_at.store(self.parts.clock.now().as_u64(), Ordering::Relaxed);
            }
            let is_marked = decided.mark != self.parts.mark;
            let begun = Stopwatch::start();
            txn.commit().map_err(|error| StoreError::Unsettled(error.into()))?;
            self.writer.written.commits.add(begun.nanos());
            self.writer.written.batches.add(batch.len() as u64);
            (self.parts.head, self.parts.mark) = (decided.head, decided.mark);
            if is_marked {
                self.parts.witness.iter().for_each(|witness| {
                    witness.note(&self.parts.head, &self.parts.mark, self.last, self.closing);
                });
            }
        } else {
            txn.abort()?;
        }
        Ok(decided)
    }

    /// Sees to the room before anything is begun that needs it.
    fn look_for_room(&mut self, handle: &Handle) -> Result<(), StoreError> {
        let has_changed = self.room.look(handle, self.parts.clock.now())?;
        let little = self.room.is_little();
        self.writer.room_is_little.store(little, Ordering::Relaxed);
        if !has_changed {
            return Ok(());
        }
        if little {
            tracing::error!(
                "the disk under the database is nearly full: no new sessions are opened and no users added; what ends sessions still works; make \
                 room on it, and the daemon goes on by itself"
            );
            self.parts.audience.running_out();
        } else {
            tracing::info!("the disk under the database has room again");
        }
        Ok(())
    }
}
