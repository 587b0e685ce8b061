//! The `Auth` service: what apps ask of the daemon.
//!
//! Methods are only ever added at the end: their position is what crosses the wire.

mod keeping;
mod opening;
mod verifying;

pub use keeping::{ListSessions, Refresh, Revoke, Revoked, SessionInfo, SessionPage};
pub use opening::{
    ChangePassword, Context, Grant, GrantedTokens, Login, OpenSession, Reauthenticate, RedeemCode,
    ServiceToken, SessionKind, UserRef,
};
pub use verifying::{Identity, Needs, Verified, VerifierReport, Verify};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::time::Stamp;

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
///
/// ```
/// # use hallpass_protocol::auth::Hello;
/// fn is_set_up(hello: &Hello, audience: &str) -> bool {
///     println!("hallpassd {}, issuer {}, knows this app as {}", hello.version, hello.issuer, hello.app);
///     hello.may_verify && hello.audiences.iter().any(|may| may == audience)
/// }
/// ```
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
///
/// ```
/// # use hallpass_protocol::auth::PublishedKeys;
/// /// Whether to read them anew: a later set has a later version.
/// fn is_newer(keys: &PublishedKeys, than: &PublishedKeys) -> bool {
///     keys.version > than.version
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct PublishedKeys {
    /// Which set it is. The board says which is the present one.
    pub version: Stamp,
    /// The set, as JSON (RFC 7517).
    pub jwks: String,
}
