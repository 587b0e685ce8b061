//! The newest state of the store, kept open between verifications: to open one, its tables and the rows of a session costs several times what it takes to
//! judge a token by them.
//!
//! A state never changes, so what was read of it once is as good as what it would be read as again. It is gone by as soon as anything newer is visible.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Stamp;

use super::StoreError;
use super::snapshot::Snapshot;
use crate::domain::check::Found;
use crate::domain::revocation::CutOffs;

/// Memory for what was read of one state, in bytes, about.
const SEEN_BYTES: usize = 4 << 20;
/// More than a session and its user take up beside the texts that can be long.
const FIXED: usize = 1536;

/// One state of the store, and what was read of it.
pub(crate) struct View {
    snapshot: Snapshot,
    cut_offs: OnceLock<CutOffs>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sessions: HashMap<SessionId, Arc<Found>>,
    bytes: usize,
}

impl View {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, cut_offs: OnceLock::new(), seen: Mutex::default() }
    }

    /// What there is to know of a session.
    pub(crate) fn found(&self, id: SessionId) -> Result<Arc<Found>, StoreError> {
        if let Some(found) = self.seen().sessions.get(&id) {
            return Ok(Arc::clone(found));
        }
        let (session, user) = self.snapshot.session_and_user(id)?;
        let found = Arc::new(Found { session, user, cut_offs: self.cut_offs()?.clone() });
        let mut seen = self.seen();
        let bytes = bytes(&found);
        if seen.bytes + bytes > SEEN_BYTES {
            *seen = Seen::default();
        }
        seen.bytes += bytes;
        seen.sessions.insert(id, Arc::clone(&found));
        Ok(found)
    }

    /// Stamps that end many sessions at once.
    pub(crate) fn cut_offs(&self) -> Result<&CutOffs, StoreError> {
        if let Some(cut_offs) = self.cut_offs.get() {
            return Ok(cut_offs);
        }
        let read = self.snapshot.cut_offs()?;
        Ok(self.cut_offs.get_or_init(|| read))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About the memory that this takes up.
fn bytes(found: &Found) -> usize {
    let of_user = found.user.iter().flat_map(|user| {
        let pairs = user.attributes.as_map().iter().map(|(name, value)| name.len() + value.len());
        user.roles.as_slice().iter().map(String::len).chain(pairs)
    });
    FIXED + of_user.map(|text| text + 64).sum::<usize>() + 128 * found.cut_offs.apps.len()
}

/// The view that was opened last, and the stamp that was visible before.
#[derive(Default)]
pub(super) struct Newest(Mutex<Option<(Stamp, Arc<View>)>>);

impl Newest {
    pub(super) fn get(&self) -> Option<(Stamp, Arc<View>)> {
        self.lock().clone()
    }

    pub(super) fn keep(&self, stamp: Stamp, view: &Arc<View>) {
        let former = self.lock().replace((stamp, Arc::clone(view)));
        drop(former);
    }

    /// Lets go of it: as long as it is open, the pages that it stands on are not written anew.
    pub(super) fn forget(&self) {
        let former = self.lock().take();
        drop(former);
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Stamp, Arc<View>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
