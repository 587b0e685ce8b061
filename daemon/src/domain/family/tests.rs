//! The rotation table, row by row and at every edge.

use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::error::{ErrorClass, ErrorCode};
use hallpass_protocol::token::MacKeyId;

use super::*;
use crate::domain::command::Command;
use crate::domain::effect::AccessPlan;
use crate::domain::fixture::{MINUTE, START, World, permit};
use crate::domain::policy::{Operation, Principal, Role, admit};
use crate::domain::session::Origin;
use crate::domain::time::Outage;

const MILLI: Duration = Duration::from_millis(1);
const WINDOW: Duration = Duration::from_secs(30);

fn show(counter: u32) -> RefreshCommand {
    let session = crate::domain::fixture::session().id;
    RefreshCommand {
        session,
        counter,
        attempt: None,
        audience: None,
        origin: Origin::default(),
        tag: ContextTag(0),
    }
}

fn with_attempt(counter: u32, attempt: u8) -> RefreshCommand {
    RefreshCommand { attempt: Some(AttemptHash([attempt; 6])), ..show(counter) }
}

impl World {
    fn refresh(&mut self, command: RefreshCommand) -> Decision {
        self.decide(&Command::Refresh(Box::new(command)))
    }

    /// The number of the refresh token that is granted, or the code of the refusal.
    fn token(&mut self, command: RefreshCommand) -> Result<u32, ErrorCode> {
        self.refresh(command).outcome.map(|outcome| granted_token(outcome).0).map_err(|refusal| refusal.code)
    }

    fn reason(&mut self) -> Option<Reason> {
        self.session().hot.revoked.map(|revoked| revoked.reason)
    }
}

fn granted_token(outcome: Outcome) -> (u32, Box<AccessPlan>) {
    match outcome {
        Outcome::Granted(plan) => match plan.tokens {
            Tokens::Token { counter, access, .. } => (counter, access),
            Tokens::Cookie { .. } => panic!("a cookie grant"),
        },
        other => panic!("no grant but {other:?}"),
    }
}

#[test]
fn the_current_token_advances_the_family_by_one() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    assert_eq!(world.token(show(2)), Ok(3));
    let now = world.at.now;
    let hot = world.session().hot.clone();
    assert_eq!((hot.counter, hot.rotated_at, hot.last_seen, hot.mac_key), (3, now, now, MacKeyId(2)));
}

#[test]
fn a_rotation_writes_one_hot_row_and_nothing_else() {
    let mut world = World::new();
    let decision = world.refresh(show(1));
    assert!(matches!(decision.effects.as_slice(), [Effect::NoteUse(..)]));
    assert!(decision.audit.is_none());
}

#[test]
fn b4_a_retry_inside_the_window_gets_the_same_successor() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    let rotated = world.session().hot.clone();
    world.after_almost(WINDOW);
    assert_eq!(world.token(show(1)), Ok(2));
    let hot = world.session().hot.clone();
    assert_eq!(hot, Hot { retries: 1, ..rotated }, "nothing moves but the count");
    assert_eq!(world.token(show(2)), Ok(3), "and the successor works");
}

#[test]
fn b6_the_window_is_fixed_and_its_end_is_reuse() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    for _ in 0..3 {
        world.after(Duration::from_secs(9));
        assert_eq!(world.token(show(1)), Ok(2), "hits do not make it slide");
    }
    world.after(Duration::from_secs(3));
    assert_eq!(world.token(show(1)), Err(ErrorCode::Reused));
    assert_eq!(world.token(show(2)), Err(ErrorCode::Reused), "b3: the family is dead for both");
}

#[test]
fn b7_retries_are_bounded_and_running_out_kills_nothing() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    for _ in 0..RETRIES {
        assert_eq!(world.token(show(1)), Ok(2));
    }
    assert_eq!(world.token(show(1)), Err(ErrorCode::RateLimited));
    assert_eq!(ErrorCode::RateLimited.class(), ErrorClass::Retry);
    assert_eq!(world.token(show(2)), Ok(3));
}

#[test]
fn the_attempt_that_rotated_is_answered_again_past_the_window() {
    let mut world = World::new();
    assert_eq!(world.token(with_attempt(1, 5)), Ok(2));
    world.after_almost(ATTEMPT_WINDOW);
    assert_eq!(world.token(with_attempt(1, 5)), Ok(2));
    world.after(MILLI);
    assert_eq!(world.token(with_attempt(1, 5)), Err(ErrorCode::Reused), "but not for ever");
}

#[test]
fn another_attempt_or_none_is_reuse_past_the_window() {
    for command in [show(1), with_attempt(1, 6)] {
        let mut world = World::new();
        assert_eq!(world.token(with_attempt(1, 5)), Ok(2));
        world.after(WINDOW);
        assert_eq!(world.token(command), Err(ErrorCode::Reused));
    }
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    world.after(WINDOW);
    assert_eq!(world.token(show(1)), Err(ErrorCode::Reused), "no attempt equals no attempt only by name");
}

