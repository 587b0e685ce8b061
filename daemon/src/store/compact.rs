//! Gives back what is free inside a database that no daemon has open.
//!
//! redb moves pages in transactions of its own, so whatever ends it in between leaves a whole database, a little less compact.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::medium::{InFile, Medium, builder};
use super::open::{broken, database_in, lock, own_directory, read_identity, unopened};

/// What a compaction came to.
#[derive(Debug)]
pub(crate) struct Compacted {
    /// The database.
    pub(crate) file: PathBuf,
    /// Its bytes before.
    pub(crate) before: u64,
    /// And now.
    pub(crate) after: u64,
}

/// Compacts the database in a state directory.
///
/// # Errors
/// A daemon that has it, none that is there, damage, and a disk that fails. Nothing is lost by any of them.
pub(crate) fn compact(dir: &Path) -> Result<Compacted, StoreError> {
    let file = database_in(dir);
    if !file.exists() {
        let there = dir.display();
        return Err(StoreError::Layout(format!(
            "there is no database in {there}; name the state directory of the daemon, or its configuration"
        )));
    }
    own_directory(dir)?;
    let _lock = lock(dir)?;
    compact_on(&InFile(file))
}

fn compact_on(medium: &InFile) -> Result<Compacted, StoreError> {
    let file = medium.path().to_owned();
    let before = bytes(&file)?;
    let compacted = catch_unwind(AssertUnwindSafe(|| -> Result<(), StoreError> {
        let ground = medium.bare()?;
        let opened = builder().create_with_backend(ground);
        let mut database = opened.map_err(|error| unopened(&file, &error))?;
        read_identity(&database, &file)?;
        squeeze(&mut database)
    }));
    compacted.unwrap_or_else(|_| Err(broken(&file)))?;
    let after = bytes(&file)?;
    Ok(Compacted { file, before, after })
}

/// Moves what lies at the end into what is free before it, and lets go of the end.
pub(super) fn squeeze(database: &mut redb::Database) -> Result<(), StoreError> {
    database.compact().map(drop).map_err(|error| match error {
        redb::CompactionError::Storage(error) => error.into(),
        other => StoreError::Layout(format!("the database cannot be compacted: {other}")),
    })
}

fn bytes(file: &Path) -> Result<u64, StoreError> {
    let what = format!("cannot look at {}", file.display());
    Ok(file.metadata().map_err(StoreError::file(what))?.len())
}
