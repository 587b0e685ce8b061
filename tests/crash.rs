//! The daemon killed at any moment: whatever it has acknowledged holds after the restart, and what it has not was done as a whole or not at all.
#![cfg(test)]

#[path = "crash/checks.rs"]
mod checks;
#[expect(dead_code, reason = "each test file uses its part")]
mod support;
#[path = "crash/witness.rs"]
mod witness;
#[path = "crash/worker.rs"]
mod worker;

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use hallpass_client::admin::AdminClient;
use hallpass_client::{Client, ErrorClass, ErrorCode, Needs, Password, Revoke};
use nix::unistd::Pid;
use support::dice::{Dice, number, report};
use support::{Daemon, PASSWORD, PATIENCE, Tokens, add_user, refresh, tokens};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use witness::{Witness, is_sound};
use worker::{Load, Worker};

/// How many users are changed at once, each by a worker of its own.
const WORKERS: usize = 4;
/// Rounds until the workers go on with fresh users.
const ROUNDS_OF_ONE_USER: u64 = 40;
/// Longest time of a round.
const ROUND: Duration = Duration::from_mins(1);

/// B8, B9, C11, G14. `HALLPASS_CRASH_ROUNDS` says how often the daemon is killed.
#[tokio::test]
async fn nothing_acknowledged_is_lost_to_a_kill_at_any_moment() {
    let rounds = number("HALLPASS_CRASH_ROUNDS", 25);
    let mut dice = Dice::new();
    let mut daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    let witness = Witness::begin(&daemon, &daemon.client().await, &daemon.admin().await).await;
    let (mut workers, mut acknowledged, mut doubts) = (Vec::new(), 0, 0);
    for round in 0..rounds {
        if round % ROUNDS_OF_ONE_USER == 0 {
            workers = add_workers(&daemon.admin().await, round, &mut dice).await;
        }
        let before = workers.iter().map(|worker| worker.acknowledged).sum::<u64>();
        let run = timeout(ROUND, run_and_kill(&mut daemon, &mut workers, &mut dice));
        run.await.unwrap_or_else(|_| unreachable!("round {round} does not end"));
        acknowledged += workers.iter().map(|worker| worker.acknowledged).sum::<u64>() - before;
        doubts += workers.iter().filter(|worker| worker.doubt.is_some()).count();
        witness.sees_the_floor_raised();
        let (client, admin) = (daemon.client().await, daemon.admin().await);
        let checks = workers.iter_mut().map(|worker| worker.check(&client, &admin, &witness.verifier));
        let checks = join_all(checks);
        timeout(ROUND, checks).await.unwrap_or_else(|_| unreachable!("round {round}: no answers"));
    }
    report(&format!("{rounds} kills: {acknowledged} changes acknowledged and kept, {doubts} met under way"));
    assert!(acknowledged > rounds, "only {acknowledged} changes in {rounds} rounds");
    assert!(doubts > 0, "no kill met a change under way");
    daemon.stop().await;
}

async fn add_workers(admin: &AdminClient, round: u64, dice: &mut Dice) -> Vec<Worker> {
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(Worker::add(admin, format!("user-{round}-{number}"), dice.split()).await);
    }
    workers
}

/// Lets the workers change things, kills the daemon in the midst of it, and starts it again.
async fn run_and_kill(daemon: &mut Daemon, workers: &mut [Worker], dice: &mut Dice) {
    let at_ack = dice.percent(40).then(|| dice.below(80));
    let moment = Duration::from_micros(dice.below(80_000));
    let load = Load {
        pid: Pid::from_raw(daemon.pid().try_into().unwrap()),
        acks_left: Cell::new(at_ack),
        over: Cell::new(false),
        heals: dice.percent(30),
        killed: Notify::new(),
    };
    let mut ways: Vec<(Client, AdminClient)> = Vec::new();
    for _ in 0..workers.len() {
        ways.push((daemon.client().await, daemon.admin().await));
    }
    let working =
        workers.iter_mut().zip(ways).map(|(worker, (client, admin))| worker.work(client, admin, &load));
    let mut working = join_all(working);
    let chosen = async {
        match at_ack {
            Some(_) => timeout(PATIENCE, load.killed.notified()).await.unwrap(),
            None => sleep(moment).await,
        }
    };
    tokio::select! {
        biased;
        () = chosen => {}
        _ = &mut working => {}
    }
    load.over.set(true);
    daemon.kill9();
    is_sound(daemon);
    if load.heals {
        // Who waits for an answer asks again where that is harmless, and is answered by the next daemon.
        tokio::join!(working, daemon.restart());
    } else {
        drop(working);
        daemon.restart().await;
    }
}

/// A daemon with a user who is logged in. No retry window: a token that was exchanged is reuse at once.
async fn with_alice() -> (Daemon, Client, AdminClient, Tokens) {
    let daemon = Daemon::with_settings("[refresh]\nper_minute = 0\nretry_window = \"0s\"\n").await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    let session = tokens(&client, "alice", PASSWORD).await.unwrap();
    (daemon, client, admin, session)
}

async fn kill_and_restart(daemon: &mut Daemon) -> (Client, AdminClient) {
    daemon.kill9();
    daemon.restart().await;
    (daemon.client().await, daemon.admin().await)
}

async fn refused(client: &Client, session: &Tokens) -> [ErrorCode; 2] {
    let verified = client.verify(session.access.clone(), Needs::default()).await.unwrap_err();
    let refreshed = client.refresh(refresh(&session.refresh)).await.unwrap_err();
    assert_eq!([verified.class(), refreshed.class()], [ErrorClass::Login; 2]);
    [verified.code(), refreshed.code()]
}

