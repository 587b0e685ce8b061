//! The master key is changed under a daemon that runs: what was open stays open, the old key opens nothing more, and whenever the daemon is killed it
//! starts again.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hallpass_client::admin::AuditTail;
use hallpass_client::{Needs, Token};
use support::dice::{Dice, number, report};
use support::{
    Daemon, PASSWORD, PATIENCE, POLL, Tokens, add_user, clear_environment, cookie, refresh, tokens,
};

/// What alice was given before the change.
struct Held {
    tokens: Tokens,
    session: Token,
}

async fn used(daemon: &Daemon) -> Held {
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let tokens = tokens(&client, "alice", PASSWORD).await.unwrap();
    Held { tokens, session: cookie(&client, "alice", PASSWORD).await.unwrap().0 }
}

impl Held {
    /// Access, session and refresh token are what they were.
    async fn stands(&mut self, daemon: &Daemon) {
        let client = daemon.client().await;
        for token in [&self.tokens.access, &self.session] {
            assert_eq!(client.verify(token.clone(), Needs::default()).await.unwrap().name, "alice");
        }
        let next: Tokens = client.refresh(refresh(&self.tokens.refresh)).await.unwrap().into();
        self.tokens.refresh = next.refresh;
    }
}

fn hallpass(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn reseals(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = hallpass(daemon, &[&["key", "reseal"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a daemon says that does not start on these arguments.
fn refused(arguments: &[&Path]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpassd"));
    clear_environment(&mut command);
    let mut child = command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let give_up = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && Instant::now() < give_up {
        std::thread::sleep(POLL);
    }
    // One that serves instead is ended too, and fails by its exit code.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

fn own_key(daemon: &Daemon) -> PathBuf {
    daemon.state_dir().join("master.key")
}

fn write_key(path: &Path, key: &[u8]) {
    fs::write(path, key).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_daemon_changes_its_own_master_key_and_everything_stands() {
    let mut daemon = Daemon::start().await;
    let mut held = used(&daemon).await;
    let old = fs::read(own_key(&daemon)).unwrap();
    let said = reseals(&daemon, &[]);
    assert!(said.contains(own_key(&daemon).to_str().unwrap()), "{said}");
    let new = fs::read(own_key(&daemon)).unwrap();
    assert_ne!(old, new);
    assert_eq!(fs::metadata(own_key(&daemon)).unwrap().permissions().mode() & 0o777, 0o600);
    held.stands(&daemon).await;
    let told = daemon.admin().await.audit_tail(AuditTail { after: None, count: 20 }).await.unwrap();
    let told: Vec<_> = told.into_iter().filter(|entry| entry.event == "key.reseal").collect();
    assert_eq!(told.len(), 2, "the bridge and the change: {told:?}");
    assert!(told.iter().all(|entry| entry.outcome == "ok" && entry.app == "admin"), "{told:?}");
    daemon.stop().await;
    daemon.restart().await;
    held.stands(&daemon).await;
    daemon.stop().await;

    write_key(&own_key(&daemon), &old);
    let [state, runtime] = [daemon.state_dir(), daemon.runtime_dir()];
    let said = refused(&[Path::new("--state-dir"), &state, Path::new("--runtime-dir"), &runtime]);
    assert!(said.contains("was replaced on 20") && said.contains("opens the database no more"), "{said}");
    write_key(&own_key(&daemon), &new);
    daemon.restart().await;
    held.stands(&daemon).await;
}

/// As the README has it: the key is the administrator's, who makes the next one and puts it in its place.
#[tokio::test]
async fn a_master_key_that_was_given_is_changed_by_whoever_gave_it() {
    let given = tempfile::tempdir().unwrap();
    let (key, next) = (given.path().join("master.key"), given.path().join("master.key.new"));
    let random = |seed: u8| (0..32).map(|byte| byte ^ seed).collect::<Vec<u8>>();
    write_key(&key, &random(1));
    let mut daemon = Daemon::with_settings(&format!("master_key = {key:?}\n")).await;
    let mut held = used(&daemon).await;
    let said = hallpass(&daemon, &["key", "reseal"]);
    let sentence = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{sentence}");
    assert!(
        sentence.contains("not the daemon's to replace") && sentence.contains("--new-key NEW"),
        "{sentence}"
    );

    write_key(&next, &random(2));
    let said = reseals(&daemon, &["--new-key", next.to_str().unwrap()]);
    assert!(said.contains("restart hallpassd"), "{said}");
    held.stands(&daemon).await;
    // A daemon that is killed before the key is in its place goes on under the old one.
    daemon.kill9();
    daemon.restart().await;
    held.stands(&daemon).await;

    fs::rename(&next, &key).unwrap();
    held.stands(&daemon).await;
    daemon.stop().await;
    daemon.restart().await;
    assert!(daemon.log().contains("the new master key is in its place"), "{}", daemon.log());
    held.stands(&daemon).await;
    daemon.stop().await;

    write_key(&key, &random(1));
    let config = daemon.dir().join("hallpass.toml");
    let [state, runtime] = [daemon.state_dir(), daemon.runtime_dir()];
    let [a, b, c] = ["--config", "--state-dir", "--runtime-dir"].map(Path::new);
    let said = refused(&[a, &config, b, &state, c, &runtime]);
    assert!(said.contains(key.to_str().unwrap()) && said.contains("was replaced on"), "{said}");
    write_key(&key, &random(2));
    daemon.restart().await;
    held.stands(&daemon).await;
}

/// `HALLPASS_RESEAL_ROUNDS` says how often.
#[tokio::test]
async fn a_daemon_that_is_killed_while_it_reseals_starts_with_all_its_keys() {
    let rounds = number("HALLPASS_RESEAL_ROUNDS", 24);
    let mut dice = Dice::new();
    let mut daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    let mut held = used(&daemon).await;
    let (mut changed, mut ended_at_start) = (0, 0);
    for round in 0..rounds {
        let before = fs::read(own_key(&daemon)).unwrap();
        let admin = daemon.admin().await;
        let reseal = tokio::spawn(async move { admin.key_reseal(None).await });
        tokio::time::sleep(Duration::from_micros(dice.below(12_000))).await;
        daemon.kill9();
        // Whether it was answered is told by the key that lies there.
        let _ = reseal.await.unwrap();
        daemon.restart().await;
        held.stands(&daemon).await;
        assert!(!daemon.state_dir().join("master.key.new").exists(), "round {round}");
        changed += u64::from(fs::read(own_key(&daemon)).unwrap() != before);
        ended_at_start = daemon.log().matches("the new master key is in its place").count();
    }
    report(&format!("{rounds} kills, {changed} keys changed, {ended_at_start} of them at a start"));
}
