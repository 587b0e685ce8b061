//! What every connection works with.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Millis;

use crate::caller::Callers;
use crate::clock::Clock;
use crate::domain::command::{Command, Lifetimes};
use crate::domain::effect::Outcome;
use crate::domain::family::Binding;
use crate::domain::policy::Permit;
use crate::entropy::Entropy;
use crate::keys::KeyRing;
use crate::listener::Places;
use crate::password::Hasher;
use crate::store::{Snapshot, Store, StoreError, Writer};

/// What every connection works with.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) keys: KeyRing,
    pub(crate) hasher: Hasher,
    pub(crate) clock: Arc<Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) places: Places,
    pub(crate) callers: Arc<Callers>,
    pub(crate) issuer: String,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) binding: Binding,
    pub(crate) state_dir: PathBuf,
    pub(crate) started: Millis,
    pub(crate) touching: Mutex<HashSet<SessionId>>,
}

impl Shared {
    /// Has a command decided and written.
    pub(crate) async fn write(&self, permit: Permit, command: Command) -> Result<Outcome, Refusal> {
        let fresh = self.entropy.fresh()?;
        self.writer.submit(permit, command, fresh).await
    }

    /// One consistent state to read from.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Refusal> {
        self.store.snapshot().map_err(unreadable)
    }

    /// Has the use of a session written down, without making anybody wait for it. One that is being written down already is not again.
    pub(crate) fn touch(self: &Arc<Self>, permit: Permit, session: SessionId, fingerprint: Option<[u8; 16]>) {
        if !self.touching().insert(session) {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // A touch that is lost costs a minute of idle time at the most; the next use brings another.
            if let Err(refusal) = shared.write(permit, Command::Touch(session, fingerprint)).await {
                tracing::debug!(code = %refusal.code, "a touch was not written");
            }
            shared.touching().remove(&session);
        });
    }

    fn touching(&self) -> std::sync::MutexGuard<'_, HashSet<SessionId>> {
        self.touching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller is told when a read fails. The log says more.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
pub(crate) fn unreadable(error: StoreError) -> Refusal {
    tracing::error!(%error, "a read failed");
    Refusal::new(ErrorCode::Internal)
}
