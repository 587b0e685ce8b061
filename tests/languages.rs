//! The examples in other languages, against a real daemon: what a standard library and the board make of a token, while tokens are taken back,
//! keys change and the daemon comes and goes.
//!
//! `HALLPASS_PYTHON` names a Python with `PyJWT`, `HALLPASS_NODE` a directory whose `node_modules` has jose. A language without is skipped.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use hallpass_client::admin::{AdminClient, RevokeTarget, RotateKey};
use hallpass_client::{Client, Revoke, Token};
use serde_json::Value;
use support::{Daemon, PASSWORD, POLL, Tokens, add_user, clear_environment, tokens};
use tempfile::TempDir;

/// A verifier of another language in a process of its own, to which tokens are shown one by one.
struct Foreign {
    process: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _dir: TempDir,
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/examples").join(name)
}

fn skip(why: &str) {
    std::io::stderr().write_all(format!("skipped: {why}; `.ci/run` makes one\n").as_bytes()).unwrap();
}

fn python() -> Option<(Command, TempDir)> {
    let Some(python) = env::var_os("HALLPASS_PYTHON") else {
        skip("HALLPASS_PYTHON names no Python with PyJWT");
        return None;
    };
    let mut command = Command::new(python);
    command.arg("-I").arg(example("python/verify.py"));
    Some((command, TempDir::new().unwrap()))
}

fn node() -> Option<(Command, TempDir)> {
    let Some(modules) = env::var_os("HALLPASS_NODE") else {
        skip("HALLPASS_NODE names no directory with jose");
        return None;
    };
    // Node looks for packages beside the file that wants them.
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("verify.mjs");
    fs::copy(example("node/verify.mjs"), &copy).unwrap();
    symlink(Path::new(&modules).join("node_modules"), dir.path().join("node_modules")).unwrap();
    let mut command = Command::new("node");
    command.arg(copy);
    Some((command, dir))
}

impl Foreign {
    fn start((mut command, dir): (Command, TempDir), daemon: &Daemon) -> Self {
        clear_environment(&mut command);
        command.arg(daemon.runtime_dir()).args(["local", "hallpass"]);
        command.arg(env!("CARGO_BIN_EXE_hallpass")).arg(daemon.socket());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let ask = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, ask, answers, _dir: dir }
    }

    /// How it came to be known that a token is good, and the roles; or the code of the refusal.
    fn verify(&mut self, token: &str) -> (String, Vec<String>) {
        writeln!(self.ask, "{token}").expect("it reads");
        let line = self.answers.next().expect("it answers").expect("in UTF-8");
        let answer: Value = serde_json::from_str(&line).expect("in JSON");
        if let Some(code) = answer["refused"].as_str() {
            return (code.to_owned(), Vec::new());
        }
        let roles = answer["roles"].as_array().expect("a list").iter();
        let roles = roles.map(|role| role.as_str().expect("a name").to_owned()).collect();
        (answer["way"].as_str().expect("a word").to_owned(), roles)
    }

    #[track_caller]
    fn says(&mut self, token: &Token, expected: &str) {
        assert_eq!(self.verify(token.expose()).0, expected);
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn session(client: &Client) -> Tokens {
    tokens(client, "alice", PASSWORD).await.expect("she is let in")
}

/// What is taken back is seen by the next verification, and nothing else makes it ask.
async fn changes(foreign: &mut Foreign, client: &Client, admin: &AdminClient) {
    let (one, two) = (session(client).await, session(client).await);
    assert_eq!(foreign.verify(one.access.expose()), ("board".into(), vec!["editor".into()]));
    foreign.says(&two.access, "board");
    client.revoke(Revoke::Session(one.session)).await.unwrap();
    foreign.says(&one.access, "revoked");
    foreign.says(&two.access, "board");

    admin.user_set_roles("alice", vec!["admin".into()]).await.unwrap();
    let (way, roles) = foreign.verify(two.access.expose());
    assert!(way != "board" && !roles.contains(&"editor".to_owned()), "{way} {roles:?}");
    let fresh = session(client).await;
    assert_eq!(foreign.verify(fresh.access.expose()), ("board".into(), vec!["admin".into()]));
    admin.revoke(RevokeTarget::User("alice".into())).await.unwrap();
    foreign.says(&fresh.access, "revoked");
}

/// What was never good is refused, whatever of it looks right.
async fn forgeries(foreign: &mut Foreign, client: &Client) {
    let good = session(client).await.access;
    foreign.says(&good, "board");
    let other = Daemon::start().await;
    add_user(&other.admin().await, "alice", PASSWORD, &["admin"]).await;
    let strange = session(&other.client().await).await.access;
    assert_ne!(foreign.verify(strange.expose()).0, "board");
    let (head, signature) = good.expose().rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    for bad in [
        format!("{head}.{flipped}{}", &signature[1..]),
        format!("{head}."),
        // {"alg":"none","typ":"at+jwt"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", head.split('.').nth(1).unwrap()),
        "x".into(),
        "hps_AAAA".into(),
    ] {
        assert_eq!(foreign.verify(&bad).0, "invalid_token", "{bad}");
    }
}

/// New keys are read when the board says so; what was signed with keys that are gone is asked about.
async fn keys(foreign: &mut Foreign, client: &Client, admin: &AdminClient) {
    let before = session(client).await.access;
    foreign.says(&before, "board");
    admin.key_rotate(RotateKey { mac: false, emergency: true }).await.unwrap();
    let after = session(client).await.access;
    foreign.says(&after, "board");
    assert_ne!(kid(&before), kid(&after));
    let (way, _) = foreign.verify(before.expose());
    assert!(!["board", "daemon"].contains(&&*way), "{way}");
}

fn kid(token: &Token) -> &str {
    token.expose().split('.').next().unwrap()
}

/// While the daemon is away its board is believed for a lease at the most, not at all once it was closed, and old stamps are asked about after a start.
async fn absences(foreign: &mut Foreign, daemon: &mut Daemon) {
    let token = session(&daemon.client().await).await.access;
    foreign.says(&token, "board");
    daemon.kill9();
    let killed = Instant::now();
    while foreign.verify(token.expose()).0 == "board" {
        assert!(killed.elapsed() < Duration::from_secs(6), "a lease is 5 s");
        tokio::time::sleep(POLL).await;
    }
    foreign.says(&token, "unavailable");
    daemon.restart().await;
    foreign.says(&token, "daemon");
    let token = session(&daemon.client().await).await.access;
    foreign.says(&token, "board");
    daemon.stop().await;
    foreign.says(&token, "unavailable");
    daemon.restart().await;
    foreign.says(&token, "daemon");
    // Another file in its place, as another number of slots makes one.
    let board = daemon.runtime_dir().join("board");
    daemon.stop().await;
    fs::remove_file(board).unwrap();
    daemon.restart().await;
    foreign.says(&session(&daemon.client().await).await.access, "board");
}

async fn whole_story(started: Option<(Command, TempDir)>) {
    let Some(started) = started else { return };
    let mut daemon = Daemon::start().await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    let mut foreign = Foreign::start(started, &daemon);
    changes(&mut foreign, &client, &admin).await;
    forgeries(&mut foreign, &client).await;
    keys(&mut foreign, &client, &admin).await;
    absences(&mut foreign, &mut daemon).await;
}

#[tokio::test]
async fn python_verifies_by_the_published_keys_and_sees_what_was_taken_back() {
    whole_story(python()).await;
}

#[tokio::test]
async fn node_verifies_by_the_published_keys_and_sees_what_was_taken_back() {
    whole_story(node()).await;
}
