//! Revocations, changes of users, touches and sweeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::Stamp;

use super::*;
use crate::domain::account::{Attributes, Change, Name, NewUser, PasswordHash, Roles, User};
use crate::domain::fixture::{MINUTE, START, World, permit, session, user};
use crate::domain::policy::{Operation, Permit, Principal, Role, admit};
use crate::domain::revocation::{Reason, Revocation, Which};
use crate::domain::throttle::ThrottleKey;

fn admin() -> Permit {
    admit(&Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin }), Operation::Administer).unwrap()
}

fn name() -> Name {
    Name::parse("alice").unwrap()
}

fn ended(decision: &Decision) -> u64 {
    match decision.outcome {
        Ok(Outcome::Ended(sessions)) => sessions,
        ref other => panic!("{other:?}"),
    }
}

impl World {
    fn is_alive(&self) -> bool {
        let session = self.facts.session.as_ref().unwrap();
        crate::domain::session::is_alive(self.facts.user.as_ref(), session, &self.facts.cut_offs, self.at.now)
            .is_ok()
    }
}

#[test]
fn ending_a_session_is_idempotent_and_keeps_the_first_reason() {
    let mut world = World::new();
    let command = Command::Revoke(Target::Session(session().id));
    let stamp = world.at.stamp;
    assert_eq!(ended(&world.decide(&command)), 1);
    assert!(!world.is_alive());
    let revoked = world.session().hot.revoked.unwrap();
    assert_eq!((revoked.stamp, revoked.reason), (stamp, Reason::Revoked));
    let again = world.decide(&command);
    assert_eq!(ended(&again), 0);
    // Nothing is written; but whoever may have missed it is told again.
    assert!(matches!(again.effects.as_slice(), [Effect::SayAgain(_)]));
}

#[test]
fn c13_another_apps_session_is_answered_like_an_unknown_one() {
    let command = Command::Revoke(Target::Session(session().id));
    let mut world = World::new();
    world.permit = permit("blog");
    let foreign = world.decide(&command);
    assert!(world.is_alive() && foreign.effects.is_empty());
    world.facts.session = None;
    let unknown = world.decide(&command);
    assert_eq!(foreign.outcome.unwrap_err(), unknown.outcome.unwrap_err());
    assert_eq!((foreign.audit.unwrap().session, unknown.audit.unwrap().session), (None, None));
    let mut world = World::new();
    world.permit = admin();
    assert_eq!(ended(&world.decide(&command)), 1, "an administrator reaches every app's");
}

#[test]
fn an_app_ends_its_own_sessions_of_a_user_but_one() {
    let with = |id: u8, app: &str| {
        let mut one = session();
        one.id = SessionId::from_bytes([id; 16]);
        one.cold.app = app.into();
        one
    };
    let mut world = World::new();
    world.facts.sessions = vec![with(1, "shop"), with(2, "shop"), with(3, "blog"), with(4, "shop")];
    world.facts.sessions[3].hot.idle_deadline = START;
    let which = Which::AllBut(SessionId::from_bytes([2; 16]));
    let decision = world.decide(&Command::Revoke(Target::UserOfApp { user: user().id, which }));
    assert_eq!(ended(&decision), 1);
    assert!(
        matches!(decision.effects.as_slice(), [Effect::PutHot(id, _)] if *id == SessionId::from_bytes([1; 16]))
    );
}

#[test]
fn a_users_and_everybodys_sessions_end_by_one_stamp() {
    for target in [Target::User(name()), Target::Everything] {
        let mut world = World::new();
        world.facts.sessions = vec![session()];
        world.facts.known_sessions = 1;
        world.permit = admin();
        assert_eq!(ended(&world.decide(&Command::Revoke(target))), 1);
        assert!(!world.is_alive());
        let cut = world.at.stamp;
        world.session().cold.opened = cut;
        assert!(world.is_alive(), "a session opened after it lives");
    }
}

#[test]
fn an_apps_sessions_end_by_one_stamp_and_those_of_other_apps_live() {
    let mut world = World::new();
    world.permit = admin();
    world.facts.known_sessions = 7;
    let earlier = Stamp(5);
    world.facts.cut_offs.apps.insert("blog".into(), earlier);
    let stamp = world.at.stamp;
    let decision = world.decide(&Command::Revoke(Target::App("shop".into())));
    assert_eq!((ended(&decision), decision.audit.unwrap().detail.as_str()), (7, "app shop"));
    assert!(!world.is_alive());
    assert_eq!(world.facts.cut_offs.apps["blog"], earlier, "what was taken back before stays so");
    world.session().cold.app = "blog".into();
    assert!(world.is_alive());
    world.session().cold.app = "shop".into();
    world.session().cold.opened = Stamp(stamp.0 + 1);
    assert!(world.is_alive(), "a session opened after it lives");
}

