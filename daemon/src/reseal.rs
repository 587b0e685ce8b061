//! Changing the master key of a running daemon, and ending at a start what a crash has interrupted.
//!
//! 1. A bridge from the new key to the old one is committed. From now on either opens the database.
//! 2. The new key takes the place of the old one: the daemon does that itself where the file is its own, else an administrator does.
//! 3. One transaction puts every key under the new one and takes the bridges away. From now on only the new one opens the database.
//!
//! Whatever lies in the master key's place at a start opens every key, and the third step is made there if it was not.

use std::path::PathBuf;
use std::sync::Arc;

use hallpass_protocol::admin::Reseal;
use hallpass_protocol::error::{ErrorCode, Refusal};

use crate::domain::command::Command;
use crate::domain::policy::Permit;
use crate::keys::{KeyError, MasterKey, Sealer};
use crate::shared::{Shared, unreadable};

/// How often keys are sealed anew because others came in while they were.
const TRIES: usize = 8;

/// Where the master key lies.
#[derive(Debug, Clone)]
pub(crate) struct MasterFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Whether the daemon has made it, and so may replace it.
    pub(crate) is_ours: bool,
}

impl Shared {
    /// Changes the master key: for one that is made here and put in its place or, where one is given, as far as to let that one be put there.
    ///
    /// It goes to its end even if the caller stops waiting, and one change at a time.
    pub(crate) async fn reseal(
        self: &Arc<Self>,
        permit: Permit,
        given: Option<MasterKey>,
    ) -> Result<Reseal, Refusal> {
        let shared = Arc::clone(self);
        let change = tokio::spawn(async move {
            let _one_at_a_time = shared.resealing.lock().await;
            let master_key = shared.master_file.path.display().to_string();
            if given.is_none() && !shared.master_file.is_ours {
                return Err(not_ours(&master_key));
            }
            let done = given.is_none();
            let change = Change::to(given, &shared, permit)?;
            change.lay_bridge().await?;
            if done {
                change.put_in_place()?;
                change.finish().await?;
            }
            Ok(Reseal { master_key, done })
        });
        change.await.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal)))
    }
}

fn not_ours(master_key: &str) -> Refusal {
    let message = format!(
        "the master key {master_key} is not the daemon's to replace; make the new one yourself \
         (umask 077; head -c 32 /dev/urandom >NEW), run `hallpass key reseal --new-key NEW`, put NEW in the place \
         where the daemon's master key comes from, and restart hallpassd"
    );
    Refusal::because(ErrorCode::InvalidRequest, message)
}

/// A change of the master key, step by step. Between any two of them the daemon may end.
pub(crate) struct Change<'a> {
    shared: &'a Shared,
    permit: Permit,
    next: Arc<Sealer>,
}

impl<'a> Change<'a> {
    /// A change to this master key, or to a new one.
    pub(crate) fn to(given: Option<MasterKey>, shared: &'a Shared, permit: Permit) -> Result<Self, Refusal> {
        let master = given.map_or_else(|| MasterKey::draw(&shared.entropy), Ok).map_err(undone)?;
        let now = shared.keys.sealer();
        let next = Arc::new(now.under(master));
        if next.id() == now.id() {
            let message = "this is the master key already; make another one to change it";
            return Err(Refusal::because(ErrorCode::InvalidRequest, message));
        }
        Ok(Self { shared, permit, next })
    }

    /// What a start has to end that found the new key in its place.
    pub(crate) fn interrupted(next: Sealer, shared: &'a Shared, permit: Permit) -> Self {
        Self { shared, permit, next: Arc::new(next) }
    }

    /// The first step: from here on the new key opens the database too.
    pub(crate) async fn lay_bridge(&self) -> Result<(), Refusal> {
        let now = self.shared.keys.sealer();
        let bridge = Box::new(self.next.bridge_to(&now).map_err(undone)?);
        let command = Command::BridgeMaster { under: now.id(), bridge };
        self.shared.write(self.permit.clone(), command).await.map(|_| ())
    }

    /// The second step: the new key lies in the master key's place.
    pub(crate) fn put_in_place(&self) -> Result<(), Refusal> {
        self.next.put_at(&self.shared.master_file.path).map_err(undone)
    }

    /// The third step: from here on the old key opens nothing.
    pub(crate) async fn finish(&self) -> Result<(), Refusal> {
        let now = self.shared.keys.sealer();
        self.shared.keys.expect(Arc::clone(&self.next));
        for _ in 0..TRIES {
            let keys = self.shared.snapshot()?.keys().map_err(unreadable)?;
            let resealed = now.reseal(&keys, &self.next).map_err(undone)?;
            match self.shared.write(self.permit.clone(), Command::Reseal(Box::new(resealed))).await {
                Err(refusal) if refusal.code == ErrorCode::Busy => {}
                Err(refusal) => return Err(refusal),
                Ok(_) => {
                    self.shared.store.seal_checkpoints(self.next.checkpoints());
                    return Ok(());
                }
            }
        }
        Err(Refusal::new(ErrorCode::Busy))
    }
}

/// A step that was not made. What was before it stands, and so does every key.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn undone(error: KeyError) -> Refusal {
    tracing::error!(%error, "the master key could not be changed");
    Refusal::because(ErrorCode::Unavailable, format!("{error}; the keys in the database are as they were"))
}
