//! Guessing passwords against the real daemon: what it costs whoever guesses, and what it does not cost the owner.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hallpass_client::admin::{AuditFrom, FindAudit};
use hallpass_client::{Client, Context, Error, ErrorClass, ErrorCode, Login, Password, SessionKind, Token};
use support::{Daemon, PASSWORD, add_user, login};

/// How many guess at the same time.
const CALLERS: usize = 32;
const WRONG: &str = "not the password of anybody";

fn from(address: [u8; 4], name: &str, password: &str) -> Login {
    let context = Context { ip: Some(IpAddr::V4(Ipv4Addr::from(address))), ..Context::default() };
    Login { context, ..login(name, password, SessionKind::Cookie) }
}

async fn refused(client: &Client, login: Login) -> (ErrorCode, Duration) {
    let error = client.login(login).await.expect_err("it must be refused");
    (error.code(), error.retry_after().unwrap_or_default())
}

async fn events(daemon: &Daemon, event: &str) -> usize {
    let (admin, mut after, mut count) = (daemon.admin().await, 0, 0);
    loop {
        let (from, event) = (AuditFrom::After(after), Some(event.to_owned()));
        let find = FindAudit { from, count: 50, user: None, app: None, event, since: None };
        let found = admin.audit_find(find).await.unwrap();
        count += found.entries.len();
        match found.next {
            Some(next) => after = next,
            None => return count,
        }
    }
}

