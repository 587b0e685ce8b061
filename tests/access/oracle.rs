//! What can be told from a refusal about whom it names: nothing, neither from its bytes nor from the time it takes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use hallpass_client::admin::AdminClient;
use hallpass_client::{
    ChangePassword, Client, Context, ErrorCode, Login, OpenSession, Password, Reauthenticate, RedeemCode,
    Revoke, SessionId, SessionKind, Token, UserId, UserRef,
};
use hallpass_protocol::auth::AuthRequest;

use crate::frames::{Frames, Refused};
use crate::statistics::{median, p_value};
use crate::support::dice::{Dice, number, report};
use crate::support::{Daemon, PASSWORD, add_user, cookie, login, tokens};

/// How many logins there are of each class.
const ROUNDS: &str = "HALLPASS_ORACLE_ROUNDS";
/// From so many on their times are compared, too.
const ENOUGH: u64 = 500;
/// Less than this comes by chance once in ten thousand comparisons.
const BY_CHANCE: f64 = 0.0001;
const WRONG: &str = "not the password at all";
/// A wait that has so much left is not over before the try that it is for is looked at.
const AMPLE: Duration = Duration::from_secs(2);

/// Who is named, and what stands in the way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    Unknown,
    Wrong,
    Disabled,
    Throttled,
}

const CLASSES: [Class; 4] = [Class::Unknown, Class::Wrong, Class::Disabled, Class::Throttled];

/// A source that nobody has come from before.
fn address(number: u64) -> IpAddr {
    let [.., a, b, c] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, a, b, c))
}

fn try_to_log_in(name: &str, password: &str, source: u64) -> AuthRequest {
    let context = Context { ip: Some(address(source)), ..Context::default() };
    AuthRequest::Login { request: Login { context, ..login(name, password, SessionKind::Token) } }
}

/// A daemon with users of every class.
struct House {
    daemon: Daemon,
    frames: Frames,
    sources: u64,
    /// Until when the user who is throttled stays so.
    held_until: Instant,
}

impl House {
    async fn new(names: u64) -> Self {
        let daemon = Daemon::start().await;
        let admin = daemon.admin().await;
        for number in 0..names {
            add_user(&admin, &format!("wrong-{number}"), PASSWORD, &[]).await;
            add_user(&admin, &format!("gone-{number}"), PASSWORD, &[]).await;
            admin.user_disable(&*format!("gone-{number}")).await.expect("she is there");
        }
        add_user(&admin, "held", PASSWORD, &[]).await;
        let frames = Frames::open(&daemon.socket());
        Self { daemon, frames, sources: 1, held_until: Instant::now() }
    }

    /// Tries the name from one source until it has to wait long enough. The right password goes along: it must be of no use.
    fn hold(&mut self) {
        hold(&mut self.frames, || try_to_log_in("held", WRONG, 0), &mut self.held_until);
    }

    /// One login of this class.
    fn try_one(&mut self, class: Class, round: u64) -> (Refused, Duration) {
        if class == Class::Throttled {
            self.hold();
            return self.frames.refused(try_to_log_in("held", PASSWORD, 0));
        }
        self.sources += 1;
        // The first try of a name is the one by which somebody goes who wants to know which names there are.
        let (name, password) = match class {
            Class::Unknown => (format!("unknown-{round}"), PASSWORD),
            Class::Wrong => (format!("wrong-{round}"), WRONG),
            _ => (format!("gone-{round}"), PASSWORD),
        };
        self.frames.refused(try_to_log_in(&name, password, self.sources))
    }
}

/// Makes this try, which is to fail, until whoever it is for has to wait long enough.
fn hold(frames: &mut Frames, try_it: impl Fn() -> AuthRequest, until: &mut Instant) {
    let left = |until: &Instant| until.saturating_duration_since(Instant::now());
    while left(until) < AMPLE {
        std::thread::sleep(left(until));
        let (refused, _) = frames.refused(try_it());
        *until = Instant::now() + refused.retry_after.unwrap_or_default();
    }
}

/// The classes in an order that no pattern of the machine's can follow.
fn shuffled(dice: &mut Dice) -> [Class; 4] {
    let mut classes = CLASSES;
    for last in (1..classes.len()).rev() {
        let other = usize::try_from(dice.below(last as u64 + 1)).expect("one of four");
        classes.swap(last, other);
    }
    classes
}

