//! A daemon that does with each call what the test has told it to.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use hallpass_client::{
    AttemptId, ChangePassword, ErrorCode, Grant, GrantedTokens, Hello, Identity, ListSessions, Login, Millis,
    OpenSession, PublishedKeys, Reauthenticate, RedeemCode, Refresh, Refusal, Revoke, Revoked, ServiceToken,
    SessionId, SessionKind, SessionPage, Stamp, Token, UserId, VerifierReport,
};
use hallpass_protocol::auth::{Answer, Auth, Verified, Verify};
use hallpass_protocol::codec::{End, WireCodec};
use hallpass_protocol::hello::{Service, receive};
use hallpass_protocol::limits::{AUTH_FRAME, REQUESTS_IN_FLIGHT};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel, Serve};
use tarpc::{ClientMessage, RequestName, Response};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Barrier, Notify};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::Framed;

/// How the fake treats one call.
pub(crate) enum Act {
    /// Answers when as many calls as the barrier wants have come.
    Meet(Arc<Barrier>),
    /// Answers with this refusal.
    Refuse(Refusal),
    /// Never answers.
    Ignore,
    /// Answers no more than so many verifications of a message.
    First(usize),
    /// Closes the connection instead of answering.
    HangUp,
    /// Closes every connection and the listener instead of answering, as a daemon that is killed.
    Die,
}

/// What the fake was told, and what it has seen.
#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    calls: Mutex<Vec<&'static str>>,
    attempts: Mutex<Vec<Option<AttemptId>>>,
    messages: Mutex<Vec<Vec<String>>>,
    connections: Mutex<usize>,
    dying: Notify,
}

/// A daemon on a socket of its own, which ends with it.
pub(crate) struct Fake {
    dir: TempDir,
    script: Arc<Script>,
    serving: Option<JoinHandle<()>>,
}

impl Fake {
    /// A fake that serves the calls of apps, as many at once as the real daemon.
    pub(crate) fn start() -> Self {
        let mut fake = Self::absent();
        fake.serve_at_once(REQUESTS_IN_FLIGHT);
        fake
    }

    /// A fake that is not there yet.
    pub(crate) fn absent() -> Self {
        let dir = TempDir::new().expect("a directory for the socket");
        Self { dir, script: Arc::default(), serving: None }
    }

    /// Serves the calls of apps, and refuses those of a connection that go over `at_once`.
    pub(crate) fn serve_at_once(&mut self, at_once: usize) {
        self.listen(move |stream, hand| converse(stream, Service::Auth, at_once, hand.clone(), hand.serve()));
    }

