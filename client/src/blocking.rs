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
/// use hallpass_client::blocking::Client;
/// use hallpass_client::{Needs, Token};
///
/// # fn f(cookie: String) -> Result<(), hallpass_client::Error> {
/// let hallpass = Client::connect_default()?;
/// let identity = hallpass.verify(Token::new(cookie), Needs::default())?;
/// println!("welcome, {}", identity.name);
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

/// Calls of the client with the same arguments and answers.
macro_rules! waiting {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Client {
            $(
                #[doc = concat!("Like [`Client::", stringify!($name), "`](crate::Client::", stringify!($name), "), waiting for the answer.")]
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
    hello() -> Hello;
    login(login: Login) -> Grant;
    verify(token: Token, needs: Needs) -> Identity;
    verify_from(token: Token, needs: Needs, context: Context) -> Identity;
    verify_many(requests: Vec<Verify>) -> Vec<Result<Identity, Error>>;
    refresh(refresh: Refresh) -> Grant;
    revoke(revoke: Revoke) -> Revoked;
    sessions(list: ListSessions) -> SessionPage;
    open_session(open: OpenSession) -> Grant;
    reauthenticate(proof: Reauthenticate) -> Grant;
    change_password(change: ChangePassword) -> Grant;
    redeem_code(redeem: RedeemCode) -> Grant;
    service_token(audience: Option<String>) -> ServiceToken;
    report(counted: VerifierReport) -> ();
    jwks() -> PublishedKeys;
}

impl Client {
    /// Connects to the daemon behind this socket.
    ///
    /// # Errors
    /// As for [`Client::connect`](crate::Client::connect).
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        Self::over(async move { crate::Client::connect(path).await })
    }

    /// Connects to the daemon where it is by default.
    ///
    /// # Errors
    /// As for [`Client::connect_default`](crate::Client::connect_default).
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
