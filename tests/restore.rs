//! A backup takes the place of the database: no session of before is alive, what was taken back since is listed, and users log in again at once.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hallpass_client::admin::{AuditTail, RevokeTarget};
use hallpass_client::{Client, ErrorClass, Needs, Password, Token};
use hallpass_protocol::auth::SessionKind;
use support::{Daemon, PASSWORD, Tokens, add_user, clear_environment, cookie, login, refresh, tokens};

const OTHER: &str = "another horse, another battery";

fn hallpass(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn backup(daemon: &Daemon) -> PathBuf {
    let file = daemon.dir().join("backup.redb");
    let output = hallpass(&["--socket", text(&daemon.socket()), "backup", text(&file)]);
    assert!(output.status.success(), "{}", said(&output));
    file
}

/// Restores a file where this daemon has its places.
fn restore(daemon: &Daemon, file: &Path, more: &[&str]) -> Output {
    let (state, run) = (daemon.state_dir(), daemon.runtime_dir());
    let places = ["restore", text(file), "--state-dir", text(&state), "--runtime-dir", text(&run)];
    hallpass(&[&places[..], more].concat())
}

/// Tokens of two sessions.
struct Held {
    session: Token,
    tokens: Tokens,
}

impl Held {
    async fn of(client: &Client, name: &str) -> Self {
        let tokens = tokens(client, name, PASSWORD).await.unwrap();
        Self { session: cookie(client, name, PASSWORD).await.unwrap().0, tokens }
    }

    /// Every token is refused in words that tell an app to forget it.
    async fn is_over(&self, daemon: &Daemon) {
        let client = daemon.client().await;
        for token in [&self.session, &self.tokens.access] {
            let refused = client.verify(token.clone(), Needs::default()).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Login, "{refused:?}");
        }
        let refused = client.refresh(refresh(&self.tokens.refresh)).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Login, "{refused:?}");
    }
}

async fn logs_in(daemon: &Daemon, name: &str, password: &str) -> bool {
    daemon.client().await.login(login(name, password, SessionKind::Cookie)).await.is_ok()
}

#[tokio::test]
async fn yesterdays_backup_revives_nothing_and_tells_what_it_does_not_know() {
    let mut daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    let (admin, client) = (daemon.admin().await, daemon.client().await);
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        add_user(&admin, name, PASSWORD, &["editor", "admin"]).await;
    }
    let code = admin.user_code("alice").await.unwrap().code;
    let before = [Held::of(&client, "alice").await, Held::of(&client, "bob").await];
    let file = backup(&daemon);
    let running = restore(&daemon, &file, &["--yes"]);
    assert_eq!(running.status.code(), Some(69), "{}", said(&running));
    assert!(said(&running).contains("is in use by another hallpassd"), "{}", said(&running));

    let since = Held::of(&client, "alice").await;
    admin.revoke(RevokeTarget::User("alice".into())).await.unwrap();
    admin.user_disable("bob").await.unwrap();
    admin.user_remove("carol").await.unwrap();
    admin.user_set_password("dave", Password::new(OTHER.into())).await.unwrap();
    admin.user_set_roles("erin", vec!["editor".into()]).await.unwrap();
    add_user(&admin, "frank", PASSWORD, &[]).await;
    drop((admin, client));
    daemon.kill9();

    let database = daemon.state_dir().join("hallpass.redb");
    let asked = restore(&daemon, &file, &[]);
    assert_eq!(asked.status.code(), Some(2), "nobody is there to confirm: {}", said(&asked));
    for line in [
        "bob was disabled",
        "carol was removed",
        "dave has changed their password",
        "erin has lost these roles: admin",
        "Users added since, whom the backup does not know: 1",
    ] {
        assert!(said(&asked).contains(line), "{line}: {}", said(&asked));
    }
    let restored = restore(&daemon, &file, &["--yes", "--json"]);
    assert!(restored.status.success(), "{}", said(&restored));
    let told = said(&restored);
    assert_eq!(told.matches(r#""what":"#).count(), 4, "{told}");
    assert!(!daemon.state_dir().join("board.lease").exists(), "the board of before is closed");
    let kept = fs::read_dir(daemon.state_dir()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| text(path).contains("hallpass.redb.")).collect();
    assert!(matches!(&kept[..], [kept] if text(kept).contains("replaced-20")), "{kept:?}");
    for sound in [&kept[0], &database] {
        let checked = hallpass(&["check", text(sound)]);
        assert!(checked.status.success(), "{}", said(&checked));
    }

    daemon.restart().await;
    for held in before.iter().chain([&since]) {
        held.is_over(&daemon).await;
    }
    for (name, password, wanted) in [
        ("alice", PASSWORD, true),
        ("bob", PASSWORD, true),
        ("carol", PASSWORD, true),
        ("dave", PASSWORD, true),
        ("dave", OTHER, false),
        ("frank", PASSWORD, false),
    ] {
        assert_eq!(logs_in(&daemon, name, password).await, wanted, "{name}");
    }
    assert!(!redeems(&daemon, code).await, "a code may have been used since the backup");
    let told = daemon.admin().await.audit_tail(AuditTail { after: None, count: 50 }).await.unwrap();
    let told: Vec<_> = told.iter().filter(|entry| entry.event == "restore").collect();
    assert!(matches!(&told[..], [entry] if entry.detail.contains("4 changes")), "{told:?}");

    let fresh = Held::of(&daemon.client().await, "alice").await;
    daemon.stop().await;
    daemon.restart().await;
    let client = daemon.client().await;
    client.verify(fresh.session, Needs::default()).await.expect("what was opened afterwards goes on");
    assert!(
        hallpass(&["--socket", text(&daemon.socket()), "backup", text(&daemon.dir().join("next"))])
            .status
            .success()
    );
}

async fn redeems(daemon: &Daemon, code: Token) -> bool {
    let redeem = hallpass_client::RedeemCode {
        name: "alice".into(),
        code,
        new_password: Password::new(OTHER.into()),
        kind: SessionKind::Cookie,
        audience: None,
        context: hallpass_client::Context::default(),
    };
    daemon.client().await.redeem_code(redeem).await.is_ok()
}

/// The state directory of the other host holds another database and its master key, or nothing at all.
#[tokio::test]
async fn a_backup_serves_on_another_host_with_another_master_key() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let held = Held::of(&daemon.client().await, "alice").await;
    let file = backup(&daemon);
    for empty in [false, true] {
        let mut other = Daemon::start().await;
        add_user(&other.admin().await, "mallory", PASSWORD, &[]).await;
        other.stop().await;
        if empty {
            fs::remove_dir_all(other.state_dir()).unwrap();
        }
        let restored = restore(&other, &file, &["--yes"]);
        assert!(restored.status.success(), "{}", said(&restored));
        other.restart().await;
        held.is_over(&other).await;
        assert!(logs_in(&other, "alice", PASSWORD).await && !logs_in(&other, "mallory", PASSWORD).await);
    }
    daemon.client().await.verify(held.session, Needs::default()).await.expect("here nothing has changed");
}

