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
/// made anew by the next call. All of this happens on the tokio runtime that the calls are made on; for programs without one there is `blocking::Client`.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use hallpass_client::Client;
///
/// let hallpass = Client::connect_default().await?.with_deadline(Duration::from_secs(2));
/// println!("asking {}", hallpass.socket().display());
///
/// // For the calls of one request, which the daemon's log then names as the app's own traces do:
/// let traced = hallpass.clone().with_request_id("4bf92f3577b34da6a3ce929d0e0e4736".parse()?);
/// # Ok(()) }
/// ```
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
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Client;
    ///
    /// let hallpass = Client::connect("/run/hallpass/hallpass.sock").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unreachable`] if nobody answers there, [`Error::SentAway`] if whoever does will not serve this caller.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self::over(Link::open(path.into()).await?))
    }

    /// Connects to the daemon where it is by default: `$HALLPASS_SOCKET` alone if that is set, else the host's (`/run/hallpass/hallpass.sock`), else the
    /// user's own (`hallpass/hallpass.sock` in `$XDG_RUNTIME_DIR`).
    ///
    /// ```no_run
    /// # async fn f() {
    /// use hallpass_client::Client;
    ///
    /// let hallpass = match Client::connect_default().await {
    ///     Ok(hallpass) => hallpass,
    ///     // It names every place that was tried and what to do, such as which group to join.
    ///     Err(error) => return eprintln!("{error}"),
    /// };
    /// # }
    /// ```
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

    /// The same connection, with this name for each call in the daemon's log, from its being read to its being on disk. The lines are
    /// written where `log.level` in hallpass.toml is `debug` or `trace`. Verifications travel together, so they have no name of their own.
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
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// let hello = hallpass.hello().await?;
    /// println!("hallpassd {} knows this app as {}", hello.version, hello.app);
    /// # assert_eq!(hello.app, "local");
    /// # Ok(()) }
    /// ```
    pub async fn hello(&self) -> Result<Hello, Error> {
        let request = || AuthRequest::Hello {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Hello)).await
    }

    /// Proves a user's password and opens a session.
    ///
    /// Never asked twice: after [`ErrorCode::Unknown`](crate::ErrorCode::Unknown) a session may be open whose tokens are lost. It
    /// opens nothing and ends by itself; log in again.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// use hallpass_client::{Context, GrantedTokens, Login, Password, SessionKind};
    ///
    /// let login = Login {
    ///     name: "alice".into(),
    ///     password: Password::new("correct horse battery staple".into()),
    ///     kind: SessionKind::Cookie,
    ///     audience: None,
    ///     device_token: None,
    ///     context: Context { ip: Some("192.0.2.7".parse()?), ..Context::default() },
    /// };
    /// let grant = hallpass.login(login).await?;
    /// if let GrantedTokens::Cookie { session_token } = grant.tokens {
    ///     // Into an HttpOnly cookie, until `grant.absolute_deadline`.
    /// #   assert!(session_token.expose().starts_with("hps_"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidCredentials`](crate::ErrorCode::InvalidCredentials) for an unknown name, a wrong password, a disabled user and one who
    /// must wait, which nobody can tell apart; [`Error::retry_after`] says how long the next try is of no use. Needs the right `login`.
    pub async fn login(&self, login: Login) -> Result<Grant, Error> {
        let request = || AuthRequest::Login { request: login.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Login)).await
    }

    /// Checks a session or access token and says whose it is, with the roles they have now.
    ///
    /// Calls that are made at the same time travel together, as one message to the daemon. A [`Verifier`](crate::Verifier) gives the same answers
    /// from memory.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::{ErrorClass, Needs};
    ///
    /// let editors = Needs { roles: vec!["editor".into()], ..Needs::default() };
    /// match hallpass.verify(session_token, editors).await {
    ///     Ok(identity) => println!("{} may edit", identity.name),
    ///     Err(error) if error.class() == ErrorClass::Login => println!("clear the cookie: {error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Of class `Login` where the session is over, `Refresh` where the access token is, `Reauthenticate` or `Forbidden` where the needs are not met, and
    /// [`ErrorCode::InvalidToken`](crate::ErrorCode::InvalidToken) for what is no token of this daemon, is a session token of another app, or an
    /// access token for another audience. Needs the right `verify`.
    pub async fn verify(&self, token: Token, needs: Needs) -> Result<Identity, Error> {
        self.verify_stamped(Verify { token, needs, context: None }).await.map(|verified| verified.identity)
    }

    /// The same, saying where the request came from: where the daemon binds sessions to devices, another device is asked to prove
    /// the user again.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::{Context, Needs};
    ///
    /// let context = Context {
    ///     ip: Some("192.0.2.7".parse()?),
    ///     device_fingerprint: Some("installation 7f3a".into()),
    ///     ..Context::default()
    /// };
    /// let identity = hallpass.verify_from(session_token, Needs::default(), context).await?;
    /// # assert_eq!(identity.name, "alice");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::verify`]; with `refresh.device_binding = "enforce"` also [`ErrorCode::Reauthenticate`](crate::ErrorCode::Reauthenticate) from
    /// another device.
    pub async fn verify_from(&self, token: Token, needs: Needs, context: Context) -> Result<Identity, Error> {
        let verify = Verify { token, needs, context: Some(context) };
        self.verify_stamped(verify).await.map(|verified| verified.identity)
    }

    /// Checks many tokens at once, for a gateway that holds a batch of them: each has its own outcome, in the order of the requests.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// # let tokens = vec![session_token, Token::new("forged".into())];
    /// use hallpass_client::{Needs, Verify};
    ///
    /// let requests = tokens.into_iter().map(|token| Verify { token, needs: Needs::default(), context: None });
    /// for outcome in hallpass.verify_many(requests.collect()).await? {
    ///     match outcome {
    ///         Ok(identity) => println!("{}", identity.name),
    ///         Err(refused) => println!("{}: {refused}", refused.code()),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
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

    /// Exchanges a refresh token for the next one and a fresh access token. The old one is over: shown again it has the same
    /// answer for half a minute, in case the first was lost, and is taken for theft after that.
    ///
    /// A request without an attempt id is given one, so that asking again after a lost answer gives the same token. Bring one of
    /// your own, from [`new_attempt`], to be able to do so yourself. [`KeptSession`](crate::KeptSession) does all of it.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/tokens.txt")]
    /// use hallpass_client::{Context, GrantedTokens, Refresh};
    ///
    /// let refresh = Refresh { token: refresh_token, attempt: None, audience: None, context: Context::default() };
    /// let grant = hallpass.refresh(refresh).await?;
    /// if let GrantedTokens::Token { access_token, refresh_token, .. } = grant.tokens {
    ///     // Keep both; what was held before is over.
    /// #   assert_eq!(hallpass.verify(access_token, Needs::default()).await?.name, "alice");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::Reused`](crate::ErrorCode::Reused) for a token that was exchanged before: the session has ended, for the thief as for the owner
    /// (RFC 9700, section 4.14). [`ErrorCode::RateLimited`](crate::ErrorCode::RateLimited) where a session is refreshed more than
    /// `refresh.per_minute` allows. Only class `Login` means that the session is over. Needs the right `refresh`.
    pub async fn refresh(&self, refresh: Refresh) -> Result<Grant, Error> {
        let attempt = refresh.attempt.clone().or_else(|| new_attempt().ok());
        // Without an attempt id a second asking can look like theft and end the session.
        let repeat = if attempt.is_some() { Repeat::Harmless } else { Repeat::Never };
        let refresh = Refresh { attempt, ..refresh };
        let request = || AuthRequest::Refresh { request: refresh.clone() };
        self.link.call(self.manner, repeat, request, answer!(AuthResponse::Refresh)).await
    }

    /// Ends sessions of the calling app. When this returns, no verification on the host accepts them any more.
    ///
    /// The count is of sessions that this asking ended: zero where an answer was lost and the call was made again.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::{ErrorClass, Needs, Revoke};
    ///
    /// let ended = hallpass.revoke(Revoke::Token(session_token.clone())).await?;
    /// assert_eq!(ended.sessions, 1);
    /// let refused = hallpass.verify(session_token, Needs::default()).await.unwrap_err();
    /// assert_eq!(refused.class(), ErrorClass::Login);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidToken`](crate::ErrorCode::InvalidToken) for what is no token of this daemon,
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such session of this app. One that is over is no error as long as the
    /// daemon remembers it. Needs the right `revoke`.
    pub async fn revoke(&self, revoke: Revoke) -> Result<Revoked, Error> {
        let request = || AuthRequest::Revoke { request: revoke.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Revoke)).await
    }

    /// Lists a user's living sessions with the calling app, oldest first, 20 on a page.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::ListSessions;
    ///
    /// let (mut sessions, mut after) = (Vec::new(), None);
    /// loop {
    ///     let page = hallpass.sessions(ListSessions { user: grant.user_id, after }).await?;
    ///     sessions.extend(page.sessions);
    ///     after = page.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// # assert_eq!(sessions[0].session_id, grant.session_id);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Needs the right `list`.
    pub async fn sessions(&self, list: ListSessions) -> Result<SessionPage, Error> {
        let request = || AuthRequest::Sessions { request: list.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Sessions)).await
    }

    /// Opens a session for a user whom this app has authenticated itself, by a passkey or another provider. Needs the right `vouch`.
    ///
    /// Never asked twice, like [`Client::login`].
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// use hallpass_client::{Context, OpenSession, SessionKind, UserRef};
    ///
    /// let open = OpenSession {
    ///     user: UserRef::Name("alice".into()),
    ///     kind: SessionKind::Cookie,
    ///     audience: None,
    ///     amr: vec!["hwk".into()], // a key in hardware: RFC 8176, section 2
    ///     context: Context::default(),
    /// };
    /// let grant = hallpass.open_session(open).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such user, or they may not log in.
    pub async fn open_session(&self, open: OpenSession) -> Result<Grant, Error> {
        let request = || AuthRequest::OpenSession { request: open.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::OpenSession)).await
    }

    /// Proves the password of a session's user again. The grant is of a new session with a raised level, which takes the old one's
    /// place; the old one goes on for 30 s at its old level.
    ///
    /// The level is 2, for 15 minutes unless `lifetimes.level` says otherwise; then it is 1 again. The new session ends when the old one would have.
    ///
    /// Never asked twice, like [`Client::login`].
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::{Context, Reauthenticate};
    ///
    /// let proof = Reauthenticate {
    ///     token: session_token,
    ///     password: Password::new("correct horse battery staple".into()),
    ///     audience: None,
    ///     context: Context::default(),
    /// };
    /// let raised = hallpass.reauthenticate(proof).await?; // set the cookie anew
    /// # assert_ne!(raised.session_id, grant.session_id);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidCredentials`](crate::ErrorCode::InvalidCredentials) for a wrong password, as for [`Client::login`]; the session goes on.
    /// Needs the right `login`.
    pub async fn reauthenticate(&self, proof: Reauthenticate) -> Result<Grant, Error> {
        let request = || AuthRequest::Reauthenticate { request: proof.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Reauthenticate)).await
    }

    /// Changes the password of a session's user. All their sessions end at once; the grant is of a new one.
    ///
    /// Never asked twice: after [`ErrorCode::Unknown`](crate::ErrorCode::Unknown) either password may be the right one.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// use hallpass_client::{ChangePassword, Context, Password, Reauthenticate};
    ///
    /// let proof = Reauthenticate {
    ///     token: session_token,
    ///     password: Password::new("correct horse battery staple".into()),
    ///     audience: None,
    ///     context: Context::default(),
    /// };
    /// let new_password = Password::new("a longer and better sentence".into());
    /// let grant = hallpass.change_password(ChangePassword { proof, new_password }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::WeakPassword`](crate::ErrorCode::WeakPassword), with a sentence for the user, where the new one breaks the policy, and
    /// [`ErrorCode::InvalidCredentials`](crate::ErrorCode::InvalidCredentials) where the old one is wrong. Needs the right `login`.
    pub async fn change_password(&self, change: ChangePassword) -> Result<Grant, Error> {
        let request = || AuthRequest::ChangePassword { request: change.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::ChangePassword)).await
    }

    /// Sets a password with a code that an administrator handed out, and opens a session. The user's other sessions end.
    ///
    /// Never asked twice: a code is good once.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// # let admin = hallpass_client::admin::AdminClient::connect(daemon.admin_socket()).await?;
    /// # let typed = admin.user_code("alice").await?.code.expose().to_owned();
    /// use hallpass_client::{Context, Password, RedeemCode, SessionKind, Token};
    ///
    /// let redeem = RedeemCode {
    ///     name: "alice".into(),
    ///     code: Token::new(typed), // as `hallpass user code alice` printed it
    ///     new_password: Password::new("a longer and better sentence".into()),
    ///     kind: SessionKind::Cookie,
    ///     audience: None,
    ///     context: Context::default(),
    /// };
    /// let grant = hallpass.redeem_code(redeem).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::change_password`]: a code that is wrong, over or used is answered like a wrong password. Needs the right `login`.
    pub async fn redeem_code(&self, redeem: RedeemCode) -> Result<Grant, Error> {
        let request = || AuthRequest::RedeemCode { request: redeem.clone() };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::RedeemCode)).await
    }

    /// A token for this app itself, for the audience named or the app's first. Needs the right `service_token`.
    ///
    /// It lives as long as an access token, and only with its key is it taken back sooner. Its `typ` is `service+jwt`, so it is never accepted as a user's:
    /// whoever is shown it verifies it with `ServiceVerifier` of `hallpass_protocol::jws`, or with a JWT library.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// let service = hallpass.service_token(None).await?;
    /// let header = format!("Bearer {}", service.token.expose());
    /// // A new one is asked for before `service.expires`.
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::AudienceForbidden`](crate::ErrorCode::AudienceForbidden) for an audience that is not the app's to ask for.
    pub async fn service_token(&self, audience: Option<String>) -> Result<ServiceToken, Error> {
        let request = || AuthRequest::ServiceToken { audience: audience.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::ServiceToken)).await
    }

    /// Adds to what the daemon counts of this app's own verifiers, for whoever has other verifiers than [`Verifier`](crate::Verifier), which reports by
    /// itself: see [`VerifierBuilder::report_every`](crate::VerifierBuilder::report_every).
    ///
    /// Never asked twice, or it could count twice. Needs the right `verify`, and is [`ErrorClass::Forbidden`](crate::ErrorClass::Forbidden) without.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// # use hallpass_client::VerifierReport;
    /// hallpass.report(VerifierReport { memory: 990, daemon: 10, ..VerifierReport::default() }).await?;
    /// # Ok(()) }
    /// ```
    pub async fn report(&self, counted: VerifierReport) -> Result<(), Error> {
        let request = || AuthRequest::Report { counted };
        self.link.call(self.manner, Repeat::Never, request, answer!(AuthResponse::Report)).await
    }

    /// The public keys that access tokens are signed with, for whoever verifies with a JWT library. A [`Verifier`](crate::Verifier) fetches them by itself.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    /// let keys = hallpass.jwks().await?;
    /// println!("{}", keys.jwks); // {"keys":[{"kty":"OKP","crv":"Ed25519","kid":...}]}
    /// # Ok(()) }
    /// ```
    pub async fn jwks(&self) -> Result<PublishedKeys, Error> {
        let request = || AuthRequest::Jwks {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AuthResponse::Jwks)).await
    }
}
