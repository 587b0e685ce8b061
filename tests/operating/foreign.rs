//! A client in another language, made from the page of the protocol alone.

use std::io::Write;
use std::process::{Command, Stdio};

use hallpass_client::ErrorCode;
use serde_json::Value;

use crate::support::{Daemon, PASSWORD, add_user, clear_environment};
use crate::{is_installed, stderr, stdout};

const CLIENT: &str = include_str!("client.py");

#[tokio::test]
async fn a_hundred_lines_of_python_log_in_verify_and_revoke() {
    let python = std::env::var("HALLPASS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !is_installed(&python) {
        return;
    }
    let mut daemon = Daemon::start().await;
    let ann = add_user(&daemon.admin().await, "ann", PASSWORD, &["editor", "author"]).await;
    let mut command = Command::new(python);
    clear_environment(&mut command);
    command.args(["-c", CLIENT]).arg(daemon.socket()).arg("ann");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let said = child.wait_with_output().unwrap();
    let seen: Value =
        serde_json::from_str(&stdout(&said)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&said)));
    let user = format!("{:032x}", u128::from_be_bytes(*ann.user_id.as_bytes()));
    for (key, value) in [
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("app", "local".into()),
        ("board", daemon.runtime_dir().join("board").to_str().unwrap().into()),
        ("user", user.into()),
        ("name", "ann".into()),
        ("roles", vec!["author", "editor"].into()),
        ("ended", 1.into()),
    ] {
        assert_eq!(seen[key], value, "{seen:#}");
    }
    let revoked = ErrorCode::ALL.iter().position(|code| *code == ErrorCode::Revoked);
    assert_eq!(seen["refused"].as_u64(), revoked.map(|at| at as u64), "{seen:#}");
    daemon.stop().await;
}
