//! What the database lies on: a file; in tests a disk of which the power can be cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};
use redb::{Builder, Database, DatabaseError};

use super::StoreError;
use crate::{files, notify};

/// Bytes of the file that redb may keep in memory.
pub(super) const CACHE_BYTES: usize = 32 << 20;

/// What a disk has room for that takes writes, in bytes: more than the usual batch.
const ROOM: usize = 1 << 20;
/// The name's end of the file that tries it.
const TRIAL: &str = "trial";

/// The last step of opening, which may write.
pub(super) type Opening = Box<dyn FnOnce(&Builder) -> Result<Database, DatabaseError>>;

/// What the database lies on.
pub(super) trait Medium: Send + Sync {
    /// Makes sure that it is there and is ours, before anything in it is touched.
    fn reach(&self) -> Result<Opening, StoreError>;
    /// Drops what is held of it in memory without being sure to be on the disk.
    fn forget_what_is_cached(&self);
    /// Whether something can be written there, tried beside the database.
    fn takes_writes(&self) -> io::Result<()>;
    /// Where it is, for people.
    fn path(&self) -> &Path;
}

/// A file that only this user can read, and that has no other name.
#[derive(Debug)]
pub(super) struct InFile(pub(super) PathBuf);

impl Medium for InFile {
    fn reach(&self) -> Result<Opening, StoreError> {
        let file = own_file(&self.0)?;
        Ok(Box::new(|builder| builder.create_file(file)))
    }

    fn forget_what_is_cached(&self) {
        let forgotten = File::open(&self.0).and_then(|file| {
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(io::Error::from)
        });
        if let Err(error) = forgotten {
            tracing::warn!(%error, "the kernel keeps what it holds of the database; if its disk fails again, restore a backup");
        }
    }

    fn takes_writes(&self) -> io::Result<()> {
        let trial = self.0.with_extension(TRIAL);
        let mut file = files::create_anew(&trial)?;
        // Zeros may cost a disk nothing.
        let written = file.write_all(&vec![0xa5; ROOM]).and_then(|()| file.sync_all());
        std::fs::remove_file(&trial)?;
        written
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

/// How every database is opened.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_repair_callback(|repair| notify::repairing(repair.progress()));
    builder
}

fn own_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(StoreError::file(format!("cannot open {}", path.display())))?;
    files::refuse_unless_private(&file, path).map_err(StoreError::Layout)?;
    Ok(file)
}