#[tokio::test]
async fn g14_a_login_outlives_a_kill() {
    let (mut daemon, _, _, session) = with_alice().await;
    let (client, _) = kill_and_restart(&mut daemon).await;
    let identity = client.verify(session.access, Needs::default()).await.unwrap();
    assert_eq!((identity.session_id, identity.roles), (session.session, vec!["editor".to_owned()]));
    let next = client.refresh(refresh(&session.refresh)).await.map(Tokens::from).unwrap();
    assert_eq!(next.generation, 2);
}

#[tokio::test]
async fn g14_a_revocation_outlives_a_kill() {
    let (mut daemon, client, _, session) = with_alice().await;
    let revoked = client.revoke(Revoke::Token(session.refresh.clone())).await.unwrap();
    assert_eq!(revoked.sessions, 1);
    let (client, _) = kill_and_restart(&mut daemon).await;
    assert_eq!(refused(&client, &session).await, [ErrorCode::Revoked; 2]);
}

#[tokio::test]
async fn b9_a_token_that_was_rotated_away_is_reuse_after_a_kill() {
    let (mut daemon, client, _, old) = with_alice().await;
    let next = client.refresh(refresh(&old.refresh)).await.map(Tokens::from).unwrap();
    let (client, _) = kill_and_restart(&mut daemon).await;
    let newest = client.refresh(refresh(&next.refresh)).await.map(Tokens::from).unwrap();
    assert_eq!(newest.generation, 3, "the rotation is not lost");
    let (client, _) = kill_and_restart(&mut daemon).await;
    let reuse = client.refresh(refresh(&next.refresh)).await.unwrap_err();
    assert_eq!(reuse.code(), ErrorCode::Reused);
    let (client, _) = kill_and_restart(&mut daemon).await;
    assert_eq!(refused(&client, &newest).await, [ErrorCode::Reused; 2], "nor is the end of the family");
}

/// B4 across an outage: a client that could not ask has lost no time.
#[tokio::test]
async fn b4_time_without_a_daemon_does_not_count_against_the_window() {
    const WINDOW: Duration = Duration::from_secs(3);
    let mut daemon = Daemon::with_settings("[refresh]\nper_minute = 0\nretry_window = \"3s\"\n").await;
    let client = daemon.client().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let old = tokens(&client, "alice", PASSWORD).await.unwrap();
    let next = client.refresh(refresh(&old.refresh)).await.map(Tokens::from).unwrap();
    daemon.kill9();
    // Nothing to wait for here but that time goes by.
    sleep(WINDOW).await;
    daemon.restart().await;
    let served = Instant::now();
    let client = daemon.client().await;
    let again = client.refresh(refresh(&old.refresh)).await.map(Tokens::from).unwrap();
    assert!(again.refresh.expose() == next.refresh.expose(), "the same successor");
    sleep(WINDOW.saturating_sub(served.elapsed())).await;
    let reuse = client.refresh(refresh(&old.refresh)).await.unwrap_err();
    assert_eq!(reuse.code(), ErrorCode::Reused, "time with a daemon counts");
}

#[tokio::test]
async fn c11_a_disabled_user_stays_out_after_a_kill() {
    let (mut daemon, _, admin, session) = with_alice().await;
    admin.user_disable("alice").await.unwrap();
    let (client, admin) = kill_and_restart(&mut daemon).await;
    assert_eq!(refused(&client, &session).await, [ErrorCode::Revoked; 2]);
    let out = tokens(&client, "alice", PASSWORD).await.unwrap_err();
    assert_eq!(out.code(), ErrorCode::InvalidCredentials);
    admin.user_enable("alice").await.unwrap();
    let (client, _) = kill_and_restart(&mut daemon).await;
    tokens(&client, "alice", PASSWORD).await.unwrap();
    assert_eq!(refused(&client, &session).await, [ErrorCode::Revoked; 2]);
}

#[tokio::test]
async fn g14_a_new_password_outlives_a_kill() {
    const NEW: &str = "a better horse battery staple";
    let (mut daemon, _, admin, session) = with_alice().await;
    admin.user_set_password("alice", Password::new(NEW.to_owned())).await.unwrap();
    let (client, _) = kill_and_restart(&mut daemon).await;
    assert_eq!(refused(&client, &session).await, [ErrorCode::Revoked; 2]);
    let old = tokens(&client, "alice", PASSWORD).await.unwrap_err();
    assert_eq!(old.code(), ErrorCode::InvalidCredentials);
    tokens(&client, "alice", NEW).await.unwrap();
}

/// G11: what was stored must not run the daemon's clock ahead of the wall's, or sessions would end early.
#[tokio::test]
async fn g11_however_often_it_is_started_the_daemon_knows_what_time_it_is() {
    let (mut daemon, _, _, session) = with_alice().await;
    for _ in 0..10 {
        kill_and_restart(&mut daemon).await;
        daemon.stop().await;
        daemon.restart().await;
    }
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    client.verify(session.access, Needs::default()).await.unwrap();
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let stamp = Duration::from_micros(admin.status().await.unwrap().stamp.0);
    let started = Duration::from_millis(admin.status().await.unwrap().started.as_u64());
    assert!(started <= after, "the clock is {:?} ahead", started.saturating_sub(after));
    // Stamps are reserved ahead, but not further ahead with every start.
    let most = Duration::from_secs(15);
    assert!(stamp <= after + most, "stamps are {:?} ahead", stamp.saturating_sub(after));
}
