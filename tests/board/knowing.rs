//! What a verifier knows of its daemon changes with each start of it, and what it may not judge by itself it does not.

use std::fs;
use std::time::{Duration, Instant};

use hallpass_client::{Bearer, Context, ErrorCode, Needs, SessionKind, Token, Verifier, Way};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::failing::{LEASE, signal};
use crate::support::{Daemon, PASSWORD, PATIENCE, add_user};
use crate::{code, session, settles, shown, way, with_ann};

/// A configuration for the user of the test as one app.
fn config(settings: &str, app: &str) -> String {
    let uid = geteuid();
    format!("{settings}\n[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n{app}\n")
}

async fn configured(settings: &str, app: &str) -> (Daemon, Token) {
    let daemon = Daemon::with_config(&config(settings, app)).await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let token = shown(&session(&daemon.client().await, SessionKind::Token).await);
    (daemon, token)
}

fn audience(name: &str) -> Needs {
    Needs { audience: Some(name.into()), ..Needs::default() }
}

fn device(fingerprint: &str) -> Context {
    Context { device_fingerprint: Some(fingerprint.into()), ..Context::default() }
}

#[tokio::test]
async fn a8_an_answer_is_held_for_the_audience_that_it_was_given_for() {
    const RIGHTS: &str = "rights = [\"verify\", \"vouch\", \"login\"]";
    let (mut daemon, token) = configured("", &format!("audiences = [\"one\", \"two\"]\n{RIGHTS}")).await;
    let verifier = crate::verifier(&daemon);
    assert_eq!(way(verifier.verify_for(token.expose(), &audience("one"))), Way::Signature);
    daemon.stop().await;
    let swapped = config("", &format!("audiences = [\"two\", \"one\"]\n{RIGHTS}"));
    fs::write(daemon.dir().join("hallpass.toml"), swapped).unwrap();
    daemon.restart().await;
    let two = shown(&session(&daemon.client().await, SessionKind::Token).await);
    for _ in 0..50 {
        verifier.verify(two.expose()).unwrap();
        assert!(verifier.verify_for(two.expose(), &audience("one")).is_err());
        assert!(verifier.verify(token.expose()).is_err(), "the first audience is another by now");
        verifier.verify_for(token.expose(), &audience("one")).unwrap();
    }
    daemon.stop().await;
}

#[tokio::test]
async fn an_app_without_the_right_is_told_nothing_by_its_own_process_either() {
    let (mut daemon, token) = configured("", "rights = [\"vouch\", \"login\"]").await;
    assert_eq!(code(crate::verifier(&daemon).verify(token.expose())), ErrorCode::Forbidden);
    daemon.stop().await;
}

#[tokio::test]
async fn another_device_is_sent_to_the_daemon_and_never_served_what_is_stale() {
    let (mut daemon, _) =
        configured("[refresh]\ndevice_binding = \"enforce\"", "rights = [\"verify\", \"vouch\", \"login\"]")
            .await;
    let login = hallpass_client::Login {
        context: device("mine"),
        ..crate::support::login("ann", PASSWORD, SessionKind::Cookie)
    };
    let token = shown(&daemon.client().await.login(login).await.unwrap());
    let builder = Verifier::builder().deadline(Duration::from_millis(500)).serve_stale_for(PATIENCE);
    let verifier = builder.connect(daemon.socket()).unwrap();
    let from = |context| verifier.verify_from(token.expose(), &Needs::default(), Some(&device(context)));
    assert_eq!(way(from("mine")), Way::Daemon);
    assert_eq!(way(from("mine")), Way::Memory);
    assert_eq!(code(from("theirs")), ErrorCode::Reauthenticate);
    assert_eq!(way(from("mine")), Way::Memory, "that says nothing of the token");
    signal(&daemon, Signal::SIGSTOP);
    assert!(from("theirs").is_err());
    tokio::time::sleep(LEASE).await;
    assert_eq!(way(from("mine")), Way::Stale);
    assert!(from("theirs").is_err());
    signal(&daemon, Signal::SIGCONT);
    daemon.stop().await;
}

#[tokio::test]
async fn a_process_that_knew_no_board_finds_one_whatever_it_verifies() {
    let (mut daemon, client, _) = with_ann().await;
    daemon.stop().await;
    let path = daemon.runtime_dir().join("board");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    daemon.restart().await;
    let verifier = crate::verifier(&daemon);
    let token = shown(&session(&client, SessionKind::Cookie).await);
    assert_eq!(way(verifier.verify(token.expose())), Way::Daemon);
    fs::remove_dir(&path).unwrap();
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn while_a_daemon_hangs_nobody_waits_for_it_but_one() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Cookie).await);
    settles(&verifier, &token, Way::Memory);
    signal(&daemon, Signal::SIGSTOP);
    tokio::time::sleep(LEASE).await;
    assert!(verifier.verify(token.expose()).is_err());
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Unavailable);
    }
    // A hundred deadlines are fifty seconds.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    signal(&daemon, Signal::SIGCONT);
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn several_verifiers_in_one_thread_keep_to_their_own_daemons() {
    let ((mut here, client, first), (mut there, _, second)) = (with_ann().await, with_ann().await);
    let token = shown(&session(&client, SessionKind::Token).await);
    let verify =
        |verifier: &Verifier| verifier.verify_with(token.expose(), &Needs::default(), None, Bearer::user_id);
    for _ in 0..100 {
        verify(&first).unwrap();
        assert!(verify(&second).is_err(), "another daemon's token");
    }
    here.stop().await;
    there.stop().await;
}
