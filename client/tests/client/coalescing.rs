//! Verifications that are asked for at the same time: few messages, and to each caller what it would have got alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use hallpass_client::{Client, Error, ErrorCode, Needs, Refusal, Token, Verify};
use hallpass_protocol::limits::AUTH_FRAME;
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::asking::verify;
use crate::fake::{Act, BAD, Fake};

/// As many as one message takes.
const FULL: usize = 32;

async fn fake_and_client() -> (Fake, Client) {
    let fake = Fake::start();
    let client = Client::connect(fake.socket()).await.expect("the fake answers");
    (fake, client)
}

fn tokens(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("hps_{number}")).collect()
}

/// Has each of these verified by a caller of its own, all at once.
async fn verify_each(client: &Client, tokens: &[String]) -> Vec<Result<String, Error>> {
    join_all(tokens.iter().map(|token| verify(client, token))).await
}

fn requests(tokens: &[String]) -> Vec<Verify> {
    let request =
        |token: &String| Verify { token: Token::new(token.clone()), needs: Needs::default(), context: None };
    tokens.iter().map(request).collect()
}

/// Asserts that everybody got the answer to their own token.
fn assert_own(outcomes: Vec<Result<String, Error>>, tokens: &[String]) {
    let names: Result<Vec<_>, _> = outcomes.into_iter().collect();
    assert_eq!(names.expect("everybody is answered"), tokens);
}

fn sizes(fake: &Fake) -> Vec<usize> {
    fake.messages().iter().map(Vec::len).collect()
}

#[tokio::test]
async fn calls_made_at_once_travel_in_as_few_messages_as_hold_them() {
    let (fake, client) = fake_and_client().await;
    let tokens = tokens(2 * FULL + 12);
    assert_own(verify_each(&client, &tokens).await, &tokens);
    let mut sent = fake.messages();
    sent.sort_by_key(Vec::len);
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [12, FULL, FULL]);
    let mut seen = sent.concat();
    seen.sort_by_key(|token| token[4..].parse::<usize>().unwrap());
    assert_eq!(seen, tokens, "each of them once");
}

#[tokio::test]
async fn tasks_of_their_own_travel_together_too() {
    let (fake, client) = fake_and_client().await;
    for _ in 0..3 {
        let asking = tokens(FULL).into_iter().map(|token| {
            let client = client.clone();
            tokio::spawn(async move { verify(&client, &token).await.is_ok_and(|name| name == token) })
        });
        assert!(join_all(asking).await.into_iter().all(|right| matches!(right, Ok(true))));
    }
    assert_eq!(sizes(&fake), [FULL; 3]);
}

#[tokio::test]
async fn long_tokens_are_counted_by_their_bytes() {
    let (fake, client) = fake_and_client().await;
    let tokens: Vec<String> = (0..8).map(|number| format!("hps_{number}{}", "x".repeat(4000))).collect();
    assert_own(verify_each(&client, &tokens).await, &tokens);
    let mut sizes = sizes(&fake);
    sizes.sort_unstable();
    assert_eq!(sizes, [4, 4]);
}

#[tokio::test]
async fn what_an_answer_had_no_room_for_is_asked_again() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::First(10), Act::First(1)]);
    let tokens = tokens(FULL);
    assert_own(verify_each(&client, &tokens).await, &tokens);
    assert_eq!(sizes(&fake), [FULL, FULL - 10, FULL - 11]);
}

#[tokio::test]
async fn an_answer_to_nothing_is_an_error_and_not_asked_for_ever() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::First(1), Act::First(0)]);
    let outcomes = verify_each(&client, &tokens(3)).await;
    assert!(outcomes[0].is_ok());
    for outcome in &outcomes[1..] {
        assert_eq!(outcome.as_ref().unwrap_err().code(), ErrorCode::Internal);
    }
    assert_eq!(sizes(&fake), [3, 2]);
}

#[tokio::test]
async fn a_refusal_is_of_one_caller_alone() {
    let (fake, client) = fake_and_client().await;
    let tokens = ["hps_a", BAD, "hps_b"].map(str::to_owned);
    let outcomes = verify_each(&client, &tokens).await;
    assert_eq!(outcomes[0].as_ref().unwrap(), "hps_a");
    assert_eq!(outcomes[1].as_ref().unwrap_err().code(), ErrorCode::InvalidToken);
    assert_eq!(outcomes[2].as_ref().unwrap(), "hps_b");
    assert_eq!(sizes(&fake), [3]);
}

