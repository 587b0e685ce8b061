//! Verifications on their way to the daemon. Those that wait when it is their turn go in one message, and nobody waits for a timer.

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_protocol::auth::{Answer, AuthRequest, AuthResponse, Identity, Verified, Verify};
use hallpass_protocol::codec::{CodecError, encode, encode_onto};
use hallpass_protocol::limits::{AUTH_FRAME, VERIFY_BATCH};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::calls::AuthCalls;
use crate::desk::{Body, Call, Desk, Errand, Fault, Question, Ticket, Told};
use crate::error::Error;
use crate::link::{Link, Repeat, mixed_up, unencoded};

/// Room of a message for verifications: what is left of a frame by the head of a call, which is shorter than this.
const ROOM: usize = AUTH_FRAME - 96;
/// Most verifications in one message. An answer has room for so many unless users have uncommonly many roles and attributes, so that little is asked
/// twice; and while one message is answered, the next can be read.
const MESSAGE: u8 = 32;
const _: () = assert!(MESSAGE as usize <= VERIFY_BATCH);
/// Messages of one long list that are under way at once, so that the daemon works on one while another is read or written.
const MESSAGES_AT_ONCE: usize = 4;
/// About what one verification takes up, so that little is moved while a message grows.
const USUAL: usize = 128;

/// What apps ask: one call, or verifications of several callers.
pub(crate) enum AuthErrand {
    /// A call.
    Call(Call<AuthCalls>),
    /// Verifications.
    Message(Message),
}

/// Verifications that travel together, and who waits for their answers.
pub(crate) struct Message {
    ticket: Weak<Ticket<AuthCalls>>,
    /// The latest of its callers' deadlines. Each of them watches its own.
    deadline: Instant,
    requests: Requests,
    callers: Vec<oneshot::Sender<Told<Verified>>>,
}

/// The request to verify a list, in bytes: what comes before the list, how long that is in one byte, and each of the list.
struct Requests {
    body: Body,
    count: u8,
}

/// The bytes of such a request before the list.
static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // An enumeration of ours cannot fail to be encoded.
    let mut empty = encode(&AuthRequest::VerifyMany { requests: Vec::new() }).unwrap_or_default();
    // The last byte is the length of the list.
    empty.pop();
    empty
});

impl Requests {
    /// An empty list with room for this many.
    fn new(count: usize) -> Self {
        let mut body = Body::new(Vec::with_capacity(HEAD.len() + 1 + count * USUAL));
        body.extend_from_slice(&HEAD);
        body.push(0);
        Self { body, count: 0 }
    }

    /// Adds one if a message has room for it, and says whether it had. One that is too long for any message is alone in its own.
    fn add(&mut self, request: &Verify) -> Result<bool, CodecError> {
        if self.count >= MESSAGE {
            return Ok(false);
        }
        let before = self.body.len();
        encode_onto(request, &mut self.body)?;
        if self.count > 0 && self.body.len() > ROOM {
            self.body.truncate(before);
            return Ok(false);
        }
        self.count += 1;
        self.body[HEAD.len()] = self.count;
        Ok(true)
    }

    /// As many of these as a message has room for, and at least one if there is any.
    fn first_of(requests: &[Verify]) -> Result<Self, CodecError> {
        let mut list = Self::new(requests.len().min(MESSAGE.into()));
        for request in requests {
            if !list.add(request)? {
                break;
            }
        }
        Ok(list)
    }
}

impl Link<AuthCalls> {
    /// Has one token verified, together with whatever else waits to be.
    pub(crate) async fn verify(&self, limit: Duration, request: &Verify) -> Result<Verified, Error> {
        let deadline = Instant::now() + limit;
        self.ask(deadline, Repeat::Harmless, |desk| Message::join(desk, deadline, request)).await
    }

    /// Has many tokens verified, in as few messages as hold them. The answers are in the order of the requests.
    pub(crate) async fn verify_many(
        &self,
        limit: Duration,
        requests: &[Verify],
    ) -> Result<Vec<Result<Identity, Error>>, Error> {
        let deadline = Instant::now() + limit;
        if requests.len() <= usize::from(MESSAGE) {
            return self.verify_all(deadline, requests).await;
        }
        let parts = (0..requests.len()).step_by(MESSAGE.into()).map(|from| {
            let upto = requests.len().min(from + usize::from(MESSAGE));
            self.verify_all(deadline, &requests[from..upto])
        });
        stream::iter(parts).buffered(MESSAGES_AT_ONCE).try_concat().await
    }

