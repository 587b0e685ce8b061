//! The control command with secrets and with what cannot be undone: where it shows a code, with what modes it makes files, and whom it asks.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hallpass_client::Needs;

use crate::support::dice::report;
use crate::support::{Daemon, PASSWORD, add_user, clear_environment, cookie, own_uid};

/// Runs it where nobody sits: without a terminal, and with nothing on stdin.
fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new("setsid");
    clear_environment(&mut command);
    command
        .arg("-w")
        .arg(env!("CARGO_BIN_EXE_hallpass"))
        .arg("--socket")
        .arg(daemon.socket())
        .args(arguments);
    command.stdin(Stdio::null()).output().expect("setsid and the control command start")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn f3_a_code_goes_to_a_terminal_or_a_new_private_file_and_nowhere_else() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let piped = run(&daemon, &["user", "code", "alice"]);
    assert_eq!(piped.status.code(), Some(2));
    assert!(
        told(&piped).contains("on a terminal only") && !told(&piped).contains("hpc_"),
        "{}",
        told(&piped)
    );
    let file = daemon.dir().join("code");
    let out = file.to_str().unwrap();
    let made = run(&daemon, &["user", "code", "alice", "--out", out]);
    assert!(made.status.success() && !told(&made).contains("hpc_"), "{}", told(&made));
    let code = fs::read_to_string(&file).unwrap();
    assert!(code.starts_with("hpc_"), "it is in the file");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    let link = daemon.dir().join("link");
    symlink(daemon.dir().join("elsewhere"), &link).unwrap();
    for taken in [out, link.to_str().unwrap()] {
        let refused = run(&daemon, &["user", "code", "alice", "--out", taken]);
        assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
        assert!(told(&refused).contains("name one that is not there yet"), "{}", told(&refused));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), code, "what was there is there");
    assert!(!daemon.dir().join("elsewhere").exists(), "nothing is written through a link");
}

#[tokio::test]
async fn f10_what_cannot_be_undone_is_not_done_unless_somebody_says_so() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let (session, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let doings: [&[&str]; 4] = [
        &["user", "remove", "alice"],
        &["key", "rotate", "--emergency"],
        &["key", "rotate", "--emergency", "--mac"],
        &["revoke", "--all"],
    ];
    for doing in doings {
        let refused = run(&daemon, doing);
        assert_eq!(refused.status.code(), Some(2), "{doing:?}: {}", told(&refused));
        assert!(told(&refused).contains("give --yes if it is meant"), "{}", told(&refused));
    }
    assert!(client.verify(session.clone(), Needs::default()).await.is_ok(), "nothing was done");
    assert!(run(&daemon, &["revoke", "--all", "--yes"]).status.success());
    assert!(client.verify(session, Needs::default()).await.is_err());
}

#[tokio::test]
async fn f2_nothing_is_taken_from_the_environment() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let mut command = Command::new("setsid");
    clear_environment(&mut command);
    for name in ["HALLPASS_PASSWORD", "PASSWORD", "HALLPASS_TOKEN"] {
        command.env(name, PASSWORD);
    }
    command.arg("-w").arg(env!("CARGO_BIN_EXE_hallpass")).arg("--socket").arg(daemon.socket());
    let output = command.args(["login", "alice"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("environment variables are not looked at"), "{}", told(&output));
}

/// Modes of all that lies below a directory, by what it is.
fn is_private(dir: &Path, except: &[&str]) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let (mode, name) = (entry.metadata().expect("it is there").mode() & 0o777, entry.file_name());
        let is_public = except.iter().any(|public| name == *public);
        let wanted = if entry.file_type().expect("it is there").is_dir() { 0o700 } else { 0o600 };
        assert!(is_public || mode == wanted, "{} has mode {mode:o}", entry.path().display());
    }
}

#[tokio::test]
async fn f5_whatever_umask_they_inherit_all_files_are_private() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    fs::remove_dir_all(daemon.state_dir()).unwrap();
    fs::remove_dir_all(daemon.runtime_dir()).unwrap();
    daemon.restart_without_umask().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    for dir in [daemon.state_dir(), daemon.runtime_dir()] {
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700, "{}", dir.display());
    }
    is_private(&daemon.state_dir(), &[]);
    // The board and the public keys are there for every app to read, and hold no secret.
    is_private(&daemon.runtime_dir(), &["board", "jwks.json"]);
    let made = daemon.dir().join("made");
    fs::create_dir(&made).unwrap();
    let binary = env!("CARGO_BIN_EXE_hallpass");
    for arguments in ["user code alice --out code", "backup backup.redb"] {
        let mut command = Command::new("sh");
        clear_environment(&mut command);
        let socket = daemon.socket();
        let script = format!("umask 0; exec '{binary}' --socket '{}' {arguments}", socket.display());
        let output = command.arg("-c").arg(script).current_dir(&made).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
    is_private(&made, &[]);
    assert_eq!(fs::read_dir(&made).unwrap().count(), 2);
}

#[tokio::test]
async fn f9_run_as_somebody_else_neither_does_anything_nor_leaves_anything() {
    if own_uid() != 0 {
        return report("skipped: only root can run something as somebody else");
    }
    let daemon = Daemon::start().await;
    for dir in [daemon.dir().to_owned(), daemon.runtime_dir()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let before = fs::read_dir(daemon.state_dir()).unwrap().count();
    for binary in ["hallpass", "hallpassd"] {
        let copy = daemon.dir().join(binary);
        let built = Path::new(env!("CARGO_BIN_EXE_hallpass")).with_file_name(binary);
        fs::copy(built, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let as_other = |binary: &str| {
        let mut command = Command::new(daemon.dir().join(binary));
        clear_environment(&mut command);
        command.uid(61_000).gid(61_000).current_dir("/").stdin(Stdio::null());
        command
    };
    let asked = as_other("hallpass").arg("--socket").arg(daemon.socket()).arg("status").output().unwrap();
    assert!([Some(69), Some(77)].contains(&asked.status.code()), "{}", told(&asked));
    let mut second = as_other("hallpassd");
    second.arg("--state-dir").arg(daemon.state_dir()).arg("--runtime-dir").arg(daemon.runtime_dir());
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(70), "{}", told(&second));
    assert_eq!(fs::read_dir(daemon.state_dir()).unwrap().count(), before);
    assert!(daemon.admin().await.status().await.is_ok());
}
