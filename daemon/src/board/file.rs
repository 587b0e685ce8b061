//! Which file is the board: the one that an earlier daemon has left if it fits, else a new one.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass_protocol::auth::BoardPlace;
use hallpass_protocol::board::{self, Header, LEASE, WriteMapping, boot_id, bytes};
use hallpass_protocol::time::Stamp;
use nix::fcntl::{Flock, FlockArg, OFlag, posix_fallocate};

use super::{Parts, nanos};
use crate::files;

/// The board's name in the runtime directory.
const BOARD: &str = "board";
/// The name under which it is made.
const UNFINISHED: &str = "board.new";
/// The note in the state directory of which board may have a lease.
const NOTE: &str = "board.lease";

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BoardError {
    /// Another daemon has the directory.
    #[error(
        "the runtime directory {0} is in use by another hallpassd; stop that one first, or give this one another --runtime-dir"
    )]
    InUse(PathBuf),
    /// The kernel does not say which boot this is.
    #[error(
        "/proc/sys/kernel/random/boot_id cannot be read, so a lease of this boot cannot be told from another's; mount /proc"
    )]
    NoBoot,
    /// The system refused.
    #[error("{what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// What happened.
        source: io::Error,
    },
}

/// A board that is mapped, and where it is.
pub(super) struct Found {
    pub(super) writer: board::Writer<WriteMapping>,
    pub(super) place: BoardPlace,
}

/// The directories of the board.
#[derive(Debug)]
pub(super) struct Places {
    parts: Parts,
    boot: Option<[u8; 16]>,
    /// The board that an earlier daemon of this boot has left with a lease, and that was neither taken over nor closed.
    at_large: Option<Noted>,
    /// Until when that one may be believed at most, in nanoseconds of the monotonic clock.
    believed_until: u64,
    _lock: Flock<File>,
}