    /// Asks until each of these is answered, message after message. One that is too large for any message fails alone.
    async fn verify_all(
        &self,
        deadline: Instant,
        mut requests: &[Verify],
    ) -> Result<Vec<Result<Identity, Error>>, Error> {
        let mut outcomes = Vec::with_capacity(requests.len());
        while !requests.is_empty() {
            let list = Requests::first_of(requests).map_err(unencoded)?;
            let (count, body) = (list.count, Arc::new(list.body));
            let put = |desk: &Arc<Desk<AuthCalls>>| Call::put(desk, deadline, 0, &body, true);
            match self.ask(deadline, Repeat::Harmless, put).await {
                Ok(response) => {
                    let answers = answers(response, count.into())?;
                    requests = &requests[answers.len()..];
                    outcomes.extend(answers.into_iter().map(|answer| Ok(answer?.identity)));
                }
                Err(error @ Error::TooLarge { .. }) if count == 1 => {
                    requests = &requests[1..];
                    outcomes.push(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }
}

/// The answers to the first of so many requests: at least to one, and to no more than were asked.
fn answers(response: AuthResponse, asked: usize) -> Answer<Vec<Answer<Verified>>> {
    let AuthResponse::VerifyMany(answers) = response else { return Err(mixed_up()) };
    answers.and_then(
        |answers| {
            if (1..=asked).contains(&answers.len()) { Ok(answers) } else { Err(mixed_up()) }
        },
    )
}

impl Message {
    /// Puts a verification on a desk: into the message that waits there if it has room, else into a new one.
    fn join(
        desk: &Arc<Desk<AuthCalls>>,
        deadline: Instant,
        request: &Verify,
    ) -> Option<Question<AuthCalls, Verified>> {
        let (caller, reply) = oneshot::channel();
        let ticket = desk.put(|waiting, id| {
            if let Some(AuthErrand::Message(message)) = waiting.back_mut()
                && let Some(ticket) = message.ticket.upgrade()
                && matches!(message.requests.add(request), Ok(true))
            {
                message.deadline = message.deadline.max(deadline);
                message.callers.push(caller);
                return ticket;
            }
            let (ticket, mut requests) = (desk.ticket(id), Requests::new(1));
            // What cannot be encoded is answered as what it is then: nothing.
            let _ = requests.add(request);
            let callers = vec![caller];
            let message = Self { ticket: Arc::downgrade(&ticket), deadline, requests, callers };
            waiting.push_back(AuthErrand::Message(message));
            ticket
        })?;
        Some(Question { ticket, reply })
    }

    /// Gives each caller its own answer.
    fn tell(self, told: Told<AuthResponse>) {
        let asked = self.callers.len();
        let answers = told.and_then(|response| Ok(answers(response, asked).map_err(Error::from)?));
        let (answers, rest) = match answers {
            Ok(answers) => (answers, Fault::Crowded),
            Err(fault) => (Vec::new(), fault),
        };
        let mut answers = answers.into_iter();
        for caller in self.callers {
            let told = match answers.next() {
                Some(answer) => answer.map_err(|refusal| Fault::Failed(refusal.into())),
                None => Err(rest.clone()),
            };
            // Who is not there any more has given up.
            let _ = caller.send(told);
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Call<AuthCalls>> for AuthErrand {
    fn from(call: Call<AuthCalls>) -> Self {
        Self::Call(call)
    }
}

impl Errand<AuthCalls> for AuthErrand {
    fn ticket(&self) -> Option<Arc<Ticket<AuthCalls>>> {
        match self {
            Self::Call(call) => call.ticket(),
            Self::Message(message) => message.ticket.upgrade(),
        }
    }

    fn deadline(&self) -> Instant {
        match self {
            Self::Call(call) => call.deadline(),
            Self::Message(message) => message.deadline,
        }
    }

    /// A message of several callers has no name that would be all of theirs.
    fn request_id(&self) -> u128 {
        match self {
            Self::Call(call) => call.request_id(),
            Self::Message(_) => 0,
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Self::Call(call) => call.body(),
            Self::Message(message) => &message.requests.body,
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self, Self::Message(message) if message.callers.len() > 1)
    }

    fn is_quick(&self) -> bool {
        match self {
            Self::Call(call) => call.is_quick(),
            Self::Message(_) => true,
        }
    }

    fn tell(self, told: Told<AuthResponse>) {
        match self {
            Self::Call(call) => call.tell(told),
            Self::Message(message) => message.tell(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::auth::{Context, Needs};
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
    fn a_list_in_bytes_is_the_request_to_verify_it() {
        for count in 1..=usize::from(MESSAGE) {
            let requests: Vec<_> = (0..count).map(|number| request(number, 1)).collect();
            let list = Requests::first_of(&requests).unwrap();
            assert_eq!(usize::from(list.count), count);
            assert_eq!(*list.body, encode(&AuthRequest::VerifyMany { requests }).unwrap());
        }
    }

    #[test]
    fn what_is_around_the_verifications_has_room_too() {
        let mut context = context::current();
        context.deadline = std::time::Instant::now() + Duration::from_secs(u64::from(u32::MAX));
        context.trace_context.trace_id = trace::TraceId::from(u128::MAX);
        let head = encode(&ClientMessage::Request(Request { context, id: u64::MAX, message: () })).unwrap();
        assert!(head.len() <= AUTH_FRAME - ROOM, "{}", head.len());
    }

    #[test]
    fn a_message_takes_as_many_as_fit_and_at_least_one() {
        let first = |list: &[Verify]| Requests::first_of(list).unwrap().count;
        let plain = |token| Verify { needs: Needs::default(), context: None, ..request(token, 0) };
        assert_eq!(first(&vec![plain(10); usize::from(MESSAGE) + 1]), MESSAGE);
        assert_eq!(first(&vec![plain(4096); 7]), 3);
        assert_eq!(first(&[plain(10), plain(AUTH_FRAME), plain(10)]), 1);
        assert_eq!(first(&[plain(AUTH_FRAME), plain(10)]), 1);
    }
}
