//! The board of a daemon that does not run, for whoever changes its database meanwhile: nobody may go on believing what the board said of the old one.

use std::path::Path;
use std::time::Duration;

use hallpass_protocol::time::Stamp;

use super::Parts;
use super::file::{BoardError, Places};
use crate::clock::monotonic_nanos;

/// The board's directory, locked, so that no daemon takes it over meanwhile.
pub(crate) struct Abandoned(Option<Places>);

impl Abandoned {
    /// Locks the runtime directory. The caller holds the lock of the state directory. Where there is no such directory there is no board.
    ///
    /// # Errors
    /// A directory that a daemon has locked.
    pub(crate) fn lock(runtime_dir: &Path, state_dir: &Path) -> Result<Self, BoardError> {
        if !runtime_dir.exists() {
            return Ok(Self(None));
        }
        // Only a board that is made anew needs the rest of them.
        let parts = Parts {
            runtime_dir: runtime_dir.to_owned(),
            state_dir: state_dir.to_owned(),
            slots: 0,
            database: [0; 16],
            hash_key: [0; 32],
            highest: Stamp::default(),
        };
        Places::lock(parts).map(Some).map(Self)
    }

    /// Closes the board that lies there, and gives the newest stamp on it.
    pub(crate) fn close(&mut self) -> Stamp {
        self.0.as_mut().and_then(Places::close_what_is_left).unwrap_or_default()
    }

    /// How long one that is out of reach may still be believed.
    pub(crate) fn others_lease(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |places| places.others_lease(monotonic_nanos()))
    }
}
