//! What is taken back, and the keys and codes that open anything.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::secret::Token;
use crate::time::{Millis, Stamp};

/// Which sessions to end, of any app.
///
/// ```
/// # use hallpass_protocol::admin::RevokeTarget;
/// let stolen_phone = RevokeTarget::Session("01J9ZQ3M8Y2V4X6T8S0R1P5N7K".parse()?);
/// let stolen_account = RevokeTarget::User("alice".into());
/// let taken_over = RevokeTarget::App("shop".into());
/// let all_but_this_desk =
///     RevokeTarget::UserBut { name: "alice".into(), spared: "01J9ZQ3M8Y2V4X6T8S0R1P5N7K".parse()? };
/// # Ok::<(), hallpass_protocol::id::BadId>(())
/// ```
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
    /// All of the user with this name, but for one of theirs.
    UserBut {
        /// The user's name.
        name: String,
        /// The one to leave alive.
        spared: SessionId,
    },
}

/// A code with which a user sets a password once.
///
/// ```
/// # use hallpass_protocol::{admin::Code, time::Millis};
/// fn sheet(code: &Code, now: Millis) -> String {
///     let hours = code.expires.since(now).as_secs() / 3600;
///     format!("{}\nIt can be used once, within {hours} hours.", code.code.expose())
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Code {
    /// The code, to be handed to the user and nobody else.
    pub code: Token,
    /// When it ends.
    pub expires: Millis,
}

/// Which key to rotate, and how.
///
/// ```
/// # use hallpass_protocol::admin::RotateKey;
/// let as_every_90_days = RotateKey { mac: false, emergency: false };
/// let everybody_logs_in_again = RotateKey { mac: true, emergency: true };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateKey {
    /// The root of session, refresh and device tokens instead of the key that signs access tokens.
    pub mac: bool,
    /// The old keys are gone at once: every access token ends or, with `mac`, every session.
    pub emergency: bool,
}

/// What became of a change of the master key.
///
/// ```
/// # use hallpass_protocol::admin::Reseal;
/// fn next_step(reseal: &Reseal) -> String {
///     match reseal.done {
///         true => format!("keep a copy of {} apart from the backups", reseal.master_key),
///         false => format!("put the new key in the place of {} and restart hallpassd", reseal.master_key),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Reseal {
    /// Where the daemon reads its master key.
    pub master_key: String,
    /// Whether the new key is in force. Otherwise it is from the next start on that finds it in its place, and until then the old one is.
    pub done: bool,
}

/// A key as an administrator sees it.
///
/// ```
/// # use hallpass_protocol::admin::KeyInfo;
/// fn signs_now(keys: &[KeyInfo]) -> Option<&str> {
///     let active = keys.iter().find(|key| key.kind == "signing" && key.state == "active")?;
///     Some(&active.kid)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
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
///
/// ```
/// # use hallpass_protocol::admin::{RevocationEntry, RevocationKey};
/// /// Where the next page begins.
/// fn after(page: &[RevocationEntry]) -> Option<RevocationKey> {
///     page.last().map(|entry| entry.key)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationKey {
    /// When it was taken back, in the order of all changes.
    pub stamp: Stamp,
    /// Its place among what was taken back at that stamp.
    pub place: u16,
}

/// Something that was taken back: access tokens that it concerns, with a stamp not above its own, are dead.
///
/// ```
/// # use hallpass_protocol::{admin::RevocationEntry, time::Stamp};
/// /// Whether it ends an access token of this session, whose `jti` bears this stamp.
/// fn ends(entry: &RevocationEntry, session: &str, issued: Stamp) -> bool {
///     entry.kind == "session" && entry.id == session && issued <= entry.key.stamp
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct RevocationEntry {
    /// Where it stands.
    pub key: RevocationKey,
    /// What: `session`, `user`, `app`, `key` or `everything`.
    pub kind: String,
    /// Which: its identifier or name, as tokens carry it; empty for everything.
    pub id: String,
}
