//! The task that serves one connection: it sends what lies on the desk and tells callers what was answered.
//!
//! What crosses the wire is tarpc's, and its client would do as well, but for what it costs: a message to its task, a table of deadlines, a span and a
//! trace for each request, which together take longer than the daemon does to verify a token.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::{SinkExt, StreamExt};
use hallpass_protocol::codec::{End, WireCodec, put_frame};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::REQUESTS_IN_FLIGHT;
use tarpc::{ClientMessage, Request, Response, ServerError, context, trace};
use tokio::net::UnixStream;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::codec::Framed;

use crate::attentive::Attentive;
use crate::calls::Calls;
use crate::desk::{Desk, Errand, Fault, Ticket, Told, Work};
use crate::error::Error;

/// Calls of ours that are under way at once; further ones wait here, in order.
///
/// The daemon refuses what goes over its own bound, and may still be busy with calls whose callers have given up.
const IN_FLIGHT: usize = 96;
const _: () = assert!(IN_FLIGHT < REQUESTS_IN_FLIGHT);

/// Requests are written once they come to so many bytes, so that the daemon can begin with them.
const WRITE_AT: usize = 16 * 1024;

/// Reads answers, writes requests. What a request consists of beside its head is in bytes already.
type Frames<C> = Framed<Attentive, WireCodec<Response<<C as Calls>::Response>, ClientMessage<()>>>;

/// The task that serves one connection, until that breaks or nobody is left who could ask.
pub(crate) struct Dispatch<C: Calls> {
    frames: Frames<C>,
    desk: Arc<Desk<C>>,
    under_way: BTreeMap<u64, UnderWay<C::Errand>>,
    /// What every request says of itself but its deadline and its name.
    context: context::Context,
    /// Whether the runtime may run this task, which was just woken, before callers who have waited longer.
    jumps_queues: bool,
    /// Whether the last message had several callers, so that more of them are likely to be about to ask.
    is_crowded: bool,
    /// Whether this turn was already put off for their sake.
    has_waited: bool,
    looking: Looking,
}

/// Whether to look for an answer before going to sleep.
#[derive(Debug, Default)]
struct Looking {
    /// The last question whose answer might have been looked for.
    considered: Option<u64>,
    /// Whether it is to be looked for once others have had their turn.
    is_due: bool,
}

/// Questions of this process that are under way, on whatever connection.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// A question under way.
struct UnderWay<E> {
    errand: E,
    _counted: Counted,
}

