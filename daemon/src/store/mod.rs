//! The store: one redb file, one writer thread, and snapshots for readers. Nothing outside this room names redb.

mod apply;
mod chain;
mod check;
mod compact;
mod copy;
mod counts;
#[cfg(test)]
pub(crate) mod dump;
mod facts;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
mod handle;
mod medium;
mod migrate;
mod mirror;
#[cfg(test)]
mod model;
mod open;
pub(crate) mod order;
mod queue;
mod records;
mod refusals;
mod restore;
mod room;
mod rows;
mod schema;
mod site;
mod snapshot;
mod untouched;
mod verify;
mod view;
mod walk;
mod witness;
mod writer;

pub(crate) use check::{Report, Told, check};
pub(crate) use compact::compact;
pub(crate) use copy::{Copied, Copy};
pub(crate) use facts::SWEEP_SESSIONS;
pub(crate) use open::{Store, database_in};
pub(crate) use records::{AuditRecord, Listed};
pub(crate) use refusals::Refusals;
pub(crate) use restore::{Lost, Restore, Restorer, TakenBack};
pub(crate) use snapshot::Snapshot;
pub(crate) use verify::{SealedKeys, Verified, sealed_keys, verify};
pub(crate) use view::View;
pub(crate) use walk::{Stretch, Walk, Wanted};
pub(crate) use writer::{Audience, Committed, Writer, WriterThread};

use schema::BadRow;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file, or the disk under it, failed.
    #[error("the database failed: {0}")]
    Database(#[from] redb::Error),
    /// A commit failed, and what is on disk of it is not known until it is read again.
    #[error("a commit failed, and whether it was made is not known yet: {0}")]
    Unsettled(redb::Error),
    /// The database is being opened again.
    #[error("the database is being opened again after its disk has failed; try again in a moment")]
    Closed,
    /// One row is not what was written.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// The file is not laid out as this version knows it.
    #[error("{0}")]
    Layout(String),
    /// A daemon that runs has it.
    #[error("{0}")]
    InUse(String),
    /// A later version has made it.
    #[error("{0}")]
    Newer(String),
    /// An earlier version has made it, or none.
    #[error("{message}")]
    Older {
        /// Its schema.
        found: u32,
        /// What to say of it.
        message: String,
    },
    /// A file beside the database failed.
    #[error("{what}: {source}")]
    File {
        /// What was tried, on which file.
        what: String,
        /// What happened.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the disk failed, rather than a row or a page of it: then the handle answers no more and the database is to be opened again.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        use redb::Error::{DatabaseClosed, Io, LockPoisoned, PreviousIo};
        match self {
            Self::Unsettled(_) | Self::Closed => true,
            Self::Database(error) => {
                matches!(error, Io(_) | PreviousIo | DatabaseClosed | LockPoisoned(_))
            }
            Self::Row(_)
            | Self::Layout(_)
            | Self::InUse(_)
            | Self::Newer(_)
            | Self::Older { .. }
            | Self::File { .. } => false,
        }
    }

    fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
}

/// Whether this means that there is no room.
fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}

from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);
