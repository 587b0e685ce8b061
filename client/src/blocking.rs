//! The client for programs without a runtime: the same calls, each of which waits for its answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hallpass_protocol::auth::{
    ChangePassword, Context, Grant, Hello, Identity, ListSessions, Login, Needs, OpenSession, PublishedKeys,
    Reauthenticate, RedeemCode, Refresh, Revoke, Revoked, ServiceToken, SessionPage, VerifierReport, Verify,
};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::request_id::RequestId;
use hallpass_protocol::secret::Token;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::Error;

/// An app's way to the daemon, for programs without a runtime.
///
/// It is a [`crate::Client`] with a thread of its own that reads and writes. Clones are cheap and share both. Its calls must not be made from within an
/// async runtime, which they would hold up; there, use that client itself.
///
/// ```no_run
/// # fn f(cookie: String) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use hallpass_client::blocking::Client;
/// use hallpass_client::{Needs, Token};
///
/// let hallpass = Client::connect_default()?.with_deadline(Duration::from_secs(2));
/// println!("asking {}", hallpass.socket().display());
/// let identity = hallpass.verify(Token::new(cookie), Needs::default())?;
/// println!("welcome, {}", identity.name);
///
/// // For the calls of one request, which the daemon's log then names as the app's own traces do:
/// let traced = hallpass.clone().with_request_id("4bf92f3577b34da6a3ce929d0e0e4736".parse()?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: crate::Client,
    thread: Arc<Background>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("blocking::Client").field(&self.inner).finish()
    }
}

