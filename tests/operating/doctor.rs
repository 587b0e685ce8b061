//! `hallpass doctor` on real daemons, well and otherwise.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hallpass_client::admin::ImportUser;
use hallpass_protocol::limits::{ATTRIBUTE_VALUE_BYTES, ATTRIBUTES};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Daemon, PASSWORD, add_user, own_uid};
use crate::{hallpass, skipped, stdout};

/// What was found on the daemon of these directories.
struct Report(Value);

impl Report {
    fn of(state: &Path, run: &Path, more: &[&Path]) -> Self {
        let places = [
            Path::new("doctor"),
            Path::new("--json"),
            Path::new("--state-dir"),
            state,
            Path::new("--runtime-dir"),
            run,
        ];
        let said = hallpass(places.iter().chain(more));
        let report: Value =
            serde_json::from_str(&stdout(&said)).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!(said.status.code(), Some(i32::from(report["problems"] != 0)), "{report:#}");
        Self(report)
    }

    fn on(daemon: &Daemon) -> Self {
        Self::of(&daemon.state_dir(), &daemon.runtime_dir(), &[])
    }

    /// The findings about something, each as its state, its message and what to do.
    fn about(&self, about: &str) -> Vec<[String; 3]> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = self.0["findings"].as_array().expect("a list").iter();
        let of = findings.filter(|finding| finding["about"] == about);
        of.map(|finding| [text(&finding["state"]), text(&finding["message"]), text(&finding["next"])])
            .collect()
    }

    fn says(&self, about: &str, state: &str, message: &str, next: &str) {
        let found = self.about(about);
        let is_it =
            |[how, what, then]: &[String; 3]| how == state && what.contains(message) && then.contains(next);
        assert!(found.iter().any(is_it), "no {state} {message:?} {next:?} about {about} in {:#}", self.0);
    }
}

#[tokio::test]
async fn a_daemon_that_is_well_has_no_problem_and_fits_80_columns() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &[]).await;
    let report = Report::on(&daemon);
    assert_eq!(report.0["problems"], 0, "{:#}", report.0);
    for (about, message) in [
        ("sockets", "mode 600"),
        ("daemon", "answers, process"),
        ("caller", "is an administrator, and app local"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("keys", "the next is made in"),
        ("key file", "has opened its keys"),
        ("audit", "follows from the one before"),
        ("disk", "MiB left"),
        ("board", "is fresh"),
        ("clock", "that of the wall clock"),
        ("kernel", "gives what the board needs"),
    ] {
        report.says(about, "ok", message, "");
    }
    let arguments =
        [Path::new("doctor"), Path::new("--runtime-dir"), &daemon.runtime_dir()].map(Path::to_owned);
    let text = stdout(&hallpass(&arguments));
    assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.contains(' ')), "{text}");
    daemon.stop().await;
}

#[tokio::test]
async fn what_others_could_write_or_reach_is_a_problem() {
    let daemon = Daemon::start().await;
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&daemon.runtime_dir(), 0o777);
    mode(&daemon.admin_socket(), 0o666);
    mode(&daemon.runtime_dir().join("board"), 0o666);
    let report = Report::on(&daemon);
    report.says("sockets", "problem", "others can write", "chmod go-w");
    report.says("sockets", "problem", "admin.sock is open to more", "chmod 600");
    report.says("board", "problem", "others can write", "chmod 644");
}

