//! The way to one socket: whatever connection there is at the time, made anew when it broke.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::codec::{CodecError, encode};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::request_id::RequestId;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::calls::Calls;
use crate::client::DEFAULT_DEADLINE;
use crate::connection::Connection;
use crate::desk::{Body, Call, Desk, Fault, Question, Ticket};
use crate::dial::dial;
use crate::error::Error;
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

/// How a client's calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// How long each may take in all.
    pub(crate) deadline: Duration,
    /// What each is called in logs.
    pub(crate) request_id: Option<RequestId>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { deadline: DEFAULT_DEADLINE, request_id: None }
    }
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

    /// Asks and waits for the answer.
    pub(crate) async fn call<T>(
        &self,
        manner: Manner,
        repeat: Repeat,
        request: impl FnOnce() -> C::Request,
        answer: impl Fn(C::Response) -> Option<Answer<T>>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + manner.deadline;
        let request_id = manner.request_id.map_or(0, RequestId::get);
        let body = Arc::new(Body::new(encode(&request()).map_err(unencoded)?));
        let response =
            self.ask(deadline, repeat, |desk| Call::put(desk, deadline, request_id, &body, false)).await?;
        Ok(answer(response).unwrap_or_else(|| Err(mixed_up()))?)
    }

    /// Asks and waits for the answer until `deadline`. What is asked is put on the desk of a connection, and again on another's if that breaks.
    pub(crate) async fn ask<T>(
        &self,
        deadline: Instant,
        repeat: Repeat,
        put: impl Fn(&Arc<Desk<C>>) -> Option<Question<C, T>>,
    ) -> Result<T, Error> {
        let mut asked = Asked { is_sent: false, ticket: None };
        match timeout_at(deadline, self.ask_in_time(repeat, &mut asked, put)).await {
            Ok(outcome) => outcome,
            Err(_) if asked.may_be_done() => Err(Error::NoAnswer),
            Err(_) => Err(self.unreachable(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Asks on the present connection, and once more on a fresh one if it breaks and that is harmless.
    async fn ask_in_time<T>(
        &self,
        repeat: Repeat,
        asked: &mut Asked<C>,
        put: impl Fn(&Arc<Desk<C>>) -> Option<Question<C, T>>,
    ) -> Result<T, Error> {
        if repeat == Repeat::Never {
            // Lets the runtime notice that the daemon has hung up since the last call: sent on a dead connection, this would be lost.
            yield_now().await;
        }
        let mut last = false;
        loop {
            let connection = match self.connection().await {
                Ok(connection) => connection,
                // What was asked on the connection before may have been done, whatever keeps us from asking again.
                Err(_) if asked.may_be_done() => return Err(self.lost()),
                Err(error) => return Err(error),
            };
            if let Some(Question { ticket, reply }) = put(connection.desk()) {
                asked.on(ticket);
                // A request is dropped untold only with all that could tell of it.
                match reply.await.unwrap_or(Err(Fault::Stopped)) {
                    Ok(answer) => return Ok(answer),
                    Err(Fault::Crowded) => continue,
                    Err(Fault::Failed(error)) => return Err(error),
                    Err(Fault::Stopped) if asked.may_be_done() => return Err(self.lost()),
                    Err(Fault::Stopped) => {
                        let fault = "the runtime that carried the request was shut down";
                        return Err(self.unreachable(io::Error::other(fault)));
                    }
                    Err(Fault::Broken) => {}
                }
            }
            if asked.may_be_done() && (last || repeat == Repeat::Never) {
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
            match latest.peek() {
                Some(Ok(connection)) if connection.is_alive() => return Ok(connection.clone()),
                Some(_) => *latest = connect(self.path.clone(), RECONNECT_PATIENCE),
                None => {}
            }
            latest.clone()
        };
        connecting.await
    }

    /// What a caller is told whose request may have been heard when its connection broke.
    fn lost(&self) -> Error {
        Error::Lost { path: self.path.clone() }
    }

    /// What a caller is told whose request was certainly not heard.
    fn unreachable(&self, error: io::Error) -> Error {
        Error::unreachable(C::SERVICE, &self.path, error)
    }
}

/// What a caller has asked so far.
struct Asked<C: Calls> {
    /// Whether the daemon may have heard of an asking before the present one.
    is_sent: bool,
    /// The present asking.
    ticket: Option<Arc<Ticket<C>>>,
}

impl<C: Calls> Asked<C> {
    /// Asks again, with this ticket.
    fn on(&mut self, ticket: Arc<Ticket<C>>) {
        self.is_sent = self.may_be_done();
        self.ticket = Some(ticket);
    }

    /// Whether the daemon may have heard of any asking.
    fn may_be_done(&self) -> bool {
        self.is_sent || self.ticket.as_ref().is_some_and(|ticket| ticket.is_sent())
    }
}

/// What is said when the daemon's answer is of another kind than the question.
pub(crate) fn mixed_up() -> Refusal {
    Refusal::because(ErrorCode::Internal, "the daemon answered another call")
}

/// Only a `Serialize` of our own that fails could fail, and those of requests do not.
pub(crate) fn unencoded(error: CodecError) -> Error {
    Refusal::because(ErrorCode::Internal, error.to_string()).into()
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