#[tokio::test]
async fn what_is_no_sound_backup_replaces_nothing() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let file = backup(&daemon);
    daemon.stop().await;
    let database = daemon.state_dir().join("hallpass.redb");
    let before = fs::read(&database).unwrap();
    let mut damaged = fs::read(&file).unwrap();
    let at = damaged.windows(6).position(|bytes| bytes == b"editor").expect("a role lies in a row");
    damaged[at] ^= 1;
    fs::write(&file, damaged).unwrap();
    for (file, words) in [
        (file.clone(), "the backup is damaged, and nothing was replaced"),
        (database.clone(), "is the database itself and no backup"),
        (daemon.dir().join("nothing"), "cannot look at"),
    ] {
        let refused = restore(&daemon, &file, &["--yes"]);
        assert!(!refused.status.success() && said(&refused).contains(words), "{words}: {}", said(&refused));
    }
    assert!(fs::read(&database).unwrap() == before);
    daemon.restart().await;
    assert!(logs_in(&daemon, "alice", PASSWORD).await);
}

/// Behind the daemon's back: the file is copied away and put back later.
#[tokio::test]
async fn g10_a_database_that_is_rolled_back_by_hand_ends_the_same_way() {
    let mut daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let before = Held::of(&daemon.client().await, "alice").await;
    daemon.stop().await;
    let database = daemon.state_dir().join("hallpass.redb");
    let copy = daemon.dir().join("copy");
    fs::copy(&database, &copy).unwrap();
    daemon.restart().await;
    let client = daemon.client().await;
    client.verify(before.session.clone(), Needs::default()).await.expect("a restart ends nothing");
    let since = Held::of(&client, "alice").await;
    daemon.admin().await.revoke(RevokeTarget::User("alice".into())).await.unwrap();
    drop(client);
    daemon.stop().await;

    fs::copy(&copy, &database).unwrap();
    daemon.restart().await;
    for held in [&before, &since] {
        held.is_over(&daemon).await;
    }
    assert!(logs_in(&daemon, "alice", PASSWORD).await);
    let told = daemon.admin().await.audit_tail(AuditTail { after: None, count: 50 }).await.unwrap();
    assert_eq!(told.iter().filter(|entry| entry.event == "rollback").count(), 1, "{told:?}");
    let fresh = Held::of(&daemon.client().await, "alice").await;
    daemon.kill9();
    daemon.restart().await;
    daemon.client().await.verify(fresh.session, Needs::default()).await.expect("it is trusted again");
}
