//! What verifiers inside apps say of themselves: exactly what they told, only where the app wants it, and no more than its word.

use std::time::{Duration, Instant};

use hallpass_client::{ErrorCode, Needs, Token, Verifier, VerifierReport, Way};
use serde_json::Value;

use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, cookie, tokens};
use crate::{hallpass, stderr, stdout};

const SERIES: &str = "hallpass_verifier_verifications_total";

/// A daemon with a user, and a session token and an access token of hers.
async fn house() -> (Daemon, [Token; 2]) {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let session = cookie(&client, "ann", PASSWORD).await.unwrap().0;
    (daemon, [session, tokens(&client, "ann", PASSWORD).await.unwrap().access])
}

fn said(daemon: &Daemon, arguments: &[&str]) -> String {
    let socket = daemon.socket();
    let output = hallpass(["--socket", socket.to_str().unwrap()].iter().chain(arguments));
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// What the daemon shows of app `local`.
async fn reported(daemon: &Daemon) -> VerifierReport {
    let metrics = daemon.admin().await.metrics().await.unwrap();
    metrics.apps.iter().find(|app| app.app == "local").unwrap().verifier
}

/// The same once as many have come as are waited for.
async fn arrived(daemon: &Daemon, total: u64) -> VerifierReport {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let there = reported(daemon).await;
        if there.total() >= total || Instant::now() > give_up {
            return there;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Verifies each of them so often in each way there is to call, and says how each came about.
fn verify(verifier: &Verifier, tokens: &[Token], times: u64) -> VerifierReport {
    let mut told = VerifierReport::default();
    for token in tokens {
        let mut left = times;
        loop {
            let way = verifier.verify(token.expose()).unwrap().way();
            match way {
                Way::Memory => told.memory += 1,
                Way::Signature => told.signature += 1,
                Way::Daemon => told.daemon += 1,
                other => panic!("{other:?}"),
            }
            left = left.saturating_sub(1);
            // What comes below does not say how it came about, so nothing else may be left to learn.
            if left == 0 && way == Way::Memory {
                break;
            }
        }
        let needs = Needs::default();
        for _ in 0..times {
            assert!(
                verifier.verify_with(token.expose(), &needs, None, |who| who.has_role("editor")).unwrap()
            );
            told.memory += 1;
        }
    }
    told
}

#[tokio::test]
async fn every_token_that_is_found_good_is_counted_once_by_how_it_was() {
    let (mut daemon, shown) = house().await;
    let builder = Verifier::builder().report_every(Duration::from_hours(1));
    let verifier = builder.connect(daemon.socket()).unwrap();
    let here = verify(&verifier, &shown, 500);
    let elsewhere = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| verify(&verifier, &shown, 500)));
        threads.map(|thread| thread.join().unwrap())
    });
    let told = elsewhere.into_iter().fold(here, VerifierReport::plus);
    assert!(told.total() >= 3 * 2 * 1_000);
    assert!(told.signature > 0 && told.daemon > 0, "an access token, and a session token: {told:?}");
    verifier.verify("hps_garbage").unwrap_err();
    assert_eq!(reported(&daemon).await, VerifierReport::default(), "it is not time yet");
    // The last clone that goes says what is left.
    drop(verifier);
    assert_eq!(arrived(&daemon, told.total()).await, told);
    let text = said(&daemon, &["metrics"]);
    for (way, count) in told.ways() {
        let line = format!("{SERIES}{{app=\"local\",way=\"{way}\"}} {count}");
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    let top = said(&daemon, &["top", "--once", "--interval", "0"]);
    assert!(top.contains("% memory") && top.contains("% daemon"), "{top}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_verifier_that_lives_on_reports_from_time_to_time_and_only_what_is_new() {
    let (mut daemon, shown) = house().await;
    // A second is the shortest.
    let verifier = Verifier::builder().report_every(Duration::ZERO).connect(daemon.socket()).unwrap();
    let mut told = VerifierReport::default();
    for _ in 0..2 {
        told = told.plus(verify(&verifier, &shown, 10));
        assert_eq!(arrived(&daemon, told.total()).await, told);
    }
    // The next daemon counts anew, and is told what is new to it.
    daemon.stop().await;
    daemon.restart().await;
    let told = verify(&verifier, &shown, 10);
    assert_eq!(arrived(&daemon, told.total()).await, told);
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_is_reported_unless_the_app_wants_it() {
    let (mut daemon, shown) = house().await;
    let open = async || daemon.admin().await.metrics().await.unwrap().connections.open;
    let before = open().await;
    let verifier = Verifier::connect(daemon.socket()).unwrap();
    verify(&verifier, &shown, 100);
    drop(verifier);
    // A report would have gone over its connection, before that is closed.
    let give_up = Instant::now() + PATIENCE;
    while open().await > before {
        assert!(Instant::now() < give_up, "its connection stays");
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(reported(&daemon).await, VerifierReport::default());
    let text = said(&daemon, &["metrics"]);
    assert!(!text.contains(SERIES) && !text.contains("operation=\"report\",outcome"), "{text}");
    assert!(!said(&daemon, &["top", "--once", "--interval", "0"]).contains("% memory"));
    daemon.stop().await;
}

#[tokio::test]
async fn an_app_that_claims_everything_claims_it_for_itself_and_harms_nothing() {
    let (mut daemon, shown) = house().await;
    let client = daemon.client().await;
    let most = u64::MAX;
    let everything = VerifierReport { memory: most, signature: most, daemon: most, stale: most };
    for _ in 0..3 {
        client.report(everything).await.unwrap();
    }
    let metrics = daemon.admin().await.metrics().await.unwrap();
    let others: Vec<_> = metrics.apps.iter().filter(|app| app.app != "local").collect();
    assert!(!others.is_empty() && others.iter().all(|app| app.verifier.total() == 0), "{others:?}");
    assert_eq!(reported(&daemon).await, everything);
    let text = said(&daemon, &["metrics"]);
    assert!(text.contains(&format!("{SERIES}{{app=\"local\",way=\"stale\"}} {most}\n")), "{text}");
    assert!(text.ends_with("# EOF\n"));
    let json: Value = serde_json::from_str(&said(&daemon, &["metrics", "--json"])).unwrap();
    assert!(json["apps"].as_array().unwrap().iter().any(|app| app["verifier"]["memory"] == most));
    let top = said(&daemon, &["top", "--once", "--interval", "0"]);
    assert!(top.lines().all(|line| line.chars().count() <= 80) && top.contains("25.0% memory"), "{top}");
    client.verify(shown[0].clone(), Needs::default()).await.unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn an_app_that_may_not_verify_has_nothing_to_report() {
    let uid = crate::support::own_uid();
    let config =
        format!("[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\nrights = [\"login\"]\n");
    let mut daemon = Daemon::with_config(&config).await;
    let refused =
        daemon.client().await.report(VerifierReport { memory: 1, ..VerifierReport::default() }).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Forbidden);
    assert_eq!(reported(&daemon).await, VerifierReport::default());
    daemon.stop().await;
}
