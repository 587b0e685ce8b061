//! Bad input on the raw sockets costs at most the connection that it came on: the next caller is answered within a second, and the daemon
//! keeps neither memory nor descriptors for it.

mod limits;
mod raw;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;
mod target;

use std::time::{Duration, Instant};

use hallpass_client::{Needs, SessionKind};
use hallpass_protocol::auth::{AuthRequest, AuthResponse};
use hallpass_protocol::hello::{Service, Status, VERSION};
use hallpass_protocol::limits::{
    ADMIN_FRAME, AUTH_FRAME, FRAME_DEADLINE, HELLO_DEADLINE, REQUESTS_IN_FLIGHT,
};
use raw::{
    End, PROMPT, Raw, SLACK, call, call_with_deadline, cancel, framed, hello, noise, patient, payload, plain,
};
use support::{PASSWORD, PATIENCE, POLL, add_user, login, tokens};
use target::Target;

/// How often each attack is repeated.
const ROUNDS: usize = 100;

/// What comes before an attack's bytes.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Nothing,
    Hello,
}

/// What can be said against a service in one go; after each the daemon ends the connection without a word.
fn attacks(service: Service) -> Vec<(&'static str, After, Vec<u8>)> {
    let frame = if service == Service::Auth { AUTH_FRAME } else { ADMIN_FRAME };
    let header = |length: usize| u32::try_from(length).expect("a length").to_be_bytes().to_vec();
    let login = 1;
    vec![
        ("an HTTP request", After::Nothing, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        (
            "a TLS hello",
            After::Nothing,
            [&[22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &noise(1, 500)].concat(),
        ),
        ("all zeros", After::Nothing, vec![0; 4096]),
        ("random bytes", After::Nothing, noise(2, 4096)),
        ("a hello in lower layers only", After::Nothing, b"HALLPASS\x01\x00\x01".to_vec()),
        ("a 4 GiB frame", After::Hello, vec![0xFF; 4]),
        ("a 2 GiB frame, begun", After::Hello, [&[0x80, 0, 0, 0][..], &[7; 4096]].concat()),
        ("a frame one byte too long", After::Hello, header(frame + 1)),
        ("an empty frame", After::Hello, header(0)),
        ("an unknown method", After::Hello, call(service, 200, b"")),
        ("a method far out", After::Hello, call(service, 0xFD, &[0xFF; 8])),
        ("bytes left over", After::Hello, call(service, 0, b"\0")),
        ("arguments missing", After::Hello, call(service, login, b"")),
        (
            "a decode length bomb",
            After::Hello,
            call(service, login, &[0xFD, 255, 255, 255, 255, 255, 255, 255, 255]),
        ),
        ("a smaller length bomb", After::Hello, call(service, login, &[0xFC, 255, 255, 255, 255])),
        ("a length just under the limit", After::Hello, call(service, login, &[0xFB, 0xF0, 0xFF])),
        ("invalid UTF-8, d13", After::Hello, call(service, login, &[3, 0xED, 0xA0, 0x80])),
        ("an answer", After::Hello, framed(&[2, 7, 0])),
        ("a frame of 255s", After::Hello, framed(&[255; 1000])),
    ]
}

#[tokio::test]
async fn e8_garbage_costs_its_own_connection_and_nothing_else() {
    let target = Target::warm().await;
    for service in [Service::Auth, Service::Admin] {
        let socket = target.socket(service);
        for (name, after, bytes) in attacks(service) {
            for round in 0..ROUNDS {
                let mut raw = match after {
                    After::Nothing => Raw::connect(&socket),
                    After::Hello => Raw::introduced(&socket, service),
                };
                raw.send(&bytes);
                assert_eq!(raw.end(PROMPT), End::Closed(Vec::new()), "{name}, round {round} on {socket:?}");
            }
            target.is_unharmed(name).await;
        }
    }
}

#[tokio::test]
async fn e8_random_frames_cost_their_own_connection_and_nothing_else() {
    let target = Target::warm().await;
    let (request, _) = plain(Service::Auth);
    for round in 0..ROUNDS as u64 * 10 {
        let mut raw = Raw::introduced(&target.daemon.socket(), Service::Auth);
        let random = noise(round + 1, 64);
        // Half of them begin like a request, and one byte of theirs is not what it was.
        let mut payload = if round % 2 == 0 { random.clone() } else { request.clone() };
        let place = usize::from(random[0]) % payload.len();
        payload[place] ^= random[1] | 1;
        raw.send(&framed(&payload));
    }
    target.is_unharmed("random frames").await;
}

#[tokio::test]
async fn a_hello_for_another_place_is_answered_with_a_sentence() {
    let target = Target::warm().await;
    let wrong = [
        (target.daemon.socket(), hello(Service::Admin as u8, VERSION), "admin.sock"),
        (target.daemon.admin_socket(), hello(Service::Auth as u8, VERSION), "hallpass.sock"),
        (target.daemon.socket(), hello(Service::Auth as u8, VERSION + 1), "version 2"),
        (target.daemon.socket(), hello(9, VERSION), "Auth calls only"),
    ];
    for _ in 0..ROUNDS {
        for (socket, hello, words) in &wrong {
            let mut raw = Raw::connect(socket);
            raw.send(hello);
            let (status, sentence) = raw.welcome();
            assert_eq!(status, Status::Mismatch as u8);
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(raw.end(PROMPT), End::Closed(Vec::new()));
        }
    }
    target.is_unharmed("hellos for another place").await;
}

#[tokio::test]
async fn any_deadline_is_answered() {
    let target = Target::warm().await;
    let years = 365 * 86_400;
    let deadlines = [
        (1, 0),
        (59, u32::MAX),
        (60, 0),
        (3 * years, 0),
        (300 * years, 999_999_999),
        (u64::MAX, 0),
        (u64::MAX, u32::MAX),
    ];
    for _ in 0..ROUNDS {
        let mut raw = Raw::introduced(&target.daemon.socket(), Service::Auth);
        for (id, (seconds, nanos)) in (0..).zip(deadlines) {
            raw.send(&call_with_deadline(id, seconds, nanos));
            let answer = raw.answer();
            assert_eq!(answer.request_id, id, "{seconds} s");
            assert!(matches!(answer.message, Ok(AuthResponse::Hello(Ok(_)))), "{seconds} s");
        }
    }
    target.is_unharmed("deadlines").await;
}

#[tokio::test]
async fn silence_is_ended_when_it_has_lasted_too_long() {
    let target = Target::warm().await;
    let socket = target.daemon.socket();
    let greeting = hello(Service::Auth as u8, VERSION);
    let (request, _) = plain(Service::Auth);
    let request = framed(&request);
    let mut silent: Vec<(&str, Duration, Raw)> = Vec::new();
    for _ in 0..30 {
        silent.push(("nothing", HELLO_DEADLINE, Raw::connect(&socket)));
        let mut raw = Raw::connect(&socket);
        raw.send(&greeting[..5]);
        silent.push(("half a hello", HELLO_DEADLINE, raw));
        for (name, part) in [("a byte", &request[..1]), ("half a frame", &request[..request.len() / 2])] {
            let mut raw = Raw::introduced(&socket, Service::Auth);
            raw.send(part);
            silent.push((name, FRAME_DEADLINE, raw));
        }
    }
    let begun = Instant::now();
    target.answers().await;
    for (name, deadline, raw) in &mut silent {
        let left = (*deadline + SLACK).saturating_sub(begun.elapsed());
        assert_eq!(raw.end(left), End::Closed(Vec::new()), "{name} lasts {:?}", begun.elapsed());
    }
    drop(silent);
    target.is_unharmed("silence").await;
}

#[tokio::test]
async fn one_byte_a_second_is_ended_by_the_deadline_of_the_whole() {
    let target = Target::warm().await;
    let socket = target.daemon.socket();
    let (request, _) = plain(Service::Auth);
    let slow = |mut raw: Raw, bytes: Vec<u8>, deadline: Duration| {
        std::thread::spawn(move || {
            let begun = Instant::now();
            for byte in bytes.iter().cycle() {
                raw.send(&[*byte]);
                if let End::Closed(_) = raw.end(Duration::from_secs(1)) {
                    break;
                }
                assert!(begun.elapsed() < deadline + SLACK, "it lasts {:?}", begun.elapsed());
            }
        })
    };
    let greeting = hello(Service::Auth as u8, VERSION);
    let mut waiting = vec![slow(Raw::connect(&socket), greeting, HELLO_DEADLINE)];
    for _ in 0..20 {
        waiting.push(slow(Raw::introduced(&socket, Service::Auth), framed(&request), FRAME_DEADLINE));
    }
    target.answers().await;
    for thread in waiting {
        thread.join().unwrap();
    }
    target.is_unharmed("one byte a second").await;
}

#[tokio::test]
async fn e7_one_user_has_a_bounded_number_of_connections() {
    let mut target = Target::warm().await;
    for round in 0..5 {
        let regular = target.daemon.client().await;
        let (mut served, mut refused) = (Vec::new(), 0);
        for _ in 0..300 {
            let mut raw = Raw::connect(&target.daemon.socket());
            raw.send(&hello(Service::Auth as u8, VERSION));
            match raw.welcome() {
                (0, _) => served.push(raw),
                (status, sentence) => {
                    assert_eq!(status, Status::Busy as u8);
                    assert!(sentence.contains("as many connections as it may"), "{sentence}");
                    assert_eq!(raw.end(PROMPT), End::Closed(Vec::new()));
                    refused += 1;
                }
            }
        }
        assert_eq!((served.len(), refused), (255, 45), "256 places, one of them the regular's");
        let begun = Instant::now();
        regular.verify(target.session.clone(), Needs::default()).await.unwrap();
        assert!(begun.elapsed() < PROMPT, "who is connected is served on");
        drop((served, regular));
        if round < 2 {
            // So many connections at once need more memory than one; the next crowd must find it again.
            target.settled(target.descriptors, Duration::from_millis(500));
            target.memory = target.daemon.rss();
        }
        target.is_unharmed("300 connections").await;
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_bounded_and_all_answered() {
    let target = Target::warm().await;
    let many = 200;
    let cheap: Vec<u8> = (0..many).flat_map(|id| framed(&payload(id, AuthRequest::Jwks {}))).collect();
    let request = login("nobody", PASSWORD, SessionKind::Token);
    let costly = |id| framed(&patient(id, AuthRequest::Login { request: request.clone() }));
    let costly: Vec<u8> = (0..many).flat_map(costly).collect();
    for (bytes, at_least) in [(cheap, many), (costly, 0)] {
        let mut raw = Raw::introduced(&target.daemon.socket(), Service::Auth);
        raw.send(&bytes);
        target.answers().await;
        let mut seen = std::collections::HashSet::new();
        let (mut answered, mut turned_away) = (0, 0);
        for _ in 0..many {
            let answer = raw.answer();
            assert!(seen.insert(answer.request_id), "one answer for each");
            match answer.message {
                Ok(_) => answered += 1,
                Err(error) => {
                    assert!(error.to_string().contains("throttled"), "{error}");
                    turned_away += 1;
                }
            }
        }
        assert!(
            answered >= at_least.max(REQUESTS_IN_FLIGHT as u64),
            "{answered} answered, {turned_away} not"
        );
    }
    target.answers().await;
}

/// Streams of requests whose answers nobody reads, and whether there are enough answers to get stuck.
fn floods() -> Vec<(&'static str, bool, Vec<u8>)> {
    let jwks = |id: u64| framed(&payload(id, AuthRequest::Jwks {}));
    let hundreds =
        |each: fn(u64) -> Vec<u8>| move |hundred: u64| (hundred * 100..).take(100).flat_map(each).collect();
    let many = |some: &dyn Fn(u64) -> Vec<u8>| (0..50).flat_map(some).collect();
    let requests = hundreds(|id| framed(&payload(id, AuthRequest::Jwks {})));
    let cancels = hundreds(|id| framed(&cancel(id)));
    vec![
        ("requests", true, many(&requests)),
        (
            "requests that are taken back",
            true,
            many(&|hundred| [requests(hundred), cancels(hundred)].concat()),
        ),
        ("requests that have no time", true, many(&hundreds(|id| call_with_deadline(id, 0, 1)))),
        // tarpc passes over a request whose number is under way, without an answer.
        ("requests of one number", false, jwks(7).repeat(5_000)),
    ]
}

#[tokio::test]
async fn e9_who_does_not_read_the_answers_is_ended() {
    let target = Target::warm().await;
    for (name, must_end, requests) in floods() {
        let connect = || (Raw::introduced(&target.daemon.socket(), Service::Auth), 0);
        let mut deaf: Vec<_> = (0..10).map(|_| connect()).collect();
        let (begun, mut asked) = (Instant::now(), 0);
        while !deaf.is_empty() && begun.elapsed() < FRAME_DEADLINE + SLACK {
            deaf.retain_mut(|(raw, at)| raw.pour(&requests, at));
            if begun.elapsed().as_secs() > asked {
                asked += 1;
                target.answers().await;
            }
            std::thread::sleep(POLL);
        }
        assert!(deaf.is_empty() || !must_end, "{} are still served {name}", deaf.len());
        drop(deaf);
        target.is_unharmed(name).await;
    }
}

/// What expires is under way no longer, yet its answer still waits to be written; and a request now and then comes after.
#[tokio::test]
async fn e9_who_sends_slowly_and_does_not_read_is_ended() {
    let target = Target::warm().await;
    let requests: Vec<u8> = (0..5_000).flat_map(|id| call_with_deadline(id, 0, 1_000_000)).collect();
    let mut deaf: Vec<_> =
        (0..12).map(|_| (Raw::introduced(&target.daemon.socket(), Service::Auth), 0)).collect();
    deaf.retain_mut(|(raw, at)| raw.pour(&requests, at));
    let begun = Instant::now();
    while !deaf.is_empty() && begun.elapsed() < FRAME_DEADLINE + SLACK {
        std::thread::sleep(Duration::from_millis(50));
        deaf.retain_mut(|(raw, at)| raw.drip(&requests, at));
    }
    assert!(deaf.is_empty(), "{} of 12 are still served", deaf.len());
    target.is_unharmed("requests that come slowly").await;
    assert!(!target.daemon.log().contains("ERROR"), "who calls does not write the log");
}

#[tokio::test]
async fn e10_a_request_that_breaks_off_anywhere_is_not_done() {
    let mut target = Target::warm().await;
    add_user(&target.daemon.admin().await, "bob", PASSWORD, &[]).await;
    // Hashing takes memory that may be kept for the next hash; only what is broken off is looked at here.
    target.remember();
    let request = AuthRequest::Login { request: login("bob", PASSWORD, SessionKind::Token) };
    let frame = framed(&payload(7, request));
    let socket = target.daemon.socket();
    let greeting = hello(Service::Auth as u8, VERSION);
    for cut in 0..greeting.len() {
        Raw::connect(&socket).send(&greeting[..cut]);
    }
    for cut in 0..frame.len() {
        Raw::introduced(&socket, Service::Auth).send(&frame[..cut]);
    }
    target.is_unharmed("requests that break off").await;
    let admin = target.daemon.admin().await;
    let sessions = admin.session_list("bob".to_owned(), None).await.unwrap().sessions;
    assert!(sessions.is_empty(), "half a login opened {sessions:?}");
    // A whole one whose caller is gone is done or not done, and the user can log in after it either way.
    let whole = 5;
    for _ in 0..whole {
        Raw::introduced(&socket, Service::Auth).send(&frame);
    }
    // Tries that were broken off count as failed ones, so this may have to wait.
    let give_up = Instant::now() + PATIENCE;
    while tokens(&target.daemon.client().await, "bob", PASSWORD).await.is_err() {
        assert!(Instant::now() < give_up, "the user cannot log in");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let sessions = admin.session_list("bob".to_owned(), None).await.unwrap().sessions;
    assert!((1..=whole + 1).contains(&sessions.len()), "{} sessions", sessions.len());
    drop(admin);
    // What hashing takes up has bounds of its own.
    target.has_let_go("callers that leave").await;
}