#[test]
fn attributes_are_changed_and_nothing_else() {
    let mut world = World::new();
    world.permit = admin();
    let team = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let attributes = Attributes::parse(team).unwrap();
    let decision = world.decide(&Command::ChangeUser(name(), Change::SetAttributes(attributes.clone())));
    assert_eq!(decision.audit.unwrap().event, Event::UserAttributes);
    assert_eq!(*world.user(), User { attributes, ..user() });
    assert!(world.is_alive());
}

#[test]
fn disabling_a_password_and_removal_end_sessions_and_nothing_revives_them() {
    let alive_after = |changes: &[Change]| {
        let mut world = World::new();
        world.permit = admin();
        for change in changes {
            let removes = matches!(change, Change::Remove);
            world.decide(&Command::ChangeUser(name(), change.clone())).outcome.unwrap();
            if removes {
                world.facts.user = None;
            }
        }
        world.is_alive()
    };
    assert!(!alive_after(&[Change::Disable]));
    assert!(!alive_after(&[Change::Disable, Change::Enable]), "c11");
    assert!(!alive_after(&[Change::SetPassword(PasswordHash("$new".into()))]), "c9");
    assert!(!alive_after(&[Change::Remove]), "c7");
    assert!(alive_after(&[Change::SetRoles(Roles::default())]));
    assert!(alive_after(&[Change::Enable]));
}

#[test]
fn a_new_password_is_a_new_credential_and_forgives_the_failures() {
    let mut world = World::new();
    let decision =
        world.decide(&Command::ChangeUser(name(), Change::SetPassword(PasswordHash("$new".into()))));
    assert_eq!(world.user().credential_version, 2);
    assert!(
        decision
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::ClearFailures(ThrottleKey::Credential(cleared)) if *cleared == user().id))
    );
}

#[test]
fn a_user_who_is_not_there_cannot_be_changed_and_a_name_is_taken_once() {
    let mut world = World::new();
    let add = Command::AddUser(Box::new(NewUser { disabled: true, ..NewUser::named(name()) }));
    world.facts.name_taken = true;
    let refused = world.decide(&add);
    assert_eq!((refused.outcome.unwrap_err().code, refused.effects.len()), (ErrorCode::AlreadyExists, 0));
    (world.facts.user, world.facts.name_taken) = (None, false);
    let missing = world.decide(&Command::ChangeUser(name(), Change::Disable));
    assert_eq!((missing.outcome.unwrap_err().code, missing.effects.len()), (ErrorCode::NotFound, 0));
    let Ok(Outcome::User(added)) = world.decide(&add).outcome else { panic!("not added") };
    assert_ne!(added.id, user().id, "c7: a new user under an old name is somebody else");
    assert!(added.disabled);
}

#[test]
fn use_is_written_down_once_a_minute_and_never_moves_the_absolute_end() {
    let touch = Command::Touch(session().id, None);
    let mut world = World::new();
    world.session().cold.kind = SessionKind::Cookie;
    world.after(Duration::from_secs(58));
    assert!(world.decide(&touch).effects.is_empty(), "59 seconds");
    world.after(Duration::from_secs(1));
    assert_eq!(world.decide(&touch).effects.len(), 1, "a minute");
    assert_eq!(world.session().hot.idle_deadline, START.plus(61 * MINUTE));
    assert!(world.decide(&touch).effects.is_empty(), "written down already");
    let end = START.plus(90 * MINUTE);
    world.session().cold.absolute_deadline = end;
    world.after(40 * MINUTE);
    assert_eq!(world.decide(&touch).effects.len(), 1);
    assert_eq!(world.session().hot.idle_deadline, end);
    world.at.now = end;
    assert!(world.decide(&touch).effects.is_empty(), "c4: a dead session is not revived");
}

#[test]
fn a_sweep_moves_what_was_used_and_removes_what_is_over() {
    let kind_and_end = |kind: SessionKind, killed: bool, now| {
        let mut world = World::new();
        let mut one = session();
        one.cold.kind = kind;
        if killed {
            one.hot.revoked = Some(Revocation { stamp: Stamp(1), reason: Reason::Reuse });
        }
        world.facts.due = vec![one.hot.idle_deadline];
        world.facts.sessions = vec![one];
        world.at.now = now;
        world.decide(&Command::Sweep).effects.remove(0)
    };
    let (idle, absolute) = (session().hot.idle_deadline, session().cold.absolute_deadline);
    assert!(
        matches!(kind_and_end(SessionKind::Cookie, false, idle), Effect::RemoveSession { due, .. } if due == idle)
    );
    for (kind, killed) in
        [(SessionKind::Token, false), (SessionKind::Token, true), (SessionKind::Cookie, true)]
    {
        let effect = kind_and_end(kind, killed, idle);
        assert!(
            matches!(effect, Effect::MoveDeadline { from, to, .. } if (from, to) == (idle, absolute)),
            "b19: {effect:?}"
        );
        assert!(matches!(kind_and_end(kind, killed, absolute), Effect::RemoveSession { .. }));
    }
}

