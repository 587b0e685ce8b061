//! Where callers leave what they ask for, and the task that serves their connection takes it from.
//!
//! A caller puts its request there in bytes and waits for the answer; it does not write. So whatever is put there before the task has its turn goes out in
//! one piece, and nobody waits for a timer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::sync::oneshot;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::calls::Calls;
use crate::error::Error;

/// Why a caller got no answer on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection broke; another one may do.
    Broken,
    /// The runtime that served the connection has ended, and what belongs to it cannot be waited for any more.
    Stopped,
    /// The answer had no room for this caller's part of it; asking again has.
    Crowded,
    /// Another connection would do no better.
    Failed(Error),
}

/// What a caller is told, once.
pub(crate) type Told<T> = Result<T, Fault>;

/// A request in bytes, which may hold a password or a token.
pub(crate) type Body = Zeroizing<Vec<u8>>;

/// A request on its way, and who waits for the answer.
pub(crate) trait Errand<C: Calls>: Send + Unpin + 'static {
    /// Which request this is, as long as anybody waits for it.
    fn ticket(&self) -> Option<Arc<Ticket<C>>>;
    /// Until when somebody waits at most.
    fn deadline(&self) -> Instant;
    /// What it is called in logs, as a number; 0 if it has no name.
    fn request_id(&self) -> u128;
    /// The request.
    fn body(&self) -> &[u8];
    /// Whether several callers share it. Then others are likely to be just about to ask.
    fn is_shared(&self) -> bool;
    /// Whether the daemon answers it from memory.
    fn is_quick(&self) -> bool;
    /// Says what came of it to everybody who waits.
    fn tell(self, told: Told<C::Response>);
}

/// What callers hold as long as they wait. When the last of them lets go before there is an answer, the request is taken back.
pub(crate) struct Ticket<C: Calls> {
    id: u64,
    sent: AtomicBool,
    settled: AtomicBool,
    desk: Arc<Desk<C>>,
}

impl<C: Calls> Ticket<C> {
    /// The number of the request on its connection.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether the daemon may have heard of the request.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// From here on the daemon may hear of the request.
    pub(crate) fn send(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// There is nothing left to take back.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }
}

impl<C: Calls> Drop for Ticket<C> {
    fn drop(&mut self) {
        if !self.settled.load(Ordering::Acquire) {
            self.desk.take_back(self.id);
        }
    }
}

/// A question that was put on a desk: what it is known by, and where its answer comes.
pub(crate) struct Question<C: Calls, T> {
    pub(crate) ticket: Arc<Ticket<C>>,
    pub(crate) reply: oneshot::Receiver<Told<T>>,
}

/// The desk of one connection.
pub(crate) struct Desk<C: Calls> {
    state: Mutex<State<C>>,
}

struct State<C: Calls> {
    /// What waits to be sent, in order.
    waiting: VecDeque<C::Errand>,
    /// Numbers of requests that nobody waits for any more.
    taken_back: Vec<u64>,
    next_id: u64,
    /// The task that serves the connection, while it sleeps.
    task: Option<Waker>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nobody is left who could ask.
    Left,
    /// Nobody serves the connection any more.
    Ended,
}

/// What the task that serves the connection is to do next.
pub(crate) enum Work<C: Calls> {
    /// Nothing for now; it is woken when there is something.
    Nothing,
    /// To send this.
    Send(C::Errand),
    /// To tell the daemon that nobody waits for these any more.
    TakeBack(Vec<u64>),
    /// To go: nobody is left who could ask.
    Leave,
}

impl<C: Calls> Desk<C> {
    /// An empty desk.
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            waiting: VecDeque::new(),
            taken_back: Vec::new(),
            next_id: 0,
            task: None,
            stage: Stage::Open,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Puts something there: `put` finds what waits already, and the number of the next request. Nothing is put where nobody serves any more.
    pub(crate) fn put<T>(&self, put: impl FnOnce(&mut VecDeque<C::Errand>, u64) -> T) -> Option<T> {
        let mut state = self.lock();
        if state.stage == Stage::Ended {
            return None;
        }
        let id = state.next_id;
        state.next_id += 1;
        let done = put(&mut state.waiting, id);
        wake(state);
        Some(done)
    }

    /// A ticket for a request of this number.
    pub(crate) fn ticket(self: &Arc<Self>, id: u64) -> Arc<Ticket<C>> {
        let desk = Arc::clone(self);
        Arc::new(Ticket { id, sent: AtomicBool::new(false), settled: AtomicBool::new(false), desk })
    }

    /// Whether somebody serves the connection.
    pub(crate) fn is_served(&self) -> bool {
        self.lock().stage != Stage::Ended
    }

    /// Whether anything waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// What there is to do next. Requests are kept back where there is no room for them; whoever makes room looks again.
    pub(crate) fn next(&self, room: bool, cx: &Context<'_>) -> Work<C> {
        let mut state = self.lock();
        if !state.taken_back.is_empty() {
            return Work::TakeBack(std::mem::take(&mut state.taken_back));
        }
        if state.stage == Stage::Left {
            return Work::Leave;
        }
        if room && let Some(errand) = state.waiting.pop_front() {
            return Work::Send(errand);
        }
        state.task = Some(cx.waker().clone());
        Work::Nothing
    }

    /// Nobody is left who could ask.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Open {
            state.stage = Stage::Left;
        }
        wake(state);
    }

    /// Ends it, and gives back what was not sent. Nothing is put there afterwards.
    pub(crate) fn end(&self) -> VecDeque<C::Errand> {
        let mut state = self.lock();
        state.stage = Stage::Ended;
        std::mem::take(&mut state.waiting)
    }

    fn take_back(&self, id: u64) {
        let mut state = self.lock();
        if state.stage == Stage::Open {
            state.taken_back.push(id);
            wake(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the task if it sleeps. One that does not looks again before it does.
fn wake<C: Calls>(mut state: MutexGuard<'_, State<C>>) {
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

/// A request of one caller.
pub(crate) struct Call<C: Calls> {
    ticket: Weak<Ticket<C>>,
    deadline: Instant,
    request_id: u128,
    body: Arc<Body>,
    is_quick: bool,
    caller: oneshot::Sender<Told<C::Response>>,
}

impl<C: Calls> Call<C> {
    /// Puts a request on a desk, unless nobody serves there any more. `is_quick` says that the daemon answers it from memory.
    pub(crate) fn put(
        desk: &Arc<Desk<C>>,
        deadline: Instant,
        request_id: u128,
        body: &Arc<Body>,
        is_quick: bool,
    ) -> Option<Question<C, C::Response>> {
        let (caller, reply) = oneshot::channel();
        let ticket = desk.put(|waiting, id| {
            let ticket = desk.ticket(id);
            let (ticket_here, body) = (Arc::downgrade(&ticket), Arc::clone(body));
            let call = Self { ticket: ticket_here, deadline, request_id, body, is_quick, caller };
            waiting.push_back(call.into());
            ticket
        })?;
        Some(Question { ticket, reply })
    }
}

impl<C: Calls> Errand<C> for Call<C> {
    fn ticket(&self) -> Option<Arc<Ticket<C>>> {
        self.ticket.upgrade()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn request_id(&self) -> u128 {
        self.request_id
    }

    fn body(&self) -> &[u8] {
        &self.body
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_quick(&self) -> bool {
        self.is_quick
    }

    fn tell(self, told: Told<C::Response>) {
        // Who is not there any more has given up.
        let _ = self.caller.send(told);
    }
}
