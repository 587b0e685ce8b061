//! What every connection works with.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Millis;

use crate::board::Board;
use crate::budget::Budget;
use crate::caller::daemon_itself;
use crate::clock::{Clock, Stopwatch};
use crate::domain::command::Command;
use crate::domain::effect::Outcome;
use crate::domain::keyset::{self, Key, KeyKind};
use crate::domain::policy::Permit;
use crate::domain::reseal::MasterId;
use crate::entropy::Entropy;
use crate::export::Users;
use crate::held::Place;
use crate::keys::Keys;
use crate::listener::Places;
use crate::live::Live;
use crate::metrics::Requests;
use crate::password::Hasher;
use crate::publish::Publisher;
use crate::refused::RefusedCalls;
use crate::reseal::MasterFile;
use crate::slices::Slices;
use crate::store::{Copied, Snapshot, Store, StoreError, Writer};

/// What every connection works with.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) keys: Arc<Keys>,
    pub(crate) board: Arc<Board>,
    pub(crate) hasher: Hasher,
    pub(crate) clock: Arc<Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) places: Places,
    pub(crate) budget: Budget,
    pub(crate) slices: Slices,
    pub(crate) idle_connection: Duration,
    pub(crate) live: Live,
    pub(crate) issuer: String,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) state_dir: PathBuf,
    pub(crate) master_file: MasterFile,
    pub(crate) resealing: tokio::sync::Mutex<()>,
    pub(crate) backup: Arc<Place<Copied>>,
    pub(crate) export: Arc<Place<Users>>,
    pub(crate) started: Millis,
    pub(crate) touching: Mutex<HashSet<SessionId>>,
    pub(crate) refused: RefusedCalls,
    pub(crate) requests: Requests,
    pub(crate) up: Stopwatch,
}

impl Shared {
    /// Has a command decided and written.
    pub(crate) async fn write(&self, permit: Permit, command: Command) -> Result<Outcome, Refusal> {
        let fresh = self.entropy.fresh()?;
        self.writer.submit(permit, command, fresh).await
    }

    /// Has a new key brought in: made and sealed here, decided and written like any other change.
    pub(crate) async fn rotate(&self, permit: Permit, kind: KeyKind, emergency: bool) -> Result<(), Refusal> {
        let (new, under) = self.new_key(kind)?;
        self.write(permit, Command::RotateKey { new, under, emergency }).await.map(|_| ())
    }

    /// Has a signing key taken back. A new one goes along, for the case that it was the one that signs.
    pub(crate) async fn retire(&self, permit: Permit, kid: String) -> Result<(), Refusal> {
        let (spare, under) = self.new_key(KeyKind::Signing)?;
        self.write(permit, Command::RetireKey { kid, spare, under }).await.map(|_| ())
    }

    /// A key for the next place of its kind, and the master key that it is sealed under.
    fn new_key(&self, kind: KeyKind) -> Result<(Box<Key>, MasterId), Refusal> {
        let keys = self.snapshot()?.keys().map_err(unreadable)?;
        let number = keyset::next_number(&keys, kind).ok_or(ErrorCode::Internal)?;
        let sealer = self.keys.sealer();
        let new = sealer.make(kind, number, self.clock.now()).map_err(|error| {
            tracing::error!(%error, "a new key could not be made");
            Refusal::new(ErrorCode::Unavailable)
        })?;
        Ok((Box::new(new), sealer.id()))
    }

    /// Moves keys on whose time has come, and brings in those that are due.
    pub(crate) async fn tend_keys(&self) {
        let tended = async {
            self.write(daemon_itself(), Command::TendKeys).await?;
            self.publisher.jwks.keep(&self.keys.ring().published().jwks);
            let keys = self.snapshot()?.keys().map_err(unreadable)?;
            for kind in keyset::due(&keys, &self.live.policy().keys, self.clock.now()) {
                self.rotate(daemon_itself(), kind, false).await?;
            }
            Ok::<(), Refusal>(())
        };
        if let Err(refusal) = tended.await {
            tracing::warn!(code = %refusal.code, "the keys could not be looked after; they are again in a moment");
        }
    }

    /// Says when the disk is low, once until it is not any more. Gives whether it is.
    pub(crate) fn watch_the_disk(&self, was_low: bool) -> bool {
        let (left, is_low) = match self.store.disk() {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "how full the disk is cannot be told");
                return was_low;
            }
        };
        if is_low && !was_low {
            tracing::warn!(
                bytes = left,
                "the disk under the database will soon be full; make room on it: when it is, nobody can log in"
            );
        }
        is_low
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
    // The next write finds out, if it was not one that did, and has the database opened again.
    Refusal::new(if error.is_of_the_disk() { ErrorCode::Unavailable } else { ErrorCode::Internal })
}
