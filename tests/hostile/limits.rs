//! The limits that a whole daemon has: descriptors, memory for frames, queues and idle connections.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use hallpass_client::{ErrorCode, SessionKind};
use hallpass_protocol::auth::{AuthRequest, AuthResponse, Needs, Verify};
use hallpass_protocol::error::Refusal;
use hallpass_protocol::hello::{Service, Status, VERSION};
use hallpass_protocol::limits::{AUTH_FRAME, NAME_BYTES, PASSWORD_BYTES, REQUESTS_IN_FLIGHT};
use hallpass_protocol::secret::Token;

use crate::raw::{End, PROMPT, Raw, SLACK, framed, hello, payload, plain};
use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, login};

/// What the daemon keeps for itself.
const RESERVE: usize = 64;

/// How many of so many connections are served, and what the others are told.
fn crowd(daemon: &Daemon, count: usize) -> (Vec<Raw>, Vec<String>) {
    let (mut served, mut told) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut raw = Raw::connect(&daemon.socket());
        raw.send(&hello(Service::Auth as u8, VERSION));
        match raw.welcome() {
            (0, _) => served.push(raw),
            (status, sentence) => {
                assert_eq!(status, Status::Busy as u8, "{sentence}");
                told.push(sentence);
            }
        }
    }
    (served, told)
}

/// How many of a crowd are served, once at least so many are: those who were there before are let go of one by one.
async fn most_at_once(daemon: &Daemon, count: usize, wanted: usize) -> usize {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let (served, told) = crowd(daemon, count);
        assert!(told.iter().all(|sentence| sentence.contains("room for")), "{told:?}");
        if served.len() >= wanted || Instant::now() > give_up {
            return served.len();
        }
        drop(served);
        // Clients of this test close their connections when they get their turn.
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn e7_with_few_descriptors_there_are_fewer_places_and_enough_are_kept_back() {
    let daemon = Daemon::with_descriptors(RESERVE + 40).await;
    let (served, told) = crowd(&daemon, 60);
    assert!((38..=40).contains(&served.len()), "{} of 40 places", served.len());
    assert!(told.iter().all(|sentence| sentence.contains("as many connections as it may")), "{told:?}");
    let log = daemon.log();
    assert!(log.contains("raise the limit of open files"), "{log}");
    assert!(!log.contains("cannot accept"), "{log}");
    drop(served);
    assert!(daemon.admin().await.status().await.is_ok());
}

fn limit_descriptors(daemon: &Daemon, most: &str) {
    let pid = daemon.pid().to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}:")]).status();
    assert!(set.expect("prlimit is there").success());
}

/// Hundredths of a second that the daemon has worked.
fn worked(daemon: &Daemon) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("the daemon runs");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().expect("a time")).sum()
}

#[tokio::test]
async fn e7_without_descriptors_the_daemon_waits_and_does_not_spin() {
    let daemon = Daemon::start().await;
    limit_descriptors(&daemon, "8");
    let mut waiting: Vec<_> = (0..10).map(|_| Raw::connect(&daemon.socket())).collect();
    std::thread::sleep(Duration::from_millis(200));
    let before = worked(&daemon);
    std::thread::sleep(Duration::from_secs(1));
    let spent = worked(&daemon) - before;
    assert!(spent < 30, "{spent} hundredths of a second of one");
    assert!(daemon.log().contains("cannot accept a connection"), "{}", daemon.log());
    limit_descriptors(&daemon, "1024");
    for raw in &mut waiting {
        raw.send(&hello(Service::Auth as u8, VERSION));
        assert_eq!(raw.welcome().0, 0, "whoever has waited is served");
    }
}

#[tokio::test]
async fn e7_frames_have_room_of_their_own_for_each_user_and_no_more() {
    let daemon = Daemon::with_settings("[limits]\nframe_memory_mib = 1\n").await;
    for _ in 0..2 {
        assert_eq!(most_at_once(&daemon, 20, 16).await, 16, "there is room for in a quarter of 1 MiB");
    }
    // Requests that are under way take up their part of it, so that the next ones wait; all of them are answered.
    assert_eq!(most_at_once(&daemon, 1, 1).await, 1, "everybody is let go of");
    let mut raw = Raw::introduced(&daemon.socket(), Service::Auth);
    let many = 40;
    let frames: Vec<u8> = (0..many).flat_map(|id| framed(&payload(id, large_login("nobody")))).collect();
    std::thread::scope(|scope| {
        let mut sending = Raw(raw.0.try_clone().expect("another handle"));
        sending.0.set_write_timeout(None).expect("no timeout");
        scope.spawn(move || sending.send(&frames));
        for _ in 0..many {
            assert!(matches!(raw.answer().message, Ok(AuthResponse::Login(Err(_)))));
        }
    });
}

