//! One connection from hello to end. A fault here ends this connection and no other.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::FutureExt;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::codec::{End, WireCodec};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{FRAME_DEADLINE, REQUESTS_IN_FLIGHT};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use tarpc::server::{BaseChannel, Channel, Config, Serve};
use tarpc::{ClientMessage, Request, RequestName, Response, context};
use tokio::net::UnixStream;
use tokio::task::coop::poll_proceed;
use tokio::time::{Instant, Sleep, interval, sleep_until};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use crate::budget::{Aside, Room};
use crate::slices::Slice;

/// Answers are written once they come to so many bytes, so that the caller can read them while the next are made.
const WRITE_AT: usize = 2 * 1024;

/// Serves calls on a connection that has said hello, until either side ends it. When the daemon stops, what is under way is still answered.
///
/// What `at_once` answers is answered in the order it came. What it does not is waited for beside that, so that a login does not hold up the
/// verifications behind it.
pub(crate) async fn serve<S, A>(
    stream: UnixStream,
    limits: Limits,
    service: S,
    at_once: impl Fn(&context::Context, &S::Req) -> Option<A>,
    stop: CancellationToken,
) where
    S: Serve + Clone,
    S::Req: DeserializeOwned + RequestName,
    S::Resp: Serialize,
    A: Serialize,
{
    let codec =
        WireCodec::<ClientMessage<S::Req>, Response<Spoken<A, S::Resp>>>::new(End::Server, limits.longest);
    let mut frames = Framed::new(stream, codec);
    frames.set_backpressure_boundary(WRITE_AT);
    let seen = Arc::new(Seen::default());
    let transport = Prompt {
        inner: Timed::new(frames),
        at_once,
        room: limits.room,
        slice: limits.slice,
        seen: Arc::clone(&seen),
        answers: PhantomData,
    };
    // Every request under way has room for its answer. One that was taken back is under way no longer, yet its answer may still take up room.
    let config = Config { pending_response_buffer: REQUESTS_IN_FLIGHT };
    let channel = BaseChannel::new(config, transport).max_concurrent_requests(REQUESTS_IN_FLIGHT);
    let mut requests = std::pin::pin!(channel.requests());
    let mut under_way = FuturesUnordered::new();
    let mut look = interval(limits.idle);
    // Its first look comes at once.
    let mut before = None;
    loop {
        tokio::select! {
            Some(()) = under_way.next() => {}
            _ = look.tick() => {
                let now = Some(seen.frames.load(Ordering::Relaxed));
                if now == before && under_way.is_empty() {
                    return tracing::debug!("a connection was idle for too long");
                }
                before = now;
            }
            () = stop.cancelled(), if under_way.is_empty() => break,
            request = requests.next() => match request {
                Some(Ok(request)) => {
                    let (answer, aside) = (request.execute(service.clone()), seen.take());
                    under_way.push(async move {
                        answer.await;
                        drop(aside);
                    });
                }
                Some(Err(error)) => return tracing::debug!(%error, "a connection ended because of what was on it"),
                None => return,
            },
        }
    }
    // The last answers wait to be written; one more look at the connection writes them. A request that comes with it is not waited for.
    let _ = requests.next().now_or_never();
}

/// What a connection may take up.
pub(crate) struct Limits {
    /// Its longest frame, in bytes.
    pub(crate) longest: usize,
    /// Room for one of those.
    pub(crate) room: Room,
    /// When it is read from.
    pub(crate) slice: Slice,
    /// How long it may be idle. One that is may be ended after as long again.
    pub(crate) idle: Duration,
}

/// What was read.
#[derive(Debug, Default)]
struct Seen {
    /// How many frames.
    frames: AtomicU64,
    /// What the request takes up that was handed on last.
    aside: Mutex<Option<Aside>>,
}

