//! Boards as they should be, and as they should not.

use super::*;
use crate::ctl::doctor::report::State;

fn place(inode: u64) -> BoardPlace {
    BoardPlace { path: "/r/board".into(), inode, device: 1 }
}

fn found(lease: Lease, mode: u32) -> Look {
    let (life, time) = (Stamp(7), Millis::from_u64(1));
    Look { path: "/r/board".into(), found: Found::Board { place: place(3), lease, life, time, mode } }
}

#[test]
fn a_board_is_fresh_or_it_is_said_why_not() {
    let (own, other) = (place(3), place(4));
    let said = Some((Some(&own), Stamp(7)));
    for (look, hello, is_up, state, word) in [
        (found(Lease::Good, 0o644), said, true, State::Ok, "is fresh"),
        (found(Lease::Over(9_500_000_000), 0o644), None, false, State::Problem, "ran out 9s ago"),
        (found(Lease::Closed, 0o644), None, false, State::Ok, "has stopped"),
        (found(Lease::Closed, 0o644), said, true, State::Problem, "closed, though"),
        (found(Lease::Impossible, 0o644), None, true, State::Problem, "another boot"),
        (found(Lease::Good, 0o666), said, true, State::Problem, "others can write"),
        (found(Lease::Good, 0o644), Some((Some(&other), Stamp(7))), true, State::Problem, "not the file"),
        (found(Lease::Good, 0o644), Some((Some(&own), Stamp(8))), true, State::Problem, "another start"),
    ] {
        let finding = of_board(&look, hello, is_up, "hallpassd");
        assert!(finding.state == state && finding.message.contains(word), "{finding:?}");
        assert_eq!(look.time().is_some(), matches!(look.found, Found::Board { lease: Lease::Good, .. }));
    }
}

#[test]
fn what_is_no_board_or_not_there_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board");
    let judged =
        |is_up| of_board(&Look { path: path.clone(), found: read(&path) }, None, is_up, "hallpassd").state;
    assert_eq!((judged(true), judged(false)), (State::Problem, State::Unknown));
    std::fs::write(&path, "x").unwrap();
    assert_eq!(judged(false), State::Problem);
    std::fs::write(&path, [0; 4096]).unwrap();
    assert_eq!(judged(false), State::Problem);
}

#[test]
fn keys_beside_it_that_are_none_are_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let state = |is_up| of_keys(&path, is_up).map(|finding| finding.state);
    assert_eq!((state(true), state(false)), (Some(State::Problem), None));
    for (text, wanted) in
        [("{\"keys\":[{}]}", None), ("{\"keys\":[]}", Some(State::Problem)), ("{", Some(State::Problem))]
    {
        std::fs::write(&path, text).unwrap();
        assert_eq!(state(true), wanted, "{text}");
    }
}
