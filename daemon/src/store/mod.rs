//! The store: one redb file, one writer thread, and snapshots for readers. Nothing outside this room names redb.

mod apply;
mod chain;
mod check;
mod copy;
mod facts;
#[cfg(test)]
mod model;
mod open;
mod queue;
mod records;
mod refusals;
mod restore;
mod rows;
mod schema;
mod snapshot;
mod untouched;
mod witness;
mod writer;

pub(crate) use check::{Report, check};
pub(crate) use copy::{Copied, Copy};
pub(crate) use facts::SWEEP_SESSIONS;
pub(crate) use open::{Store, database_in};
pub(crate) use records::{AuditRecord, Listed};
pub(crate) use restore::{Lost, Restore, Restorer, TakenBack};
pub(crate) use snapshot::Snapshot;
pub(crate) use writer::{Audience, Committed, Writer, WriterThread};

use schema::BadRow;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file, or the disk under it, failed.
    #[error("the database failed: {0}")]
    Database(#[from] redb::Error),
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
    fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }
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
