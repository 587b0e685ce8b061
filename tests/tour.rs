//! The tour: what a newcomer runs first has to work, to tell the truth, and to leave nothing behind.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{bare_hallpass, printed_by};

#[test]
fn the_tour_shows_every_step_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| printed_by(bare_hallpass(home.path(), arguments));
    let steps: Vec<serde_json::Value> =
        run(&["tour", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |step: &str, outcome: &str| {
        let found = steps.iter().any(|told| told["step"] == step && told["outcome"] == outcome);
        assert!(found, "{step}: {outcome} is not among {steps:#?}");
    };
    told("verify the access token", "alice, reader");
    told("verify the old access token", "alice, editor");
    told("a thief shows the first one", "refused: reused; the family dies");
    told("verify the session token", "refused: revoked");
    assert!(steps.iter().all(|step| step["micros"].as_u64().is_some_and(|micros| micros > 0)));

    let text = run(&["tour"]);
    assert!(steps.iter().all(|step| text.contains(step["outcome"].as_str().unwrap())));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "it fits a terminal:\n{text}");
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn an_interrupted_tour_leaves_nothing_behind_and_ends_by_the_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let home = tempfile::tempdir().unwrap();
        let mut child =
            bare_hallpass(home.path(), &["tour", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut String::new()).unwrap();
        assert_eq!(home.path().read_dir().unwrap().count(), 1, "the tour has begun");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
        assert_eq!(home.path().read_dir().unwrap().count(), 0, "{signal} leaves nothing behind");
    }
}