#[tokio::test]
async fn d1_unknown_wrong_disabled_and_throttled_users_get_one_answer_in_one_time() {
    let rounds = number(ROUNDS, 5);
    let mut house = House::new(rounds).await;
    let (mut dice, mut times) = (Dice::new(), [(); 4].map(|()| Vec::new()));
    let mut answer: Option<Vec<u8>> = None;
    for round in 0..rounds {
        for class in shuffled(&mut dice) {
            let (refused, took) = house.try_one(class, round);
            assert_eq!(refused.code, ErrorCode::InvalidCredentials, "{class:?}");
            assert_eq!(&refused.bytes, answer.get_or_insert_with(|| refused.bytes.clone()), "{class:?}");
            times[class as usize].push(took.as_secs_f64() * 1000.0);
        }
    }
    for (class, times) in CLASSES.iter().zip(&times) {
        report(&format!("{class:?}: {} logins, {:.3} ms in the middle", times.len(), median(times)));
    }
    for (at, one) in CLASSES.iter().enumerate() {
        for (other, others) in CLASSES.iter().zip(&times).skip(at + 1) {
            let p = p_value(&times[at], others);
            report(&format!("{one:?} against {other:?}: p = {p:.4}"));
            assert!(rounds < ENOUGH || p > BY_CHANCE, "{one:?} and {other:?} take different times");
        }
    }
}

async fn commits(admin: &AdminClient) -> u64 {
    admin.metrics().await.expect("it is counted").writer.commits.count()
}

/// What a disk takes cannot be hidden by what a hash takes, so nobody may be told by how often a try waits for it: not even by the first try of a name.
#[tokio::test]
async fn d1_a_refused_login_waits_for_the_disk_as_often_whomever_it_names() {
    const TRIES: u64 = 5;
    let mut house = House::new(TRIES).await;
    let admin = house.daemon.admin().await;
    // Of all unknown names the first in a minute leaves a row.
    house.try_one(Class::Unknown, TRIES);
    house.hold();
    for class in CLASSES {
        let mut waits = Vec::new();
        for round in 0..TRIES {
            let before = commits(&admin).await;
            house.try_one(class, round);
            waits.push(commits(&admin).await - before);
        }
        // The daemon writes something of its own now and then.
        assert_eq!(waits.iter().min(), Some(&2), "{class:?}: {waits:?}");
    }
}

/// How often a name can be tried, and what it has to wait for then.
fn first_wait(house: &mut House, name: &str, password: &str) -> (usize, Duration) {
    house.sources += 1;
    let source = house.sources;
    for tries in 1..100 {
        let (refused, _) = house.frames.refused(try_to_log_in(name, password, source));
        if let Some(wait) = refused.retry_after.filter(|wait| !wait.is_zero()) {
            return (tries, wait);
        }
    }
    unreachable!("{name} can be tried for ever")
}

#[tokio::test]
async fn d3_unknown_names_have_to_wait_like_known_ones() {
    let mut house = House::new(1).await;
    let unknown = first_wait(&mut house, "nobody", PASSWORD);
    assert_eq!(first_wait(&mut house, "wrong-0", WRONG), unknown);
    assert_eq!(first_wait(&mut house, "gone-0", PASSWORD), unknown);
}

// Every other operation that names a user.

fn redeem(name: &str, code: &Token, source: u64) -> AuthRequest {
    let context = Context { ip: Some(address(source)), ..Context::default() };
    AuthRequest::RedeemCode {
        request: RedeemCode {
            name: name.to_owned(),
            code: code.clone(),
            new_password: Password::new("another horse, another staple".to_owned()),
            kind: SessionKind::Token,
            audience: None,
            context,
        },
    }
}

fn all_the_same(frames: &mut Frames, asked: Vec<(&str, AuthRequest)>, code: ErrorCode) {
    let mut answer = None;
    for (what, request) in asked {
        let (refused, _) = frames.refused(request);
        assert_eq!(refused.code, code, "{what}");
        assert_eq!(&refused.bytes, answer.get_or_insert_with(|| refused.bytes.clone()), "{what}");
    }
}

async fn a_code(admin: &AdminClient, name: &str) -> Token {
    admin.user_code(name).await.expect("a code").code
}

#[tokio::test]
async fn d21_a_refused_code_says_nothing_about_whom_it_names() {
    let mut house = House::new(2).await;
    let admin = house.daemon.admin().await;
    let none = Token::new("hpc_none".to_owned());
    let (held, gone) = (a_code(&admin, "held").await, a_code(&admin, "gone-0").await);
    house.hold();
    let asked = || {
        vec![
            ("who has to wait", redeem("held", &held, 0)),
            ("nobody", redeem("nobody", &none, 1)),
            ("a name that is none", redeem("../../etc/passwd", &none, 1)),
            ("no code", redeem("wrong-0", &none, 1)),
            ("another's code", redeem("wrong-0", &held, 2)),
            ("a disabled user", redeem("gone-0", &gone, 1)),
        ]
    };
    all_the_same(&mut house.frames, asked(), ErrorCode::InvalidCredentials);
    let mut waits = vec![Vec::new(); asked().len()];
    for _ in 0..3 {
        for ((what, request), waits) in asked().into_iter().zip(&mut waits) {
            let before = commits(&admin).await;
            let (refused, _) = house.frames.refused(request);
            assert_eq!(refused.code, ErrorCode::InvalidCredentials, "{what}");
            waits.push(commits(&admin).await - before);
        }
    }
    // The daemon writes something of its own now and then.
    assert!(waits.iter().all(|waits| waits.iter().min() == Some(&2)), "{waits:?}");
}