#[tokio::test]
async fn what_is_too_large_fails_alone() {
    let (fake, client) = fake_and_client().await;
    let tokens = ["hps_a".to_owned(), "x".repeat(AUTH_FRAME), "hps_b".to_owned()];
    let outcomes = verify_each(&client, &tokens).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(Error::TooLarge { .. })), "{:?}", outcomes[1]);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_refused_message_is_everybodys_refusal() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::Refuse(Refusal::new(ErrorCode::Busy).after(Duration::from_millis(7)))]);
    for outcome in verify_each(&client, &tokens(3)).await {
        let error = outcome.unwrap_err();
        assert_eq!((error.code(), error.retry_after()), (ErrorCode::Busy, Some(Duration::from_millis(7))));
    }
}

#[tokio::test]
async fn callers_who_give_up_harm_no_other() {
    let (fake, client) = fake_and_client().await;
    let barrier = Arc::new(Barrier::new(2));
    fake.will([Act::Meet(Arc::clone(&barrier))]);
    // The first goes before its message does, the second while it is under way; the first was also the one who opened it.
    let mut first = Box::pin(verify(&client, "hps_first"));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(verify(&client, "hps_second"));
    assert!(second.as_mut().now_or_never().is_none());
    let mut third = Box::pin(verify(&client, "hps_third"));
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    while fake.messages().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(second);
    barrier.wait().await;
    assert_eq!(third.await.unwrap(), "hps_third");
    assert_eq!(sizes(&fake), [3]);
}

#[tokio::test]
async fn each_caller_has_its_own_deadline() {
    let (fake, client) = fake_and_client().await;
    let barrier = Arc::new(Barrier::new(2));
    fake.will([Act::Meet(Arc::clone(&barrier))]);
    let hasty = client.clone().with_deadline(Duration::from_millis(50));
    let hasty = async {
        let error = verify(&hasty, "hps_hasty").await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer), "{error:?}");
        barrier.wait().await;
    };
    let ((), patient) = tokio::join!(hasty, verify(&client, "hps_patient"));
    assert_eq!(patient.unwrap(), "hps_patient");
    assert_eq!(sizes(&fake), [2], "they were on one message");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_made_anew_for_all_of_them() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::First(20), Act::HangUp]);
    let tokens = tokens(FULL);
    assert_own(verify_each(&client, &tokens).await, &tokens);
    assert_eq!(sizes(&fake), [FULL, FULL - 20, FULL - 20]);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_twice_leaves_the_outcome_unknown() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::HangUp, Act::HangUp]);
    for outcome in verify_each(&client, &tokens(3)).await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    }
}

#[test]
fn a_runtime_that_ends_takes_only_its_own_callers_along() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (served, ended) = (runtime(), runtime());
    let fake = served.block_on(async { Fake::start() });
    let (socket, (stop, stopped)) = (fake.socket(), tokio::sync::oneshot::channel());
    let serving = std::thread::spawn(move || served.block_on(stopped));
    let client = ended.block_on(Client::connect(socket)).unwrap();
    let mut lost = Box::pin(verify(&client, "hps_lost"));
    ended.block_on(async { assert!(lost.as_mut().now_or_never().is_none()) });
    drop(ended);
    let other = runtime();
    let error = other.block_on(lost).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "it was never sent: {error:?}");
    let answered = other.block_on(async { timeout(Duration::from_secs(5), verify(&client, "hps_a")).await });
    assert_eq!(answered.expect("nobody waits for the runtime that is gone").unwrap(), "hps_a");
    stop.send(()).unwrap();
    serving.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_list_is_answered_in_its_order_however_long_it_is() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::First(20), Act::First(FULL)]);
    let mut tokens = tokens(1000);
    tokens[500] = BAD.to_owned();
    tokens[501] = "x".repeat(AUTH_FRAME);
    let (list, asking) = (requests(&tokens), client.clone());
    let outcomes = tokio::spawn(async move { asking.verify_many(list).await }).await.unwrap().unwrap();
    assert_eq!(outcomes.len(), tokens.len());
    for (number, (outcome, token)) in outcomes.into_iter().zip(&tokens).enumerate() {
        match number {
            500 => assert_eq!(outcome.unwrap_err().code(), ErrorCode::InvalidToken),
            501 => assert!(matches!(outcome, Err(Error::TooLarge { .. }))),
            _ => assert_eq!(outcome.unwrap().name, *token),
        }
    }
    assert!(sizes(&fake).len() <= 1000 / FULL + 4, "{:?}", sizes(&fake));
    assert!(client.verify_many(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_that_cannot_be_asked_about_fails_as_a_whole() {
    let (fake, client) = fake_and_client().await;
    fake.will([Act::Refuse(Refusal::new(ErrorCode::Busy))]);
    let error = client.verify_many(requests(&tokens(3))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Busy);
}