#[test]
fn strict_leaves_only_attempts() {
    let mut world = World::new();
    world.policy.rotation.retry_window = Duration::ZERO;
    assert_eq!(world.token(with_attempt(1, 5)), Ok(2));
    assert_eq!(world.token(with_attempt(1, 5)), Ok(2));
    assert_eq!(world.token(show(1)), Err(ErrorCode::Reused));
}

#[test]
fn b2_two_generations_back_kills_the_family_and_is_remembered() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    assert_eq!(world.token(show(2)), Ok(3));
    let stamp = world.at.stamp;
    let decision = world.refresh(with_attempt(1, 5));
    assert_eq!(decision.outcome.unwrap_err().code, ErrorCode::Reused);
    assert_eq!(decision.audit.unwrap().event, Event::RefreshReuse);
    let revoked = world.session().hot.revoked.unwrap();
    assert_eq!((revoked.stamp, revoked.reason), (stamp, Reason::Reuse), "committed with the refusal");
    assert_eq!(world.token(show(3)), Err(ErrorCode::Reused), "the live token is dead too");
}

#[test]
fn b17_a_token_ahead_of_the_store_is_a_rollback_not_theft() {
    let mut world = World::new();
    assert_eq!(world.token(show(2)), Err(ErrorCode::Revoked));
    assert_eq!(world.reason(), Some(Reason::Rollback));
    assert_eq!(ErrorCode::Revoked.class(), ErrorClass::Login);
}

#[test]
fn b5_a_genuine_token_from_another_app_ends_the_family_and_says_nothing() {
    let mut world = World::new();
    world.permit = permit("blog");
    let decision = world.refresh(show(1));
    let refusal = decision.outcome.unwrap_err();
    assert_eq!(refusal, Refusal::new(ErrorCode::InvalidToken), "the answer for an unknown token");
    assert_eq!(decision.audit.unwrap().event, Event::RefreshOtherApp);
    assert_eq!(world.reason(), Some(Reason::OtherApp));
    let again = world.refresh(show(1));
    assert_eq!(again.outcome.unwrap_err(), Refusal::new(ErrorCode::InvalidToken), "not even that it is over");
    world.permit = permit("shop");
    assert_eq!(world.token(show(1)), Err(ErrorCode::Revoked));
}

#[test]
fn time_in_which_nobody_could_ask_does_not_use_the_window_up() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    let down = world.at.now.plus(Duration::from_secs(10));
    let up = down.plus(5 * MINUTE);
    world.at.outage = Outage { from: down, to: up };
    world.after_almost(up.since(world.at.now) + Duration::from_secs(20));
    assert_eq!(world.token(show(1)), Ok(2));
    world.after(MILLI);
    assert_eq!(world.token(show(1)), Err(ErrorCode::Reused));
}

#[test]
fn b13_nothing_outlives_the_absolute_end() {
    let mut world = World::new();
    let end = world.session().cold.absolute_deadline;
    world.session().hot.idle_deadline = end;
    world.at.now = Millis::from_u64(end.as_u64() - 1500);
    let (_, access) = granted_token(world.refresh(show(1)).outcome.unwrap());
    assert_eq!(access.expires.as_secs(), end.as_secs());
    assert_eq!(world.session().hot.idle_deadline, end, "idle moves, absolute never");
    world.at.now = end;
    assert_eq!(world.token(show(2)), Err(ErrorCode::Expired));
}

#[test]
fn a_shorter_idle_time_is_told_to_whoever_holds_an_answer() {
    let mut world = World::new();
    let decision = world.refresh(show(1));
    assert!(matches!(decision.effects.as_slice(), [Effect::NoteUse(..)]));
    world.policy.lifetimes.idle = MINUTE;
    let decision = world.refresh(show(2));
    assert!(matches!(decision.effects.as_slice(), [Effect::PutHot(..)]), "its end has come nearer");
}

#[test]
fn an_access_token_ends_with_the_idle_session() {
    let mut world = World::new();
    world.policy.lifetimes.idle = MINUTE;
    let (_, access) = granted_token(world.refresh(show(1)).outcome.unwrap());
    assert_eq!(access.expires.as_secs(), world.session().hot.idle_deadline.as_secs());
}

#[test]
fn b19_the_idle_end_is_exact_to_the_millisecond() {
    let mut world = World::new();
    let end = world.session().hot.idle_deadline;
    world.at.now = Millis::from_u64(end.as_u64() - 1);
    assert_eq!(world.token(show(1)), Ok(2));
    let moved = world.session().hot.idle_deadline;
    assert_eq!(moved, world.at.now.plus(60 * MINUTE));
    world.at.now = moved;
    assert_eq!(world.token(show(2)), Err(ErrorCode::Expired));
}

#[test]
fn a_dead_user_refreshes_nothing() {
    let dead = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        world.token(show(1)).unwrap_err()
    };
    assert_eq!(dead(|world| world.facts.user = None), ErrorCode::Revoked);
    assert_eq!(dead(|world| world.user().disabled = true), ErrorCode::Revoked);
    assert_eq!(dead(|world| world.user().not_before = world.session().cold.opened), ErrorCode::Revoked);
    assert_eq!(
        dead(|world| world.facts.cut_offs.everything = world.session().cold.opened),
        ErrorCode::Revoked
    );
    assert_eq!(dead(|world| world.facts.session = None), ErrorCode::Expired);
}

