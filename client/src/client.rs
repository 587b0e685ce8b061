//! The client of apps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::auth::{
    AuthRequest, AuthResponse, ChangePassword, Context, Grant, Hello, Identity, ListSessions, Login, Needs,
    OpenSession, PublishedKeys, Reauthenticate, RedeemCode, Refresh, Revoke, Revoked, ServiceToken,
    SessionPage, Verified, VerifierReport, Verify,
};
use hallpass_protocol::limits::REQUEST_DEADLINE;
use hallpass_protocol::paths;
use hallpass_protocol::request_id::RequestId;
use hallpass_protocol::secret::Token;

use crate::attempt::new_attempt;
use crate::calls::{AuthCalls, answer};
use crate::error::Error;
use crate::link::{Link, Manner, Repeat};

/// How long a call may take unless [`Client::with_deadline`] says otherwise.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// An app's way to the daemon.
///
/// Clones are cheap and share one connection, on which their calls are under way at the same time. A connection that broke is
/// made anew by the next call. All of this happens on the tokio runtime that the calls are made on.
#[derive(Clone)]
pub struct Client {
    link: Arc<Link<AuthCalls>>,
    manner: Manner,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the daemon behind this socket.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if nobody answers there, [`Error::SentAway`] if whoever does will not serve this caller.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self::over(Link::open(path.into()).await?))
    }

    /// Connects to the daemon where it is by default: `$HALLPASS_SOCKET` alone if that is set, else the host's, else the user's own.
    ///
    /// # Errors
    /// As for [`Client::connect`]; the error names every place that was tried.
    pub async fn connect_default() -> Result<Self, Error> {
        Ok(Self::over(Link::open_first(paths::auth_sockets()).await?))
    }

    fn over(link: Link<AuthCalls>) -> Self {
        Self { link: Arc::new(link), manner: Manner::default() }
    }

    /// The same connection, with this much time for each call in all, connecting anew included: 10 s by default, 60 s at most.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        let deadline = deadline.min(REQUEST_DEADLINE);
        Self { manner: Manner { deadline, ..self.manner }, ..self }
    }

    /// The same connection, with this name for each call in the daemon's log, from its being read to its being on disk. See `log.level`: the lines are
    /// written from `debug` on.
    #[must_use]
    pub fn with_request_id(self, id: RequestId) -> Self {
        Self { manner: Manner { request_id: Some(id), ..self.manner }, ..self }
    }

    /// The socket that this client speaks to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.link.path()
    }

    /// Who is at each end: the daemon's version and database, and what this app is known as.
    pub async fn hello(&self) -> Result<Hello, Error> {
        let request = || AuthRequest::Hello {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Hello)).await
    }

    /// Proves a user's password and opens a session.
    ///
    /// Never asked twice: after [`ErrorCode::Unknown`](crate::ErrorCode::Unknown) a session may be open whose tokens are lost. It
    /// opens nothing and ends by itself; log in again.
    pub async fn login(&self, login: Login) -> Result<Grant, Error> {
        let request = || AuthRequest::Login { request: login.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Login)).await
    }

    /// Checks a session or access token and says whose it is, with the roles they have now.
    ///
    /// Calls that are made at the same time travel together, as one message to the daemon.
    pub async fn verify(&self, token: Token, needs: Needs) -> Result<Identity, Error> {
        self.verify_stamped(Verify { token, needs, context: None }).await.map(|verified| verified.identity)
    }

    /// The same, saying where the request came from: where the daemon binds sessions to devices, another device is asked to prove
    /// the user again.
    pub async fn verify_from(&self, token: Token, needs: Needs, context: Context) -> Result<Identity, Error> {
        let verify = Verify { token, needs, context: Some(context) };
        self.verify_stamped(verify).await.map(|verified| verified.identity)
    }

    /// Checks many tokens at once, for a gateway that holds a batch of them: each has its own outcome, in the order of the requests.
    ///
    /// # Errors
    /// An error of the whole says that the daemon could not be asked, or refused to be. Nothing is known of any token then.
    pub async fn verify_many(&self, requests: Vec<Verify>) -> Result<Vec<Result<Identity, Error>>, Error> {
        self.link.verify_many(self.manner.deadline, &requests).await
    }

    /// Checks a token and says what it takes to answer the same again without asking.
    pub(crate) async fn verify_stamped(&self, verify: Verify) -> Result<Verified, Error> {
        self.link.verify(self.manner.deadline, &verify).await
    }

    /// Exchanges a refresh token for the next one and a fresh access token.
    ///
    /// A request without an attempt id is given one, so that asking again after a lost answer gives the same token. Bring one of
    /// your own, from [`new_attempt`], to be able to do so yourself.
    pub async fn refresh(&self, refresh: Refresh) -> Result<Grant, Error> {
        let attempt = refresh.attempt.clone().or_else(|| new_attempt().ok());
        // Without an attempt id a second asking can look like theft and end the session.
        let repeat = if attempt.is_some() { Repeat::Harmless } else { Repeat::Never };
        let refresh = Refresh { attempt, ..refresh };
        let request = || AuthRequest::Refresh { request: refresh.clone() };
        self.link.call(self.manner, repeat, request, answer!(AuthResponse::Refresh)).await
    }

    /// Ends sessions of the calling app. When this returns, no verification accepts them any more.
    ///
    /// The count is of sessions that this asking ended: zero where an answer was lost and the call was made again.
    pub async fn revoke(&self, revoke: Revoke) -> Result<Revoked, Error> {
        let request = || AuthRequest::Revoke { request: revoke.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Revoke)).await
    }

    /// Lists a user's living sessions with the calling app, a page at a time.
    pub async fn sessions(&self, list: ListSessions) -> Result<SessionPage, Error> {
        let request = || AuthRequest::Sessions { request: list.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Sessions)).await
    }

    /// Opens a session for a user whom this app has authenticated itself, by a passkey or another provider. Needs the right `vouch`.
    ///
    /// Never asked twice, like [`Client::login`].
    pub async fn open_session(&self, open: OpenSession) -> Result<Grant, Error> {
        let request = || AuthRequest::OpenSession { request: open.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::OpenSession)).await
    }

    /// Proves the password of a session's user again. The grant is of a new session with a raised level, which takes the old one's
    /// place; the old one goes on for 30 s at its old level.
    ///
    /// Never asked twice, like [`Client::login`].
    pub async fn reauthenticate(&self, proof: Reauthenticate) -> Result<Grant, Error> {
        let request = || AuthRequest::Reauthenticate { request: proof.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Reauthenticate)).await
    }

    /// Changes the password of a session's user. All their sessions end at once; the grant is of a new one.
    ///
    /// Never asked twice: after [`ErrorCode::Unknown`](crate::ErrorCode::Unknown) either password may be the right one.
    pub async fn change_password(&self, change: ChangePassword) -> Result<Grant, Error> {
        let request = || AuthRequest::ChangePassword { request: change.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::ChangePassword)).await
    }

    /// Sets a password with a code that an administrator handed out, and opens a session.
    ///
    /// Never asked twice: a code is good once.
    pub async fn redeem_code(&self, redeem: RedeemCode) -> Result<Grant, Error> {
        let request = || AuthRequest::RedeemCode { request: redeem.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::RedeemCode)).await
    }

    /// A token for this app itself, for the audience named or the app's first. Needs the right `service_token`.
    pub async fn service_token(&self, audience: Option<String>) -> Result<ServiceToken, Error> {
        let request = || AuthRequest::ServiceToken { audience: audience.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::ServiceToken)).await
    }

    /// Adds to what the daemon counts of this app's own verifiers, for whoever has other verifiers than [`Verifier`](crate::Verifier), which reports by
    /// itself: see [`VerifierBuilder::report_every`](crate::VerifierBuilder::report_every).
    ///
    /// Never asked twice, or it could count twice.
    pub async fn report(&self, counted: VerifierReport) -> Result<(), Error> {
        let request = || AuthRequest::Report { counted };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Report)).await
    }

    /// The public keys that access tokens are signed with.
    pub async fn jwks(&self) -> Result<PublishedKeys, Error> {
        let request = || AuthRequest::Jwks {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Jwks)).await
    }
}
