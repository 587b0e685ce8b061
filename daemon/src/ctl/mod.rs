//! The control command: it asks the daemon over its sockets and shows the answers. Of the store it knows files that
//! no daemon has open, and of keys nothing.

mod args;
mod audit;
mod backup;
mod bench;
mod calls;
mod check;
mod compact;
mod config;
mod doctor;
mod export;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
mod import;
mod input;
mod interrupt;
mod meant;
mod metrics;
mod private;
mod progress;
mod render;
mod restore;
mod sessions;
mod terminal;
mod top;
mod tour;
mod usage;
mod whose;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use hallpass_protocol::time::Millis;
use nix::sys::signal::raise;

use args::Cli;
use failure::{Failure, Fault, status};
use render::Out;
use usage::Rejected;

use crate::clock::{SystemTime, TimeSource};

/// Runs `hallpass` with the arguments of this process.
#[must_use]
pub fn ctl_main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(match usage::parse(&argv) {
        Ok(cli) => carry_out(cli),
        Err(Rejected::Shown(text)) => said(write!(io::stdout(), "{text}")),
        Err(Rejected::Wrong { message, usage, json }) => explain(message, &usage, json),
    })
}

/// The command line, for its pages.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Carries out one command and returns its exit status.
fn carry_out(cli: Cli) -> u8 {
    let json = cli.json;
    let mut stdout = io::stdout().lock();
    let mut out = out(&mut stdout, json);
    let outcome = block_on(cli, &mut out).and_then(|()| Ok(out.to.flush()?));
    let Err(failure) = outcome else { return 0 };
    match &failure {
        // Whoever read the answer has seen enough of it.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Failure::Signal(signal) => {
            // The terminal is as it was, so the signal may now do what it does; the exit status is for when it is ignored.
            let _ = raise(*signal);
        }
        Failure::Reported | Failure::Misconfigured => {
            let _ = out.to.flush();
        }
        // Stdout takes nothing, not even JSON.
        Failure::Output(_) => {
            out.json = false;
            let _ = out.fault(&failure.fault(), &mut io::stderr());
        }
        _ => {
            let _ = out.fault(&failure.fault(), &mut io::stderr()).and_then(|()| out.to.flush());
        }
    }
    failure.exit_status()
}

fn block_on(cli: Cli, out: &mut Out<'_>) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    runtime.block_on(calls::run(cli, out))
}

/// Says what is wrong with the arguments.
fn explain(message: String, usage: &str, json: bool) -> u8 {
    let _ = out(&mut io::stdout(), json).fault(&Fault::usage(message), &mut io::stderr());
    if !json {
        let _ = writeln!(io::stderr(), "\n{usage}");
    }
    status::USAGE
}

fn said(written: io::Result<()>) -> u8 {
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => status::INTERNAL,
        _ => 0,
    }
}

/// Whether a terminal is to be coloured: not if its user says no (<https://no-color.org>), nor if it cannot.
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && can_be_drawn_on()
}

/// Whether the terminal understands more than text.
fn can_be_drawn_on() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

fn out(to: &mut dyn Write, json: bool) -> Out<'_> {
    let now = Millis::from_u64(SystemTime.wall_micros() / 1000);
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    Out { to, json, now, width, colour: width.is_some() && colours() }
}
