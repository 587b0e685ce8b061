//! The board and the published keys beside it: whether apps can go by them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass_protocol::auth::BoardPlace;
use hallpass_protocol::board::{self, Header, Lease};
use hallpass_protocol::time::{Millis, Stamp};

use super::answers::Answers;
use super::report::Finding;
use super::subject::Subject;
use crate::clock::monotonic_nanos;

/// Bytes of what a board says of itself.
const HEADER: usize = 128;

/// A board that was looked for.
pub(super) struct Look {
    path: PathBuf,
    found: Found,
}

/// What was found.
enum Found {
    /// Nothing lies there.
    Nothing,
    /// This user may not look.
    Shut,
    /// It cannot be read.
    Unusable(String),
    /// A board.
    Board { place: BoardPlace, lease: Lease, life: Stamp, time: Millis, mode: u32 },
}

impl Look {
    /// The daemon's time, where its board may be believed.
    pub(super) fn time(&self) -> Option<Millis> {
        match self.found {
            Found::Board { lease: Lease::Good, time, .. } => Some(time),
            _ => None,
        }
    }
}

/// Looks where the board may be.
pub(super) fn look(subject: &Subject) -> Look {
    let path = subject.boards.iter().find(|path| path.symlink_metadata().is_ok()).or(subject.boards.first());
    let path = path.cloned().unwrap_or_default();
    let found = read(&path);
    Look { path, found }
}

fn read(path: &Path) -> Found {
    let mut bytes = [0; HEADER];
    let opened = File::open(path).and_then(|mut file| {
        file.read_exact(&mut bytes)?;
        file.metadata()
    });
    let metadata = match opened {
        Ok(metadata) => metadata,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound => Found::Nothing,
                ErrorKind::PermissionDenied => Found::Shut,
                _ => Found::Unusable(error.to_string()),
            };
        }
    };
    let place = BoardPlace { path: path.to_owned(), inode: metadata.ino(), device: metadata.dev() };
    let opened = Header::from_bytes(&bytes)
        .map_err(|fault| fault.to_string())
        .and_then(|header| board::open(&place, &header.database).map_err(|unusable| unusable.to_string()));
    match opened {
        Err(fault) => Found::Unusable(fault),
        Ok(reader) => {
            let now = monotonic_nanos();
            let mode = metadata.mode() & 0o777;
            Found::Board {
                place,
                lease: reader.lease(now),
                life: reader.life(),
                time: reader.time(now),
                mode,
            }
        }
    }
}

/// How it is, given what the daemon says.
pub(super) fn judge(look: &Look, subject: &Subject, answers: &Answers) -> Vec<Finding> {
    let hello = answers.hello().map(|hello| (hello.board.as_ref(), hello.life));
    let mut findings = vec![of_board(look, hello, answers.is_up(), subject.start())];
    findings.extend(of_keys(&look.path.with_file_name("jwks.json"), answers.is_up()));
    findings
}

fn of_board(look: &Look, hello: Option<(Option<&BoardPlace>, Stamp)>, is_up: bool, start: &str) -> Finding {
    let name = look.path.display();
    let (place, lease, life, mode) = match &look.found {
        Found::Nothing if is_up => {
            let message =
                format!("there is none at {name}: apps ask about every token, which is slower and right");
            return Finding::problem("board", message, start);
        }
        Found::Nothing => {
            return Finding::unknown("board", format!("there is none at {name}, as before the first start"));
        }
        Found::Shut => return Finding::unknown("board", format!("{name} is out of reach of this user")),
        Found::Unusable(fault) => {
            return Finding::problem("board", fault.clone(), format!("rm {name}, and: {start}"));
        }
        Found::Board { place, lease, life, mode, .. } => (place, *lease, *life, *mode),
    };
    if let Some((said, alive)) = hello {
        if said.is_some_and(|said| said != place) {
            let message = format!("{name} is not the file that the daemon writes; something has replaced it");
            return Finding::problem("board", message, start);
        }
        if alive != life {
            let message = format!("{name} is of another start of the daemon than the one that answers");
            return Finding::problem("board", message, start);
        }
    }
    if mode & 0o022 != 0 {
        let message = format!("others can write {name} (mode {mode:o}), and so undo what was taken back");
        return Finding::problem("board", message, format!("chmod 644 {name}, and find out who has"));
    }
    match lease {
        Lease::Good => Finding::ok("board", format!("{name} is fresh: apps can go by it")),
        Lease::Closed if !is_up => {
            Finding::ok("board", format!("{name} was closed by a daemon that has stopped"))
        }
        Lease::Closed => {
            Finding::problem("board", format!("{name} is closed, though the daemon answers"), start)
        }
        Lease::Over(nanos) => {
            let since = humantime::format_duration(Duration::from_secs(nanos / 1_000_000_000));
            let message = format!(
                "the lease of {name} ran out {since} ago: the daemon is stopped, hangs or was killed"
            );
            Finding::problem("board", message, start)
        }
        Lease::Impossible => {
            let message =
                format!("the lease of {name} is of another boot, or this clock is of another time namespace");
            Finding::problem("board", message, start)
        }
    }
}

/// Whether the published keys lie beside it.
fn of_keys(path: &Path, is_up: bool) -> Option<Finding> {
    let name = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(set) if set["keys"].as_array().is_some_and(|keys| !keys.is_empty()) => None,
            _ => Some(Finding::problem(
                "jwks",
                format!("{name} is not a set of keys"),
                format!("rm {name}; the daemon writes it anew within half a minute"),
            )),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && is_up => Some(Finding::problem(
            "jwks",
            format!("{name} is missing: verifiers in other languages have no keys"),
            "wait half a minute for the daemon to write it anew, then look at its log",
        )),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
