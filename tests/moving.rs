//! Moving users in from Django and from tables of one's own, by the commands of `docs/moving-in.md`: real Django, a real database, real bcrypt.
//!
//! `HALLPASS_PYTHON` names a Python with Django, psycopg, argon2-cffi and bcrypt; `postgres` is Debian's. Without either this is skipped.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use hallpass_client::Needs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde_json::{Value, json};
use support::{Daemon, PASSWORD, PATIENCE, POLL, clear_environment, tokens};
use tempfile::TempDir;

const GUIDE: &str = include_str!("../docs/moving-in.md");
const MAKE_USERS: &str = include_str!("moving.py");

/// A database server of its own.
struct Postgres {
    process: Child,
    programs: PathBuf,
    home: PathBuf,
    _dir: TempDir,
}

impl Postgres {
    /// Starts one; nothing where it is not installed.
    fn start() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let programs =
            versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").is_file())?;
        let dir = TempDir::new().unwrap();
        let home = dir.path().join("postgres");
        fs::create_dir(&home).unwrap();
        let (mut make, mut serve) =
            (Command::new(programs.join("initdb")), Command::new(programs.join("postgres")));
        if geteuid().is_root() {
            // It refuses to run as root, and must reach its directory.
            fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).unwrap())?;
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            chown(&home, Some(uid), Some(gid)).unwrap();
            for command in [&mut make, &mut serve] {
                command.uid(uid).gid(gid);
            }
        }
        let data = home.join("data");
        make.args(["--no-sync", "--auth=trust", "--username=shop", "--encoding=UTF8", "--no-locale", "-D"]);
        succeeds(&make.arg(&data).current_dir(&home).output().unwrap());
        serve.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c"]).current_dir(&home);
        serve.arg(format!("unix_socket_directories={}", home.display()));
        let process = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, programs, home, _dir: dir };
        let give_up = Instant::now() + PATIENCE;
        while !server.psql("SELECT 1").status.success() {
            assert!(Instant::now() < give_up, "PostgreSQL does not come up");
            std::thread::sleep(POLL);
        }
        Some(server)
    }

    /// What the guide has you run: rows without frame or escapes, one a line.
    fn psql(&self, sql: &str) -> Output {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-U", "shop", "-d", "postgres", "-h"])
            .arg(&self.home);
        psql.arg("-c").arg(sql).output().unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        // The quick way to end it.
        let _ = kill(pid, Signal::SIGQUIT);
        let _ = self.process.wait();
    }
}

fn succeeds(output: &Output) -> String {
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complained}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The query of the guide that reads this table.
fn query(table: &str) -> &'static str {
    let blocks = GUIDE.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.contains(&format!("FROM {table}")));
    found.next().expect("the guide has a query for it")
}

/// Imports these lines. Gives whether all were taken, the lines of the report, and its last.
fn import(daemon: &Daemon, lines: &str, options: &[&str]) -> (bool, Vec<Value>, Value) {
    let path = daemon.dir().join("users.jsonl");
    fs::write(&path, lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(["user", "import"]).arg(&path).arg("--json");
    let output = command.args(options).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut report: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = report.pop().expect("a summary")["summary"].take();
    (output.status.success(), report, summary)
}

/// How many were added, were there already, and were refused.
fn counts(summary: &Value) -> [u64; 3] {
    ["added", "already_there", "refused"].map(|count| summary[count].as_u64().expect("a number"))
}

async fn logs_in(daemon: &Daemon, name: &str, roles: &[&str]) {
    let client = daemon.client().await;
    assert!(tokens(&client, name, "wrong horse battery staple").await.is_err(), "{name}");
    let granted = tokens(&client, name, PASSWORD).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let identity = client.verify(granted.access, Needs::default()).await.unwrap();
    assert_eq!(
        (identity.name.as_str(), identity.roles),
        (name, roles.iter().map(|role| (*role).into()).collect())
    );
}

fn tools() -> Option<(OsString, Postgres)> {
    let tools = env::var_os("HALLPASS_PYTHON").and_then(|python| Some((python, Postgres::start()?)));
    if tools.is_none() {
        let why = b"skipped: HALLPASS_PYTHON names no Python with Django, or PostgreSQL is not installed; `.ci/run` sees to both\n";
        std::io::stderr().write_all(why).unwrap();
    }
    tools
}

/// Has the real tools make the users, in the database.
fn make_users(python: &OsStr, home: &Path, what: &str) {
    let mut command = Command::new(python);
    succeeds(&command.args(["-I", "-c", MAKE_USERS, what, PASSWORD]).arg(home).output().unwrap());
}

#[tokio::test]
async fn users_of_django_move_in_with_their_passwords_groups_and_states() {
    let Some((python, postgres)) = tools() else { return };
    make_users(&python, &postgres.home, "django");
    let dump = succeeds(&postgres.psql(query("auth_user")));
    let daemon = Daemon::start().await;
    let (whole, _, summary) = import(&daemon, &dump, &["--dry-run"]);
    assert_eq!((whole, counts(&summary)), (false, [7, 0, 1]));
    let (_, report, summary) = import(&daemon, &dump, &[]);
    assert_eq!((counts(&summary), &summary["without_password"]), ([7, 0, 1], &json!(1)));
    let refused: Vec<_> = report.iter().filter(|line| line["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{report:?}");
    assert!(refused[0]["error"]["message"].as_str().unwrap().contains("name"), "{refused:?}");
    for (name, roles) in [
        ("pbkdf2", &["editors", "staff"][..]),
        ("argon2", &[]),
        ("bcrypt-sha256", &[]),
        ("scrypt", &[]),
        ("mixed.case@example.org", &["admin", "staff"]),
    ] {
        logs_in(&daemon, name, roles).await;
    }
    let client = daemon.client().await;
    for nobody in ["inactive", "unusable"] {
        assert!(tokens(&client, nobody, PASSWORD).await.is_err(), "{nobody}");
    }
    let (_, _, again) = import(&daemon, &dump, &[]);
    assert_eq!(counts(&again), [0, 7, 1], "run again, it is done");
}

#[tokio::test]
async fn users_of_a_table_move_in_whatever_has_hashed_their_passwords() {
    let Some((python, postgres)) = tools() else { return };
    make_users(&python, &postgres.home, "table");
    let dump = succeeds(&postgres.psql(query("users")));
    let daemon = Daemon::start().await;
    let (whole, report, summary) = import(&daemon, &dump, &[]);
    assert!(whole, "{report:?}");
    assert_eq!(counts(&summary), [3, 0, 0]);
    logs_in(&daemon, "by-python", &["editor", "reader"]).await;
    logs_in(&daemon, "by-pgcrypto", &["reader"]).await;
    let client = daemon.client().await;
    assert!(tokens(&client, "left", PASSWORD).await.is_err(), "who was locked out stays locked out");
}