/// A login that is nearly as long as a frame.
fn large_login(name: &str) -> AuthRequest {
    let mut request = login(name, PASSWORD, SessionKind::Token);
    request.context.user_agent = Some("x".repeat(AUTH_FRAME - 1024));
    AuthRequest::Login { request }
}

#[tokio::test]
async fn idle_connections_are_ended_and_busy_ones_are_not() {
    let daemon = Daemon::with_settings("[limits]\nidle_connection = \"1s\"\n").await;
    let mut idle = [Service::Auth, Service::Admin].map(|service| {
        let path = if service == Service::Auth { daemon.socket() } else { daemon.admin_socket() };
        Raw::introduced(&path, service)
    });
    let client = daemon.client().await;
    let mut busy = Raw::introduced(&daemon.socket(), Service::Auth);
    let (begun, request) = (Instant::now(), framed(&plain(Service::Auth).0));
    while begun.elapsed() < Duration::from_secs(3) {
        busy.send(&request);
        busy.answer();
        std::thread::sleep(Duration::from_millis(100));
    }
    for raw in &mut idle {
        assert_eq!(raw.end(SLACK), End::Closed(Vec::new()));
    }
    assert!(client.hello().await.is_ok(), "a client connects anew when it has something to ask");
}

#[tokio::test]
async fn d6_logins_that_find_the_queues_full_are_told_to_come_back() {
    let daemon = Daemon::with_settings("[passwords]\nparallel_hashes = 1\n").await;
    let before = daemon.rss();
    let mut crowd: Vec<_> = (0..5).map(|_| Raw::introduced(&daemon.socket(), Service::Auth)).collect();
    for (number, raw) in crowd.iter_mut().enumerate() {
        let frame = |id| framed(&payload(id, large_login(&format!("nobody-{number}-{id}"))));
        for id in 0..REQUESTS_IN_FLIGHT as u64 {
            raw.send(&frame(id));
        }
    }
    // Of 640 logins the first 128 have a place, an app's half of them all, so that the last connections have none.
    let busy = |raw: &mut Raw| match raw.answer().message {
        Ok(AuthResponse::Login(Err(Refusal { code, .. }))) => code == ErrorCode::Busy,
        other => panic!("{other:?}"),
    };
    let turned_away: usize = crowd[3..].iter_mut().map(|raw| (0..50).filter(|_| busy(raw)).count()).sum();
    assert!(turned_away >= 90, "{turned_away} of the first 100 answers");
    let grown = daemon.peak_rss().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(crowd);
    assert!(daemon.admin().await.status().await.is_ok(), "what needs no password is not held up");
}

#[tokio::test]
async fn one_call_looks_at_no_more_signatures_than_others_can_wait_for() {
    let daemon = Daemon::start().await;
    let mut raw = Raw::introduced(&daemon.socket(), Service::Auth);
    let mut answered = |text: &str| {
        let verify = Verify { token: Token::new(text.into()), needs: Needs::default(), context: None };
        raw.send(&framed(&payload(7, AuthRequest::VerifyMany { requests: vec![verify; 40] })));
        match raw.answer().message {
            Ok(AuthResponse::VerifyMany(Ok(answers))) => answers.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answered("e30.e30.e30"), 8, "whoever asks for more asks again");
    assert_eq!(answered("hps_"), 40, "what needs no signature is not held back");
}

#[tokio::test]
async fn d8_a_password_one_byte_too_long_and_a_name_too_long_are_turned_away() {
    let daemon = Daemon::start().await;
    let mut raw = Raw::introduced(&daemon.socket(), Service::Auth);
    let mut refused = |name: &str, password: &str| {
        let request = login(name, password, SessionKind::Token);
        raw.send(&framed(&payload(7, AuthRequest::Login { request })));
        match raw.answer().message {
            Ok(AuthResponse::Login(Err(refusal))) => refusal.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused("alice", &"x".repeat(PASSWORD_BYTES)), ErrorCode::InvalidCredentials);
    let begun = Instant::now();
    assert_eq!(refused("alice", &"x".repeat(PASSWORD_BYTES + 1)), ErrorCode::InvalidRequest);
    assert!(begun.elapsed() < PROMPT, "nothing is hashed");
    assert_eq!(refused(&"a".repeat(NAME_BYTES + 1), PASSWORD), ErrorCode::InvalidCredentials);
}
