//! The way to one socket: whatever connection there is at the time, made anew when it broke.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::error::{ErrorCode, Refusal};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::calls::Calls;
use crate::connection::{CallError, Connection};
use crate::dial::dial;
use crate::error::Error;
use crate::outgoing::{Outgoing, Sent};
use crate::unreachable::Unreachable;

/// How long a call waits for a daemon that is being restarted.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// Whether a call may be asked again when its first asking may have been heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Asking twice does no more than asking once.
    Harmless,
    /// Asking twice could do it twice, or fail for having been done.
    Never,
}

/// A connection that is there or on its way; everybody who needs it waits for the same one.
type Connecting<C> = Shared<BoxFuture<'static, Result<Connection<C>, Error>>>;

/// The way to one socket.
pub(crate) struct Link<C: Calls> {
    path: PathBuf,
    latest: Mutex<Connecting<C>>,
}

impl<C: Calls> Link<C> {
    /// Connects for the first time: a daemon that is not there is told at once.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        let connecting = connect(path.clone(), Duration::ZERO);
        connecting.clone().await?;
        Ok(Self { path, latest: Mutex::new(connecting) })
    }

    /// Connects to the first of these sockets that a daemon answers on.
    ///
    /// One that answers and sends us away ends the search: its reason is worth more than another daemon.
    pub(crate) async fn open_first(paths: Vec<PathBuf>) -> Result<Self, Error> {
        let mut missed = Unreachable::nowhere(C::SERVICE);
        for path in paths {
            match Self::open(path).await {
                Err(Error::Unreachable(place)) => missed = missed.and(place),
                outcome => return outcome,
            }
        }
        Err(missed.into())
    }

    /// The socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks and waits for the answer, for at most `limit` in all.
    pub(crate) async fn call<T>(
        &self,
        limit: Duration,
        repeat: Repeat,
        request: impl Fn() -> C::Request,
        answer: impl Fn(C::Response) -> Option<Answer<T>>,
    ) -> Result<T, Error> {
        self.call_until(Instant::now() + limit, &Sent::default(), repeat, request, answer).await
    }

    /// The same until `deadline`, saying in `sent` when the daemon may have heard of it.
    pub(crate) async fn call_until<T>(
        &self,
        deadline: Instant,
        sent: &Sent,
        repeat: Repeat,
        request: impl Fn() -> C::Request,
        answer: impl Fn(C::Response) -> Option<Answer<T>>,
    ) -> Result<T, Error> {
        let response = match timeout_at(deadline, self.ask(deadline, repeat, sent, request)).await {
            Ok(response) => response?,
            Err(_) if sent.get() => return Err(Error::NoAnswer),
            Err(_) => return Err(self.unreachable(io::ErrorKind::TimedOut.into())),
        };
        let mixed_up = || Err(Refusal::because(ErrorCode::Internal, "the daemon answered another call"));
        Ok(answer(response).unwrap_or_else(mixed_up)?)
    }

    /// Asks on the present connection, and once more on a fresh one if it breaks and that is harmless.
    async fn ask(
        &self,
        deadline: Instant,
        repeat: Repeat,
        sent: &Sent,
        request: impl Fn() -> C::Request,
    ) -> Result<C::Response, Error> {
        if repeat == Repeat::Never {
            // Lets the runtime notice that the daemon has hung up since the last call: sent on a dead connection, this would be lost.
            yield_now().await;
        }
        let mut last = false;
        loop {
            let connection = match self.connection().await {
                Ok(connection) => connection,
                // What was asked on the connection before may have been done, whatever keeps us from asking again.
                Err(_) if sent.get() => return Err(self.lost()),
                Err(error) => return Err(error),
            };
            match connection.call(deadline, Outgoing::new(request(), sent.clone())).await {
                Ok(response) => return Ok(response),
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::Broken) => {}
            }
            if sent.get() && (last || repeat == Repeat::Never) {
                return Err(self.lost());
            }
            if last {
                return Err(self.unreachable(io::ErrorKind::ConnectionReset.into()));
            }
            last = true;
        }
    }

    /// The present connection, or a fresh one if it is dead. However many ask for it, one attempt is made.
    async fn connection(&self) -> Result<Connection<C>, Error> {
        let connecting = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            let over = latest
                .peek()
                .is_some_and(|outcome| outcome.as_ref().map_or(true, |connection| !connection.is_alive()));
            if over {
                *latest = connect(self.path.clone(), RECONNECT_PATIENCE);
            }
            latest.clone()
        };
        connecting.await
    }

    /// What a caller is told whose request may have been heard when its connection broke.
    pub(crate) fn lost(&self) -> Error {
        Error::Lost { path: self.path.clone() }
    }

    /// What a caller is told whose request was certainly not heard.
    pub(crate) fn unreachable(&self, error: io::Error) -> Error {
        Error::unreachable(C::SERVICE, &self.path, error)
    }
}

/// Starts to connect in a task of its own, so that it goes on when the caller who began it gives up.
fn connect<C: Calls>(path: PathBuf, patience: Duration) -> Connecting<C> {
    let place = path.clone();
    let dialling = tokio::spawn(async move { dial(&path, patience).await });
    let outcome = async move {
        // A task that ends without a word was taken down with its runtime.
        let stopped = |error| Err(Error::unreachable(C::SERVICE, &place, io::Error::other(error)));
        dialling.await.unwrap_or_else(stopped)
    };
    outcome.boxed().shared()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::AuthCalls;
    use hallpass_protocol::hello::{Service, Status, receive, send_away};
    use tempfile::TempDir;
    use tokio::net::UnixListener;

    /// A directory and two sockets in it of which none exists yet.
    fn places() -> (TempDir, PathBuf, PathBuf) {
        let dir = TempDir::new().unwrap();
        let (first, second) = (dir.path().join("first.sock"), dir.path().join("second.sock"));
        (dir, first, second)
    }

    async fn open_first(paths: [&Path; 2]) -> Result<PathBuf, Error> {
        let paths = paths.map(Path::to_owned).into();
        Link::<AuthCalls>::open_first(paths).await.map(|link| link.path().to_owned())
    }

    #[tokio::test]
    async fn without_any_daemon_every_place_is_named() {
        let (_dir, first, second) = places();
        let text = open_first([&first, &second]).await.unwrap_err().to_string();
        assert!(text.contains(first.to_str().unwrap()) && text.contains(second.to_str().unwrap()), "{text}");
        assert!(text.contains("start it with"), "{text}");
    }

    #[tokio::test]
    async fn the_first_daemon_that_is_there_is_taken() {
        let (_dir, first, second) = places();
        let listener = UnixListener::bind(&second).unwrap();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            receive(&mut stream, Service::Auth, Duration::from_secs(1)).await.unwrap();
        };
        let (opened, ()) = tokio::join!(open_first([&first, &second]), served);
        assert_eq!(opened.unwrap(), second);
    }

    #[tokio::test]
    async fn a_daemon_that_sends_us_away_ends_the_search() {
        let (_dir, first, second) = places();
        let listener = UnixListener::bind(&first).unwrap();
        // Nobody accepts on this one, so to go on to it would not end in time.
        let _other = UnixListener::bind(&second).unwrap();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            send_away(&mut stream, Status::Forbidden, "not you").await.unwrap();
        };
        let (opened, ()) = tokio::join!(open_first([&first, &second]), served);
        assert_eq!(opened.unwrap_err().code(), ErrorCode::Forbidden);
    }
}
