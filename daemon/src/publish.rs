//! What a commit has changed reaches those who act on it without reading the store: the key ring, the file of public keys, and through the board every process on the host.

use std::sync::Arc;

use hallpass_protocol::time::{Millis, Stamp};

use crate::board::Board;
use crate::domain::keyset::Key;
use crate::jwks::JwksFile;
use crate::keys::Keys;
use crate::store::{Audience, Committed};

/// All of them.
pub(crate) struct Publisher {
    pub(crate) keys: Arc<Keys>,
    pub(crate) board: Arc<Board>,
    pub(crate) jwks: JwksFile,
}

impl Audience for Publisher {
    /// Ring and file first: whoever fetches keys because the board has a new version gets those of that version.
    fn committed(&self, committed: &Committed) {
        let version = committed.keys.as_ref().map(|keys| {
            self.keys.replace(keys, committed.upto);
            self.jwks.put(&self.keys.ring().published().jwks);
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
        self.jwks.put(&self.keys.ring().published().jwks);
        self.board.open(life, self.keys.ring().published().version, now);
    }
}
