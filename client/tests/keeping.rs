//! Clients that keep something: a connection on a thread of its own, and a session's tokens over refreshes and restarts.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::blocking;
use hallpass_client::{
    AttemptId, Client, Context, ErrorClass, Grant, GrantedTokens, Kept, KeptSession, ListSessions, Login,
    Needs, Password, Revoke, SessionKind, Token,
};
use hallpassd::testing::TestDaemon;

const PASSWORD: &str = "correct horse battery staple";

fn login(kind: SessionKind) -> Login {
    Login {
        name: "alice".into(),
        password: Password::new(PASSWORD.into()),
        kind,
        audience: None,
        device_token: None,
        context: Context::default(),
    }
}

fn daemon() -> TestDaemon {
    let daemon = TestDaemon::with_config("[lifetimes]\naccess = \"1m\"\n").expect("a daemon");
    daemon.add_user("alice", PASSWORD, &["editor"]).expect("a user");
    daemon
}

#[test]
fn a_program_without_a_runtime_logs_in_verifies_and_revokes() {
    let mut daemon = daemon();
    let client = blocking::Client::connect(daemon.socket()).unwrap();
    let GrantedTokens::Cookie { session_token } = client.login(login(SessionKind::Cookie)).unwrap().tokens
    else {
        panic!("tokens instead of a cookie")
    };
    assert_eq!(client.verify(session_token.clone(), Needs::default()).unwrap().name, "alice");
    daemon.restart().unwrap();
    let others = (0..8).map(|_| {
        let (client, token) = (client.clone(), session_token.clone());
        std::thread::spawn(move || client.verify(token, Needs::default()).map(|identity| identity.name))
    });
    for other in others.collect::<Vec<_>>() {
        assert_eq!(other.join().unwrap().unwrap(), "alice", "each thread, over a restart");
    }
    client.revoke(Revoke::Token(session_token.clone())).unwrap();
    let refused = client.verify(session_token, Needs::default()).unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Login);
}

async fn refreshes(client: &Client, grant: &Grant) -> u32 {
    let list = ListSessions { user: grant.user_id, after: None };
    client.sessions(list).await.expect("a list").sessions[0].refreshes
}

#[tokio::test]
async fn many_tasks_that_need_a_token_make_one_refresh() {
    let daemon = daemon();
    let client = Client::connect(daemon.socket()).await.unwrap();
    let grant = client.login(login(SessionKind::Token)).await.unwrap();
    let session = Arc::new(KeptSession::new(client.clone(), grant.clone()).unwrap());
    let first = session.access_token().await.unwrap();
    assert_eq!(refreshes(&client, &grant).await, 0, "it was fresh");
    daemon.advance(Duration::from_secs(61));
    let asking = (0..64).map(|_| {
        let (session, first) = (Arc::clone(&session), first.clone());
        tokio::spawn(async move { session.renew(&first).await.unwrap().expose().to_owned() })
    });
    let mut tokens = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        tokens.push(asked.await.unwrap());
    }
    assert!(tokens.iter().all(|token| *token == tokens[0] && token != first.expose()));
    assert_eq!(refreshes(&client, &grant).await, 1);
}

#[tokio::test]
async fn b4_a_session_that_was_written_down_goes_on_after_a_lost_answer() {
    let daemon = daemon();
    let client = Client::connect(daemon.socket()).await.unwrap();
    let grant = client.login(login(SessionKind::Token)).await.unwrap();
    let session = KeptSession::new(client.clone(), grant.clone()).unwrap();
    let kept = session.to_keep().await;
    let written_down = (kept.refresh_token.expose().to_owned(), *kept.attempt.expose());
    // It is exchanged, and the program ends before it has written down what came of that.
    let first = session.access_token().await.unwrap();
    session.renew(&first).await.unwrap();
    drop(session);
    // Later than the window in which a retry needs no attempt id.
    daemon.advance(Duration::from_mins(5));
    let (token, attempt) = written_down;
    let kept = Kept::new(Token::new(token), AttemptId::from_bytes(attempt));
    let session = KeptSession::resume(client.clone(), kept);
    let token = session.access_token().await.unwrap();
    assert!(client.verify(token, Needs::default()).await.is_ok());
    assert_eq!(refreshes(&client, &grant).await, 1, "it was the same exchange");
}

#[tokio::test]
async fn a_cookie_session_has_nothing_to_keep() {
    let daemon = daemon();
    let client = Client::connect(daemon.socket()).await.unwrap();
    let grant = client.login(login(SessionKind::Cookie)).await.unwrap();
    let error = KeptSession::new(client, grant).unwrap_err();
    assert!(error.to_string().contains("log in with the kind"), "{error}");
}
