//! Verifications on their way to the daemon. Those that wait when it is their turn go in one message, and nobody waits for a timer.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_protocol::auth::{Answer, AuthRequest, AuthResponse, Verified, Verify};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{AUTH_FRAME, VERIFY_BATCH};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::calls::{AuthCalls, answer};
use crate::error::Error;
use crate::link::{Link, Repeat};
use crate::outgoing::Sent;

/// Room of a message for verifications: what is left of a frame by the head of a call, which is shorter than this.
const ROOM: usize = AUTH_FRAME - 96;
/// More than the fixed parts of one verification take up, and than the lengths of its texts do.
const FIXED: usize = 96;
/// Most verifications in one message. An answer has room for so many unless users have uncommonly many roles and attributes, so that little is asked
/// twice; and while one message is answered, the next can be read.
const MESSAGE: usize = 32;
const _: () = assert!(MESSAGE <= VERIFY_BATCH);
/// Messages of one long list that are under way at once, so that the daemon works on one while another is read or written.
const MESSAGES_AT_ONCE: usize = 4;

/// Carries verifications over one link.
pub(crate) struct Carrier {
    link: Arc<Link<AuthCalls>>,
    /// The message that verifications still join. There is one exactly while a task is on its way to take it.
    open: Mutex<Option<Message>>,
    /// Whether the last message had several callers: then others are likely to be just about to ask.
    crowded: AtomicBool,
}

/// Verifications that travel together, and who waits for their answers.
struct Message {
    requests: Vec<Verify>,
    callers: Vec<oneshot::Sender<Result<Verified, Error>>>,
    room: usize,
    /// The latest of its callers' deadlines. Each of them watches its own.
    deadline: Instant,
    sent: Sent,
}

impl Carrier {
    /// Carries over this link.
    pub(crate) fn new(link: Arc<Link<AuthCalls>>) -> Self {
        Self { link, open: Mutex::default(), crowded: AtomicBool::default() }
    }