impl Seen {
    fn take(&self) -> Option<Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers a call even if the code behind it panics: tarpc would leave the caller waiting for the deadline.
pub(crate) async fn guarded<T>(call: impl Future<Output = Answer<T>>) -> Answer<T> {
    // Nothing the call touches is used again after a panic but what locks and transactions keep whole.
    let outcome = std::panic::AssertUnwindSafe(call).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal)))
}

/// The same for a call that waits for nothing.
pub(crate) fn guarded_at_once<T>(call: impl FnOnce() -> Answer<T>) -> Answer<T> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    outcome.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal)))
}

/// A transport that answers by itself what needs no waiting. What it costs tarpc to keep track of a request is more than most of them cost.
struct Prompt<T, F, A> {
    inner: T,
    at_once: F,
    room: Room,
    slice: Slice,
    seen: Arc<Seen>,
    answers: PhantomData<A>,
}

/// An answer, and who has made it. Both are the same bytes: what is answered at once may borrow what it says from where that lies.
enum Spoken<A, R> {
    AtOnce(A),
    InTime(R),
}

impl<A: Serialize, R: Serialize> Serialize for Spoken<A, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtOnce(answer) => answer.serialize(serializer),
            Self::InTime(answer) => answer.serialize(serializer),
        }
    }
}

impl<T: Unpin, F, A> Unpin for Prompt<T, F, A> {}

impl<F, Req, A, R> Stream for Prompt<Timed<Frames<ClientMessage<Req>, Response<Spoken<A, R>>>>, F, (A, R)>
where
    Req: DeserializeOwned,
    A: Serialize,
    R: Serialize,
    F: Fn(&context::Context, &Req) -> Option<A>,
{
    type Item = io::Result<ClientMessage<Req>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.poll_request(cx);
        if polled.is_pending() {
            self.slice.release();
        }
        polled
    }
}

