//! What is taken back, and the keys and codes that open anything.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::secret::Token;
use crate::time::{Millis, Stamp};

/// Which sessions to end, of any app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokeTarget {
    /// This one.
    Session(SessionId),
    /// All of the user with this name.
    User(String),
    /// All that this app opened.
    App(String),
    /// Every session there is.
    All,
}

/// A code with which a user sets a password once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Code {
    /// The code, to be handed to the user and nobody else.
    pub code: Token,
    /// When it ends.
    pub expires: Millis,
}

/// Which key to rotate, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateKey {
    /// The root of session, refresh and device tokens instead of the key that signs access tokens.
    pub mac: bool,
    /// The old keys are gone at once: every access token ends or, with `mac`, every session.
    pub emergency: bool,
}

/// What became of a change of the master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reseal {
    /// Where the daemon reads its master key.
    pub master_key: String,
    /// Whether the new key is in force. Otherwise it is from the next start on that finds it in its place, and until then the old one is.
    pub done: bool,
}

/// A key as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// `signing` or `mac`.
    pub kind: String,
    /// Which of its kind.
    pub number: u16,
    /// The `kid` of a signing key.
    pub kid: String,
    /// `next`, `active`, `retired` or `revoked`.
    pub state: String,
    /// When it was made.
    pub created: Millis,
    /// When it becomes active, verifies no more, or is no longer listed.
    pub until: Option<Millis>,
}

/// Where an entry stands in the revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationKey {
    /// When it was taken back, in the order of all changes.
    pub stamp: Stamp,
    /// Its place among what was taken back at that stamp.
    pub place: u16,
}

/// Something that was taken back: access tokens that it concerns, with a stamp not above its own, are dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationEntry {
    /// Where it stands.
    pub key: RevocationKey,
    /// What: `session`, `user`, `app`, `key` or `everything`.
    pub kind: String,
    /// Which: its identifier or name, as tokens carry it; empty for everything.
    pub id: String,
}
