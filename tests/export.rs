//! Moving out: what one daemon exports another one imports, and everybody logs in there as who they were.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hallpass_client::admin::{AddUser, AuditTail, ImportUser, UserInfo};
use hallpass_client::{ErrorClass, Needs, Password};
use support::{Daemon, PASSWORD, add_user, clear_environment, cookie, refresh, tokens};

/// More than fit two pages of an answer.
const MANY: usize = 600;
/// What bcrypt 4.0 for Python makes of [`PASSWORD`].
const BCRYPT: &str = "$2b$08$x/VA0WJpuNYpqP5U1SjAz.IF/m6UAbaNP/S93wkERbJShFnAyc5Si";

fn hallpass(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// The users of a daemon, in a file.
fn export(daemon: &Daemon, options: &[&str]) -> PathBuf {
    let file = daemon.dir().join("users.jsonl");
    let arguments = [&["user", "export", "--out", file.to_str().unwrap()], options].concat();
    let output = hallpass(daemon, &arguments);
    assert!(output.status.success(), "{}", said(&output));
    file
}

/// The summary of an import, and the lines that it says anything about.
fn import(daemon: &Daemon, file: &Path) -> (Option<i32>, String) {
    let output = hallpass(daemon, &["import", file.to_str().unwrap()]);
    (output.status.code(), said(&output))
}

async fn users(daemon: &Daemon) -> BTreeMap<String, UserInfo> {
    let (admin, mut found, mut after) = (daemon.admin().await, BTreeMap::new(), None);
    loop {
        let page = admin.user_list(after).await.unwrap();
        found.extend(page.users.into_iter().map(|user| (user.name.clone(), user)));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// A daemon with alice, bob, who is disabled, carol without a password, dave with a hash of another program, erin with many attributes, and many more.
async fn peopled() -> Daemon {
    let daemon = Daemon::start().await;
    let admin = daemon.admin().await;
    add_user(&admin, "alice", PASSWORD, &["editor", "admin"]).await;
    add_user(&admin, "bob", PASSWORD, &[]).await;
    admin.user_disable("bob").await.unwrap();
    let bare = |name: &str| AddUser { name: name.into(), password: None, roles: Vec::new() };
    admin.user_add(bare("carol")).await.unwrap();
    let hash = Some(Password::new(BCRYPT.into()));
    admin.user_import(ImportUser { name: "dave".into(), hash, ..ImportUser::default() }).await.unwrap();
    add_user(&admin, "erin", PASSWORD, &[]).await;
    let attributes = (0..16).map(|number| (format!("attribute-{number}"), "\u{e9}\"\\".repeat(32))).collect();
    admin.user_set_attributes("erin", attributes).await.unwrap();
    let more = (0..MANY).map(|number| admin.user_add(bare(&format!("user-{number}"))));
    for added in futures_util::future::join_all(more).await {
        added.unwrap();
    }
    daemon
}

#[tokio::test]
async fn everybody_logs_in_to_the_other_daemon_as_who_they_were() {
    let from = peopled().await;
    let file = export(&from, &["--with-hashes"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let to = Daemon::start().await;
    let (code, told) = import(&to, &file);
    assert_eq!(code, Some(0), "{told}");
    let wanted =
        format!("{} added, 0 already there, 0 refused.\n{} of them without a password", MANY + 5, MANY + 1);
    assert!(told.starts_with(&wanted), "{told}");
    assert_eq!(users(&from).await, users(&to).await, "with identifiers, roles and attributes");

    let client = to.client().await;
    for name in ["alice", "dave", "erin"] {
        tokens(&client, name, PASSWORD).await.unwrap_or_else(|error| unreachable!("{name}: {error:?}"));
    }
    let alice = tokens(&client, "alice", PASSWORD).await.unwrap();
    let identity = client.verify(alice.access, Needs::default()).await.unwrap();
    assert_eq!(identity.roles, ["admin", "editor"]);
    for name in ["bob", "carol"] {
        tokens(&client, name, PASSWORD).await.expect_err(name);
    }
    to.admin().await.user_enable("bob").await.unwrap();
    tokens(&client, "bob", PASSWORD).await.expect("bob has kept his password");

    let again = fs::read(export(&to, &["--with-hashes"])).unwrap();
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<_> = String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect();
        // dave's hash was replaced when he logged in, and bob was enabled.
        lines.retain(|line| !line.contains("\"dave\"") && !line.contains("\"bob\""));
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&again), sorted(&fs::read(&file).unwrap()), "what is exported again is the same");
    let (code, told) = import(&to, &file);
    assert!(code == Some(0) && told.contains(&format!("0 added, {} already there", MANY + 5)), "{told}");
}

#[tokio::test]
async fn without_the_flag_no_hash_leaves_and_who_took_them_is_written_down() {
    let from = peopled().await;
    let plain = hallpass(&from, &["export"]);
    let text = String::from_utf8_lossy(&plain.stdout);
    assert!(plain.status.success() && text.lines().count() == MANY + 5, "{}", said(&plain));
    assert!(!text.contains("hash") && !text.contains("$argon2"), "{text}");
    let piped = hallpass(&from, &["export", "--with-hashes"]);
    assert!(String::from_utf8_lossy(&piped.stdout).contains("$argon2id$"), "a pipe is no terminal");
    let told = from.admin().await.audit_tail(AuditTail { after: None, count: 50 }).await.unwrap();
    let told: Vec<_> = told.iter().filter(|entry| entry.event == "user.export").collect();
    let details: Vec<_> = told.iter().map(|entry| entry.detail.as_str()).collect();
    assert_eq!(details, ["without hashes of passwords", "with the hashes of passwords"]);

    let to = Daemon::start().await;
    let file = to.dir().join("users.jsonl");
    fs::write(&file, &plain.stdout).unwrap();
    let (code, told) = import(&to, &file);
    assert!(code == Some(0) && told.contains(&format!("{} of them without a password", MANY + 5)), "{told}");
    assert!(tokens(&to.client().await, "alice", PASSWORD).await.is_err(), "nobody has a password there");
}

#[tokio::test]
async fn c7_who_comes_back_as_who_they_were_finds_their_sessions_over() {
    let daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    let (admin, client) = (daemon.admin().await, daemon.client().await);
    let alice = add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    let held = tokens(&client, "alice", PASSWORD).await.unwrap();
    let (session, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let file = export(&daemon, &["--with-hashes"]);
    admin.user_remove("alice").await.unwrap();
    let (code, told) = import(&daemon, &file);
    assert!(code == Some(0) && told.starts_with("1 added"), "{told}");
    assert_eq!(admin.user_show("alice").await.unwrap().user_id, alice.user_id);
    for token in [&held.access, &session] {
        let refused = client.verify(token.clone(), Needs::default()).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Login, "{refused:?}");
    }
    client.refresh(refresh(&held.refresh)).await.expect_err("nor can it be exchanged");
    let fresh = tokens(&client, "alice", PASSWORD).await.unwrap();
    client.verify(fresh.access, Needs::default()).await.expect("what is opened afterwards goes on");
}

#[tokio::test]
async fn who_cannot_come_is_named_with_the_reason() {
    let daemon = Daemon::start().await;
    let admin = daemon.admin().await;
    let alice = add_user(&admin, "alice", PASSWORD, &[]).await;
    let (id, other) = (alice.user_id, "01HF7YAT000000000000000001");
    let file = daemon.dir().join("users.jsonl");
    let lines = [
        format!(r#"{{"name":"alice","user_id":"{id}"}}"#),
        format!(r#"{{"name":"alina","user_id":"{id}"}}"#),
        r#"{"name":"Bob"}"#.into(),
        r#"{"name":"bob","user_id":"me"}"#.into(),
        r#"{"name":"bob","attributes":{"Team":"red"}}"#.into(),
        format!(r#"{{"name":"carol","user_id":"{other}"}}"#),
        format!(r#"{{"name":"dora","user_id":"{other}"}}"#),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let (code, told) = import(&daemon, &file);
    assert_eq!(code, Some(1), "{told}");
    for wanted in [
        "line 1: alice is already there",
        "line 2: refused: line 1 has the same user_id",
        "line 3: refused: a user name starts with a small letter",
        "line 4: refused: the line is not an object of name, user_id",
        "line 5: refused: a user has at most 16 attributes",
        "line 7: refused: line 6 has the same user_id",
        "1 added, 1 already there, 5 refused.",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let taken = [
        (other, "alice", format!("the name is taken by another user, {id}")),
        (other, "bob", "the user of this identifier is here already, under the name carol".into()),
    ];
    for (id, name, wanted) in taken {
        fs::write(&file, format!(r#"{{"name":"{name}","user_id":"{id}"}}"#)).unwrap();
        for options in [&["--dry-run"][..], &[]] {
            let output = hallpass(&daemon, &[&["user", "import", file.to_str().unwrap()], options].concat());
            assert!(output.status.code() == Some(1) && said(&output).contains(&wanted), "{}", said(&output));
        }
    }
}
