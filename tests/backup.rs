//! Copies of the database are consistent while the daemon runs, private, and never half a file under their name.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hallpass_client::ErrorCode;
use hallpass_client::admin::{AuditTail, BackupPlace};
use support::{Daemon, PASSWORD, add_user, clear_environment, cookie, refresh, tokens};

fn hallpass(daemon: &Daemon, arguments: &[&str]) -> Output {
    hallpass_at(&daemon.socket(), arguments)
}

fn hallpass_at(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(socket).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("backup")).collect()
}

/// A daemon on another copy of this database, with the master key that belongs to it.
async fn house_of(daemon: &Daemon, database: &Path) -> Daemon {
    let mut other = Daemon::start().await;
    other.stop().await;
    fs::copy(database, other.state_dir().join("hallpass.redb")).unwrap();
    fs::copy(daemon.state_dir().join("master.key"), other.state_dir().join("master.key")).unwrap();
    // It would say that another database was put in the place of this one.
    fs::remove_file(other.state_dir().join("audit.mark")).unwrap();
    other.restart().await;
    other
}

#[tokio::test]
async fn f7_a_backup_is_whole_and_private_while_the_daemon_works() {
    let daemon = Daemon::with_settings("[refresh]\nper_minute = 0\n").await;
    let admin = daemon.admin().await;
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let (session, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let mut busy = tokens(&client, "alice", PASSWORD).await.unwrap();
    let at_work = tokio::spawn(async move {
        loop {
            busy = client.refresh(refresh(&busy.refresh)).await.unwrap().into();
        }
    });
    let (socket, file) = (daemon.socket(), daemon.dir().join("backup.redb"));
    let backup = {
        let file = file.clone();
        tokio::task::spawn_blocking(move || hallpass_at(&socket, &["backup", text(&file)]))
    };
    let output = backup.await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    at_work.abort();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names_in(daemon.dir()), ["backup.redb"], "nothing else is left");
    let told = admin.audit_tail(AuditTail { after: None, count: 50 }).await.unwrap();
    assert!(told.iter().any(|entry| entry.event == "backup" && entry.app == "admin"), "{told:?}");

    add_user(&admin, "bob", PASSWORD, &[]).await;
    let other = house_of(&daemon, &file).await;
    let names: Vec<_> = other.admin().await.user_list(None).await.unwrap().users;
    assert_eq!(names.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["alice"]);
    let identity = other.client().await.verify(session, hallpass_client::Needs::default()).await.unwrap();
    assert_eq!(identity.name, "alice");
}

#[tokio::test]
async fn a_name_that_is_taken_and_a_daemon_that_is_gone_leave_nothing_behind() {
    let mut daemon = Daemon::start().await;
    let file = daemon.dir().join("backup.redb");
    fs::write(&file, "mine").unwrap();
    let output = hallpass(&daemon, &["backup", text(&file)]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("is there already and was left as it is"), "{}", said(&output));
    assert_eq!(fs::read(&file).unwrap(), b"mine");

    fs::remove_file(&file).unwrap();
    daemon.stop().await;
    let output = hallpass(&daemon, &["backup", text(&file)]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    assert!(names_in(daemon.dir()).is_empty(), "{:?}", names_in(daemon.dir()));
}

#[tokio::test]
async fn one_state_is_held_at_a_time_and_pages_are_bounded() {
    let daemon = Daemon::start().await;
    let admin = daemon.admin().await;
    for number in 0..300 {
        let name = format!("user{number:03}");
        let user = hallpass_client::admin::AddUser { name, password: None, roles: vec!["r".repeat(60); 1] };
        admin.user_add(user).await.unwrap();
    }
    let backup = admin.backup_begin().await.unwrap();
    let users = backup.tables.iter().position(|table| table.name == "users").unwrap();
    assert_eq!(backup.tables[users].rows, 300);
    assert_eq!(admin.backup_begin().await.unwrap_err().code(), ErrorCode::Busy);
    admin.user_remove("user000").await.unwrap();

    let (mut after, mut rows, mut pages) = (None, 0, 0);
    loop {
        let place = BackupPlace { id: backup.id, table: u32::try_from(users).unwrap(), after };
        let page = admin.backup_page(place).await.unwrap();
        (rows, pages) = (rows + page.rows.len(), pages + 1);
        after = page.rows.last().map(|(key, _)| key.clone());
        if page.last {
            break;
        }
    }
    assert_eq!(rows, 300, "what came later is not in it");
    assert!(pages > 1, "{pages}");

    let place = |id, table| BackupPlace { id, table, after: None };
    let refused = async |place| admin.backup_page(place).await.unwrap_err().code();
    assert_eq!(refused(place(backup.id, 99)).await, ErrorCode::InvalidRequest);
    assert_eq!(refused(place(backup.id.wrapping_add(1), 0)).await, ErrorCode::NotFound);
    admin.backup_end(backup.id.wrapping_add(1)).await.unwrap();
    admin.backup_page(place(backup.id, 0)).await.unwrap();
    admin.backup_end(backup.id).await.unwrap();
    assert_eq!(refused(place(backup.id, 0)).await, ErrorCode::NotFound);
    admin.backup_begin().await.unwrap();
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("check").args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[tokio::test]
async fn a_check_tells_a_sound_file_from_a_damaged_one_and_writes_neither() {
    let mut daemon = Daemon::start().await;
    let client = daemon.client().await;
    for name in ["alice", "bob"] {
        add_user(&daemon.admin().await, name, PASSWORD, &["editor"]).await;
        cookie(&client, name, PASSWORD).await.unwrap();
    }
    let file = daemon.dir().join("backup.redb");
    assert!(hallpass(&daemon, &["backup", text(&file)]).status.success());
    let state = daemon.state_dir();
    let database = state.join("hallpass.redb");
    for arguments in [["--state-dir", text(&state)].as_slice(), &[text(&database)]] {
        let refused = check(arguments);
        assert_eq!(refused.status.code(), Some(69), "{}", said(&refused));
        assert!(said(&refused).contains("in use by a hallpassd that runs"), "{}", said(&refused));
    }
    daemon.client().await.hello().await.expect("the daemon is none the worse");
    // Killed, so that the file has to be repaired to be read.
    daemon.kill9();

    for file in [&database, &file] {
        let before = fs::read(file).unwrap();
        let sound = check(&["--json", text(file)]);
        assert!(sound.status.success(), "{}", said(&sound));
        assert!(said(&sound).contains(r#""sound":true,"users":2,"sessions":2,"#), "{}", said(&sound));
        assert_eq!(fs::read(file).unwrap(), before, "{}", file.display());

        let mut damaged = before.clone();
        let at = damaged.windows(6).position(|bytes| bytes == b"editor").expect("a role lies in a row");
        damaged[at] ^= 1;
        fs::write(file, &damaged).unwrap();
        let found = check(&[text(file)]);
        assert_eq!(found.status.code(), Some(1), "{}", said(&found));
        assert!(said(&found).contains("fault: "), "{}", said(&found));
        assert_eq!(fs::read(file).unwrap(), damaged, "{}", file.display());
        fs::write(file, &before).unwrap();
    }
    let nothing = check(&[text(&daemon.dir().join("none.redb"))]);
    assert_eq!(nothing.status.code(), Some(70), "{}", said(&nothing));
}
