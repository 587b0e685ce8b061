//! What a commit has changed reaches those who act on it without reading the store: the key ring, and through the board every process on the host.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_protocol::time::{Millis, Stamp};

use crate::board::Board;
use crate::domain::keyset::Key;
use crate::export::Users;
use crate::held::Place;
use crate::keys::{Keys, Opened};
use crate::store::{Audience, Committed, Copied, StoreError};

/// Both of them, and what holds on to rows that are gone.
pub(crate) struct Publisher {
    pub(crate) keys: Arc<Keys>,
    pub(crate) board: Arc<Board>,
    pub(crate) backup: Arc<Place<Copied>>,
    pub(crate) export: Arc<Place<Users>>,
    /// Keys that were opened for a commit that is under way.
    pub(crate) opened: Mutex<Option<Opened>>,
}

impl Publisher {
    fn open(&self, keys: &[Key], version: Stamp) -> Result<Opened, StoreError> {
        self.keys.opened(keys, version).map_err(|error| {
            StoreError::Layout(format!(
                "the keys in the database cannot be opened: {error}; they stay as they were"
            ))
        })
    }

    fn expect(&self, opened: Option<Opened>) -> Option<Opened> {
        std::mem::replace(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner), opened)
    }
}

impl Audience for Publisher {
    /// Keys that cannot be opened are never committed: nobody could go by them, and those that they replace might be taken back.
    fn prepare(&self, changes: &Committed) -> Result<(), StoreError> {
        let opened = changes.keys.as_ref().map(|keys| self.open(keys, changes.upto)).transpose()?;
        self.expect(opened);
        Ok(())
    }

    /// The ring first: whoever fetches keys because the board has a new version gets those of that version.
    fn committed(&self, committed: &Committed) {
        let version = self.expect(None).map(|opened| {
            self.keys.replace(opened);
            committed.upto
        });
        self.board.publish(&committed.raises, version, committed.upto);
    }

    fn failed(&self) {
        self.board.close();
    }

    fn running_out(&self) {
        self.backup.let_go();
        self.export.let_go();
    }

    fn read_again(&self, keys: &[Key], floor: Stamp) -> Result<(), StoreError> {
        self.expect(None);
        self.keys.replace(self.open(keys, floor)?);
        Ok(())
    }

    fn healed(&self, life: Stamp, now: Millis) {
        self.board.open(life, self.keys.ring().published().version, now);
    }
}
