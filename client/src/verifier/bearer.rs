//! Who bears a token, as far as that is known.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use hallpass_protocol::auth::{Identity, SessionKind};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::jws::AccessClaims;
use hallpass_protocol::time::Millis;

use super::entry::Entry;

/// Who bears a token that is good, with the roles they have now.
///
/// ```
/// use hallpass_client::Bearer;
///
/// fn who(bearer: &Bearer) -> String {
///     // An access token that was checked by its signature says the identifier, not the name.
///     let name = bearer.name().map_or_else(|| bearer.user_id().to_string(), str::to_owned);
///     let locale = bearer.attributes().and_then(|attributes| attributes.get("locale"));
///     let rights = if bearer.has_role("editor") { "may edit" } else { "may read" };
///     format!("{name} ({locale:?}) {rights}, of {:?}", bearer.roles())
/// }
///
/// fn how(bearer: &Bearer) -> String {
///     let (kind, app, amr) = (bearer.kind().as_str(), bearer.app(), bearer.amr().join(" "));
///     let seconds = bearer.expires_at().since(bearer.auth_time()).as_secs();
///     let level = bearer.level();
///     format!("{kind} session {} of {app}: {amr}, level {level}, ends {seconds} s after it", bearer.session_id())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
// What is asked for most comes first: see the entry that it lies in.
#[repr(C)]
pub struct Bearer {
    user: UserId,
    session: SessionId,
    app: String,
    kind: SessionKind,
    roles: Vec<String>,
    amr: Vec<String>,
    auth_time: Millis,
    level: u8,
    expires_at: Millis,
    told: Option<Told>,
}

/// What a token does not say of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Bearer {
    /// As the daemon has answered.
    pub(super) fn told(identity: Identity) -> Self {
        Self {
            user: identity.user_id,
            session: identity.session_id,
            app: identity.app,
            kind: identity.kind,
            roles: identity.roles,
            amr: identity.amr,
            auth_time: identity.auth_time,
            level: identity.level,
            expires_at: identity.expires_at,
            told: Some(Told { name: identity.name, attributes: identity.attributes }),
        }
    }

    /// As an access token says; nothing, if what it says cannot be of ours.
    pub(super) fn said(claims: AccessClaims) -> Option<Self> {
        Some(Self {
            user: claims.sub.parse().ok()?,
            session: claims.sid.parse().ok()?,
            app: claims.client_id,
            kind: SessionKind::Token,
            roles: claims.roles,
            amr: claims.amr,
            auth_time: Millis::from_u64(claims.auth_time.checked_mul(1000)?),
            level: claims.acr.parse().ok()?,
            expires_at: Millis::from_u64(claims.exp.checked_mul(1000)?),
            told: None,
        })
    }

    /// The user, for ever.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.user
    }

    /// The session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.session
    }

    /// The name they log in with now, where the daemon was asked: an access token does not say it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.told.as_ref().map(|told| told.name.as_str())
    }

    /// What else the administrators keep of them, where the daemon was asked.
    #[must_use]
    pub fn attributes(&self) -> Option<&BTreeMap<String, String>> {
        self.told.as_ref().map(|told| &told.attributes)
    }

    /// The roles they have now.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether they have this role now.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|has| has == role)
    }

    /// The app that opened the session.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The kind of session.
    #[must_use]
    pub fn kind(&self) -> SessionKind {
        self.kind
    }

    /// When the user last proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Millis {
        self.auth_time
    }

    /// The level of that proof: 1 after a login, 2 for a while after another proof.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How they proved it (RFC 8176).
    #[must_use]
    pub fn amr(&self) -> &[String] {
        &self.amr
    }

    /// When this would end by itself if nothing else happened.
    #[must_use]
    pub fn expires_at(&self) -> Millis {
        self.expires_at
    }

    /// About the memory that its texts take up, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.roles.iter().chain(&self.amr).map(|text| text.len() + size_of::<String>());
        let told = self.told.as_ref().map_or(0, |told| {
            let pairs = told.attributes.iter().map(|(name, value)| name.len() + value.len() + 64);
            told.name.len() + pairs.sum::<usize>()
        });
        self.app.len() + lists.sum::<usize>() + told
    }
}

/// How it came to be known that a token is good.
///
/// ```
/// use hallpass_client::{Verdict, Way};
///
/// fn label(verdict: &Verdict) -> &'static str {
///     match verdict.way() {
///         Way::Memory | Way::Signature => "local",
///         Way::Daemon => "asked",
///         Way::Stale => "stale", // worth an alarm: the daemon is gone
///         _ => "other",
///     }
/// }
/// ```
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

/// A token is good: who bears it, to be kept for as long as a request takes.
///
/// It is good at this moment. Do not keep it for the next request: verify again, which costs next to nothing.
///
/// ```
#[doc = include_str!("../doc/blocking.txt")]
#[doc = include_str!("../doc/blocking_session.txt")]
#[doc = include_str!("../doc/verifier.txt")]
/// use hallpass_client::Way;
///
/// let verdict = verifier.verify(cookie)?;
/// assert_eq!(verdict.way(), Way::Daemon, "the first time");
/// assert_eq!(verdict.name(), Some("alice")); // everything of a `Bearer`
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Verdict {
    entry: Arc<Entry>,
    way: Way,
}

impl Verdict {
    pub(super) fn new(entry: Arc<Entry>, way: Way) -> Self {
        Self { entry, way }
    }

    /// How that came to be known.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }
}

impl Deref for Verdict {
    type Target = Bearer;

    fn deref(&self) -> &Bearer {
        &self.entry.bearer
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict").field("bearer", &self.entry.bearer).field("way", &self.way).finish()
    }
}
