//! Finding the board that the daemon has named.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::fcntl::OFlag;

use super::bytes;
use super::header::{self, BadHeader, Header, boot_id};
use super::mapping::ReadMapping;
use super::read::Reader;
use crate::auth::BoardPlace;

/// A board that cannot be used. Whoever has none asks the daemon each time.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be opened or mapped.
    #[error("the board {path} cannot be opened: {source}")]
    File {
        /// Where the daemon says it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another file lies there.
    #[error("{0} is not the file that the daemon writes; something has replaced it")]
    Replaced(PathBuf),
    /// The file is not a board that can be read here.
    #[error("{path} cannot be read as a board: {fault}")]
    Header {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        fault: BadHeader,
    },
    /// It is shorter than it says.
    #[error("the board {0} has been cut")]
    Cut(PathBuf),
    /// It is the board of another database or of another boot.
    #[error("{0} is the board of another database or another boot of this machine")]
    Foreign(PathBuf),
}

/// Opens the board that a daemon has named, of the database that it has named.
///
/// # Errors
/// See [`Unusable`].
pub fn open(place: &BoardPlace, database: &[u8; 16]) -> Result<Reader<ReadMapping>, Unusable> {
    let path = || place.path.clone();
    let failed = |source| Unusable::File { path: path(), source };
    // A pipe of that name must not make anybody wait.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let open = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&place.path);
    let mut file = open.map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() || (found.dev(), found.ino()) != (place.device, place.inode) {
        return Err(Unusable::Replaced(path()));
    }
    let header = read_header(&mut file).map_err(failed)?.ok_or_else(|| Unusable::Cut(path()))?;
    let header = header.map_err(|fault| Unusable::Header { path: path(), fault })?;
    if header.database != *database || boot_id() != Some(header.boot) {
        return Err(Unusable::Foreign(path()));
    }
    let length = bytes(header.slots);
    if usize::try_from(found.len()).map_or(true, |found| found < length) {
        return Err(Unusable::Cut(path()));
    }
    let memory = ReadMapping::new(&file, length).map_err(failed)?;
    Ok(Reader::new(memory, header, found.ino()))
}

/// The header of a file, or nothing if the file is too short for one.
fn read_header(file: &mut File) -> io::Result<Option<Result<Header, BadHeader>>> {
    let mut bytes = [0; header::BYTES];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(Header::from_bytes(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
