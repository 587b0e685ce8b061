//! Calls over one connection: many at once, bounded, and answered or refused as the daemon says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_client::{
    Client, Context, Error, ErrorClass, ErrorCode, Login, Needs, Password, Refusal, SessionKind, Token,
};
use tokio::sync::Barrier;

use crate::fake::{Act, Fake};

const PASSWORD: &str = "correct horse battery staple";

pub(crate) fn login(password: &str) -> Login {
    Login {
        name: "alice".to_owned(),
        password: Password::new(password.to_owned()),
        kind: SessionKind::Token,
        audience: None,
        device_token: None,
        context: Context::default(),
    }
}

pub(crate) async fn verify(client: &Client, token: &str) -> Result<String, Error> {
    client.verify(Token::new(token.to_owned()), Needs::default()).await.map(|identity| identity.name)
}

/// Asks so often at once, each by a task of its own, and says how many were answered.
async fn ask_at_once(client: &Client, count: usize) -> usize {
    let asking = (0..count).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.hello().await.is_ok() })
    });
    join_all(asking).await.into_iter().filter(|answered| matches!(answered, Ok(true))).count()
}

#[tokio::test]
async fn sixty_four_calls_are_under_way_at_once_on_one_connection() {
    let fake = Fake::start();
    // Nobody is answered before all have come.
    let barrier = Arc::new(Barrier::new(64));
    fake.will((0..64).map(|_| Act::Meet(Arc::clone(&barrier))));
    let client = Client::connect(fake.socket()).await.unwrap();
    assert_eq!(ask_at_once(&client, 64).await, 64);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn callers_wait_rather_than_be_refused_for_asking_too_much_at_once() {
    let fake = Fake::start();
    let barrier = Arc::new(Barrier::new(96));
    fake.will((0..480).map(|_| Act::Meet(Arc::clone(&barrier))));
    let client = Client::connect(fake.socket()).await.unwrap();
    assert_eq!(ask_at_once(&client, 480).await, 480);
}

#[tokio::test]
async fn what_the_daemon_throttles_is_busy() {
    let mut fake = Fake::absent();
    fake.serve_at_once(1);
    fake.will([Act::Ignore]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let ignored = client.clone();
    let ignored = tokio::spawn(async move { verify(&ignored, "hps_first").await });
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let error = verify(&client, "hps_second").await.unwrap_err();
    assert_eq!((error.code(), error.class()), (ErrorCode::Busy, ErrorClass::Retry));
    ignored.abort();
}

#[tokio::test]
async fn a_refusal_arrives_as_the_daemon_gave_it() {
    let fake = Fake::start();
    let refusal = Refusal::new(ErrorCode::InvalidCredentials).after(Duration::from_millis(1500));
    fake.will([Act::Refuse(refusal.clone())]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let error = client.login(login(PASSWORD)).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (ErrorCode::InvalidCredentials, ErrorClass::Invalid));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    assert_eq!(error.to_string(), refusal.message);
}

#[tokio::test]
async fn no_answer_in_time_is_an_unknown_outcome() {
    let fake = Fake::start();
    fake.will([Act::Ignore]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let hasty = client.clone().with_deadline(Duration::from_millis(50));
    let error = verify(&hasty, "hps_a").await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer), "{error:?}");
    assert_eq!((error.code(), error.class()), (ErrorCode::Unknown, ErrorClass::Retry));
    // The connection is as good as before, and its other clones keep their own deadline.
    verify(&client, "hps_b").await.unwrap();
    assert_eq!(fake.calls(), ["verify_many", "verify_many"]);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_taken_back() {
    let mut fake = Fake::absent();
    fake.serve_at_once(1);
    fake.will([Act::Ignore]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let hasty = client.clone().with_deadline(Duration::from_millis(50));
    assert!(matches!(hasty.hello().await.unwrap_err(), Error::NoAnswer));
    // The daemon has room for one, so it must have heard that nobody waits for the first. Where it reads that and the next call at once, it turns the
    // call away that it has just made room for.
    for _ in 0..100 {
        match client.hello().await {
            Err(error) if error.code() == ErrorCode::Busy => tokio::task::yield_now().await,
            outcome => return drop(outcome.unwrap()),
        }
    }
    panic!("it was never taken back");
}

#[tokio::test]
async fn the_longest_deadline_is_only_as_long_as_allowed() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap().with_deadline(Duration::MAX);
    verify(&client, "hps_a").await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_is_not_sent_and_harms_nobody_else() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    let error = client.login(login(&"x".repeat(20 * 1024))).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (ErrorCode::InvalidRequest, ErrorClass::Invalid));
    verify(&client, "hps_a").await.unwrap();
    assert_eq!(fake.calls(), ["verify_many"]);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn errors_show_nothing_of_what_was_asked() {
    let fake = Fake::start();
    fake.will([Act::Refuse(Refusal::new(ErrorCode::InvalidCredentials)), Act::HangUp, Act::Ignore]);
    let client = Client::connect(fake.socket()).await.unwrap().with_deadline(Duration::from_millis(100));
    let large = format!("{PASSWORD}{}", "x".repeat(20 * 1024));
    for password in [PASSWORD, PASSWORD, PASSWORD, &large] {
        let error = client.login(login(password)).await.unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("horse") && !shown.contains("alice"), "{shown}");
    }
    assert!(!format!("{client:?}").contains("horse"));
}

#[tokio::test]
async fn every_call_has_its_own_answer() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    assert_eq!(client.hello().await.unwrap().app, "test");
    let grant = client.login(login(PASSWORD)).await.unwrap();
    assert_eq!(verify(&client, "hps_me").await.unwrap(), "hps_me");
    let list = hallpass_client::ListSessions { user: grant.user_id, after: None };
    assert_eq!(client.sessions(list).await.unwrap().next, None);
    let one = hallpass_client::Revoke::Session(grant.session_id);
    assert_eq!(client.revoke(one).await.unwrap().sessions, 1);
    assert_eq!(client.jwks().await.unwrap().jwks, r#"{"keys":[]}"#);
    assert_eq!(fake.calls(), ["hello", "login", "verify_many", "sessions", "revoke", "jwks"]);
}
