//! Calls that are refused before they reach the rules. The first of a kind each minute becomes an entry of the audit chain, the rest one count.
//!
//! They are counted here, in front of the writer: with its bad calls a hostile app must buy neither writes nor places in the queue.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_protocol::error::{ErrorCode, Refusal};

use crate::domain::command::{Command, Refused};
use crate::domain::policy::{self, Operation, Permit, Principal, admit_refused};
use crate::shared::Shared;
use crate::store::Refusals;

/// The refused calls of the last minute.
#[derive(Debug, Default)]
pub(crate) struct RefusedCalls(Mutex<Refusals<Kind>>);

/// What makes two refused calls the same to somebody who reads the chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    caller: Principal,
    operation: Operation,
    code: ErrorCode,
}

impl Shared {
    /// Leave for this caller to do this, or a refusal that is remembered.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: &Arc<Principal>,
        operation: Operation,
    ) -> Result<Permit, Refusal> {
        policy::admit(caller, operation)
            .inspect_err(|refusal| self.remember_refused(caller, operation, refusal.code))
    }

    /// Has a refusal written down if it is the first of its kind in a minute, without making anybody wait for it.
    pub(crate) fn remember_refused(
        self: &Arc<Self>,
        caller: &Arc<Principal>,
        operation: Operation,
        code: ErrorCode,
    ) {
        // Whatever process it was, it is the same caller.
        let kind = Kind { caller: Principal { pid: 0, ..(**caller).clone() }, operation, code };
        let first = self.counted_refusals().is_first(kind, self.clock.now());
        if let Some(more) = first {
            let (shared, permit) = (Arc::clone(self), admit_refused(caller));
            tokio::spawn(
                async move { shared.write_refused(permit, Refused { operation, code, more }).await },
            );
        }
    }

    /// Writes how many there were besides the first of each minute that is over.
    pub(crate) async fn close_refused(&self) {
        let closing = self.counted_refusals().closing(self.clock.now());
        for (Kind { caller, operation, code }, more) in closing {
            self.write_refused(admit_refused(&Arc::new(caller)), Refused { operation, code, more }).await;
        }
    }

    async fn write_refused(&self, permit: Permit, refused: Refused) {
        // Where the writer has no room or no disk, the log is all that is left.
        if let Err(refusal) = self.write(permit, Command::NoteRefused(refused)).await {
            tracing::warn!(code = %refusal.code, ?refused, "a refused call could not be written down");
        }
    }

    fn counted_refusals(&self) -> std::sync::MutexGuard<'_, Refusals<Kind>> {
        self.refused.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
