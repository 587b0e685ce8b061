//! Verification: who may show what, and when the answer ends.

use super::*;
use crate::domain::account::Roles;
use crate::domain::fixture::{MINUTE, START, permit, session, user};
use crate::domain::policy::Permit;
use crate::domain::revocation::{Reason, Revocation};
use crate::domain::session::next_touch;
use hallpass_protocol::time::Stamp;

struct Case {
    permit: Permit,
    needs: Needs,
    found: Found,
    now: Millis,
    fingerprint: Option<[u8; 16]>,
    binding: Binding,
}

fn cookie() -> Case {
    let mut session = session();
    session.cold.kind = SessionKind::Cookie;
    let found = Found { session: Some(session), user: Some(user()), cut_offs: CutOffs::default() };
    Case {
        permit: permit("shop"),
        needs: Needs::default(),
        found,
        now: START.plus(MINUTE),
        fingerprint: None,
        binding: Binding::Enforce,
    }
}

fn token() -> Case {
    let mut case = cookie();
    case.session().cold.kind = SessionKind::Token;
    case
}

impl Case {
    fn session(&mut self) -> &mut Session {
        self.found.session.as_mut().unwrap()
    }

    fn user(&mut self) -> &mut User {
        self.found.user.as_mut().unwrap()
    }

    fn shown(&self) -> Shown {
        let session = session();
        match self.found.session.as_ref().map(|session| session.cold.kind) {
            Some(SessionKind::Token) => {
                Shown::Access { session: session.id, user: user().id, expires: START.plus(10 * MINUTE) }
            }
            _ => Shown::Session(session.id),
        }
    }

    fn asked(&self, shown: Shown) -> Asked<'_> {
        let (permit, needs) = (&self.permit, &self.needs);
        Asked { permit, shown, needs, fingerprint: self.fingerprint, binding: self.binding, now: self.now }
    }

    fn verify(&self) -> Result<Millis, ErrorCode> {
        verify(&self.asked(self.shown()), &self.found).map_err(|refusal| refusal.code)
    }
}

fn changed(mut case: Case, change: impl FnOnce(&mut Case)) -> Result<Millis, ErrorCode> {
    change(&mut case);
    case.verify()
}

#[test]
fn an_answer_ends_with_whatever_ends_first() {
    assert_eq!(cookie().verify(), Ok(START.plus(60 * MINUTE)), "idle");
    assert_eq!(token().verify(), Ok(START.plus(10 * MINUTE)), "the token");
    let soon = START.plus(2 * MINUTE);
    assert_eq!(changed(token(), |case| case.session().cold.absolute_deadline = soon), Ok(soon));
    let raised = |case: &mut Case| (case.session().hot.level, case.session().hot.level_seconds) = (2, 120);
    assert_eq!(changed(cookie(), raised), Ok(soon), "the level");
}

#[test]
fn one_rule_says_who_is_dead() {
    let dead =
        |change: fn(&mut Case)| [changed(cookie(), change), changed(token(), change)].map(Result::unwrap_err);
    let opened = session().cold.opened;
    assert_eq!(dead(|case| case.user().disabled = true), [ErrorCode::Revoked; 2]);
    assert_eq!(
        dead(|case| case.user().not_before = session().cold.opened),
        [ErrorCode::Revoked; 2],
        "c11: at the stamp itself"
    );
    assert_eq!(dead(|case| case.found.cut_offs.everything = session().cold.opened), [ErrorCode::Revoked; 2]);
    assert_eq!(dead(|case| case.found.user = None), [ErrorCode::Revoked; 2], "c7");
    assert_eq!(dead(|case| case.found.session = None)[0], ErrorCode::Expired, "c2");
    assert_eq!(dead(|case| case.now = START.plus(60 * MINUTE)), [ErrorCode::Expired; 2]);
    assert_eq!(dead(|case| case.now = case.session().cold.absolute_deadline), [ErrorCode::Expired; 2], "c4");
    let before = Stamp(opened.0 - 1);
    assert!(changed(cookie(), |case| case.user().not_before = before).is_ok());
    assert!(changed(cookie(), |case| case.found.cut_offs.everything = before).is_ok());
}

#[test]
fn a_session_token_is_good_for_its_own_app_only() {
    assert_eq!(changed(cookie(), |case| case.permit = permit("blog")), Err(ErrorCode::InvalidToken), "c13");
    assert!(
        changed(token(), |case| case.permit = permit("blog")).is_ok(),
        "an access token is for its audience"
    );
    let mut crossed = token();
    crossed.session().cold.kind = SessionKind::Token;
    let shown = Shown::Session(session().id);
    let refusal = verify(&crossed.asked(shown), &crossed.found).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::InvalidToken, "a token session has no session token");
}

