//! The audit chain of a real daemon, through the control command: read, exported, and verified while it runs and when it does not.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hallpass_client::SessionKind;
use support::{Daemon, PASSWORD, add_user, clear_environment, login};

fn hallpass(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asks the running daemon.
fn ask(daemon: &Daemon, arguments: &[&str]) -> Output {
    hallpass(&[&["--socket", text(&daemon.socket())], arguments].concat())
}

/// Verifies the database of a daemon that does not run.
fn verify(daemon: &Daemon, more: &[&str]) -> Output {
    let state = daemon.state_dir();
    hallpass(&[&["audit", "verify", "--state-dir", text(&state)], more].concat())
}

fn events(output: &Output) -> Vec<String> {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let event = |line: &str| -> String {
        let entry: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        entry["event"].as_str().unwrap().to_owned()
    };
    lines.lines().map(event).collect()
}

#[tokio::test]
async fn the_chain_is_read_exported_and_verified_while_the_daemon_runs() {
    let mut daemon = Daemon::start().await;
    for name in ["alice", "bob"] {
        add_user(&daemon.admin().await, name, PASSWORD, &[]).await;
        daemon.client().await.login(login(name, PASSWORD, SessionKind::Cookie)).await.unwrap();
    }
    daemon.admin().await.user_disable("bob").await.unwrap();
    let all = events(&ask(&daemon, &["audit", "export"]));
    assert_eq!(all, ["daemon.start", "user.add", "login", "user.add", "login", "user.disable"]);
    for (arguments, wanted) in [
        (&["--user", "bob"][..], &["user.add", "login", "user.disable"][..]),
        (&["--event", "user"], &["user.add", "user.add", "user.disable"]),
        (&["--app", "local", "--count", "1"], &["login"]),
        (&["--since", "1h", "--event", "user.disable"], &["user.disable"]),
        (&["--since", "2200-01-01T00:00:00Z"], &[]),
        (&["--after", "5"], &["user.disable"]),
    ] {
        let output = ask(&daemon, &[&["audit", "tail", "--json"], arguments].concat());
        assert_eq!(events(&output), wanted, "{arguments:?}: {}", said(&output));
    }
    let verified = ask(&daemon, &["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    assert!(
        said(&verified).contains("6 entries: each follows from the one before it."),
        "{}",
        said(&verified)
    );

    // What was committed is in the log as well, each part as a field; a checkpoint is at least where the daemon stopped.
    daemon.stop().await;
    let stderr = daemon.dir().join("stderr");
    let log = fs::read_to_string(&stderr).unwrap();
    assert!(log.contains("event=\"user.disable\" outcome=\"ok\""), "{log}");
    assert!(log.contains("audit checkpoint checkpoint=\"hallpass-audit-1 "), "{log}");
    let offline = verify(&daemon, &["--against", text(&stderr), "--json"]);
    assert!(offline.status.success() && said(&offline).contains(r#""sound":true"#), "{}", said(&offline));
    daemon.restart().await;
    let online = ask(&daemon, &["audit", "verify", "--against", text(&stderr), "--json"]);
    assert!(online.status.success() && said(&online).contains(r#""notes":[]"#), "{}", said(&online));
}

/// A copy of yesterday in the place of today: every entry of it follows from the one before.
#[tokio::test]
async fn g10_an_end_that_was_cut_off_shows_in_the_note_and_in_the_log() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    daemon.stop().await;
    let database = daemon.state_dir().join("hallpass.redb");
    let copy = daemon.dir().join("copy");
    fs::copy(&database, &copy).unwrap();
    daemon.restart().await;
    daemon.admin().await.user_remove("alice").await.unwrap();
    daemon.stop().await;
    assert!(verify(&daemon, &[]).status.success());

    fs::copy(&copy, &database).unwrap();
    let found = verify(&daemon, &[]);
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains("its end was cut off"), "{}", said(&found));
    // Without the note the log still knows, and the daemon writes down that it could not confirm what it found.
    fs::remove_file(daemon.state_dir().join("audit.mark")).unwrap();
    let log = daemon.dir().join("stderr");
    let found = verify(&daemon, &["--against", text(&log)]);
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains("a checkpoint that was kept"), "{}", said(&found));
    let without = verify(&daemon, &[]);
    assert!(without.status.success() && said(&without).contains("there is no note"), "{}", said(&without));
    daemon.restart().await;
    let events = events(&ask(&daemon, &["audit", "export", "--event", "audit.unconfirmed"]));
    assert_eq!(events, ["audit.unconfirmed"]);
    let running = verify(&daemon, &[]);
    assert_eq!(running.status.code(), Some(69), "a database in use is not looked at: {}", said(&running));
    let online = ask(&daemon, &["audit", "verify", "--against", text(&log)]);
    assert_eq!(online.status.code(), Some(1), "{}", said(&online));
    assert!(said(&online).contains("could not confirm the entries before it"), "{}", said(&online));
}

#[tokio::test]
async fn checkpoints_go_on_under_another_master_key() {
    let mut daemon = Daemon::start().await;
    let resealed = ask(&daemon, &["key", "reseal"]);
    assert!(resealed.status.success(), "{}", said(&resealed));
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    daemon.stop().await;
    assert!(verify(&daemon, &[]).status.success());
    daemon.restart().await;
    let events = events(&ask(&daemon, &["audit", "export", "--event", "audit"]));
    assert!(events.is_empty(), "the chain is confirmed: {events:?}");
}