impl Places {
    /// Locks the runtime directory, before anything in it is touched.
    pub(super) fn lock(parts: Parts) -> Result<Self, BoardError> {
        let dir = &parts.runtime_dir;
        let file = File::open(dir).map_err(failed("cannot open the runtime directory", dir))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => BoardError::InUse(dir.clone()),
            error => failed("cannot lock the runtime directory", dir)(error.into()),
        })?;
        let boot = boot_id();
        let at_large = read_note(&parts.state_dir.join(NOTE))
            .filter(|noted| boot.is_none() || noted.boot.is_none() || noted.boot == boot);
        // Whoever left the note extended its lease at this moment at the latest: it held the locks that this daemon holds now.
        let believed_until = crate::clock::monotonic_nanos().saturating_add(nanos(LEASE));
        Ok(Self { parts, boot, at_large, believed_until, _lock: lock })
    }

    /// How long a board that is out of reach may still be believed.
    pub(super) fn others_lease(&self, monotonic: u64) -> Duration {
        match self.at_large {
            Some(_) => Duration::from_nanos(self.believed_until.saturating_sub(monotonic)),
            None => Duration::ZERO,
        }
    }

    /// Takes over the board that lies there if it fits, else closes it for good and makes another.
    pub(super) fn find(&mut self) -> Result<Found, BoardError> {
        let boot = self.boot.ok_or(BoardError::NoBoot)?;
        let path = self.parts.runtime_dir.join(BOARD);
        if let Some(left) = left_behind(&path) {
            // Closed before anything else: nobody believes it until this daemon says so.
            left.writer.close();
            let Header { slots, database, boot: of, .. } = left.writer.header();
            let fits = (*slots, *database, *of) == (self.parts.slots, self.parts.database, boot)
                && left.writer.visible() <= self.parts.highest;
            let place = BoardPlace { path: path.clone(), inode: left.inode, device: left.device };
            let known = self.at_large.is_none_or(|noted| noted.place == Some((left.device, left.inode)));
            if known {
                self.at_large = None;
            }
            if fits && known {
                return Ok(Found { writer: left.writer, place });
            }
        }
        self.make(path, boot)
    }

    /// Closes the board that lies there, and takes back the note of its lease. Gives the newest stamp on it.
    pub(super) fn close_what_is_left(&mut self) -> Option<Stamp> {
        let left = left_behind(&self.parts.runtime_dir.join(BOARD))?;
        left.writer.close();
        if self.at_large.is_none_or(|noted| noted.place == Some((left.device, left.inode))) {
            self.at_large = None;
            self.forget_lease();
        }
        Some(left.writer.visible())
    }

    fn make(&self, path: PathBuf, boot: [u8; 16]) -> Result<Found, BoardError> {
        let Parts { runtime_dir, slots, database, hash_key, .. } = &self.parts;
        let header = Header { slots: *slots, hash_key: *hash_key, database: *database, boot };
        let unfinished = runtime_dir.join(UNFINISHED);
        let made = || -> io::Result<(WriteMapping, Metadata)> {
            let mut file = files::create_anew(&unfinished)?;
            // A page that is not there when it is needed would kill every process that looks at it.
            posix_fallocate(&file, 0, i64::try_from(bytes(*slots)).map_err(io::Error::other)?)?;
            file.write_all(&header.to_bytes())?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            let mapping = WriteMapping::new(&file, bytes(*slots))?;
            std::fs::rename(&unfinished, &path)?;
            Ok((mapping, file.metadata()?))
        };
        let (memory, made) = made().map_err(|source| {
            // What is left of it would take up the room that it did not find.
            let _ = std::fs::remove_file(&unfinished);
            failed("cannot make the board", &path)(source)
        })?;
        let place = BoardPlace { path, inode: made.ino(), device: made.dev() };
        Ok(Found { writer: board::Writer::new(memory, header), place })
    }

    /// Whether this is still the file that callers find.
    pub(super) fn holds(&self, place: &BoardPlace) -> bool {
        place.path.symlink_metadata().is_ok_and(|found| {
            found.is_file()
                && (found.dev(), found.ino()) == (place.device, place.inode)
                && found.len() >= u64::try_from(bytes(self.parts.slots)).unwrap_or(u64::MAX)
        })
    }

    /// Writes down that this board has a lease from now on.
    pub(super) fn note_lease(&self, place: &BoardPlace) -> io::Result<()> {
        let boot = self.boot.ok_or(io::ErrorKind::Unsupported)?;
        let (note, unfinished) =
            (self.parts.state_dir.join(NOTE), self.parts.state_dir.join("board.lease.new"));
        let mut file = files::create_anew(&unfinished)?;
        // It has to outlive this process and not this boot, so it need not be on disk.
        writeln!(file, "{} {} {}", crate::hex::encode(&boot), place.device, place.inode)?;
        std::fs::rename(unfinished, note)
    }

    /// Takes that back: the board is closed.
    pub(super) fn forget_lease(&self) {
        // What stays costs the next start a few seconds at the most.
        let _ = std::fs::remove_file(self.parts.state_dir.join(NOTE));
    }
}

/// A board that lies there already.
struct Left {
    writer: board::Writer<WriteMapping>,
    inode: u64,
    device: u64,
}

/// What an earlier daemon has left, if it is a board at all.
fn left_behind(path: &Path) -> Option<Left> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path).ok()?;
    let found = file.metadata().ok()?;
    let mut start = [0; 128];
    file.read_exact(&mut start).ok()?;
    let header = Header::from_bytes(&start).ok()?;
    let length = bytes(header.slots);
    let whole = found.is_file() && usize::try_from(found.len()).is_ok_and(|found| found >= length);
    if !whole {
        return None;
    }
    let memory = WriteMapping::new(&file, length).ok()?;
    Some(Left { writer: board::Writer::new(memory, header), inode: found.ino(), device: found.dev() })
}

/// Which board may have a lease, as an earlier daemon has written it down. What cannot be read may speak of any board of any boot.
#[derive(Debug, Clone, Copy, Default)]
struct Noted {
    boot: Option<[u8; 16]>,
    /// The file system and the number of the file.
    place: Option<(u64, u64)>,
}

fn read_note(path: &Path) -> Option<Noted> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(parse_note(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Noted::default()),
    }
}

fn parse_note(text: &str) -> Option<Noted> {
    let (boot, place) = text.trim_end().split_once(' ')?;
    let (device, inode) = place.split_once(' ')?;
    let boot = u128::from_str_radix(boot, 16).ok()?.to_be_bytes();
    Some(Noted { boot: Some(boot), place: Some((device.parse().ok()?, inode.parse().ok()?)) })
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> BoardError {
    let what = format!("{what} {}", path.display());
    move |source| BoardError::File { what, source }
}