/// A daemon whose one app has every right, and users with sessions.
async fn with_sessions() -> (Daemon, AdminClient, Client) {
    let uid = crate::support::own_uid();
    let daemon = Daemon::with_config(&format!(
        "[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n\
         rights = [\"login\", \"verify\", \"refresh\", \"revoke\", \"list\", \"vouch\", \"service_token\"]\n"
    ))
    .await;
    let (admin, client) = (daemon.admin().await, daemon.client().await);
    for name in ["alice", "bob", "gone"] {
        add_user(&admin, name, PASSWORD, &[]).await;
    }
    (daemon, admin, client)
}

#[tokio::test]
async fn d1_a_refused_proof_says_nothing_about_why() {
    let (daemon, admin, client) = with_sessions().await;
    let mut sessions = Vec::new();
    for name in ["alice", "bob", "gone"] {
        sessions.push(cookie(&client, name, PASSWORD).await.expect("the password is right").0);
    }
    admin.user_disable("gone").await.expect("she is there");
    let proof = |token: &Token, password: &str, source| Reauthenticate {
        token: token.clone(),
        password: Password::new(password.to_owned()),
        audience: None,
        context: Context { ip: Some(address(source)), ..Context::default() },
    };
    let again = |token: &Token, password: &str, source| AuthRequest::Reauthenticate {
        request: proof(token, password, source),
    };
    let change = |token: &Token, password: &str, source| AuthRequest::ChangePassword {
        request: ChangePassword {
            proof: proof(token, password, source),
            new_password: Password::new("another horse, another staple".to_owned()),
        },
    };
    let (mut frames, mut held_until) = (Frames::open(&daemon.socket()), Instant::now());
    for call in [&again as &dyn Fn(&Token, &str, u64) -> AuthRequest, &change] {
        // Bob is tried until he has to wait, so that his right password is of no use either.
        hold(&mut frames, || again(&sessions[1], WRONG, 0), &mut held_until);
        let asked = vec![
            ("who has to wait", call(&sessions[1], PASSWORD, 0)),
            ("a wrong password", call(&sessions[0], WRONG, 1)),
            ("a disabled user", call(&sessions[2], PASSWORD, 1)),
        ];
        all_the_same(&mut frames, asked, ErrorCode::InvalidCredentials);
    }
}

#[tokio::test]
async fn d1_who_is_vouched_for_and_may_not_log_in_is_like_nobody() {
    let (daemon, admin, _) = with_sessions().await;
    let gone = admin.user_disable("gone").await.expect("she is there").user_id;
    let open = |user| AuthRequest::OpenSession {
        request: OpenSession {
            user,
            kind: SessionKind::Token,
            audience: None,
            amr: vec!["hwk".into()],
            context: Context::default(),
        },
    };
    let asked = vec![
        ("nobody's name", open(UserRef::Name("nobody".into()))),
        ("nobody's id", open(UserRef::Id(UserId::from_bytes([7; 16])))),
        ("a disabled user", open(UserRef::Name("gone".into()))),
        ("a disabled user's id", open(UserRef::Id(gone))),
    ];
    all_the_same(&mut Frames::open(&daemon.socket()), asked, ErrorCode::NotFound);
}

#[tokio::test]
async fn c2_what_nobody_has_been_given_is_one_answer() {
    let (daemon, _, client) = with_sessions().await;
    let mut frames = Frames::open(&daemon.socket());
    let alice = tokens(&client, "alice", PASSWORD).await.expect("the password is right");
    let refresh = |text: String| AuthRequest::Refresh { request: crate::support::refresh(&Token::new(text)) };
    let genuine = alice.refresh.expose();
    let forged = format!("{}{}", &genuine[..genuine.len() - 4], "AAAA");
    let asked = vec![
        ("garbage", refresh("hpr_".into())),
        ("a forged MAC", refresh(forged)),
        ("words", refresh("?".into())),
    ];
    all_the_same(&mut frames, asked, ErrorCode::InvalidToken);
    let revoke = |session| AuthRequest::Revoke { request: Revoke::Session(session) };
    let asked = vec![
        ("a session that never was", revoke(SessionId::from_bytes([7; 16]))),
        ("another one", revoke(SessionId::from_bytes([255; 16]))),
    ];
    all_the_same(&mut frames, asked, ErrorCode::NotFound);
    assert!(
        client.verify(alice.access, hallpass_client::Needs::default()).await.is_ok(),
        "hers is untouched"
    );
}
