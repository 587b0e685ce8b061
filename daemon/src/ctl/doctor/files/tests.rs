//! Files as they should be, and as they should not.

use super::*;
use crate::ctl::doctor::report::State;
use crate::daemon_main::Where;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

fn subject(dir: &Path) -> Subject {
    Subject::of(Where::told(None, Some(dir.join("state")), Some(dir.to_owned())), None)
}

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_directory_that_others_can_write_and_a_socket_that_is_too_open_are_problems() {
    let dir = tempfile::tempdir().unwrap();
    let subject = subject(dir.path());
    let _both = [&subject.socket, &subject.admin_socket].map(|path| UnixListener::bind(path).unwrap());
    let states = |dir_mode, auth, admin| {
        mode(&subject.socket, auth);
        mode(&subject.admin_socket, admin);
        mode(dir.path(), dir_mode);
        sockets(&subject).iter().map(|finding| finding.state).collect::<Vec<_>>()
    };
    assert_eq!(states(0o700, 0o600, 0o600), [State::Ok, State::Ok]);
    assert_eq!(states(0o777, 0o600, 0o600), [State::Problem, State::Ok, State::Ok]);
    assert_eq!(states(0o700, 0o666, 0o600), [State::Problem, State::Ok]);
    assert_eq!(states(0o700, 0o600, 0o660), [State::Ok, State::Problem]);
    mode(dir.path(), 0o720);
    let finding = &sockets(&subject)[0];
    assert_eq!(finding.next, Some(format!("chmod go-w {}", dir.path().display())));
}

#[test]
fn what_is_no_socket_or_not_there_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let subject = subject(dir.path());
    std::fs::write(&subject.socket, "x").unwrap();
    let findings = sockets(&subject);
    assert!(findings[0].message.contains("is not a socket"), "{findings:?}");
    assert!(
        findings.len() == 1 && findings[0].is_problem(),
        "one that is not there is the daemon's: {findings:?}"
    );
    let host = Where::told(Some(dir.path().join("hallpass.toml")), None, Some(dir.path().to_owned()));
    std::fs::write(dir.path().join("hallpass.toml"), "[admin]\nuids = [0]\n").unwrap();
    let findings = sockets(&Subject::of(host, None));
    assert!(findings[1].is_problem() && findings[1].message.contains("there is no socket"), "{findings:?}");
}

#[test]
fn little_room_warns_and_none_is_a_problem() {
    assert_eq!(of_room("/s", 1 << 30, false).state, State::Ok);
    assert_eq!(of_room("/s", LITTLE - 1, false).state, State::Warning);
    let full = of_room("/s", 1 << 20, true);
    assert!(full.state == State::Problem && full.next.unwrap().contains("df -h /s"));
}

#[test]
fn a_credential_that_is_gone_open_or_hidden_is_told_apart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let gone = || ("/gone", Err(ErrorKind::NotFound.into()));
    let hidden = || ("/hidden", Err(ErrorKind::PermissionDenied.into()));
    let there = |bits| {
        mode(file.path(), bits);
        ("/there", file.path().metadata())
    };
    for (found, is_up, state) in [
        ([there(0o600), gone()], true, State::Ok),
        ([there(0o600), gone()], false, State::Ok),
        ([there(0o644), gone()], true, State::Ok),
        ([there(0o622), gone()], true, State::Problem),
        ([(PLAIN_CREDENTIAL, there(0o644).1), gone()], true, State::Problem),
        ([gone(), gone()], true, State::Problem),
        ([gone(), gone()], false, State::Problem),
        ([hidden(), gone()], false, State::Unknown),
    ] {
        let finding = of_credential(found, is_up);
        assert_eq!(finding.state, state, "{finding:?}");
    }
}