#[test]
fn an_access_token_is_good_for_its_own_user_only() {
    assert_eq!(
        changed(token(), |case| case.session().cold.user = UserId::from_bytes([9; 16])),
        Err(ErrorCode::InvalidToken)
    );
}

#[test]
fn what_is_needed_is_bounded_and_never_echoed_at_length() {
    let wanting = |roles: Vec<String>| {
        let mut case = cookie();
        case.needs.roles = roles;
        verify(&case.asked(case.shown()), &case.found).unwrap_err()
    };
    for roles in [vec!["x".repeat(65)], vec!["x".repeat(15_000)], vec!["x".to_owned(); 33]] {
        assert_eq!(wanting(roles).code, ErrorCode::InvalidRequest);
    }
    let longest = wanting(vec!["x".repeat(64); 32]);
    assert_eq!(longest.code, ErrorCode::RoleMissing);
    assert!(longest.message.contains(&"x".repeat(64)));
    let control = wanting(vec!["a\u{1b}[2J\u{7}".to_owned()]);
    assert_eq!(control.code, ErrorCode::RoleMissing);
    assert!(!control.message.contains("[2J"), "{}", control.message);
    let long = changed(cookie(), |case| case.needs.audience = Some("x".repeat(65)));
    assert_eq!(long, Err(ErrorCode::InvalidRequest));
}

#[test]
fn roles_are_those_of_now_and_all_are_needed() {
    let wanting = |roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        changed(cookie(), |case| case.needs.roles = roles)
    };
    assert!(wanting(&["editor"]).is_ok());
    assert_eq!(wanting(&["editor", "admin"]), Err(ErrorCode::RoleMissing));
    let taken_back = changed(cookie(), |case| {
        case.needs.roles = vec!["editor".into()];
        case.user().roles = Roles::default();
    });
    assert_eq!(taken_back, Err(ErrorCode::RoleMissing));
}

#[test]
fn an_old_or_weak_proof_asks_for_a_new_one() {
    let wanting = |age: Option<u64>, level: Option<u8>| {
        changed(cookie(), |case| (case.needs.max_auth_age, case.needs.level) = (age, level))
    };
    assert!(wanting(Some(60), Some(1)).is_ok(), "a minute ago, to the millisecond");
    assert_eq!(wanting(Some(59), None), Err(ErrorCode::Reauthenticate));
    assert_eq!(wanting(None, Some(2)), Err(ErrorCode::Reauthenticate));
    let raised = |now: Millis| {
        changed(cookie(), |case| {
            (case.session().hot.level, case.session().hot.level_seconds) = (2, 300);
            case.needs.level = Some(2);
            case.now = now;
        })
    };
    assert!(raised(START.plus(MINUTE)).is_ok());
    assert_eq!(raised(START.plus(5 * MINUTE)), Err(ErrorCode::Reauthenticate), "a raised level falls back");
}

#[test]
fn another_device_asks_for_the_password_where_that_is_enforced() {
    let from = |device: Option<u8>, binding: Binding| {
        changed(cookie(), |case| {
            case.session().cold.origin.fingerprint = Some([1; 16]);
            case.fingerprint = device.map(|device| [device; 16]);
            case.binding = binding;
        })
    };
    assert_eq!(from(Some(2), Binding::Enforce), Err(ErrorCode::Reauthenticate));
    assert!(from(Some(2), Binding::Record).is_ok());
    assert!(from(Some(1), Binding::Enforce).is_ok());
    assert!(from(None, Binding::Enforce).is_ok(), "nothing said contradicts nothing");
}

#[test]
fn c15_a_replaced_session_has_a_short_tail_at_its_old_level() {
    let replaced = |after: u64, change: fn(&mut Case)| {
        changed(cookie(), |case| {
            let stamp = Stamp(START.as_u64() * 1000);
            case.session().hot.revoked = Some(Revocation { stamp, reason: Reason::Superseded });
            case.now = Millis::from_u64(START.as_u64() + after);
            change(case);
        })
    };
    assert_eq!(replaced(29_999, |_| {}), Ok(START.plus(Duration::from_secs(30))));
    assert_eq!(replaced(30_000, |_| {}), Err(ErrorCode::Superseded));
    assert_eq!(replaced(1, |case| case.needs.level = Some(2)), Err(ErrorCode::Reauthenticate));
    assert_eq!(replaced(1, |case| case.user().disabled = true), Err(ErrorCode::Revoked));
}

