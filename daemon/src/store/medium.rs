//! What the database lies on: a file; in tests a disk of which the power can be cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::{Bound, Range};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, PosixFadviseAdvice, fallocate, posix_fadvise};
use nix::sys::statvfs::fstatvfs;
use redb::backends::FileBackend;
use redb::{BackendError, Builder, StorageBackend};

use super::StoreError;
use super::site::Ground;
use crate::{files, notify};

/// Bytes of the file that redb may keep in memory.
pub(super) const CACHE_BYTES: usize = 32 << 20;

/// What a disk has room for that takes writes, in bytes: more than the usual batch.
const ROOM: usize = 1 << 20;
/// The name's end of the file that tries it.
const TRIAL: &str = "trial";

/// What the database lies on.
pub(super) trait Medium: Send + Sync {
    /// Makes sure that it is there and is ours, before anything in it is touched.
    fn reach(&self) -> Result<Box<dyn Ground>, StoreError>;
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

impl InFile {
    /// The file without room beyond its end, for whoever wants it short.
    pub(super) fn bare(&self) -> Result<FileBackend, StoreError> {
        Ok(FileBackend::new(own_file(&self.0)?)?)
    }
}

impl Medium for InFile {
    fn reach(&self) -> Result<Box<dyn Ground>, StoreError> {
        let file = own_file(&self.0)?;
        let what = format!("cannot open {}", self.0.display());
        let other = file.try_clone().map_err(StoreError::file(what))?;
        Ok(Box::new(OnFile { file, backend: FileBackend::new(other)? }))
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

/// An open file, with the room that the file system has for it.
#[derive(Debug)]
struct OnFile {
    /// The same open file as the one of redb's backend, which gives out neither.
    file: File,
    backend: FileBackend,
}

impl Ground for OnFile {
    fn allocate(&self, bytes: Range<u64>) -> io::Result<()> {
        let signed =
            |number: u64| i64::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        let (start, length) = (signed(bytes.start)?, signed(bytes.end - bytes.start)?);
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, start, length) {
            // Some file systems cannot promise anything. Then what is free there was looked at, which is the most that can be done.
            Ok(()) | Err(Errno::EOPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn allocated(&self) -> io::Result<u64> {
        // Blocks of 512 bytes, whatever those of the file system are (`stat(3type)`).
        Ok(self.file.metadata()?.blocks() * 512)
    }

    fn available(&self) -> io::Result<u64> {
        let found = fstatvfs(self.file.as_fd())?;
        Ok(found.blocks_available() * found.fragment_size())
    }
}

impl StorageBackend for OnFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.backend.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