/// Calls of the client with the same arguments and answers, each with its example.
macro_rules! waiting {
    ($($(#[$example:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Client {
            $(
                #[doc = concat!("Like [`Client::", stringify!($name), "`](crate::Client::", stringify!($name), "), waiting for the answer.")]
                ///
                $(#[$example])*
                ///
                /// # Errors
                /// As there.
                pub fn $name(&self, $($argument: $kind),*) -> Result<$answer, Error> {
                    let client = self.inner.clone();
                    self.thread.wait(async move { client.$name($($argument),*).await })
                }
            )*
        }
    };
}

waiting! {
    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// let hello = hallpass.hello()?;
    /// # assert_eq!(hello.app, "local");
    /// # Ok(()) }
    /// ```
    hello() -> Hello;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// use hallpass_client::{Context, Login, Password, SessionKind};
    ///
    /// let grant = hallpass.login(Login {
    ///     name: "alice".into(),
    ///     password: Password::new("correct horse battery staple".into()),
    ///     kind: SessionKind::Token,
    ///     audience: None,
    ///     device_token: None,
    ///     context: Context::default(),
    /// })?;
    /// # Ok(()) }
    /// ```
    login(login: Login) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// let identity = hallpass.verify(session_token, Needs::default())?;
    /// # assert_eq!(identity.name, "alice");
    /// # Ok(()) }
    /// ```
    verify(token: Token, needs: Needs) -> Identity;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// use hallpass_client::Context;
    ///
    /// let context = Context { ip: Some("192.0.2.7".parse()?), ..Context::default() };
    /// let identity = hallpass.verify_from(session_token, Needs::default(), context)?;
    /// # assert_eq!(identity.name, "alice");
    /// # Ok(()) }
    /// ```
    verify_from(token: Token, needs: Needs, context: Context) -> Identity;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// # let tokens = [session_token, Token::new("forged".into())];
    /// use hallpass_client::{Needs, Verify};
    ///
    /// let requests = tokens.map(|token| Verify { token, needs: Needs::default(), context: None });
    /// let good = hallpass.verify_many(requests.into())?.into_iter().filter_map(Result::ok);
    /// # assert_eq!(good.count(), 1);
    /// # Ok(()) }
    /// ```
    verify_many(requests: Vec<Verify>) -> Vec<Result<Identity, Error>>;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_tokens.txt")]
    /// use hallpass_client::{Context, Refresh};
    ///
    /// let refresh = Refresh { token: refresh_token, attempt: None, audience: None, context: Context::default() };
    /// let grant = hallpass.refresh(refresh)?;
    /// # Ok(()) }
    /// ```
    refresh(refresh: Refresh) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// use hallpass_client::Revoke;
    ///
    /// let ended = hallpass.revoke(Revoke::Token(session_token))?;
    /// assert_eq!(ended.sessions, 1);
    /// # Ok(()) }
    /// ```
    revoke(revoke: Revoke) -> Revoked;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// use hallpass_client::ListSessions;
    ///
    /// let page = hallpass.sessions(ListSessions { user: grant.user_id, after: None })?;
    /// # assert_eq!(page.sessions.len(), 1);
    /// # Ok(()) }
    /// ```
    sessions(list: ListSessions) -> SessionPage;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// use hallpass_client::{Context, OpenSession, SessionKind, UserRef};
    ///
    /// let grant = hallpass.open_session(OpenSession {
    ///     user: UserRef::Name("alice".into()),
    ///     kind: SessionKind::Cookie,
    ///     audience: None,
    ///     amr: vec!["hwk".into()],
    ///     context: Context::default(),
    /// })?;
    /// # Ok(()) }
    /// ```
    open_session(open: OpenSession) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// use hallpass_client::{Context, Password, Reauthenticate};
    ///
    /// let password = Password::new("correct horse battery staple".into());
    /// let proof = Reauthenticate { token: session_token, password, audience: None, context: Context::default() };
    /// let raised = hallpass.reauthenticate(proof)?;
    /// # Ok(()) }
    /// ```
    reauthenticate(proof: Reauthenticate) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    /// use hallpass_client::{ChangePassword, Context, Password, Reauthenticate};
    ///
    /// let password = Password::new("correct horse battery staple".into());
    /// let proof = Reauthenticate { token: session_token, password, audience: None, context: Context::default() };
    /// let new_password = Password::new("a longer and better sentence".into());
    /// let grant = hallpass.change_password(ChangePassword { proof, new_password })?;
    /// # Ok(()) }
    /// ```
    change_password(change: ChangePassword) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let socket = daemon.admin_socket();
    /// # let made = runtime.block_on(async {
    /// #     hallpass_client::admin::AdminClient::connect(socket).await?.user_code("alice").await
    /// # });
    /// # let code = made?.code;
    /// use hallpass_client::{Context, Password, RedeemCode, SessionKind};
    ///
    /// let grant = hallpass.redeem_code(RedeemCode {
    ///     name: "alice".into(),
    ///     code, // as `hallpass user code alice` printed it
    ///     new_password: Password::new("a longer and better sentence".into()),
    ///     kind: SessionKind::Cookie,
    ///     audience: None,
    ///     context: Context::default(),
    /// })?;
    /// # Ok(()) }
    /// ```
    redeem_code(redeem: RedeemCode) -> Grant;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// let service = hallpass.service_token(None)?;
    /// let header = format!("Bearer {}", service.token.expose());
    /// # Ok(()) }
    /// ```
    service_token(audience: Option<String>) -> ServiceToken;

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// # use hallpass_client::VerifierReport;
    /// hallpass.report(VerifierReport { memory: 990, daemon: 10, ..VerifierReport::default() })?;
    /// # Ok(()) }
    /// ```
    report(counted: VerifierReport) -> ();

    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    /// let keys = hallpass.jwks()?;
    /// println!("{}", keys.jwks);
    /// # Ok(()) }
    /// ```
    jwks() -> PublishedKeys;
}

impl Client {
    /// Connects to the daemon behind this socket.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::blocking::Client;
    ///
    /// let hallpass = Client::connect("/run/hallpass/hallpass.sock")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect`](crate::Client::connect), or the system has no thread to give.
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        Self::over(async move { crate::Client::connect(path).await })
    }

    /// Connects to the daemon where it is by default.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::blocking::Client;
    ///
    /// let hallpass = Client::connect_default()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect_default`](crate::Client::connect_default), or the system has no thread to give.
    pub fn connect_default() -> Result<Self, Error> {
        Self::over(crate::Client::connect_default())
    }

    fn over(
        connecting: impl Future<Output = Result<crate::Client, Error>> + Send + 'static,
    ) -> Result<Self, Error> {
        let thread = Background::start()?;
        let inner = thread.wait(connecting)?;
        Ok(Self { inner, thread: Arc::new(thread) })
    }

    /// The same connection, with this much time for each call in all: 10 s by default, 60 s at most.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { inner: self.inner.with_deadline(deadline), ..self }
    }

    /// The same connection, with this name for each call in the daemon's log. See [`Client::with_request_id`](crate::Client::with_request_id).
    #[must_use]
    pub fn with_request_id(self, id: RequestId) -> Self {
        Self { inner: self.inner.with_request_id(id), ..self }
    }

    /// The socket that this client speaks to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.inner.socket()
    }
}

/// A thread that runs what calls wait for.
struct Background {
    handle: Handle,
    /// Taken when it is to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    fn start() -> Result<Self, Error> {
        let no_thread = |error: std::io::Error| {
            let sentence = format!("the system has no thread to give for the connection: {error}");
            Error::Refused(Refusal::because(ErrorCode::Unavailable, sentence))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || drop(runtime.block_on(stopped));
        let thread =
            std::thread::Builder::new().name("hallpass-client".into()).spawn(run).map_err(no_thread)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Has something done there, and waits for what comes of it.
    fn wait<T: Send + 'static>(
        &self,
        what: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (told, telling) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Who does not wait any more has gone.
            let _ = told.send(what.await);
        });
        telling.recv().unwrap_or(Err(Error::NoAnswer))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}
