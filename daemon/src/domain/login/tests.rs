//! Logging in: what is counted, what is answered, and what is opened.

use hallpass_protocol::id::UserId;
use hallpass_protocol::time::Millis;

use super::*;
use crate::domain::command::Command;
use crate::domain::family::ContextTag;
use crate::domain::fixture::{START, World, session, user};
use crate::domain::session::Origin;
use crate::domain::throttle::{Failures, Source};

fn login() -> Login {
    Login {
        name: "alice".into(),
        source: Source { app: "shop".into(), address: "192.0.2.1".into() },
        device: None,
    }
}

fn from_device_of(owner: UserId) -> Login {
    Login { device: Some((owner, DeviceId::from_bytes([5; 16]))), ..login() }
}

fn settle_with(login: Login, proved: Option<Credential>) -> Command {
    Command::Settle(Box::new(Settle {
        login,
        proved,
        rehash: None,
        retry_after: Duration::from_secs(2),
        kind: SessionKind::Token,
        audience: None,
        origin: Origin::default(),
        tag: ContextTag(3),
    }))
}

fn right_password() -> Credential {
    let user = user();
    Credential { user: user.id, hash: user.password.unwrap(), version: user.credential_version }
}

fn attempted(decision: &Decision) -> &Attempt {
    match &decision.outcome {
        Ok(Outcome::Attempt(attempt)) => attempt,
        other => panic!("no attempt but {other:?}"),
    }
}

fn opened(decision: &Decision) -> &Session {
    for effect in &decision.effects {
        if let Effect::OpenSession(session) = effect {
            return session;
        }
    }
    panic!("no session is opened")
}

#[test]
fn d5_a_try_is_counted_before_its_password_is_looked_at() {
    let mut world = World::new();
    let decision = world.decide(&Command::Attempt(login()));
    let now = Millis::from_u64(START.as_u64() + 1000);
    let counted: Vec<_> = decision
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::PutFailures(key, failures) => (key.clone(), *failures),
            other => panic!("{other:?}"),
        })
        .collect();
    let one = Failures { count: 1, last: now };
    let credential = ThrottleKey::Credential("alice".into());
    assert_eq!(counted, [(ThrottleKey::Source("alice".into(), login().source), one), (credential, one)]);
    assert_eq!(attempted(&decision).credential.as_ref().unwrap().user, user().id);
    assert!(decision.audit.is_none(), "the settlement is remembered, not the try");
}

#[test]
fn d1_d3_unknown_and_disabled_are_counted_and_answered_like_wrong() {
    let outcome = |change: fn(&mut World), proved: Option<Credential>| {
        let mut world = World::new();
        change(&mut world);
        let attempt = world.decide(&Command::Attempt(login()));
        assert_eq!(attempt.effects.len(), 2, "counted");
        let settled = world.decide(&settle_with(login(), proved));
        assert!(settled.effects.is_empty());
        (attempted(&attempt).retry_after, settled.outcome.unwrap_err())
    };
    let wrong = outcome(|_| {}, None);
    assert_eq!(wrong.1.code, ErrorCode::InvalidCredentials);
    assert_eq!(wrong.1.retry_after_ms, Some(2000));
    assert_eq!(outcome(|world| world.facts.user = None, None), wrong);
    assert_eq!(outcome(|world| world.user().disabled = true, Some(right_password())), wrong);
    assert_eq!(outcome(|world| world.user().password = None, None), wrong);
}

#[test]
fn a_throttled_try_is_neither_looked_at_nor_counted() {
    let mut world = World::new();
    world.facts.by_source = Failures { count: 10, last: world.at.now };
    let decision = world.decide(&Command::Attempt(login()));
    assert!(decision.effects.is_empty());
    assert!(attempted(&decision).credential.is_none());
    assert_eq!(attempted(&decision).retry_after, Duration::from_secs(128));
    world.after(Duration::from_secs(128));
    assert!(attempted(&world.decide(&Command::Attempt(login()))).credential.is_some());
}

