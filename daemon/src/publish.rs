//! What a commit has changed reaches those who act on it without reading the store: the key ring, and through the board every process on the host.

use std::sync::Arc;

use hallpass_protocol::time::{Millis, Stamp};

use crate::board::Board;
use crate::domain::keyset::Key;
use crate::keys::Keys;
use crate::store::{Audience, Committed};

/// Both of them.
pub(crate) struct Publisher {
    pub(crate) keys: Arc<Keys>,
    pub(crate) board: Arc<Board>,
}

impl Audience for Publisher {
    /// The ring first: whoever fetches keys because the board has a new version gets those of that version.
    fn committed(&self, committed: &Committed) {
        let version = committed.keys.as_ref().map(|keys| {
            self.keys.replace(keys, committed.upto);
            committed.upto
        });
        self.board.publish(&committed.raises, version, committed.upto);
    }

    fn failed(&self) {
        self.board.close();
    }

    fn read_again(&self, keys: &[Key], floor: Stamp) {
        self.keys.replace(keys, floor);
    }

    fn healed(&self, life: Stamp, now: Millis) {
        self.board.open(life, self.keys.ring().published().version, now);
    }
}
