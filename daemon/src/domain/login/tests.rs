//! Logging in: what is counted, what is answered, and what is opened.

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;

use super::*;
use crate::domain::account::{Change, CodeHash};
use crate::domain::command::{Command, Opening, WhenFull, Whom};
use crate::domain::family::{ContextTag, FIRST};
use crate::domain::fixture::{MINUTE, START, World, permit, session, user};
use crate::domain::session::Origin;
use crate::domain::throttle::{Failures, Source, ThrottleKey};

fn login() -> Login {
    Login {
        name: "alice".into(),
        source: Source { app: "shop".into(), address: "192.0.2.1".into() },
        device: None,
        session: None,
    }
}

fn from_device_of(owner: UserId) -> Login {
    Login { device: Some((owner, DeviceId::from_bytes([5; 16]))), ..login() }
}

fn settle_for(purpose: Purpose, login: Login, proved: Option<Credential>) -> Command {
    Command::Settle(Box::new(Settle {
        purpose,
        login,
        allowed: true,
        proved,
        rehash: None,
        retry_after: Duration::from_secs(2),
        opening: opening(),
    }))
}

fn settle_with(login: Login, proved: Option<Credential>) -> Command {
    settle_for(Purpose::Login, login, proved)
}

fn opening() -> Opening {
    Opening { kind: SessionKind::Token, audience: None, origin: Origin::default(), tag: ContextTag(3) }
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

fn key_of_name() -> ThrottleKey {
    ThrottleKey::Name("alice".into(), login().source)
}

fn key_of_credential() -> ThrottleKey {
    ThrottleKey::Credential(user().id)
}

#[test]
fn d5_a_try_is_counted_before_its_password_is_looked_at() {
    let mut world = World::new();
    let decision = world.decide(&Command::Attempt(login()));
    let now = Millis::from_u64(START.as_u64() + 1000);
    let one = Failures { count: 1, last: now };
    let app = ThrottleKey::App("shop".into());
    for key in [key_of_name(), key_of_credential(), ThrottleKey::Source(login().source), app] {
        assert_eq!(world.failures.get(&key), Some(&one), "{key:?}");
    }
    assert_eq!(attempted(&decision).credential.as_ref().unwrap().user, user().id);
    assert!(decision.audit.is_none(), "the settlement is remembered, not the try");
}

#[test]
fn d1_d3_unknown_and_disabled_are_counted_and_answered_like_wrong() {
    let outcome = |change: fn(&mut World), proved: Option<Credential>| {
        let mut world = World::new();
        change(&mut world);
        let attempt = world.decide(&Command::Attempt(login()));
        assert_eq!(attempt.effects.len(), 4, "counted");
        let settled = world.decide(&settle_with(login(), proved));
        assert!(settled.effects.is_empty());
        assert!(!settled.audit.unwrap().detail.is_empty(), "the chain says why");
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
    let as_it_was = Failures { count: 17, last: world.at.now };
    world.failures.insert(key_of_name(), as_it_was);
    let decision = world.decide(&Command::Attempt(login()));
    // It waits for the disk like any other, and what is written is what was there: no row of a name that has none.
    let [Effect::PutFailures(key, count)] = decision.effects.as_slice() else {
        panic!("not just its count: {:?}", decision.effects)
    };
    assert_eq!((key, *count), (&key_of_name(), as_it_was));
    assert!(attempted(&decision).credential.is_none());
    assert_eq!(attempted(&decision).retry_after, Duration::from_secs(128));
    world.after(Duration::from_secs(128));
    assert!(attempted(&world.decide(&Command::Attempt(login()))).credential.is_some());
}

#[test]
fn d2_a_hundred_failures_lock_strangers_out_and_not_a_known_device() {
    let mut world = World::new();
    world.failures.insert(key_of_credential(), Failures { count: 100, last: START });
    assert!(attempted(&world.decide(&Command::Attempt(login()))).credential.is_none());
    let known = world.decide(&Command::Attempt(from_device_of(user().id)));
    assert!(attempted(&known).credential.is_some());
    assert!(matches!(known.effects.as_slice(), [Effect::PutFailures(ThrottleKey::Device(..), _)]));
}

#[test]
fn somebody_elses_device_token_buys_no_extra_tries() {
    let mut world = World::new();
    world.failures.insert(key_of_credential(), Failures { count: 100, last: START });
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
    let audit = decision.audit.unwrap();
    assert_eq!((audit.session, audit.detail.as_str()), (Some(session.id), "new device"));
    let known = World::new().decide(&settle_with(from_device_of(user().id), Some(right_password())));
    assert_eq!(known.audit.unwrap().detail, "");
}

#[test]
fn d18_a_login_writes_the_stronger_hash_and_changes_nothing_else() {
    let mut world = World::new();
    let Command::Settle(settle) = settle_with(login(), Some(right_password())) else { return };
    let stronger = PasswordHash("$stronger".into());
    let settle = Settle { rehash: Some(stronger.clone()), ..*settle };
    assert!(world.decide(&Command::Settle(Box::new(settle))).outcome.is_ok());
    assert_eq!(*world.user(), User { password: Some(stronger), ..user() });
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

#[test]
fn c9_another_proof_replaces_the_session_and_keeps_its_end() {
    let mut world = World::new();
    world.after(5 * MINUTE);
    let old = session();
    let again = settle_for(Purpose::Reauthenticate(old.id), login(), Some(right_password()));
    let decision = world.decide(&again);
    let new = opened(&decision).clone();
    assert_ne!(new.id, old.id, "fixation");
    assert_eq!(new.cold.absolute_deadline, old.cold.absolute_deadline);
    assert_eq!((new.hot.level, new.hot.level_seconds, new.hot.auth_time), (2, 900, world.at.now));
    assert_eq!(world.session().hot.revoked.unwrap().reason, Reason::Superseded);
    assert_eq!(world.session().hot.level, 1, "the old one never has the raised level");
    let twice = world.decide(&again);
    assert_eq!(twice.outcome.unwrap_err().code, ErrorCode::Superseded, "one successor");
    assert!(twice.effects.is_empty());
}

#[test]
fn another_proof_needs_the_password_and_an_own_living_session() {
    let with = |change: fn(&mut World), proved: Option<Credential>| {
        let mut world = World::new();
        change(&mut world);
        let decision = world.decide(&settle_for(Purpose::Reauthenticate(session().id), login(), proved));
        assert!(decision.effects.is_empty());
        decision.outcome.unwrap_err().code
    };
    assert_eq!(with(|_| {}, None), ErrorCode::InvalidCredentials);
    assert_eq!(with(|world| world.permit = permit("blog"), Some(right_password())), ErrorCode::InvalidToken);
    assert_eq!(with(|world| world.facts.session = None, Some(right_password())), ErrorCode::InvalidToken);
    let other = UserId::from_bytes([9; 16]);
    assert_ne!(other, user().id);
    let foreign = |world: &mut World| world.session().cold.user = UserId::from_bytes([9; 16]);
    assert_eq!(with(foreign, Some(right_password())), ErrorCode::InvalidToken);
    let over = |world: &mut World| world.session().hot.idle_deadline = START;
    assert_eq!(with(over, Some(right_password())), ErrorCode::Expired);
}

#[test]
fn c9_a_new_password_ends_every_session_but_the_one_it_opens() {
    let mut world = World::new();
    let new_hash = PasswordHash("$new".into());
    let purpose = Purpose::ChangePassword(session().id, new_hash.clone());
    let decision = world.decide(&settle_for(purpose, login(), Some(right_password())));
    let new = opened(&decision).clone();
    assert_eq!(world.user().password.as_ref(), Some(&new_hash));
    assert_eq!(world.user().credential_version, 2);
    let alive = |session: &Session, world: &World| {
        crate::domain::session::is_alive(
            world.facts.user.as_ref(),
            session,
            &world.facts.cut_offs,
            world.at.now,
        )
        .is_ok()
    };
    assert!(alive(&new, &world), "its own");
    assert!(!alive(&session(), &world), "the old one, at once");
    let wrong =
        World::new().decide(&settle_for(Purpose::ChangePassword(session().id, new_hash), login(), None));
    assert!(wrong.effects.is_empty(), "halfway is nowhere");
}

fn redeem(code: Option<CodeHash>) -> Command {
    let (password, retry_after) = (PasswordHash("$new".into()), Duration::from_secs(2));
    let allowed = code.is_some();
    Command::Redeem(Box::new(Redeem {
        login: login(),
        allowed,
        code,
        password,
        retry_after,
        opening: opening(),
    }))
}

#[test]
fn d21_a_code_is_good_once_for_its_user_and_for_a_day() {
    let code = CodeHash([4; 16]);
    let with_code = || {
        let mut world = World::new();
        let made = world.decide(&Command::ChangeUser(user().name, Change::SetCode(code)));
        assert!(made.outcome.is_ok());
        world
    };
    let redeemed = |world: &mut World, shown| {
        world.decide(&redeem(shown)).outcome.map(|_| ()).map_err(|refusal| refusal.code)
    };
    let mut world = with_code();
    assert_eq!(redeemed(&mut world, Some(code)), Ok(()));
    assert_eq!(world.user().password, Some(PasswordHash("$new".into())));
    assert_eq!(redeemed(&mut world, Some(code)), Err(ErrorCode::InvalidCredentials), "reuse");
    let refused = Err(ErrorCode::InvalidCredentials);
    assert_eq!(redeemed(&mut with_code(), Some(CodeHash([5; 16]))), refused);
    assert_eq!(redeemed(&mut with_code(), None), refused, "throttled");
    assert_eq!(redeemed(&mut World::new(), None), refused, "no code is no code");
    let mut disabled = with_code();
    disabled.user().disabled = true;
    assert_eq!(redeemed(&mut disabled, Some(code)), refused);
    let mut late = with_code();
    late.after(24 * 60 * MINUTE);
    assert_eq!(redeemed(&mut late, Some(code)), refused);
    let mut newer = with_code();
    assert!(
        newer.decide(&Command::ChangeUser(user().name, Change::SetCode(CodeHash([6; 16])))).outcome.is_ok()
    );
    assert_eq!(redeemed(&mut newer, Some(code)), refused, "only the newest");
}

#[test]
fn a_vouched_session_says_how_and_a_disabled_user_is_like_none() {
    let vouch = |world: &mut World| {
        let vouch = Vouch { user: Whom::Id(user().id), amr: vec!["hwk".into()], opening: opening() };
        world.decide(&Command::Vouch(Box::new(vouch)))
    };
    assert_eq!(opened(&vouch(&mut World::new())).cold.amr, ["hwk"]);
    let mut world = World::new();
    world.user().disabled = true;
    let disabled = vouch(&mut world).outcome.unwrap_err();
    world.facts.user = None;
    assert_eq!(vouch(&mut world).outcome.unwrap_err(), disabled);
}

#[test]
fn d2_a_locked_account_is_told_of_once_and_its_code_still_works() {
    let mut world = World::new();
    world.failures.insert(key_of_credential(), Failures { count: 99, last: START });
    let hundredth = world.decide(&Command::Attempt(login()));
    assert_eq!(hundredth.audit.map(|audit| audit.event), Some(Event::LoginLocked));
    world.failures.insert(key_of_credential(), Failures { count: 100, last: START });
    let locked = world.decide(&Command::Attempt(login()));
    assert!(locked.audit.is_none(), "told once");
    let attempt = attempted(&locked);
    assert!(attempt.allowed && attempt.credential.is_none(), "no password opens it, a code may");
}