/// Wrong guesses at one user, from many addresses at once, until `stop`; how many were answered.
async fn guess(
    client: Client,
    caller: usize,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    goal: usize,
) {
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) && answered.load(Ordering::Relaxed) < goal {
        number += 1;
        let [_, high, low, _] = number.to_be_bytes();
        let from_there = from([10, u8::try_from(caller).unwrap(), high, low], "alice", WRONG);
        match client.login(from_there).await {
            Err(error) if error.code() == ErrorCode::InvalidCredentials => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            // The queue is full, or so long that a caller who is a stranger gives up.
            Err(error) if error.class() == ErrorClass::Retry => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// `HALLPASS_GUESSES` sets how many wrong guesses have to be answered while the owner logs in again and again.
#[tokio::test]
async fn d2_the_owner_gets_in_on_a_known_device_while_thousands_guess() {
    let goal = std::env::var("HALLPASS_GUESSES").map_or(100, |text| text.parse().unwrap());
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let owner = daemon.client().await;
    let grant = owner.login(from([192, 0, 2, 1], "alice", PASSWORD)).await.unwrap();
    let device = grant.device_token.expect("a login makes its device known");
    let on_device =
        || Login { device_token: Some(device.clone()), ..from([192, 0, 2, 1], "alice", PASSWORD) };

    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut guessers = Vec::new();
    for caller in 0..CALLERS {
        let client = daemon.client().await;
        guessers.push(tokio::spawn(guess(client, caller, Arc::clone(&stop), Arc::clone(&answered), goal)));
    }
    let (mut longest, mut logins) = (Duration::ZERO, 0);
    while answered.load(Ordering::Relaxed) < goal {
        let begun = Instant::now();
        owner.login(on_device()).await.expect("the owner gets in");
        longest = longest.max(begun.elapsed());
        logins += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for guesser in guessers {
        guesser.await.unwrap();
    }
    let _ = writeln!(
        std::io::stderr(),
        "{} wrong guesses from {} callers; the owner logged in {logins} times meanwhile, the slowest in {longest:?}",
        answered.load(Ordering::Relaxed),
        CALLERS
    );
    assert!(longest < Duration::from_secs(1), "the owner waited {longest:?}");
    let stranger = refused(&owner, from([192, 0, 2, 1], "alice", PASSWORD)).await;
    assert_eq!(stranger.0, ErrorCode::InvalidCredentials, "on a device that is not known a reset is needed");
    assert_eq!(events(&daemon, "login.locked").await, 1);
}

/// Tries that come together are counted before any of them is answered, and the count is there after a kill.
#[tokio::test]
async fn d5_64_tries_at_once_are_counted_first_and_outlive_a_kill() {
    // Without an address the app is one source, and here it may have ten failures an hour.
    let mut daemon = Daemon::with_settings("[throttle]\nper_app = 10\n").await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let tries = (0..64).map(|_| client.login(login("alice", WRONG, SessionKind::Cookie)));
    let outcomes = futures_util::future::join_all(tries).await;
    let minutes = |wait: Duration| wait > Duration::from_mins(1) && wait <= Duration::from_mins(6);
    // Whoever waits too long for their hash gives up, and is counted all the same.
    let answered: Vec<_> = outcomes.iter().filter(|outcome| is_a_refusal(outcome)).collect();
    assert!(outcomes.iter().all(Result::is_err) && answered.len() >= 10, "{outcomes:?}");
    let waits =
        answered.iter().map(|outcome| outcome.as_ref().unwrap_err().retry_after().unwrap_or_default());
    let free = waits.filter(|wait| !minutes(*wait)).count();
    assert!(free < 10, "{free} of those who came together could try again at once");
    drop(client);
    daemon.kill9();
    daemon.restart().await;
    let client = daemon.client().await;
    let (code, wait) = refused(&client, login("alice", PASSWORD, SessionKind::Cookie)).await;
    assert!(code == ErrorCode::InvalidCredentials && minutes(wait), "the count goes on: {wait:?}");
}

fn is_a_refusal<T>(outcome: &Result<T, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| error.code() == ErrorCode::InvalidCredentials)
}

/// One password, many names: the source has to wait whatever name it tries next, and other sources and known devices do not.
#[tokio::test]
async fn d4_a_spray_over_many_names_stops_its_source_and_no_other() {
    let mut daemon = Daemon::with_settings("[throttle]\nper_source = 20\n").await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let spray = [192, 0, 2, 9];
    for number in 0..20 {
        let (code, wait) = refused(&client, from(spray, &format!("user{number}"), WRONG)).await;
        assert_eq!(code, ErrorCode::InvalidCredentials);
        assert_eq!(wait.is_zero(), number < 19, "try {number}: {wait:?}");
    }
    let (code, wait) = refused(&client, from(spray, "alice", PASSWORD)).await;
    assert_eq!(code, ErrorCode::InvalidCredentials);
    assert!(wait > Duration::from_mins(2) && wait <= Duration::from_mins(3), "{wait:?}");
    let grant = client.login(from([192, 0, 2, 10], "alice", PASSWORD)).await.expect("another source");
    let device: Token = grant.device_token.unwrap();
    let on_device = Login { device_token: Some(device), ..from(spray, "alice", PASSWORD) };
    client.login(on_device).await.expect("a known device at the same address");
    assert_eq!(events(&daemon, "login.spray").await, 1);
    daemon.stop().await;
}

/// Many names from many places: nobody has to wait for another, and whoever reads the audit chain learns of it.
#[tokio::test]
async fn failures_of_a_whole_app_are_an_event_and_stop_nobody() {
    let mut daemon = Daemon::with_settings("[throttle]\nper_app = 20\n").await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    for number in 0..25 {
        refused(&client, from([198, 51, 100, number], &format!("user{number}"), WRONG)).await;
    }
    client.login(from([192, 0, 2, 10], "alice", PASSWORD)).await.expect("she has nothing to do with it");
    assert_eq!(events(&daemon, "login.spike").await, 1);
    daemon.stop().await;
}

/// A locked account answers like any other, and an administrator's code opens it.
#[tokio::test]
async fn d2_after_so_many_in_a_row_only_a_code_or_a_new_password_helps() {
    let settings = "[throttle]\nin_a_row = 10\nfree = 50\n";
    let mut daemon = Daemon::with_settings(settings).await;
    let admin = daemon.admin().await;
    add_user(&admin, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let mut answers = Vec::new();
    for number in 0..12 {
        answers.push(refused(&client, from([192, 0, 2, number], "alice", WRONG)).await);
    }
    let right = refused(&client, from([198, 51, 100, 1], "alice", PASSWORD)).await;
    assert!(answers.iter().all(|answer| *answer == right), "{answers:?} {right:?}");
    assert_eq!(events(&daemon, "login.locked").await, 1);
    admin.user_set_password("alice", Password::new(PASSWORD.into())).await.unwrap();
    client.login(from([198, 51, 100, 1], "alice", PASSWORD)).await.expect("the password was set anew");
    daemon.stop().await;
}
