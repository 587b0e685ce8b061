//! Connections that break: made anew once for all, and asked again on only where that is harmless.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hallpass_client::{
    AttemptId, Client, Context, Error, ErrorClass, ErrorCode, Refresh, Revoke, SessionId, Token,
};

use crate::asking::{login, verify};
use crate::fake::{Act, Fake};

fn refresh(attempt: Option<AttemptId>) -> Refresh {
    let token = Token::new("hpr_fake".to_owned());
    Refresh { token, attempt, audience: None, context: Context::default() }
}

fn revoke() -> Revoke {
    Revoke::Session(SessionId::from_bytes([2; 16]))
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_and_the_call_asked_again() {
    let fake = Fake::start();
    fake.will([Act::HangUp]);
    let client = Client::connect(fake.socket()).await.unwrap();
    assert_eq!(verify(&client, "hps_a").await.unwrap(), "hps_a");
    assert_eq!(fake.calls(), ["verify_many", "verify_many"]);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_call_is_asked_again_once_and_no_more() {
    let fake = Fake::start();
    fake.will([Act::HangUp, Act::HangUp]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let error = verify(&client, "hps_a").await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn many_callers_make_one_connection() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    fake.will([Act::HangUp]);
    let outcomes = join_all((0..64).map(|_| verify(&client, "hps_a"))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(fake.connections(), 2);
}

/// With threads, a caller can learn that the connection broke before the task that served it has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_second_asking_is_never_on_the_connection_that_broke() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    for round in 1..=100 {
        fake.will([Act::HangUp]);
        let asking = (0..8).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { verify(&client, "hps_a").await })
        });
        for outcome in join_all(asking).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(fake.connections(), round + 1);
    }
}

#[tokio::test]
async fn a_refresh_is_asked_again_with_the_same_attempt() {
    let fake = Fake::start();
    fake.will([Act::HangUp]);
    let client = Client::connect(fake.socket()).await.unwrap();
    client.refresh(refresh(None)).await.unwrap();
    client.refresh(refresh(None)).await.unwrap();
    let attempts = fake.attempts();
    assert_eq!(attempts.len(), 3);
    assert!(attempts[0].is_some());
    assert_eq!(attempts[0], attempts[1], "an exchange keeps its attempt");
    assert_ne!(attempts[1], attempts[2], "another exchange has another");
}

#[tokio::test]
async fn an_attempt_of_the_callers_own_is_kept() {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    let own = hallpass_client::new_attempt().unwrap();
    client.refresh(refresh(Some(own.clone()))).await.unwrap();
    assert_eq!(fake.attempts(), [Some(own)]);
}

#[tokio::test]
async fn a_login_is_never_sent_twice() {
    let fake = Fake::start();
    fake.will([Act::HangUp]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let error = client.login(login("secret")).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (ErrorCode::Unknown, ErrorClass::Retry));
    assert_eq!(fake.calls(), ["login"]);
    // What was lost is the answer, not the client.
    client.login(login("secret")).await.unwrap();
    assert_eq!(fake.calls(), ["login", "login"]);
}

#[tokio::test]
async fn a_login_after_a_restart_goes_to_the_new_daemon() {
    let mut fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    fake.stop().await;
    fake.serve_at_once(8);
    client.login(login("secret")).await.unwrap();
    assert_eq!(fake.calls(), ["login"]);
}

#[tokio::test]
async fn calls_wait_for_a_daemon_that_is_being_restarted() {
    let mut fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    fake.stop().await;
    let restarting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fake.serve_at_once(64);
    };
    let calls = join_all((0..16).map(|_| verify(&client, "hps_a")));
    let (outcomes, ()) = tokio::join!(calls, restarting);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(fake.connections(), 2, "one before and one after");
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_the_attempt_to_the_others() {
    let mut fake = Fake::start();
    let client = Client::connect(fake.socket()).await.unwrap();
    fake.stop().await;
    let hasty = client.clone().with_deadline(Duration::from_millis(20));
    let error = hasty.login(login("secret")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "nothing was sent: {error:?}");
    fake.serve_at_once(8);
    verify(&client, "hps_a").await.unwrap();
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_dead_daemon_leaves_what_was_sent_unknown_and_the_rest_not_done() {
    let fake = Fake::start();
    fake.will([Act::Die]);
    let client = Client::connect(fake.socket()).await.unwrap();
    let sent = client.revoke(revoke()).await.unwrap_err();
    assert_eq!(sent.code(), ErrorCode::Unknown, "the first asking may have done it: {sent:?}");
    let begun = Instant::now();
    let unsent = client.revoke(revoke()).await.unwrap_err();
    assert_eq!(unsent.code(), ErrorCode::Unavailable, "{unsent:?}");
    assert!(unsent.to_string().contains("start it with `systemctl start hallpassd`"), "{unsent}");
    assert!(begun.elapsed() < Duration::from_secs(3), "waiting is bounded well below the call's deadline");
    assert_eq!(fake.calls(), ["revoke"]);
}
