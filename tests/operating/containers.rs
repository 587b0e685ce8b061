//! An app in a container, as `docs/containers.md` has it: directories that are mounted, user ids that are mapped, and a daemon outside that is started
//! again while the app goes on.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use hallpass_client::{Context, GrantedTokens, OpenSession, Revoke, SessionKind, Token, UserRef, Verifier};
use tempfile::TempDir;

use crate::skipped;
use crate::support::{Daemon, PASSWORD, PATIENCE, add_user, clear_environment, own_uid};

const SOCKET: &str = "HALLPASS_CONTAINED_APP";
/// The app's user in the container, and what the daemon sees of it.
const INSIDE: u32 = 33;
const OUTSIDE: u32 = 100_033;

/// The app: this very program again, in a container.
struct App {
    child: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
    _place: TempDir,
}

impl App {
    fn start(program: &Path, socket: &Path, mounts: &[&Path]) -> Self {
        let place = TempDir::new().expect("a directory");
        let (root, script) = (place.path().join("root"), place.path().join("contain.sh"));
        fs::create_dir(&root).expect("a directory");
        fs::write(&script, include_str!("contain.sh")).expect("it is written");
        let mut command = Command::new("unshare");
        clear_environment(&mut command);
        command.args(["--mount", "--propagation", "private", "sh"]).arg(&script);
        command.arg(&root).arg(INSIDE.to_string()).args(mounts);
        command.arg(program.parent().expect("a directory")).arg("--").arg(program);
        command
            .args(["--exact", "containers::answers_when_it_is_contained", "--nocapture"])
            .env(SOCKET, socket);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare starts");
        let (lines, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, lines, answers: BufReader::new(answers), _place: place }
    }

    /// What a verification says that begins now, and what it went by.
    fn ask(&mut self, token: &Token) -> String {
        writeln!(self.lines, "{}", token.expose()).expect("the app reads");
        let mut answer = String::new();
        // What the test harness prints comes before.
        while !answer.starts_with("says ") {
            answer.clear();
            assert!(self.answers.read_line(&mut answer).expect("the app answers") > 0, "the app ended");
        }
        answer.trim_start_matches("says ").trim().to_owned()
    }

    fn end(mut self) {
        drop(self.lines);
        assert!(self.child.wait().expect("it is our child").success());
    }
}

/// Does nothing in an ordinary run: it is what the app in the container does.
#[test]
fn answers_when_it_is_contained() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let mut verifier = None;
    for line in std::io::stdin().lines() {
        let token = line.expect("a line");
        let says = match verifier.take().map_or_else(|| Verifier::connect(&socket), Ok) {
            Err(error) => error.to_string(),
            Ok(connected) => {
                let verdict = connected.verify(&token);
                verifier = Some(connected);
                verdict.map_or_else(
                    |error| error.code().to_string(),
                    |verdict| format!("{} by {:?}", verdict.roles().join(","), verdict.way()),
                )
            }
        };
        writeln!(std::io::stdout(), "says {says}").expect("whoever asked reads");
    }
}

/// Opens the daemon's directory and socket to the app, as the package's group does on a host.
fn let_in(daemon: &Daemon) {
    fs::set_permissions(daemon.runtime_dir(), Permissions::from_mode(0o755)).unwrap();
    chown(daemon.socket(), None, Some(OUTSIDE)).unwrap();
}

/// This program, where the app may read it.
fn program() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("app");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    (dir, program)
}

fn can_contain() -> bool {
    let made = Command::new("unshare").args(["--mount", "--user", "true"]).status();
    own_uid() == 0 && made.is_ok_and(|made| made.success())
}

#[tokio::test]
async fn an_app_in_a_container_is_known_by_its_outer_id_and_comes_through_a_restart() {
    if !can_contain() {
        return skipped("only root, where the kernel gives namespaces, can make a container");
    }
    let config = |uids: &str| {
        format!(
            "[admin]\nuids = [0]\n[[app]]\nname = \"boxed\"\nuids = [{uids}]\nrights = [\"login\", \"verify\", \"revoke\", \"vouch\"]\n"
        )
    };
    let mut daemon = Daemon::with_config(&config("0")).await;
    let_in(&daemon);
    let ((_dir, program), run, socket) = (program(), daemon.runtime_dir(), daemon.socket());
    let mut app = App::start(&program, &socket, &[&run]);
    let nothing = Token::new("nothing".to_owned());
    let said = app.ask(&nothing);
    assert!(said.contains(&format!("user id {OUTSIDE} belongs to no app")), "{said}");

    fs::write(daemon.dir().join("hallpass.toml"), config(&format!("0, {OUTSIDE}"))).unwrap();
    daemon.reload();
    settles(&mut app, &nothing, "invalid_token");
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let token = session(&daemon).await;
    assert_eq!(app.ask(&token), "editor by Daemon");
    assert_eq!(app.ask(&token), "editor by Memory", "it has the board");
    let mut of_file = App::start(&program, &socket, &[&socket]);
    assert_eq!(of_file.ask(&token), "editor by Daemon");
    assert_eq!(of_file.ask(&token), "editor by Daemon", "it has no board");

    daemon.stop().await;
    assert_eq!(app.ask(&token), "unavailable", "a board that is closed is not believed");
    daemon.restart().await;
    let_in(&daemon);
    settles(&mut app, &token, "editor by Memory");
    assert_eq!(of_file.ask(&token), "unavailable", "its socket is the one of before");
    daemon.client().await.revoke(Revoke::Token(token.clone())).await.unwrap();
    assert_eq!(app.ask(&token), "revoked", "at once");
    app.end();
    of_file.end();
    daemon.stop().await;
}

async fn session(daemon: &Daemon) -> Token {
    let opening = OpenSession {
        user: UserRef::Name("ann".into()),
        kind: SessionKind::Cookie,
        audience: None,
        amr: vec!["hwk".into()],
        context: Context::default(),
    };
    match daemon.client().await.open_session(opening).await.expect("the app may vouch").tokens {
        GrantedTokens::Cookie { session_token } => session_token,
        GrantedTokens::Token { .. } => unreachable!("a cookie was asked for"),
    }
}

/// Asks until this is said: a reload takes a moment, and so does a way back after a restart.
fn settles(app: &mut App, token: &Token, wanted: &str) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let said = app.ask(token);
        if said == wanted {
            return;
        }
        assert!(Instant::now() < give_up, "{said:?} is still said, and not {wanted:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
