//! What the database lies on: a file; in tests a disk of which the power can be cut.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use redb::{Builder, Database, DatabaseError};

use super::StoreError;
use crate::files;

/// Bytes of the file that redb may keep in memory.
const CACHE_BYTES: usize = 32 << 20;

/// The last step of opening, which may write.
pub(super) type Opening = Box<dyn FnOnce(&Builder) -> Result<Database, DatabaseError>>;

/// What the database lies on.
pub(super) trait Medium: Send + Sync {
    /// Makes sure that it is there and is ours, before anything in it is touched.
    fn reach(&self) -> Result<Opening, StoreError>;
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

    fn path(&self) -> &Path {
        &self.0
    }
}

/// How every database is opened.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
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