    /// Accepts connections and leaves each to `converse`.
    pub(crate) fn listen<F, C>(&mut self, converse: F)
    where
        F: Fn(UnixStream, Hand) -> C + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let listener = UnixListener::bind(self.socket()).expect("the socket is free");
        let script = Arc::clone(&self.script);
        self.serving = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.expect("a connection");
                        *script.connections.lock().expect("no test has panicked") += 1;
                        let hand = Hand { script: Arc::clone(&script), hang_up: Arc::default() };
                        connections.spawn(converse(stream, hand));
                    }
                    () = script.dying.notified() => return,
                }
            }
        }));
    }

    /// Ends the fake and takes its socket away.
    pub(crate) async fn stop(&mut self) {
        let serving = self.serving.take().expect("it was started");
        serving.abort();
        // What was aborted says so, which is no news.
        let _ = serving.await;
        std::fs::remove_file(self.socket()).expect("the socket is ours");
    }

    /// Where the fake listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("hallpass.sock")
    }

    /// Treats the next calls like this, one after the other, and answers what comes after them.
    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.acts.lock().expect("no test has panicked").extend(acts);
    }

    /// The calls that have come, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.script.calls.lock().expect("no test has panicked").clone()
    }

    /// The attempt ids of the refresh calls that have come, in order.
    pub(crate) fn attempts(&self) -> Vec<Option<AttemptId>> {
        self.script.attempts.lock().expect("no test has panicked").clone()
    }

    /// The tokens of each message of verifications that has come, in order.
    pub(crate) fn messages(&self) -> Vec<Vec<String>> {
        self.script.messages.lock().expect("no test has panicked").clone()
    }

    /// How many connections have been accepted.
    pub(crate) fn connections(&self) -> usize {
        *self.script.connections.lock().expect("no test has panicked")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// What serves one connection.
#[derive(Clone)]
pub(crate) struct Hand {
    script: Arc<Script>,
    hang_up: Arc<Notify>,
}

impl Hand {
    /// Notes the call and does with it what was said.
    pub(crate) async fn play(&self, call: &'static str) -> Answer<()> {
        self.play_part(call).await.map(|_| ())
    }

    /// The same, and says how much of it is to be answered.
    async fn play_part(&self, call: &'static str) -> Answer<usize> {
        self.script.calls.lock().expect("no test has panicked").push(call);
        let act = self.script.acts.lock().expect("no test has panicked").pop_front();
        match act {
            None => return Ok(usize::MAX),
            Some(Act::Meet(barrier)) => {
                barrier.wait().await;
                return Ok(usize::MAX);
            }
            Some(Act::First(count)) => return Ok(count),
            Some(Act::Refuse(refusal)) => return Err(refusal),
            Some(Act::Ignore) => {}
            Some(Act::HangUp) => self.hang_up.notify_one(),
            Some(Act::Die) => self.script.dying.notify_one(),
        }
        pending().await
    }
}

/// Serves one connection until either side hangs up.
pub(crate) async fn converse<S>(
    mut stream: UnixStream,
    service: Service,
    at_once: usize,
    hand: Hand,
    serve: S,
) where
    S: Serve + Clone + 'static,
    S::Req: RequestName + DeserializeOwned,
    S::Resp: Serialize,
{
    if receive(&mut stream, service, Duration::from_secs(2)).await.is_err() {
        return;
    }
    let codec = WireCodec::<ClientMessage<S::Req>, Response<S::Resp>>::new(End::Server, AUTH_FRAME);
    let channel = BaseChannel::with_defaults(Framed::new(stream, codec)).max_concurrent_requests(at_once);
    let answering = channel.execute(serve).for_each_concurrent(None, |answer| answer);
    tokio::select! {
        () = answering => {}
        () = hand.hang_up.notified() => {}
    }
}

impl Auth for Hand {
    async fn hello(self, _: Context) -> Answer<Hello> {
        self.play("hello").await?;
        Ok(Hello {
            version: "0.0.0".to_owned(),
            database_id: "0".repeat(32),
            issuer: "fake".to_owned(),
            app: "test".to_owned(),
            audiences: Vec::new(),
            may_verify: true,
            life: Stamp(1),
            board: None,
        })
    }

    async fn login(self, _: Context, _: Login) -> Answer<Grant> {
        self.play("login").await?;
        Ok(grant())
    }

    async fn verify(self, _: Context, request: Verify) -> Answer<Identity> {
        self.play("verify").await?;
        Ok(identity(request.token.expose()))
    }

    async fn refresh(self, _: Context, request: Refresh) -> Answer<Grant> {
        self.script.attempts.lock().expect("no test has panicked").push(request.attempt.clone());
        self.play("refresh").await?;
        Ok(grant())
    }

    async fn revoke(self, _: Context, _: Revoke) -> Answer<Revoked> {
        self.play("revoke").await?;
        Ok(Revoked { sessions: 1 })
    }

    async fn sessions(self, _: Context, _: ListSessions) -> Answer<SessionPage> {
        self.play("sessions").await?;
        Ok(SessionPage { sessions: Vec::new(), next: None })
    }

    async fn open_session(self, _: Context, _: OpenSession) -> Answer<Grant> {
        self.play("open_session").await?;
        Ok(grant())
    }

    async fn reauthenticate(self, _: Context, _: Reauthenticate) -> Answer<Grant> {
        self.play("reauthenticate").await?;
        Ok(grant())
    }

    async fn change_password(self, _: Context, _: ChangePassword) -> Answer<Grant> {
        self.play("change_password").await?;
        Ok(grant())
    }

    async fn redeem_code(self, _: Context, _: RedeemCode) -> Answer<Grant> {
        self.play("redeem_code").await?;
        Ok(grant())
    }

    async fn service_token(self, _: Context, _: Option<String>) -> Answer<ServiceToken> {
        self.play("service_token").await?;
        Ok(ServiceToken { token: Token::new("a.b.c".to_owned()), expires: Millis::MAX })
    }

    async fn report(self, _: Context, _: VerifierReport) -> Answer<()> {
        self.play("report").await
    }

    async fn jwks(self, _: Context) -> Answer<PublishedKeys> {
        self.play("jwks").await?;
        Ok(PublishedKeys { version: Stamp(1), jwks: r#"{"keys":[]}"#.to_owned() })
    }

    async fn verify_many(self, _: Context, requests: Vec<Verify>) -> Answer<Vec<Answer<Verified>>> {
        let tokens = requests.iter().map(|request| request.token.expose().to_owned()).collect();
        self.script.messages.lock().expect("no test has panicked").push(tokens);
        let first = self.play_part("verify_many").await?;
        Ok(requests.iter().take(first).map(|request| verified(request.token.expose())).collect())
    }
}

/// A token that begins like this one is refused.
pub(crate) const BAD: &str = "hps_bad";

fn verified(token: &str) -> Answer<Verified> {
    if token.starts_with(BAD) {
        return Err(Refusal::new(ErrorCode::InvalidToken));
    }
    Ok(Verified { identity: identity(token), stamp: Stamp(1), life: Stamp(1), touch_after: Millis::MAX })
}

/// An identity that bears the token's text as its name, so that mixed-up answers show.
fn identity(token: &str) -> Identity {
    Identity {
        user_id: UserId::from_bytes([1; 16]),
        name: token.to_owned(),
        roles: Vec::new(),
        attributes: BTreeMap::new(),
        session_id: SessionId::from_bytes([2; 16]),
        app: "test".to_owned(),
        kind: SessionKind::Cookie,
        auth_time: Millis::from_u64(0),
        level: 1,
        amr: Vec::new(),
        expires_at: Millis::MAX,
    }
}

fn grant() -> Grant {
    Grant {
        user_id: UserId::from_bytes([1; 16]),
        session_id: SessionId::from_bytes([2; 16]),
        tokens: GrantedTokens::Cookie { session_token: Token::new("hps_fake".to_owned()) },
        idle_deadline: Millis::MAX,
        absolute_deadline: Millis::MAX,
        device_token: None,
    }
}
