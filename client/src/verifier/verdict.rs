//! What a verification answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;

use super::cache::Held;
use super::entry::{Entry, Known};

/// How it came to be known that a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Way {
    /// It was verified before, and nothing has changed since.
    Memory,
    /// It was checked here by its signature.
    Signature,
    /// The daemon was asked.
    Daemon,
    /// The daemon does not answer; it was good when that was last heard of. See
    /// [`VerifierBuilder::serve_stale_for`](super::VerifierBuilder::serve_stale_for).
    Stale,
}

/// A token is good: who it stands for, with the roles they have now.
///
/// It is good at this moment. Do not keep it for the next request: verify again, which costs next to nothing.
pub struct Verdict(Kept);

/// What is held is looked at where it lies: to count who looks would cost more than the verification.
enum Kept {
    Held(Held),
    Own(Arc<Entry>, Way),
}

impl Verdict {
    #[inline]
    pub(super) fn held(held: Held) -> Self {
        Self(Kept::Held(held))
    }

    pub(super) fn own(entry: Arc<Entry>, way: Way) -> Self {
        Self(Kept::Own(entry, way))
    }

    /// How that came to be known.
    #[must_use]
    pub fn way(&self) -> Way {
        match &self.0 {
            Kept::Held(_) => Way::Memory,
            Kept::Own(_, way) => *way,
        }
    }

    /// The user, for ever.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.known().user
    }

    /// The session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.known().session
    }

    /// The name they log in with now, where the daemon was asked: an access token does not say it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.known().told.as_ref().map(|told| told.name.as_str())
    }

    /// What else the administrators keep of them, where the daemon was asked.
    #[must_use]
    pub fn attributes(&self) -> Option<&BTreeMap<String, String>> {
        self.known().told.as_ref().map(|told| &told.attributes)
    }

    /// The roles they have now.
    #[must_use]
    #[inline]
    pub fn roles(&self) -> &[String] {
        &self.known().roles
    }

    /// Whether they have this role now.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// The app that opened the session.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.known().app
    }

    /// The kind of session.
    #[must_use]
    pub fn kind(&self) -> SessionKind {
        self.known().kind
    }

    /// When the user last proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Millis {
        self.known().auth_time
    }

    /// The level of that proof: 1 after a login.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.known().level
    }

    /// How they proved it (RFC 8176).
    #[must_use]
    pub fn amr(&self) -> &[String] {
        &self.known().amr
    }

    /// When this would end by itself if nothing else happened.
    #[must_use]
    pub fn expires_at(&self) -> Millis {
        self.known().expires_at
    }

    #[inline]
    fn known(&self) -> &Known {
        match &self.0 {
            Kept::Held(held) => held
                .as_ref()
                .map_or_else(|| unreachable!("only an entry makes a verdict"), |entry| &entry.known),
            Kept::Own(entry, _) => &entry.known,
        }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("user_id", &self.user_id())
            .field("session_id", &self.session_id())
            .field("roles", &self.roles())
            .field("way", &self.way())
            .finish_non_exhaustive()
    }
}
