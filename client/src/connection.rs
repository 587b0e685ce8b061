//! One open connection: calls go out and answers come back in any order, until it breaks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass_protocol::codec::{End, WireCodec};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::hello::{HelloError, introduce};
use hallpass_protocol::limits::REQUESTS_IN_FLIGHT;
use tarpc::client::{Channel, Config, NewClient, RpcError};
use tarpc::{ClientMessage, Response, ServerError, context};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::dial::reach;
use crate::error::Error;
use crate::outgoing::Outgoing;

/// Longest time for a connect and its hello. A daemon that systemd starts on demand answers only when it is up.
const OPEN_DEADLINE: Duration = Duration::from_secs(5);

/// Calls of ours that are under way at once; further ones wait here, in order.
///
/// The daemon refuses what goes over its own bound, and may still be busy with calls whose callers have given up.
const IN_FLIGHT: usize = 96;
const _: () = assert!(IN_FLIGHT < REQUESTS_IN_FLIGHT);

/// Why a call got no answer on this connection.
pub(crate) enum CallError {
    /// The connection broke; another one may do.
    Broken,
    /// Another connection would do no better.
    Failed(Error),
}

/// One open connection. Clones share it, and it closes when the last is gone.
pub(crate) struct Connection<C: Calls> {
    channel: Channel<Outgoing<C::Request>, C::Response>,
    /// Cancelled when nobody serves the connection any more.
    ended: CancellationToken,
    broken: Arc<AtomicBool>,
}

impl<C: Calls> Clone for Connection<C> {
    fn clone(&self) -> Self {
        Self { channel: self.channel.clone(), ended: self.ended.clone(), broken: Arc::clone(&self.broken) }
    }
}

impl<C: Calls> Connection<C> {
    /// Connects and introduces this caller, and leaves a task on the current runtime that reads and writes.
    pub(crate) async fn open(path: &Path) -> Result<Self, HelloError> {
        let opening = async {
            let mut stream = reach(path).await?;
            introduce(&mut stream, C::SERVICE).await?;
            Ok(stream)
        };
        let stream = timeout(OPEN_DEADLINE, opening)
            .await
            .unwrap_or_else(|_| Err(HelloError::Io(io::ErrorKind::TimedOut.into())))?;
        Ok(Self::start(stream))
    }

    fn start(stream: UnixStream) -> Self {
        type Codec<C> =
            WireCodec<Response<<C as Calls>::Response>, ClientMessage<Outgoing<<C as Calls>::Request>>>;
        let transport = Framed::new(stream, Codec::<C>::new(End::Client, C::FRAME));
        let mut config = Config::default();
        config.max_in_flight_requests = IN_FLIGHT;
        config.pending_request_buffer = IN_FLIGHT;
        let NewClient { client: channel, dispatch } = tarpc::client::new(config, transport);
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let serving = async move {
            let _guard = guard;
            // However it ended, its callers hear of it.
            let _ = dispatch.await;
        };
        tokio::spawn(serving);
        Self { channel, ended, broken: Arc::default() }
    }

    /// Whether the connection was still good when last looked at.
    ///
    /// A caller learns that it broke a little before the task that serves it has ended, so the two are looked at separately.
    pub(crate) fn is_alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire) && !self.ended.is_cancelled()
    }

    /// Asks, and waits for the answer until `deadline`, which the daemon is told as well.
    pub(crate) async fn call(
        &self,
        deadline: Instant,
        request: Outgoing<C::Request>,
    ) -> Result<C::Response, CallError> {
        let mut context = context::current();
        context.deadline = deadline.into_std();
        let outcome = tokio::select! {
            biased;
            outcome = self.channel.call(context, request) => outcome,
            // A request that is handed over just when nobody takes requests any more is neither refused nor answered.
            () = self.ended.cancelled() => Err(RpcError::Shutdown),
        };
        outcome.map_err(|error| match error {
            RpcError::Shutdown | RpcError::Channel(_) => {
                self.broken.store(true, Ordering::Release);
                CallError::Broken
            }
            // Only encoding comes before a request is in the write buffer, and only its length can be wrong.
            RpcError::Send(_) => CallError::Failed(Error::TooLarge { limit: C::FRAME }),
            RpcError::DeadlineExceeded => CallError::Failed(Error::NoAnswer),
            RpcError::Server(error) => CallError::Failed(Error::Refused(refusal(&error))),
        })
    }
}

/// What tarpc's server says by itself: that there are too many requests, or else that something is wrong.
///
/// Its words tell them apart. Its `kind` cannot: that is written as a signed number and read as an unsigned one, and so arrives as another.
fn refusal(error: &ServerError) -> Refusal {
    Refusal::new(if error.detail.contains("throttled") { ErrorCode::Busy } else { ErrorCode::Internal })
}
