//! The `Auth` service: what apps ask of the daemon.
//!
//! Methods are only ever added at the end: their position is what crosses the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::id::{SessionId, UserId};
use crate::secret::{AttemptId, Password, Token};
use crate::time::{Millis, Stamp};

/// The answer to any call: what was asked for, or why not.
pub type Answer<T> = Result<T, Refusal>;

/// What apps ask of the daemon.
#[tarpc::service]
pub trait Auth {
    /// Who is at each end: the daemon's version and database, and what the calling app is known as.
    async fn hello() -> Answer<Hello>;
    /// Proves a user's password and opens a session.
    async fn login(request: Login) -> Answer<Grant>;
    /// Checks a session or access token and says whose it is, with the roles they have now.
    async fn verify(request: Verify) -> Answer<Identity>;
    /// Exchanges a refresh token for the next one and a fresh access token.
    async fn refresh(request: Refresh) -> Answer<Grant>;
    /// Ends sessions of the calling app.
    async fn revoke(request: Revoke) -> Answer<Revoked>;
    /// Lists a user's living sessions with the calling app.
    async fn sessions(request: ListSessions) -> Answer<SessionPage>;
    /// The public keys that access tokens are signed with.
    async fn jwks() -> Answer<PublishedKeys>;
    /// Opens a session for a user whom the calling app has authenticated itself. Needs the right `vouch`.
    async fn open_session(request: OpenSession) -> Answer<Grant>;
    /// Proves the password of a session's user again: a new session with a raised level takes the old one's place.
    async fn reauthenticate(request: Reauthenticate) -> Answer<Grant>;
    /// Changes the password of a session's user. All their sessions end; a new one takes the place of the one shown.
    async fn change_password(request: ChangePassword) -> Answer<Grant>;
    /// Sets a password with a code that an administrator handed out, and opens a session.
    async fn redeem_code(request: RedeemCode) -> Answer<Grant>;
    /// A token for the calling app itself. Needs the right `service_token`.
    async fn service_token(audience: Option<String>) -> Answer<ServiceToken>;
    /// Verifies as many as fit: at most [`VERIFY_BATCH`](crate::limits::VERIFY_BATCH), no more than an answer has room for, and no more work than one
    /// call may be, which is that many session tokens or 8 access tokens. The answers are of the first requests, in their order; whoever gets fewer
    /// than they asked for asks again for the rest.
    async fn verify_many(requests: Vec<Verify>) -> Answer<Vec<Answer<Verified>>>;
    /// Adds to what is counted of the calling app's own verifiers: what they have told since they last said so. It is the app's word, and nothing else goes
    /// by it. Needs the right `verify`.
    async fn report(counted: VerifierReport) -> Answer<()>;
}

/// Who is at each end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Hello {
    /// The daemon's version.
    pub version: String,
    /// Identifies the database behind the daemon, as 32 hexadecimal digits.
    pub database_id: String,
    /// The `iss` of its access tokens.
    pub issuer: String,
    /// What the caller is known as.
    pub app: String,
    /// The audiences the caller may ask for; the first is taken when none is named.
    pub audiences: Vec<String>,
    /// Whether the caller has the right to verify.
    pub may_verify: bool,
    /// Which start of the daemon has answered: see [`Verified::life`].
    pub life: Stamp,
    /// Where the board is, if there is one: without it nothing is verified but by asking.
    pub board: Option<BoardPlace>,
}

/// Which file the board is: see [`crate::board`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct BoardPlace {
    /// Its path.
    pub path: PathBuf,
    /// Its inode number: another file at that path is not the board.
    pub inode: u64,
    /// The file system that it lies in: another has files of the same number.
    pub device: u64,
}

/// The public keys that access tokens are signed with, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct PublishedKeys {
    /// Which set it is. The board says which is the present one.
    pub version: Stamp,
    /// The set, as JSON (RFC 7517).
    pub jwks: String,
}

/// The two kinds of session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// One session token, for a browser's cookie.
    Cookie,
    /// A short access token and a refresh token, for everything else.
    Token,
}

impl SessionKind {
    /// The kind as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Token => "token",
        }
    }
}

/// What an app says about where a request came from. Recorded as the app's word, never trusted as proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The address the request came from.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header; cut to 256 bytes.
    pub user_agent: Option<String>,
    /// A name for the device that its user will recognise, at most 64 bytes.
    pub device_label: Option<String>,
    /// Anything that stays the same on one device, at most 256 bytes. Only its hash is kept.
    pub device_fingerprint: Option<String>,
}

/// A request to log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// Their password.
    pub password: Password,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// The device token of an earlier login on this device.
    pub device_token: Option<Token>,
    /// Where the request came from.
    pub context: Context,
}