impl<E> UnderWay<E> {
    fn new(errand: E) -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self { errand, _counted: Counted }
    }
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C: Calls> Dispatch<C> {
    /// Serves this desk over a connection that has said hello. To be called on the runtime that is to run it.
    pub(crate) fn new(stream: UnixStream, desk: Arc<Desk<C>>) -> Self {
        let mut context = context::current();
        context.trace_context = trace::Context::default();
        Self {
            frames: Framed::new(Attentive::new(stream), WireCodec::new(End::Client, C::FRAME)),
            desk,
            under_way: BTreeMap::new(),
            context,
            jumps_queues: Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread,
            is_crowded: false,
            has_waited: false,
            looking: Looking::default(),
        }
    }

    /// Tells callers what has been answered. Ready when no more answers can come.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(response)) = ready!(self.frames.poll_next_unpin(cx)) {
            // An answer to what was taken back concerns nobody.
            let Some(UnderWay { errand, .. }) = self.under_way.remove(&response.request_id) else { continue };
            let is_shared = errand.is_shared();
            tell::<C>(errand, response.message.map_err(|error| Fault::Failed(refusal(&error).into())));
            if is_shared && !self.frames.read_buffer().is_empty() {
                // Its callers are likely to ask again: what they ask goes out, for the daemon to work on, before the next are told.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Sends what waits. Ready when nothing can be sent any more, or nobody is left who could ask.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let is_full = match self.fill(cx) {
                Filled::Left => return Poll::Ready(()),
                Filled::All => false,
                Filled::NoRoom => true,
            };
            match self.frames.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) if is_full => {}
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    }

    fn fill(&mut self, cx: &Context<'_>) -> Filled {
        loop {
            let is_full = self.frames.write_buffer().len() >= WRITE_AT;
            let room = !is_full && self.under_way.len() < IN_FLIGHT;
            match self.desk.next(room, cx) {
                Work::Nothing if is_full => return Filled::NoRoom,
                Work::Nothing => return Filled::All,
                Work::Leave => return Filled::Left,
                Work::Send(errand) => self.send(errand),
                Work::TakeBack(ids) => ids.into_iter().for_each(|id| self.take_back(id)),
            }
        }
    }

    fn send(&mut self, errand: C::Errand) {
        // Everybody has given up on it, and so it is not worth asking.
        let Some(ticket) = errand.ticket() else { return };
        self.context.deadline = errand.deadline().into_std();
        let mut context = self.context;
        context.trace_context.trace_id = errand.request_id().into();
        let head = ClientMessage::Request(Request { context, id: ticket.id(), message: () });
        match put_frame(&head, errand.body(), C::FRAME, self.frames.write_buffer_mut()) {
            Ok(()) => {
                ticket.send();
                self.is_crowded = errand.is_shared();
                self.under_way.insert(ticket.id(), UnderWay::new(errand));
            }
            // The head always has room, so it is the request that has none.
            Err(_) => tell::<C>(errand, Err(Fault::Failed(Error::TooLarge { limit: C::FRAME }))),
        }
    }

    fn take_back(&mut self, request_id: u64) {
        // What is answered or was never sent needs no taking back.
        if self.under_way.remove(&request_id).is_some() {
            let trace_context = self.context.trace_context;
            let cancel = ClientMessage::<()>::Cancel { trace_context, request_id };
            // It is shorter than any frame may be; without it the daemon would merely do what nobody waits for.
            let _ = put_frame(&cancel, &[], C::FRAME, self.frames.write_buffer_mut());
        }
    }

    /// Whether to let callers put down what they are about to ask, before what lies there is taken.
    fn waits(&mut self) -> bool {
        let waits = self.jumps_queues && self.is_crowded && !self.has_waited && self.desk.has_waiting();
        self.has_waited = waits;
        waits
    }

    /// Looks for the answer for a moment, if there is nothing else to do: one question, which is answered from memory, is all that this process waits
    /// for, and what else could run has had its turn. Ready when no more answers can come.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_alone = self.under_way.len() == 1 && UNDER_WAY.load(Ordering::Relaxed) == 1;
        let Some((&id, _)) = self.under_way.first_key_value().filter(|(_, under_way)| {
            is_alone && under_way.errand.is_quick() && self.frames.write_buffer().is_empty()
        }) else {
            return Poll::Pending;
        };
        if self.looking.considered != Some(id) {
            let is_due = self.frames.get_mut().takes_chance();
            self.looking = Looking { considered: Some(id), is_due };
            if is_due {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if !std::mem::take(&mut self.looking.is_due) {
            return Poll::Pending;
        }
        self.frames.get_mut().expect();
        self.read(cx)
    }

    /// However it ended, callers hear of it.
    fn end(&mut self, fault: &Fault) {
        let unsent = self.desk.end();
        let sent = std::mem::take(&mut self.under_way).into_values().map(|under_way| under_way.errand);
        sent.chain(unsent).for_each(|errand| tell::<C>(errand, Err(fault.clone())));
    }
}

enum Filled {
    /// Everything that may be sent now.
    All,
    /// As much as is written at once.
    NoRoom,
    /// Nobody is left.
    Left,
}

impl<C: Calls> Future for Dispatch<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut ended = this.read(cx).is_ready();
        if !ended && this.waits() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ended = ended || this.write(cx).is_ready();
        ended = ended || this.look(cx).is_ready();
        if !ended {
            return Poll::Pending;
        }
        this.end(&Fault::Broken);
        Poll::Ready(())
    }
}

impl<C: Calls> Drop for Dispatch<C> {
    /// One that has not ended by itself was taken down with its runtime.
    fn drop(&mut self) {
        self.end(&Fault::Stopped);
    }
}

/// Tells everybody who waits for a request what came of it.
fn tell<C: Calls>(errand: C::Errand, told: Told<C::Response>) {
    if let Some(ticket) = errand.ticket() {
        Ticket::settle(&ticket);
    }
    errand.tell(told);
}

/// What tarpc's server says by itself: that there are too many requests, or else that something is wrong.
///
/// Its words tell them apart. Its `kind` cannot: that is written as a signed number and read as an unsigned one, and so arrives as another.
fn refusal(error: &ServerError) -> Refusal {
    Refusal::new(if error.detail.contains("throttled") { ErrorCode::Busy } else { ErrorCode::Internal })
}
