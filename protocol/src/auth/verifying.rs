//! What verifies a token, and what is said of whoever it stands for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, SessionKind};
use crate::id::{SessionId, UserId};
use crate::secret::Token;
use crate::time::{Millis, Stamp};

/// A request to verify a token.
///
/// ```
/// # use hallpass_protocol::{auth::{Needs, Verify}, secret::Token};
/// let tokens = ["hps_one", "hps_two"].map(|text| Token::new(text.into()));
/// let requests = tokens.map(|token| Verify { token, needs: Needs::default(), context: None });
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verify {
    /// A session token or an access token.
    pub token: Token,
    /// What the identity must meet.
    pub needs: Needs,
    /// Where the request came from, where device binding is to be looked at.
    pub context: Option<Context>,
}

/// What a verified identity must meet beyond being alive.
///
/// What is not met is told apart: a role is class `forbidden`, an old or weak proof `reauthenticate`. At most 32 roles can be asked for, and a role
/// or an audience has at most 64 bytes.
///
/// ```
/// # use hallpass_protocol::auth::Needs;
/// let editors = Needs { roles: vec!["editor".into()], ..Needs::default() };
/// // For what cannot be undone: the password was asked for again, and in the last five minutes.
/// let danger = Needs { level: Some(2), max_auth_age: Some(300), ..Needs::default() };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The audience an access token must be for; the app's first when none is named. A session token has no audience.
    pub audience: Option<String>,
    /// Roles of which the user must have every one.
    pub roles: Vec<String>,
    /// The longest time since the user last proved who they are, in seconds.
    pub max_auth_age: Option<u64>,
    /// The least level of that proof: 1 is every login, 2 another proof since.
    pub level: Option<u8>,
}

/// Who a token stands for, with the roles they have now.
///
/// ```
/// # use hallpass_protocol::auth::Identity;
/// fn greeting(identity: &Identity) -> String {
///     let shown = identity.attributes.get("display_name").unwrap_or(&identity.name);
///     let may_edit = identity.roles.iter().any(|role| role == "editor");
///     format!("{shown} {}", if may_edit { "may edit" } else { "may read" })
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Identity {
    /// The user, for ever.
    #[serde(with = "crate::id::packed")]
    pub user_id: UserId,
    /// The name they log in with now.
    pub name: String,
    /// The roles they have now.
    pub roles: Vec<String>,
    /// What else the administrators keep of them.
    pub attributes: BTreeMap<String, String>,
    /// The session.
    #[serde(with = "crate::id::packed")]
    pub session_id: SessionId,
    /// The app that opened it.
    pub app: String,
    /// The kind of session.
    pub kind: SessionKind,
    /// When the user last proved who they are.
    pub auth_time: Millis,
    /// The level of that proof: 1 after a login, 2 for a while after another proof.
    pub level: u8,
    /// How they proved it (RFC 8176).
    pub amr: Vec<String>,
    /// When this answer itself ends.
    pub expires_at: Millis,
}

/// What is answered to a verification, and what it takes to answer the same again without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Verified {
    /// Who the token stands for.
    pub identity: Identity,
    /// The answer has seen every change up to this.
    pub stamp: Stamp,
    /// Which start of the daemon has answered, as its board says too: an answer is held with that board only.
    pub life: Stamp,
    /// From this moment on the use of the session is worth telling the daemon again, by verifying the token with it.
    pub touch_after: Millis,
}

/// How often a verifier inside an app has told that a token is good, by how that was known.
///
/// ```
/// # use hallpass_protocol::auth::VerifierReport;
/// let earlier = VerifierReport { memory: 990, daemon: 10, ..VerifierReport::default() };
/// assert_eq!(earlier.memory * 100 / earlier.total(), 99); // of a hundred
///
/// let now = earlier.plus(VerifierReport { memory: 10, ..VerifierReport::default() });
/// for (way, count) in now.since(earlier).ways() {
///     println!("{count} by {way}"); // 10 by memory, and none by the others
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierReport {
    /// It was verified before, and nothing had changed since.
    pub memory: u64,
    /// It was checked there by its signature.
    pub signature: u64,
    /// The daemon was asked.
    pub daemon: u64,
    /// The daemon did not answer, and the app goes on for a while without.
    pub stale: u64,
}

impl VerifierReport {
    /// Each count, with what it counts as a stable word.
    #[must_use]
    pub const fn ways(&self) -> [(&'static str, u64); 4] {
        let Self { memory, signature, daemon, stale } = *self;
        [("memory", memory), ("signature", signature), ("daemon", daemon), ("stale", stale)]
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ways().iter().fold(0, |total, (_, count)| total.saturating_add(*count))
    }

    /// These and others. Counts that are somebody's word can be as large as there are numbers, and stay at the largest.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            memory: self.memory.saturating_add(more.memory),
            signature: self.signature.saturating_add(more.signature),
            daemon: self.daemon.saturating_add(more.daemon),
            stale: self.stale.saturating_add(more.stale),
        }
    }

    /// What these have that earlier ones had not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(earlier.memory),
            signature: self.signature.saturating_sub(earlier.signature),
            daemon: self.daemon.saturating_sub(earlier.daemon),
            stale: self.stale.saturating_sub(earlier.stale),
        }
    }
}