#[test]
fn sessions_on_one_kind_of_device_can_be_ended_alone() {
    let on = |id: u8, label: Option<&str>| {
        let mut one = session();
        one.id = SessionId::from_bytes([id; 16]);
        one.cold.origin.device_label = label.map(str::to_owned);
        one
    };
    let mut world = World::new();
    world.facts.sessions = vec![on(1, Some("phone")), on(2, Some("laptop")), on(3, None)];
    let which = Which::Device("phone".into());
    let decision = world.decide(&Command::Revoke(Target::UserOfApp { user: user().id, which }));
    assert!(
        matches!(decision.effects.as_slice(), [Effect::PutHot(id, _)] if *id == SessionId::from_bytes([1; 16]))
    );
}

#[test]
fn c8_a_renamed_user_stays_who_they_are_and_the_old_name_is_kept_free() {
    let new = Name::parse("alicia").unwrap();
    let mut world = World::new();
    world.permit = admin();
    let decision = world.decide(&Command::ChangeUser(name(), Change::Rename(new.clone())));
    assert_eq!((world.user().id, &world.user().name), (user().id, &new));
    let until = world.at.now.plus(Duration::from_hours(30 * 24));
    let kept = |effect: &Effect| matches!(effect, Effect::ReserveName { name: old, until: end } if *old == name() && *end == until);
    assert!(decision.effects.iter().any(kept));
    assert!(world.is_alive(), "sessions go on");
    let mut taken = World::new();
    taken.facts.name_taken = true;
    let refused = taken.decide(&Command::ChangeUser(name(), Change::Rename(new)));
    assert_eq!((refused.outcome.unwrap_err().code, refused.effects.len()), (ErrorCode::AlreadyExists, 0));
}

#[test]
fn use_from_another_device_is_an_event_once_a_minute() {
    let mut world = World::new();
    world.policy.rotation.binding = Binding::Record;
    world.session().cold.kind = SessionKind::Cookie;
    world.session().cold.origin.fingerprint = Some([1; 16]);
    let mut events = |fingerprint| {
        world.after(MINUTE);
        world.decide(&Command::Touch(session().id, fingerprint)).audit.map(|audit| audit.event)
    };
    assert_eq!(events(Some([2; 16])), Some(Event::OtherDevice));
    assert_eq!(events(Some([1; 16])), None);
    assert_eq!(events(None), None);
}

#[test]
fn a_sweep_says_how_much_it_looked_at_so_that_it_is_done_again() {
    let mut world = World::new();
    world.facts.old_revocations = vec![(Stamp(1), 0), (Stamp(2), 0)];
    world.facts.old_failures = vec![[1; 16], [2; 16], [3; 16]];
    let decision = world.decide(&Command::Sweep);
    assert!(matches!(decision.outcome, Ok(Outcome::Swept(3))));
    assert_eq!(decision.effects.len(), 5);
}

#[test]
fn a_session_that_is_over_leaves_its_users_list_before_its_rows_go() {
    let mut world = World::new();
    world.facts.sessions = vec![session()];
    world.facts.due = vec![session().hot.idle_deadline];
    world.at.now = session().hot.idle_deadline;
    let effects = world.decide(&Command::Sweep).effects;
    assert!(matches!(effects.as_slice(), [Effect::MoveDeadline { .. }, Effect::Unlist { .. }]));
}

#[test]
fn what_is_made_in_one_millisecond_is_in_the_order_of_its_stamps() {
    let mut world = World::new();
    world.at.stamp = Stamp(world.at.now.as_u64() * 1000);
    let mut made = Vec::new();
    // The randomness falls, so that it alone would turn the order round.
    for random in (0..=u8::MAX).rev() {
        world.fresh.id = [random; 10];
        world.facts.user = None;
        let new = NewUser::named(name());
        let Ok(Outcome::User(user)) = world.decide(&Command::AddUser(Box::new(new))).outcome else {
            panic!()
        };
        made.push(user.id);
    }
    assert!(made.is_sorted(), "{made:?}");
    assert!(
        made.iter().all(|id| id.created() == world.at.now),
        "the time of an identifier is that of its making"
    );
    // Behind the place all of it is random still.
    assert_eq!(
        made.iter().map(|id| id.as_bytes()[8..].to_vec()).collect::<std::collections::BTreeSet<_>>().len(),
        256
    );
}