    /// Has one token verified, together with whatever else waits to be.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        limit: Duration,
        request: Verify,
    ) -> Result<Verified, Error> {
        let deadline = Instant::now() + limit;
        let (reply, sent) = self.join(deadline, request);
        let fault = match timeout_at(deadline, reply).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(_)) if sent.get() => return Err(self.link.lost()),
            Ok(Err(_)) => io::Error::other("the runtime that carried the verification was shut down"),
            Err(_) if sent.get() => return Err(Error::NoAnswer),
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        Err(self.link.unreachable(fault))
    }

    /// Has many tokens verified, in as few messages as hold them. The answers are in the order of the requests.
    pub(crate) async fn verify_many(
        &self,
        limit: Duration,
        requests: Vec<Verify>,
    ) -> Result<Vec<Result<Verified, Error>>, Error> {
        let deadline = Instant::now() + limit;
        let messages = stream::iter(split(requests)).map(|requests| self.ask_all(deadline, requests));
        messages.buffered(MESSAGES_AT_ONCE).try_concat().await
    }

    /// Puts a verification into the open message. Whoever opens one sends a task to take it: what comes until it gets its turn goes along.
    fn join(
        self: &Arc<Self>,
        deadline: Instant,
        request: Verify,
    ) -> (oneshot::Receiver<Result<Verified, Error>>, Sent) {
        let (caller, reply) = oneshot::channel();
        let bytes = bytes(&request);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = open.take_if(|message| !has_room(&message.requests, message.room, bytes));
        let is_new = open.is_none() && full.is_none();
        let message = open.get_or_insert_with(|| Message::new(deadline));
        message.room = message.room.saturating_sub(bytes);
        message.deadline = message.deadline.max(deadline);
        message.requests.push(request);
        message.callers.push(caller);
        let sent = message.sent.clone();
        drop(open);
        if let Some(full) = full {
            tokio::spawn(Arc::clone(self).carry(full));
        }
        if is_new {
            tokio::spawn(Turn(Some(Arc::clone(self))).come());
        }
        (reply, sent)
    }

    fn take(&self) -> Option<Message> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes a message to the daemon, and each answer to its caller. One who has gone is none of the others' concern.
    async fn carry(self: Arc<Self>, mut message: Message) {
        self.crowded.store(message.callers.len() > 1, Ordering::Relaxed);
        while !message.requests.is_empty() {
            match self.ask(message.deadline, &message.sent, &message.requests).await {
                Ok(answers) => {
                    message.requests.drain(..answers.len());
                    for (caller, answer) in message.callers.drain(..answers.len()).zip(answers) {
                        // Who is not there any more has given up.
                        let _ = caller.send(answer.map_err(Error::from));
                    }
                }
                Err(error) => {
                    for caller in message.callers {
                        let _ = caller.send(Err(error.clone()));
                    }
                    return;
                }
            }
        }
    }

    /// Asks until every request of a message is answered. One that is too large for any message fails alone.
    async fn ask_all(
        &self,
        deadline: Instant,
        mut requests: Vec<Verify>,
    ) -> Result<Vec<Result<Verified, Error>>, Error> {
        let mut outcomes = Vec::with_capacity(requests.len());
        while !requests.is_empty() {
            match self.ask(deadline, &Sent::default(), &requests).await {
                Ok(answers) => {
                    requests.drain(..answers.len());
                    outcomes.extend(answers.into_iter().map(|answer| answer.map_err(Error::from)));
                }
                Err(error @ Error::TooLarge { .. }) if requests.len() == 1 => {
                    requests.clear();
                    outcomes.push(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    /// Asks once. The answers are of the first requests: at least one, and of no more than were asked.
    async fn ask(
        &self,
        deadline: Instant,
        sent: &Sent,
        requests: &[Verify],
    ) -> Result<Vec<Answer<Verified>>, Error> {
        let request = || AuthRequest::VerifyMany { requests: requests.to_vec() };
        let answer = answer!(AuthResponse::VerifyMany);
        let answers = self.link.call_until(deadline, sent, Repeat::Harmless, request, answer).await?;
        if answers.is_empty() || answers.len() > requests.len() {
            return Err(Refusal::because(ErrorCode::Internal, "the daemon answered another call").into());
        }
        Ok(answers)
    }
}

/// A task on its way to take the open message.
struct Turn(Option<Arc<Carrier>>);

impl Turn {
    async fn come(mut self) {
        if self.0.as_ref().is_some_and(|carrier| carrier.crowded.load(Ordering::Relaxed)) {
            // A runtime may run what was just woken before what has waited; callers who have waited are to be on board.
            yield_now().await;
        }
        if let Some(carrier) = self.0.take()
            && let Some(message) = carrier.take()
        {
            carrier.carry(message).await;
        }
    }
}

impl Drop for Turn {
    /// One that never came was taken down with its runtime, and those who count on it must hear of it.
    fn drop(&mut self) {
        if let Some(carrier) = &self.0 {
            drop(carrier.take());
        }
    }
}

impl Message {
    fn new(deadline: Instant) -> Self {
        Self { requests: Vec::new(), callers: Vec::new(), room: ROOM, deadline, sent: Sent::default() }
    }
}

fn has_room(requests: &[Verify], room: usize, bytes: usize) -> bool {
    requests.len() < MESSAGE && bytes <= room
}

/// The same requests in messages of which each fits a frame, but for one that holds a single request that fits none.
fn split(requests: Vec<Verify>) -> Vec<Vec<Verify>> {
    let (mut messages, mut room) = (Vec::<Vec<Verify>>::new(), 0);
    for request in requests {
        let bytes = bytes(&request);
        if let Some(message) = messages.last_mut().filter(|message| has_room(message, room, bytes)) {
            room -= bytes;
            message.push(request);
        } else {
            room = ROOM.saturating_sub(bytes);
            messages.push(vec![request]);
        }
    }
    messages
}

/// At least the bytes that a verification takes up in a message.
fn bytes(request: &Verify) -> usize {
    let roles: usize = request.needs.roles.iter().map(|role| role.len() + 9).sum();
    let audience = request.needs.audience.as_ref().map_or(0, String::len);
    let context = request.context.as_ref().map_or(0, |context| {
        let texts = [&context.user_agent, &context.device_label, &context.device_fingerprint];
        size_of::<IpAddr>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    });
    FIXED + request.token.expose().len() + audience + roles + context
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::auth::{Context, Needs};
    use hallpass_protocol::codec::encode;
    use hallpass_protocol::secret::Token;
    use tarpc::{ClientMessage, Request, context, trace};

    fn request(token: usize, text: usize) -> Verify {
        let text = Some("x".repeat(text));
        let needs = Needs {
            audience: text.clone(),
            roles: vec![text.clone().unwrap_or_default(); 32],
            max_auth_age: Some(u64::MAX),
            level: Some(u8::MAX),
        };
        let context = Context {
            ip: Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
            user_agent: text.clone(),
            device_label: text.clone(),
            device_fingerprint: text,
        };
        Verify { token: Token::new("t".repeat(token)), needs, context: Some(context) }
    }

    #[test]
    fn a_verification_takes_no_more_room_than_it_is_counted_for() {
        for (token, text) in [(0, 0), (250, 250), (251, 251), (4096, 300), (70_000, 70_000)] {
            let request = request(token, text);
            let taken = encode(&request).map(|encoded| encoded.len());
            assert!(taken.unwrap() <= bytes(&request), "{token} {text}");
        }
    }

    #[test]
    fn what_is_around_the_verifications_has_room_too() {
        let mut context = context::current();
        context.deadline = std::time::Instant::now() + Duration::from_secs(u64::from(u32::MAX));
        context.trace_context.trace_id = trace::TraceId::from(u128::MAX);
        let requests = vec![request(0, 0); VERIFY_BATCH];
        let inner = requests.iter().map(|request| encode(request).unwrap().len()).sum::<usize>();
        let message = AuthRequest::VerifyMany { requests };
        let whole =
            encode(&ClientMessage::Request(Request { context, id: u64::MAX, message })).unwrap().len();
        assert!(whole - inner <= AUTH_FRAME - ROOM, "{}", whole - inner);
    }

    #[test]
    fn a_long_list_is_split_where_a_message_is_full() {
        let lengths = |list: Vec<Verify>| split(list).iter().map(Vec::len).collect::<Vec<_>>();
        let plain = |token| Verify { needs: Needs::default(), context: None, ..request(token, 0) };
        assert!(lengths(Vec::new()).is_empty());
        assert_eq!(lengths(vec![plain(10); 2 * MESSAGE + 1]), [MESSAGE, MESSAGE, 1]);
        assert_eq!(lengths(vec![plain(4096); 7]), [3, 3, 1]);
        assert_eq!(lengths(vec![plain(10), plain(AUTH_FRAME), plain(10), plain(10)]), [1, 1, 2]);
    }
}