/// A request to open a session for a user whom the app has authenticated itself, by a passkey or another provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The user.
    pub user: UserRef,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// How the user proved who they are (RFC 8176): one to three words of at most eight small letters.
    pub amr: Vec<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A user, by either of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserRef {
    /// By what never changes.
    Id(UserId),
    /// By what they log in with.
    Name(String),
}

/// A request to prove a session's user again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reauthenticate {
    /// The session token or an access token of the session.
    pub token: Token,
    /// The user's password.
    pub password: Password,
    /// The audience of the access token; the app's first when none is named. Also that of an access token that is shown.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A request to change the password of a session's user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangePassword {
    /// The proof that it is the user who asks.
    pub proof: Reauthenticate,
    /// The password to set.
    pub new_password: Password,
}

/// A request to set a password with a code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RedeemCode {
    /// The user's name.
    pub name: String,
    /// The code, as it was handed out.
    pub code: Token,
    /// The password to set.
    pub new_password: Password,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A token that says which app its bearer is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ServiceToken {
    /// The token: a JWS of its own type, which is never accepted as a user's.
    pub token: Token,
    /// When it ends.
    pub expires: Millis,
}

/// What a login or a refresh gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Grant {
    /// Whose session it is.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The tokens.
    pub tokens: GrantedTokens,
    /// When the session ends unless it is used.
    pub idle_deadline: Millis,
    /// When the session ends in any case.
    pub absolute_deadline: Millis,
    /// Proves this device at the next login; given by a login, not by a refresh.
    pub device_token: Option<Token>,
}

/// The tokens of a grant, by the kind of session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum GrantedTokens {
    /// For a cookie session.
    Cookie {
        /// The session token.
        session_token: Token,
    },
    /// For a token session.
    Token {
        /// The access token.
        access_token: Token,
        /// When the access token ends.
        access_expires: Millis,
        /// The refresh token that replaces the one that was shown.
        refresh_token: Token,
        /// Which refresh token of the session it is; a client never goes back to a smaller number.
        generation: u32,
    },
}

/// A request to verify a token.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The audience an access token must be for; the app's first when none is named. A session token has no audience.
    pub audience: Option<String>,
    /// Roles of which the user must have every one.
    pub roles: Vec<String>,
    /// The longest time since the user last proved who they are, in seconds.
    pub max_auth_age: Option<u64>,
    /// The least level of that proof.
    pub level: Option<u8>,
}

/// Who a token stands for, with the roles they have now.
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
    /// The level of that proof: 1 after a login.
    pub level: u8,
    /// How they proved it (RFC 8176).
    pub amr: Vec<String>,
    /// When this answer itself ends.
    pub expires_at: Millis,
}

/// What is answered to a verification, and what it takes to answer the same again without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A request to exchange a refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refresh {
    /// The refresh token.
    pub token: Token,
    /// Made by the client for this exchange and sent again if its answer is lost.
    pub attempt: Option<AttemptId>,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// Which sessions of the calling app to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Revoke {
    /// The one this token belongs to, whatever its kind.
    Token(Token),
    /// This one.
    Session(SessionId),
    /// All of a user's with the calling app, but for one if it is named.
    User {
        /// Whose.
        user: UserId,
        /// The one to leave alive.
        except: Option<SessionId>,
    },
    /// All of a user's with the calling app on devices of this label.
    Device {
        /// Whose.
        user: UserId,
        /// The label, as it was given at the login.
        label: String,
    },
}

/// What a revocation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Revoked {
    /// Living sessions that it ended; zero when they were over before. Where every session is ended they are not looked at one by one: then it is
    /// how many were opened since the last time, those that had ended by themselves included.
    pub sessions: u64,
}

/// A request to list sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSessions {
    /// Whose.
    pub user: UserId,
    /// Continue after this session, the last of the page before.
    pub after: Option<SessionId>,
}

/// One page of sessions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionInfo>,
    /// Where the next page starts, if there is one.
    pub next: Option<SessionId>,
}

/// A living session as its owner or an administrator sees it. The identifier opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionInfo {
    /// The session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The app that opened it.
    pub app: String,
    /// Its kind.
    pub kind: SessionKind,
    /// When it was opened.
    pub created: Millis,
    /// When it was last used, to the minute.
    pub last_seen: Millis,
    /// When it ends if it is not used.
    pub idle_deadline: Millis,
    /// When it ends in any case.
    pub absolute_deadline: Millis,
    /// When the user last proved who they are.
    pub auth_time: Millis,
    /// How often it was refreshed.
    pub refreshes: u32,
    /// Where it was opened from, as the app said.
    pub context: Context,
}