impl<F, Req, A, R> Prompt<Timed<Frames<ClientMessage<Req>, Response<Spoken<A, R>>>>, F, (A, R)>
where
    Req: DeserializeOwned,
    A: Serialize,
    R: Serialize,
    F: Fn(&context::Context, &Req) -> Option<A>,
{
    /// The next request that is not answered by itself.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<ClientMessage<Req>>>> {
        let this = self;
        loop {
            // No request is read that there is no room to answer.
            if let Err(error) = ready!(this.inner.poll_ready_unpin(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
            // Nor is one that there is no room to keep until it is.
            ready!(this.room.poll_whole(cx));
            // And whoever has many connections does not have many turns.
            ready!(this.slice.poll(cx));
            let read = ready!(this.inner.poll_next_unpin(cx));
            this.slice.spend(this.inner.inner.codec().last_read());
            let Request { context, id, message } = match read {
                Some(Ok(ClientMessage::Request(request))) => request,
                other => return Poll::Ready(other),
            };
            this.seen.frames.fetch_add(1, Ordering::Relaxed);
            let Some(answer) = (this.at_once)(&context, &message) else {
                let aside = this.room.lend(this.inner.inner.codec().last_read());
                *this.seen.aside.lock().unwrap_or_else(PoisonError::into_inner) = aside;
                let request = Request { context, id, message };
                return Poll::Ready(Some(Ok(ClientMessage::Request(request))));
            };
            let response = Response { request_id: id, message: Ok(Spoken::AtOnce(answer)) };
            if let Err(error) = this.inner.start_send_unpin(response) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl<T, F, A, R> Sink<Response<R>> for Prompt<T, F, (A, R)>
where
    T: Sink<Response<Spoken<A, R>>, Error = io::Error> + Unpin,
{
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.inner.poll_ready_unpin(cx);
        if polled.is_pending() {
            // With as many requests under way as there may be, tarpc looks here before it reads, and then does not.
            self.slice.release();
        }
        polled
    }

    fn start_send(mut self: Pin<&mut Self>, item: Response<R>) -> io::Result<()> {
        let Response { request_id, message } = item;
        self.inner.start_send_unpin(Response { request_id, message: message.map(Spoken::InTime) })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_unpin(cx)
    }
}

/// A transport on which no frame may take long: neither one that comes in byte by byte, nor one that the other side does not read.
struct Timed<T> {
    inner: T,
    reading: Timer,
    writing: Timer,
    /// Whether frames wait until others are written.
    full: bool,
    /// Whether reading waits until everything is written.
    held: bool,
}

/// Runs while a frame is half done.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Fails once the frame has taken too long; wakes the task when that will be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + FRAME_DEADLINE)));
        sleep.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }

    fn runs(&self) -> bool {
        self.0.is_some()
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

impl<T> Timed<T> {
    fn new(inner: T) -> Self {
        Self { inner, reading: Timer::default(), writing: Timer::default(), full: false, held: false }
    }
}

/// The error type that reading and writing share.
type Frames<In, Out> = Framed<UnixStream, WireCodec<In, Out>>;

impl<In: DeserializeOwned, Out> Stream for Timed<Frames<In, Out>> {
    type Item = io::Result<In>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Whoever does not read is not read from: its answers would pile up. The write timer wakes this, or what stops it does.
        this.held = this.writing.runs();
        if this.held {
            return Poll::Pending;
        }
        // Whoever sends many frames at once must let other connections have their turn, even with frames that nothing answers.
        let turn = ready!(poll_proceed(cx));
        match this.inner.poll_next_unpin(cx) {
            Poll::Ready(item) => {
                turn.made_progress();
                this.reading.stop();
                Poll::Ready(item)
            }
            Poll::Pending if this.inner.read_buffer().is_empty() => {
                this.reading.stop();
                Poll::Pending
            }
            Poll::Pending => this.reading.poll(cx).map(|error| Some(Err(error))),
        }
    }
}

impl<In, Out: Serialize> Timed<Frames<In, Out>> {
    fn timed(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match poll {
            Poll::Ready(done) => {
                self.writing.stop();
                if std::mem::take(&mut self.held) {
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(done)
            }
            Poll::Pending => self.writing.poll(cx).map(Err),
        }
    }
}

impl<In, Out: Serialize> Sink<Out> for Timed<Frames<In, Out>> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.inner.poll_ready_unpin(cx);
        if poll.is_ready() && !self.full {
            // There was room before; that says nothing about what waits to be written.
            return poll;
        }
        self.full = poll.is_pending();
        self.timed(cx, poll)
    }

    fn start_send(mut self: Pin<&mut Self>, item: Out) -> io::Result<()> {
        self.inner.start_send_unpin(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.inner.poll_flush_unpin(cx);
        self.timed(cx, poll)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.inner.poll_close_unpin(cx);
        self.timed(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::slices::Slices;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn ends() -> (UnixStream, Timed<Frames<String, String>>) {
        let (near, far) = UnixStream::pair().unwrap();
        (near, Timed::new(Framed::new(far, WireCodec::new(End::Client, 1 << 20))))
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn half_a_frame_then_silence_ends_the_connection_and_idling_does_not() {
        let (mut near, mut far) = ends();
        let idle = tokio::time::timeout(FRAME_DEADLINE * 10, far.next()).await;
        assert!(idle.is_err(), "nothing has begun, so nothing is late");
        near.write_all(&[0, 0, 0, 9, 8]).await.unwrap();
        let begun = Instant::now();
        let error = far.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= FRAME_DEADLINE);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_frame_in_pieces_still_arrives() {
        let (mut near, mut far) = ends();
        for byte in [0, 0, 0, 3, 2, b'h', b'i'] {
            near.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(far.next().await.unwrap().unwrap(), "hi");
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn e9_a_reader_who_does_not_read_ends_the_connection() {
        let (mut near, mut far) = ends();
        let written = loop {
            if let Err(error) = far.send("x".repeat(100_000)).await {
                break error;
            }
        };
        assert_eq!(written.kind(), io::ErrorKind::TimedOut);
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn e9_a_few_answers_that_nobody_reads_end_the_connection_too() {
        let (_near, mut far) = ends();
        loop {
            far.feed("x".repeat(100)).await.unwrap();
            // With a budget of its own each time: what stops it must be the socket.
            tokio::task::yield_now().await;
            if far.flush().now_or_never().is_none() {
                break;
            }
        }
        // There is room for more all the time, which is where tarpc looks first.
        let look = std::future::poll_fn(|cx| match far.poll_ready_unpin(cx) {
            Poll::Ready(Ok(())) => far.poll_flush_unpin(cx),
            other => other,
        });
        let ended = tokio::time::timeout(FRAME_DEADLINE * 3, look).await;
        assert_eq!(ended.expect("in time").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e9_who_does_not_read_is_not_read_from_until_it_does() {
        let (mut near, mut far) = ends();
        while far.flush().now_or_never().is_some() {
            far.feed("x".repeat(10_000)).await.unwrap();
            tokio::task::yield_now().await;
        }
        near.write_all(&[0, 0, 0, 3, 2, b'h', b'i']).await.unwrap();
        tokio::task::yield_now().await;
        assert!(far.next().now_or_never().is_none(), "its answers come first");
        let reader = tokio::spawn(async move { near.read_to_end(&mut Vec::new()).await });
        let look = std::future::poll_fn(|cx| match far.poll_next_unpin(cx) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => {
                // As tarpc does: it looks at the other direction too, and then waits to be woken.
                let _ = far.poll_flush_unpin(cx);
                Poll::Pending
            }
        });
        let request = tokio::time::timeout(FRAME_DEADLINE, look).await.expect("it is woken");
        assert_eq!(request.unwrap().unwrap(), "hi");
        drop(far);
        reader.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e9_what_is_answered_at_once_waits_for_room_and_the_rest_goes_on() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let codec =
            WireCodec::<ClientMessage<String>, Response<Spoken<String, String>>>::new(End::Server, 1 << 20);
        let at_once = |_: &context::Context, request: &String| (request != "pass").then(|| request.clone());
        let room = Budget::new(1).room(0, 64 << 10).expect("there is room");
        let seen = Arc::default();
        let inner = Timed::new(Framed::new(far, codec));
        let slice = Slices::default().of(0);
        let mut prompt =
            Prompt { inner, at_once, room, slice, seen, answers: PhantomData::<(String, String)> };
        let request = |message: &str| {
            let request = Request { context: context::current(), id: 7, message: message.to_owned() };
            let bytes = hallpass_protocol::codec::encode(&ClientMessage::Request(request)).unwrap();
            [u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes].concat()
        };
        near.write_all(&request("echo")).await.unwrap();
        near.write_all(&request("pass")).await.unwrap();
        let Some(Ok(ClientMessage::Request(passed))) = prompt.next().await else { panic!("no request") };
        assert_eq!(passed.message, "pass", "the one before it was answered and goes no further");
        let aside = prompt.seen.take();
        assert!(aside.is_some() && prompt.seen.frames.load(Ordering::Relaxed) == 2);
        drop(aside);
        prompt.flush().await.unwrap();
        assert!(near.read(&mut [0; 64]).await.unwrap() > 4);
        // Whoever asks on and reads nothing is not read from any more, however much it has asked.
        let (mut asked, large) = (0, request(&"x".repeat(10_000)));
        while let Ok(written) = near.try_write(&large[asked % large.len()..]) {
            asked += written;
            assert!(prompt.next().now_or_never().is_none());
            tokio::task::yield_now().await;
            assert!(asked < 10 << 20, "it is read from for ever");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_is_an_answer() {
        let panics = guarded(async { if true { panic!("on purpose") } else { Ok(()) } });
        assert_eq!(panics.await.unwrap_err().code, ErrorCode::Internal);
        let panics = guarded_at_once(|| if true { panic!("on purpose") } else { Ok(()) });
        assert_eq!(panics.unwrap_err().code, ErrorCode::Internal);
    }
}
