//! An access token verifies with an independent library of another language, from the keys that `hallpass key jwks` prints, and that
//! library refuses it once it is over.
//!
//! What `hallpass metrics` prints is read by Prometheus's own parser in the same way.
//!
//! `HALLPASS_PYTHON` names a Python that has `PyJWT` with its `crypto` extra and `prometheus_client`; without it there is nothing to compare with.

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use hallpass_client::VerifierReport;
use serde_json::{Value, json};
use support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, clear_environment, tokens};

const PYTHON: &str = "HALLPASS_PYTHON";
const SCRIPT: &str = include_str!("interop.py");
/// Prints every family as one line: its name, its kind, and how many samples it has.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, len(family.samples))
";

/// Waits for a process to end, and gives what it printed.
fn output(mut child: Child, stdin: &str) -> Output {
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("it reads");
    let give_up = Instant::now() + PATIENCE;
    while child.try_wait().expect("it is our child").is_none() {
        if Instant::now() > give_up {
            child.kill().expect("it is ours to kill");
        }
        std::thread::sleep(POLL);
    }
    child.wait_with_output().expect("it is our child")
}

/// Runs a command, which must succeed, on this input.
fn run(command: &mut Command, stdin: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = output(piped.spawn().expect("it starts"), stdin);
    let said = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program();
    assert!(output.status.success(), "{} ended with {}:\n{said}", program.display(), output.status);
    String::from_utf8(output.stdout).expect("words")
}

fn printed(daemon: &Daemon, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    run(command.arg("--socket").arg(daemon.socket()).args(arguments), "")
}

/// The key set, as an operator gets it.
fn printed_keys(daemon: &Daemon) -> Value {
    serde_json::from_str(&printed(daemon, &["key", "jwks"])).expect("a JWK set")
}

fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os(PYTHON);
    if python.is_none() {
        let why = format!("skipped: {PYTHON} does not name a Python to compare with; `.ci/run` makes one\n");
        std::io::stderr().write_all(why.as_bytes()).expect("stderr");
    }
    python
}

#[tokio::test]
async fn the_parser_of_prometheus_reads_what_was_counted() {
    let Some(python) = python() else { return };
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    tokens(&client, "alice", PASSWORD).await.unwrap();
    client.report(VerifierReport { memory: u64::MAX, ..VerifierReport::default() }).await.unwrap();
    let text = printed(&daemon, &["metrics"]);
    let read = run(Command::new(&python).args(["-I", "-c", PARSER]), &text);
    for family in [
        "hallpass_requests counter",
        "hallpass_request_duration_seconds histogram",
        "hallpass_sessions_alive gauge 1",
        "hallpass_commit_batch_size histogram",
        "hallpass_verifier_verifications counter",
    ] {
        assert!(read.lines().any(|line| line.starts_with(family)), "{family} is not among\n{read}");
    }
    assert_eq!(read.lines().count(), text.lines().filter(|line| line.starts_with("# TYPE")).count());
}

#[tokio::test]
async fn pyjwt_accepts_an_access_token_until_it_is_over() {
    let Some(python) = python() else { return };
    let (daemon, other) = (Daemon::start().await, Daemon::start().await);
    let user = add_user(&daemon.admin().await, "alice", PASSWORD, &["editor", "operator"]).await;
    let client = daemon.client().await;
    for round in 0..3 {
        let tokens = tokens(&client, "alice", PASSWORD).await.unwrap();
        let question = json!({
            "jwks": printed_keys(&daemon),
            "other_jwks": printed_keys(&other),
            "token": tokens.access.expose(),
            "audience": "local",
            "issuer": client.hello().await.unwrap().issuer,
        });
        let answer = run(Command::new(&python).args(["-I", "-c", SCRIPT]), &question.to_string());
        let claims: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(claims["sub"], user.user_id.to_string(), "round {round}");
        assert_eq!(claims["sid"], tokens.session.to_string());
        assert_eq!(claims["client_id"], "local");
        assert_eq!(claims["roles"], json!(["editor", "operator"]));
        let (issued, over) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!((540..=600).contains(&(over - issued)), "ten minutes, and a little less");
    }
}