#[tokio::test]
async fn a_daemon_that_hangs_has_a_lease_that_ran_out() {
    let daemon = Daemon::start().await;
    let pid = Pid::from_raw(daemon.pid().try_into().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    // The lease counts real time, which nobody can move.
    let give_up = Instant::now() + Duration::from_secs(30);
    let report = loop {
        let report = Report::on(&daemon);
        if report.about("board")[0][0] == "problem" {
            break report;
        }
        assert!(Instant::now() < give_up, "{:#}", report.0);
    };
    kill(pid, Signal::SIGCONT).unwrap();
    report.says("board", "problem", "ran out", "hallpassd");
    report.says("daemon", "problem", "does not answer within 5 seconds", "");
    report.says("clock", "unknown", "not fresh", "");
}

#[tokio::test]
async fn a_wrong_or_missing_master_key_is_seen_while_the_daemon_is_down() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    let key = daemon.state_dir().join("master.key");
    let right = fs::read(&key).unwrap();
    let report = Report::on(&daemon);
    report.says("key file", "ok", "opens the keys", "");
    report.says("daemon", "problem", "not running", "hallpassd");
    report.says("audit", "ok", "follows from the one before", "");
    report.says("board", "ok", "has stopped", "");
    fs::write(&key, [7; 32]).unwrap();
    Report::on(&daemon).says("key file", "problem", "do not open under this master key", "master.key");
    fs::write(&key, [7; 9]).unwrap();
    Report::on(&daemon).says("key file", "problem", "is not 32 bytes long", "");
    fs::remove_file(&key).unwrap();
    Report::on(&daemon).says("key file", "problem", "is missing", "");
    fs::write(&key, right).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    Report::on(&daemon).says("key file", "problem", "can be read or written by others", "");
}

#[tokio::test]
async fn a_key_that_is_gone_under_a_daemon_that_runs_is_told_before_the_next_start() {
    let daemon = Daemon::start().await;
    fs::remove_file(daemon.state_dir().join("master.key")).unwrap();
    Report::on(&daemon).says("key file", "problem", "the next start will not", "reseal");
}

#[tokio::test]
async fn whoever_is_no_app_is_told_what_to_write() {
    let mut daemon = Daemon::for_others("[[app]]\nname = \"shop\"\nuids = [4000000]\n").await;
    let report = Report::on(&daemon);
    report.says("caller", "problem", "belongs to no app", &format!("uids = [{}]", own_uid()));
    report.says("daemon", "ok", "not to this user", "");
    report.says("keys", "unknown", "only an administrator", "");
    let config = daemon.dir().join("hallpass.toml");
    fs::write(&config, "[boards]\nslots = 1024\n[[app]]\nname = \"shop\"\nuids = [4000000]\n").unwrap();
    let report = Report::of(&daemon.state_dir(), &daemon.runtime_dir(), &[Path::new("--config"), &config]);
    report.says("config", "problem", "hallpass.toml:1: there is no setting boards", "hallpass config check");
    daemon.stop().await;
}

#[test]
fn a_daemon_of_another_release_is_told_in_its_own_sentence() {
    let dir = TempDir::new().unwrap();
    let listener = UnixListener::bind(dir.path().join("hallpass.sock")).unwrap();
    let sentence = "the caller speaks version 1 of the Hallpass protocol and this daemon version 9; install the same release of both";
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 11]).unwrap();
        let length = u16::try_from(sentence.len()).unwrap().to_be_bytes();
        stream.write_all(&[b"hallpass", &[0, 9, 1][..], &length, sentence.as_bytes()].concat()).unwrap();
    });
    let report = Report::of(&dir.path().join("state"), dir.path(), &[]);
    daemon.join().unwrap();
    report.says("version", "problem", "this daemon version 9", "install the same release");
}