#[test]
fn the_next_touch_is_a_minute_after_the_last_one_or_after_this_one() {
    let at = |millis| START.plus(Duration::from_millis(millis));
    let mut session = session();
    assert_eq!(next_touch(&session, at(60_000)), Millis::MAX, "a token session is not touched");
    session.cold.kind = SessionKind::Cookie;
    assert_eq!(next_touch(&session, at(59_999)), at(60_000));
    assert_eq!(next_touch(&session, at(60_000)), at(120_000));
}

#[test]
fn either_kind_of_token_belongs_to_a_session() {
    let (session, user) = (session().id, user().id);
    let access = Shown::Access { session, user, expires: START };
    assert_eq!((Shown::Session(session).session(), access.session()), (session, session));
}

#[test]
fn an_apps_sessions_end_by_one_stamp() {
    let cut = |app: &str, stamp: Stamp| {
        changed(cookie(), |case| _ = case.found.cut_offs.apps.insert(app.into(), stamp))
    };
    let opened = session().cold.opened;
    assert_eq!(cut("shop", opened), Err(ErrorCode::Revoked));
    assert!(cut("shop", Stamp(opened.0 - 1)).is_ok());
    assert!(cut("blog", opened).is_ok());
}

/// How a session of this user ended, as it is told a while later.
fn ended(change: impl FnOnce(&mut Case)) -> Option<(&'static str, Option<Millis>)> {
    let mut case = cookie();
    change(&mut case);
    end_of(&case.found, case.now).map(|(dead, at)| (dead.as_str(), at))
}

#[test]
fn how_a_session_ended_is_told_with_when_where_its_rows_know_it() {
    let (opened, now) = (session().cold.opened, START.plus(MINUTE));
    let late = Stamp(opened.0 + 7_000_000);
    let (at, end) = (Some(START.plus(Duration::from_secs(7))), START.plus(60 * MINUTE));
    assert_eq!(ended(|_| ()), None, "it is alive");
    assert_eq!(ended(|case| case.found = Found::default()), None, "there is none");
    assert_eq!(ended(|case| case.found.user = None), Some(("user_removed", None)));
    assert_eq!(ended(|case| case.user().not_before = late), Some(("user", at)));
    assert_eq!(ended(|case| case.user().disabled = true), Some(("user", None)), "no stamp tells of it");
    assert_eq!(ended(|case| case.found.cut_offs.everything = late), Some(("everything", at)));
    let by_app = |case: &mut Case| case.found.cut_offs.apps = [("shop".to_owned(), late)].into();
    assert_eq!(ended(by_app), Some(("app", at)));
    for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Superseded) {
        let revoked = Some(Revocation { stamp: late, reason });
        assert_eq!(ended(|case| case.session().hot.revoked = revoked), Some((reason.as_str(), at)));
    }
    let superseded = Some(Revocation { stamp: opened, reason: Reason::Superseded });
    let tail = START.plus(Duration::from_secs(30));
    assert_eq!(ended(|case| case.session().hot.revoked = superseded), Some(("superseded", Some(tail))));
    let almost = |case: &mut Case| (case.session().hot.revoked, case.now) = (superseded, START);
    assert_eq!(ended(almost), None, "it goes on for a while");
    assert_eq!(ended(|case| case.now = end), Some(("expired", Some(end))));
    let after_all = |case: &mut Case| {
        case.user().not_before = Stamp(end.as_u64() * 1000 + 1);
        case.now = end.plus(MINUTE);
    };
    assert_eq!(
        ended(after_all),
        Some(("expired", Some(end))),
        "it was over before all of its user's were ended"
    );
    let then_all = |seconds: u64| {
        ended(|case| {
            case.session().hot.revoked = superseded;
            case.user().not_before = Stamp(opened.0 + seconds * 1_000_000);
        })
    };
    assert_eq!(then_all(40), Some(("superseded", Some(tail))), "it was over before");
    assert_eq!(then_all(7), Some(("user", at)), "that came while it went on for a while");
    let one_after_another = |case: &mut Case| {
        case.found.cut_offs.apps = [("shop".to_owned(), late)].into();
        case.user().not_before = Stamp(late.0 + 1_000_000);
    };
    assert_eq!(ended(one_after_another), Some(("app", at)), "the first of them");
    assert!(now < end, "but for the two that say otherwise, a minute after it was opened");
}
