//! A real daemon under a system clock that is set while it runs and while it does not: nothing is revived, nothing extended, no order lost.
//!
//! `libfaketime` stands between the daemon and its clock; without it, which Debian has in the package `faketime`, there is nothing to set.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use hallpass_client::admin::{AuditEntry, AuditTail};
use hallpass_client::{ErrorClass, Grant, GrantedTokens, Millis, Needs, SessionKind, Token};
use support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, clear_environment, login, refresh, tokens};

/// Sessions end after three hours without use, and after ten days.
const SETTINGS: &str = "[lifetimes]\nidle = \"3h\"\nabsolute = \"10days\"\n[refresh]\nper_minute = 0\n";

/// The library, where it is installed.
fn library() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

/// A daemon, and the file that says by how much its clock is set.
struct Clocked {
    daemon: Daemon,
    file: PathBuf,
}

impl Clocked {
    async fn start(library: &Path) -> Self {
        let mut daemon = Daemon::with_settings(SETTINGS).await;
        daemon.stop().await;
        let file = daemon.dir().join("clock");
        fs::write(&file, "+0").unwrap();
        daemon.set("LD_PRELOAD", library);
        daemon.set("FAKETIME_TIMESTAMP_FILE", &file);
        for setting in
            ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"]
        {
            daemon.set(setting, "1".as_ref());
        }
        daemon.restart().await;
        Self { daemon, file }
    }

    /// Sets the clock, by this much from what is right.
    fn set(&self, by: &str) {
        let unfinished = self.file.with_extension("new");
        fs::write(&unfinished, by).unwrap();
        fs::rename(unfinished, &self.file).unwrap();
    }

    async fn log_in(&self) -> Grant {
        self.daemon.client().await.login(login("alice", PASSWORD, SessionKind::Cookie)).await.unwrap()
    }

    async fn is_alive(&self, grant: &Grant) -> bool {
        let verified = self.daemon.client().await.verify(session_token(grant), Needs::default()).await;
        if let Err(refused) = &verified {
            assert_eq!(refused.class(), ErrorClass::Login, "{refused:?}");
        }
        verified.is_ok()
    }

    /// All that the audit chain tells. Its order is the order of its numbers and of its stamps, whatever the clock was set to.
    async fn told(&self) -> Vec<AuditEntry> {
        let (admin, mut entries) = (self.daemon.admin().await, Vec::<AuditEntry>::new());
        loop {
            let after = Some(entries.last().map_or(0, |entry| entry.number));
            let page = admin.audit_tail(AuditTail { after, count: 50 }).await.unwrap();
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        assert!(
            entries
                .windows(2)
                .all(|pair| pair[0].number + 1 == pair[1].number && pair[0].stamp < pair[1].stamp)
        );
        entries
    }

    /// Waits until the chain tells so often of something.
    async fn tells(&self, event: &str, words: &str, times: usize) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let told = self.told().await;
            let found =
                told.iter().filter(|entry| entry.event == event && entry.detail.contains(words)).count();
            if found == times {
                return;
            }
            assert!(Instant::now() < give_up, "{event} {words} {found} times and not {times}: {told:#?}");
            tokio::time::sleep(POLL * 100).await;
        }
    }

    fn accept(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        clear_environment(&mut command);
        command.arg("--socket").arg(self.daemon.socket()).args(["clock", "accept", "--yes"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn session_token(grant: &Grant) -> Token {
    match &grant.tokens {
        GrantedTokens::Cookie { session_token } => session_token.clone(),
        GrantedTokens::Token { .. } => unreachable!("a cookie was asked for"),
    }
}

fn skipped() {
    let why = "skipped: libfaketime is not installed; `apt-get install faketime` brings it, and `.ci/run` does that\n";
    std::io::stderr().write_all(why.as_bytes()).unwrap();
}

#[tokio::test]
async fn b11_a_clock_that_is_set_while_the_daemon_runs_revives_and_extends_nothing() {
    let Some(library) = library() else { return skipped() };
    let clocked = Clocked::start(&library).await;
    add_user(&clocked.daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let first = clocked.log_in().await;
    let held = tokens(&clocked.daemon.client().await, "alice", PASSWORD).await.unwrap();

    clocked.set("+3d");
    assert!(clocked.is_alive(&first).await, "a leap of more than a day is not followed");
    clocked.tells("clock.step", "clock accept", 1).await;
    let during = clocked.log_in().await;
    assert!(
        during.absolute_deadline.since(first.absolute_deadline).as_secs() < 60,
        "nor do new sessions follow it"
    );
    let said = clocked.accept();
    assert!(said.contains("2days 23h") || said.contains("3days"), "{said}");
    clocked.tells("clock.accept", "", 1).await;
    for old in [&first, &during] {
        assert!(!clocked.is_alive(old).await, "three days without use");
    }
    clocked.daemon.client().await.refresh(refresh(&held.refresh)).await.expect_err("the same");
    let later = clocked.log_in().await;

    clocked.set("+0");
    assert!(!clocked.is_alive(&first).await && clocked.is_alive(&later).await);
    clocked.tells("clock.step", "set back by", 1).await;
    let back = clocked.log_in().await;
    assert!(back.absolute_deadline >= later.absolute_deadline, "time did not go back");
    assert!(back.absolute_deadline.since(later.absolute_deadline).as_secs() < 60, "and did not go on faster");
    clocked.set("+2d");
    assert!(clocked.is_alive(&later).await, "what the clock catches up with is no leap");
}

#[tokio::test]
async fn g11_a_clock_that_is_set_while_the_daemon_is_down_revives_and_extends_nothing() {
    let Some(library) = library() else { return skipped() };
    let mut clocked = Clocked::start(&library).await;
    add_user(&clocked.daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let mut newest = Millis::default();
    let mut grants: Vec<(Grant, bool)> = Vec::new();
    // By how much the clock is set at each start, whether it was killed before it, and whether that ends every session of before.
    for (by, killed, ends) in [
        ("-4d", false, false),
        ("-5d", true, false),
        ("+1d", true, true),
        ("+0", true, false),
        ("-300d", false, false),
    ] {
        let fresh = clocked.log_in().await;
        assert!(fresh.absolute_deadline >= newest, "{by}: no moment comes twice");
        newest = fresh.absolute_deadline;
        grants.push((fresh, true));
        if killed {
            clocked.daemon.kill9();
        } else {
            clocked.daemon.stop().await;
        }
        clocked.set(by);
        clocked.daemon.restart().await;
        for (grant, alive) in &mut grants {
            *alive &= !ends;
            assert_eq!(clocked.is_alive(grant).await, *alive, "{by}");
        }
    }
    clocked.tells("clock.step", "set back by", 4).await;
}
