//! What whoever operates a daemon meets: its configuration, `hallpass doctor`, manual pages and completions, sessions looked at and ended, apps in
//! containers, a client in another language, and what apps report.
#![cfg(test)]

mod config;
mod containers;
mod doctor;
mod foreign;
mod meant;
mod reported;
mod sessions;
mod shells;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use support::clear_environment;

/// The control command with these arguments, and nobody at its stdin.
fn hallpass<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a program is there; if not, says what is not tried.
fn is_installed(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        skipped(&format!("there is no {program}; install it to try it"));
    }
    found
}

fn skipped(why: &str) {
    // Nobody reads it where the output is closed.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
