//! What is made of answers, and of none.

use super::*;
use crate::ctl::doctor::report::State;
use crate::daemon_main::Where;

fn subject() -> Subject {
    Subject::of(Where::told(None, Some("/s".into()), Some("/r".into())), None)
}

fn key(kind: &str, state: &str, created: u64) -> KeyInfo {
    let created = Millis::from_u64(created);
    KeyInfo { kind: kind.into(), number: 1, kid: String::new(), state: state.into(), created, until: None }
}

#[test]
fn a_missing_or_overdue_key_is_named() {
    let (day, every) = (86_400_000, Some(Duration::from_hours(24)));
    let now = Millis::from_u64(10 * day);
    for (keys, state, word) in [
        (
            vec![key("signing", "active", 10 * day), key("mac", "active", 10 * day)],
            State::Ok,
            "the next is made in 1d",
        ),
        (
            vec![key("signing", "retired", 0), key("mac", "active", 0)],
            State::Problem,
            "no active signing key",
        ),
        (vec![key("signing", "active", 0)], State::Problem, "no active token key"),
        (vec![key("signing", "active", 0), key("mac", "active", 10 * day)], State::Warning, "overdue"),
        (
            vec![
                key("signing", "active", 0),
                key("signing", "next", 10 * day),
                key("mac", "active", 10 * day),
            ],
            State::Ok,
            "signing key 1",
        ),
    ] {
        let finding = of_keys(&keys, every, now);
        assert!(finding.state == state && finding.message.contains(word), "{finding:?}");
    }
    let missing = of_keys(&[key("signing", "active", 0)], every, now);
    assert_eq!(missing.next.as_deref(), Some("hallpass key rotate --mac"));
}

#[test]
fn silence_is_told_apart() {
    let sent = |code| Error::SentAway { path: "/s".into(), code, sentence: "sentence".into() };
    for (error, state, about) in [
        (sent(ErrorCode::Forbidden), State::Ok, "daemon"),
        (sent(ErrorCode::Busy), State::Problem, "daemon"),
        (sent(ErrorCode::Unavailable), State::Problem, "daemon"),
        (sent(ErrorCode::InvalidRequest), State::Problem, "version"),
        (Error::NoAnswer, State::Problem, "daemon"),
        (Error::Lost { path: "/s".into() }, State::Problem, "daemon"),
    ] {
        let finding = of_silence(&error, &subject());
        assert_eq!((finding.state, finding.about), (state, about), "{error:?}");
        assert_eq!(finding.next.is_some(), state == State::Problem, "{finding:?}");
    }
}

#[test]
fn another_release_is_a_warning_with_the_restart_in_it() {
    assert_eq!(of_version("0.1.0", "0.1.0").state, State::Ok);
    let other = of_version("0.1.0", "0.2.0");
    assert!(other.state == State::Warning && other.next.unwrap().contains("systemctl restart"), "another");
}

#[test]
fn whoever_is_outside_of_the_group_is_told_how_to_come_in() {
    let (group, user) = ("hallpass-clients".to_owned(), "ann".to_owned());
    for (member, state, word) in [
        (Member::No(group.clone(), user.clone()), State::Problem, "usermod -aG hallpass-clients ann"),
        (Member::Database(group.clone(), user), State::Problem, "log in anew"),
        (Member::Process(group), State::Problem, "chmod 660"),
    ] {
        let finding = of_member(&member);
        assert!(finding.state == state && finding.next.as_ref().unwrap().contains(word), "{finding:?}");
    }
    assert_eq!(of_member(&Member::Unknown).state, State::Unknown);
}

#[test]
fn a_chain_that_was_changed_is_a_problem_and_a_long_one_is_not() {
    let walked = |faults: &[&str], doubts: &[&str], is_whole| {
        let [faults, doubts] = [faults, doubts].map(|all| all.iter().map(|&text| text.to_owned()).collect());
        of_chain(&Walked { entries: 7, faults, doubts, is_whole }, "look")
    };
    assert_eq!(walked(&[], &[], true).state, State::Ok);
    assert!(walked(&[], &[], false).message.contains("walks all"));
    let changed = walked(&["entry 3 is gone"], &["a doubt"], true);
    assert!(changed.state == State::Problem && changed.message.contains("entry 3 is gone"), "{changed:?}");
    let doubted = walked(&[], &["an old doubt", "a new doubt"], true);
    assert!(doubted.state == State::Warning && doubted.message == "a new doubt", "{doubted:?}");
    assert!(doubted.next.unwrap().contains("look --against LOG"));
}

#[tokio::test(flavor = "current_thread")]
async fn a_socket_that_nobody_has_made_is_a_daemon_that_does_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut subject = subject();
    subject.socket = dir.path().join("hallpass.sock");
    subject.admin_socket = dir.path().join("admin.sock");
    let answers = Answers::ask(&subject).await;
    assert!(!answers.is_up() && answers.board().is_none() && answers.status().is_none());
    let findings = answers.of_calls(&subject);
    assert!(findings[0].is_problem() && findings[0].message.contains("no socket"), "{findings:?}");
}