#[test]
fn roles_are_those_of_now() {
    let mut world = World::new();
    world.user().roles = crate::domain::account::Roles::parse(vec!["admin".into()]).unwrap();
    let (_, access) = granted_token(world.refresh(show(1)).outcome.unwrap());
    assert_eq!(access.roles, ["admin"]);
    assert_eq!((access.stamp.0, access.kid.as_str()), (world.at.stamp.0 - 1, "kid"));
}

#[test]
fn a_wider_audience_is_refused_and_the_token_is_not_spent() {
    let mut world = World::new();
    let wanting = |audience: &str| RefreshCommand { audience: Some(audience.to_owned()), ..show(1) };
    assert_eq!(world.token(wanting("other")), Err(ErrorCode::AudienceForbidden));
    let (counter, access) = granted_token(world.refresh(wanting("shared")).outcome.unwrap());
    assert_eq!((counter, access.audience.as_str()), (2, "shared"));
    assert_eq!(world.token(wanting("other")), Err(ErrorCode::AudienceForbidden), "nor by a retry");
    assert_eq!(world.token(show(2)), Ok(3));
}

#[test]
fn rotations_have_a_rate_and_retries_do_not_count() {
    let mut world = World::new();
    for counter in 1..=5 {
        assert_eq!(world.token(show(counter)), Ok(counter + 1));
        assert_eq!(world.token(show(counter)), Ok(counter + 1), "a retry");
    }
    let refusal = world.refresh(show(6)).outcome.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::RateLimited);
    let wait = Duration::from_millis(refusal.retry_after_ms.unwrap());
    assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(12), "{wait:?}");
    world.after(wait);
    assert_eq!(world.token(show(6)), Ok(7), "after the wait that was named");
    assert_eq!(world.token(show(7)), Err(ErrorCode::RateLimited));
    world.policy.rotation.per_minute = 0;
    assert_eq!(world.token(show(7)), Ok(8), "no limit");
}

#[test]
fn a_contradicting_device_gets_no_retry_where_devices_are_bound() {
    let from = |device: u8| RefreshCommand {
        origin: Origin { fingerprint: Some([device; 16]), ..Origin::default() },
        ..show(1)
    };
    let outcome = |binding, device| {
        let mut world = World::new();
        world.policy.rotation.binding = binding;
        world.session().cold.origin.fingerprint = Some([1; 16]);
        assert_eq!(world.token(from(device)), Ok(2));
        world.token(from(device))
    };
    assert_eq!(outcome(Binding::Off, 2), Ok(2));
    assert_eq!(outcome(Binding::Record, 1), Ok(2));
    assert_eq!(outcome(Binding::Record, 2), Err(ErrorCode::Reused));
    let mut enforced = World::new();
    enforced.policy.rotation.binding = Binding::Enforce;
    enforced.session().cold.origin.fingerprint = Some([1; 16]);
    assert_eq!(enforced.token(from(2)), Err(ErrorCode::Reauthenticate));
    assert_eq!(enforced.token(from(1)), Ok(2), "and the token is not spent");
}

#[test]
fn a_retry_from_elsewhere_is_an_event_each_time_and_others_once() {
    let mut world = World::new();
    assert_eq!(world.token(show(1)), Ok(2));
    let told = |decision: Decision| decision.audit.map(|audit| audit.detail);
    assert_eq!(told(world.refresh(show(1))).as_deref(), Some(""));
    assert_eq!(told(world.refresh(show(1))), None);
    let elsewhere = RefreshCommand { tag: ContextTag(9), ..show(1) };
    assert!(told(world.refresh(elsewhere.clone())).unwrap().contains("another address"));
    // Elsewhere is where the last rotation did not come from.
    assert_eq!(world.token(RefreshCommand { counter: 2, ..elsewhere.clone() }), Ok(3));
    let there = RefreshCommand { counter: 2, ..elsewhere };
    assert_eq!(told(world.refresh(there)).as_deref(), Some(""));
    assert!(told(world.refresh(show(2))).unwrap().contains("another address"));
}

#[test]
fn the_last_counter_there_is_ends_the_session() {
    let mut world = World::new();
    world.session().hot.counter = u32::MAX;
    assert_eq!(world.token(show(u32::MAX)), Err(ErrorCode::Expired));
}

#[test]
fn ten_thousand_rotations_keep_one_row_and_one_deadline() {
    let mut world = World::new();
    world.policy.rotation.per_minute = 0;
    let end = world.session().cold.absolute_deadline;
    for counter in 1..=10_000 {
        assert_eq!(world.token(show(counter)), Ok(counter + 1));
        world.after(Duration::from_secs(1));
    }
    assert_eq!(world.session().cold.absolute_deadline, end);
    assert_eq!(world.session().cold.absolute_deadline, START.plus(24 * 60 * MINUTE));
}

#[test]
fn an_administrator_is_no_app_and_refreshes_nothing() {
    let admin = Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin });
    assert!(admit(&admin, Operation::Refresh).is_err());
}
