//! A pseudo terminal, a command that runs on it, and what somebody in front of it sees. Every wait is bounded.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

use crate::support::{Daemon, PATIENCE, clear_environment};

/// Which of a command's streams are the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// What it answers and what it says beside that, as for somebody who types it.
    Both,
    /// What it says beside its answer, which goes nowhere.
    Stderr,
    /// What it answers; the rest goes nowhere.
    Stdout,
}

/// A command that runs on a terminal of 80 columns.
pub(crate) struct OnTerminal {
    pub(crate) child: Child,
    user: File,
    /// All that was written to the terminal so far.
    written: Vec<u8>,
    ended: bool,
}

/// The control command of this daemon, with nothing about terminals in its environment but what kind this is.
pub(crate) fn hallpass(daemon: &Daemon, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

impl OnTerminal {
    pub(crate) fn start(mut command: Command, streams: Streams) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudo terminal");
        // A daemon that another test starts now would keep it open for as long as it runs.
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("it is ours");
        }
        let end = || Stdio::from(pty.slave.try_clone().expect("another descriptor"));
        let (stdout, stderr) = match streams {
            Streams::Both => (end(), end()),
            Streams::Stderr => (Stdio::null(), end()),
            Streams::Stdout => (end(), Stdio::null()),
        };
        let child = command.stdout(stdout).stderr(stderr).spawn().expect("it starts");
        // With the command, the last ends of the terminal that are not the child's go.
        Self { child, user: File::from(pty.master), written: Vec::new(), ended: false }
    }

    /// All that was written so far, after having waited this long for more.
    pub(crate) fn written(&mut self, wait: Duration) -> &str {
        let wait = PollTimeout::try_from(wait).expect("a short wait");
        let mut ready = [PollFd::new(self.user.as_fd(), PollFlags::POLLIN)];
        if !self.ended && poll(&mut ready, wait).expect("it can be waited for") > 0 {
            let mut chunk = [0; 4096];
            match self.user.read(&mut chunk) {
                Ok(count @ 1..) => self.written.extend_from_slice(&chunk[..count]),
                // What a terminal says that nobody has open any more.
                _ => self.ended = true,
            }
        }
        std::str::from_utf8(&self.written).unwrap_or_default()
    }

    /// Waits for its end; gives all that was written, and how it ended.
    pub(crate) fn end(mut self) -> (String, ExitStatus) {
        let give_up = Instant::now() + PATIENCE;
        while !self.ended {
            self.written(Duration::from_millis(100));
            assert!(Instant::now() < give_up, "it does not end: {}", String::from_utf8_lossy(&self.written));
        }
        let status = self.child.wait().expect("it is our child");
        (String::from_utf8(std::mem::take(&mut self.written)).expect("text"), status)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // One that has ended cannot be killed and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that somebody sees after all this was written, without the empty ones at the end. Colours are left out; of the rest of what a terminal
/// understands this knows what the command uses.
pub(crate) fn screen(written: &str) -> Vec<String> {
    let (mut lines, mut column, mut rest): (Vec<Vec<char>>, _, _) = (vec![Vec::new()], 0, written);
    while let Some(c) = rest.chars().next() {
        let line = lines.last_mut().expect("there is one");
        if let Some(after) = rest.strip_prefix("\u{1b}[") {
            let (parameters, last) = after.split_at(after.find(char::is_alphabetic).expect("it has an end"));
            match (parameters, last.chars().next()) {
                ("", Some('K')) => line.truncate(column),
                (_, Some('m')) => {}
                other => panic!("{other:?} was done to the terminal"),
            }
            rest = &last[1..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            c => {
                match line.get_mut(column) {
                    Some(cell) => *cell = c,
                    None => line.push(c),
                }
                column += 1;
            }
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}