#[test]
fn d2_a_hundred_failures_lock_strangers_out_and_not_a_known_device() {
    let mut world = World::new();
    world.facts.by_credential = Failures { count: 100, last: START };
    assert!(attempted(&world.decide(&Command::Attempt(login()))).credential.is_none());
    let known = world.decide(&Command::Attempt(from_device_of(user().id)));
    assert!(attempted(&known).credential.is_some());
    assert!(matches!(known.effects.as_slice(), [Effect::PutFailures(ThrottleKey::Device(..), _)]));
}

#[test]
fn somebody_elses_device_token_buys_no_extra_tries() {
    let mut world = World::new();
    world.facts.by_credential = Failures { count: 100, last: START };
    let decision = world.decide(&Command::Attempt(from_device_of(UserId::from_bytes([9; 16]))));
    assert!(attempted(&decision).credential.is_none());
}

#[test]
fn a_success_opens_a_new_session_and_forgets_the_failures() {
    let mut world = World::new();
    let decision = world.decide(&settle_with(login(), Some(right_password())));
    let session = opened(&decision).clone();
    assert_eq!(
        (session.cold.user, session.cold.app.as_str(), session.hot.counter),
        (user().id, "shop", FIRST)
    );
    assert_eq!(session.hot.auth_time, Millis::from_u64(START.as_u64() + 1000));
    let cleared = decision.effects.iter().filter(|effect| matches!(effect, Effect::ClearFailures(_))).count();
    assert_eq!(cleared, 2);
    assert_eq!(decision.audit.unwrap().session, Some(session.id));
}

#[test]
fn an_account_that_changed_while_the_hash_ran_is_refused_as_wrong() {
    for change in [
        (|world| world.user().credential_version = 2) as fn(&mut World),
        |world| world.user().disabled = true,
        |world| world.user().id = UserId::from_bytes([9; 16]),
        |world| world.facts.user = None,
    ] {
        let mut world = World::new();
        change(&mut world);
        let decision = world.decide(&settle_with(login(), Some(right_password())));
        assert_eq!(decision.outcome.unwrap_err().code, ErrorCode::InvalidCredentials);
        assert!(decision.effects.is_empty());
    }
}

#[test]
fn c12_one_session_too_many_evicts_the_oldest_or_is_refused() {
    let mut world = World::new();
    world.facts.sessions = (1..=3)
        .map(|age| {
            let mut one = session();
            one.id = SessionId::from_bytes([age; 16]);
            one.cold.opened.0 += u64::from(age);
            one
        })
        .collect();
    let decision = world.decide(&settle_with(login(), Some(right_password())));
    let evicted: Vec<_> = decision
        .effects
        .iter()
        .filter_map(|effect| {
            if let Effect::PutHot(id, hot) = effect { Some((*id, hot.revoked.unwrap().reason)) } else { None }
        })
        .collect();
    assert_eq!(evicted, [(SessionId::from_bytes([1; 16]), Reason::Evicted)]);
    world.policy.when_full = WhenFull::Refuse;
    let refused = world.decide(&settle_with(login(), Some(right_password())));
    assert_eq!(refused.outcome.unwrap_err().code, ErrorCode::TooManySessions);
    world.facts.sessions[0].hot.idle_deadline = world.at.now;
    assert!(
        world.decide(&settle_with(login(), Some(right_password()))).outcome.is_ok(),
        "a dead one takes no room"
    );
}

#[test]
fn a_known_device_stays_the_same_device() {
    let device = |login: Login| {
        let outcome = World::new().decide(&settle_with(login, Some(right_password()))).outcome.unwrap();
        let Outcome::Granted(plan) = outcome else { panic!("{outcome:?}") };
        plan.device.unwrap().0
    };
    assert_eq!(device(from_device_of(user().id)), DeviceId::from_bytes([5; 16]));
    assert_eq!(device(login()), DeviceId::from_bytes([9; 16]), "a new one");
    assert_eq!(
        device(from_device_of(UserId::from_bytes([8; 16]))),
        DeviceId::from_bytes([9; 16]),
        "not somebody else's"
    );
}