/// Puts as many other bytes in the place of some, wherever a file has them.
fn edit(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!at.is_empty() && from.len() == to.len(), "there is nothing to edit");
    for at in at {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_chain_that_somebody_has_edited_is_a_problem_with_and_without_the_daemon() {
    let mut daemon = Daemon::start().await;
    let admin = daemon.admin().await;
    add_user(&admin, "bob", PASSWORD, &[]).await;
    admin.user_disable("bob").await.unwrap();
    admin.user_enable("bob").await.unwrap();
    daemon.stop().await;
    Report::on(&daemon).says("audit", "ok", "each follows from the one before it", "");
    edit(&daemon.state_dir().join("hallpass.redb"), b"user.disable", b"user.rewrite");
    let changed = "the chain is not what the daemon wrote";
    let report = Report::on(&daemon);
    report.says("audit", "problem", changed, "hallpass audit verify --state-dir");
    let state = daemon.state_dir();
    let verified = hallpass([Path::new("audit"), Path::new("verify"), Path::new("--state-dir"), &state]);
    assert!(verified.status.code() == Some(1) && stdout(&verified).contains("fault: "), "{verified:?}");
    daemon.restart().await;
    let report = Report::on(&daemon);
    report.says("audit", "problem", changed, "find out who could write there, and: hallpass audit verify");
    daemon.stop().await;
}

#[tokio::test]
async fn an_older_database_in_the_place_of_the_last_is_told_with_and_without_the_daemon() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "bob", PASSWORD, &[]).await;
    daemon.stop().await;
    let (database, copy) = (daemon.state_dir().join("hallpass.redb"), daemon.dir().join("copy"));
    fs::copy(&database, &copy).unwrap();
    daemon.restart().await;
    daemon.admin().await.user_disable("bob").await.unwrap();
    daemon.stop().await;
    fs::copy(&copy, &database).unwrap();
    Report::on(&daemon).says("audit", "problem", "its end was cut off", "find out who could write there");
    // The daemon goes on from what it finds, which ends every session, and what is wrong no longer shows in the chain.
    daemon.restart().await;
    let report = Report::on(&daemon);
    report.says("audit", "warning", "found an older or another database", "find out who could write");
    daemon.stop().await;
    fs::remove_file(daemon.state_dir().join("audit.mark")).unwrap();
    daemon.restart().await;
    Report::on(&daemon).says("audit", "warning", "could not confirm the entries before it", "--against LOG");
    daemon.stop().await;
}

/// A file system that is gone when this is.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_a_problem_with_what_to_do() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    let state = daemon.state_dir();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs"]).arg(&state).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        return skipped("this user cannot mount a file system; run it as root");
    }
    let _mounted = Mounted(state.clone());
    daemon.restart().await;
    Report::on(&daemon).says("disk", "warning", "MiB left", "df -h");
    let admin = daemon.admin().await;
    let large = |number: u32| ImportUser {
        name: format!("user-{number}"),
        attributes: (0..ATTRIBUTES).map(|at| (format!("k{at}"), "v".repeat(ATTRIBUTE_VALUE_BYTES))).collect(),
        ..ImportUser::default()
    };
    let mut number = 0;
    while admin.user_import(large(number)).await.is_ok() {
        number += 1;
        assert!(number < 100_000, "12 MiB have no room for so many");
    }
    assert!(admin.status().await.unwrap().disk_full);
    let report = Report::on(&daemon);
    daemon.kill9();
    report.says("disk", "problem", "is full: nobody can log in", "df -h");
    report.says("disk", "warning", "lies in memory", "state_dir");
}

#[tokio::test]
async fn an_ordinary_user_is_told_what_could_not_be_seen() {
    if own_uid() != 0 {
        return skipped("only root can be somebody else");
    }
    let daemon = Daemon::start().await;
    let (tools, state, run) = (TempDir::new().unwrap(), daemon.state_dir(), daemon.runtime_dir());
    let copy = tools.path().join("hallpass");
    fs::copy(env!("CARGO_BIN_EXE_hallpass"), &copy).unwrap();
    fs::set_permissions(tools.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).arg("doctor");
    command.arg("--state-dir").arg(state).arg("--runtime-dir").arg(run).current_dir("/");
    let text = stdout(&command.output().expect("setpriv is there"));
    assert!(
        text.contains("unknown  sockets")
            && text.contains("unknown  key file")
            && !text.contains("problem  "),
        "{text}"
    );
    assert!(text.contains("root sees more (sudo hallpass doctor)"), "{text}");
}
