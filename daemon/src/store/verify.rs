//! Verifies the audit chain of a database that no daemon has open.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::ReadableDatabase;

use super::check::Told;
use super::open::{broken, read_identity};
use super::rows::Rows;
use super::schema::{Checksums, Table};
use super::walk::{KEPT_IS, NO_NOTE, NOTE_IS, Stretch, Walk};
use super::witness::{Note, Witness};
use super::{StoreError, untouched};
use crate::domain::keyset::Key;
use crate::domain::reseal::Master;
use crate::keys::{Checkpoint, CheckpointKey};

/// What a verification of an audit chain has found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// Entries there are.
    pub(crate) entries: u64,
    /// What is wrong, in words.
    pub(crate) faults: Vec<String>,
    /// What the daemon found at a start and could not believe, which it wrote down.
    pub(crate) doubts: Vec<String>,
    /// What nobody can tell, or what somebody should know.
    pub(crate) notes: Vec<String>,
}

/// Verifies the audit chain of a database and leaves its file as it is: by itself, against the note in the directory that it lies in, if that is named,
/// and against checkpoints that somebody has kept. It says how many entries it has looked at, and of how many.
///
/// # Errors
/// A file that cannot be looked at, or that is no database any more.
pub(crate) fn verify(
    path: &Path,
    beside: Option<&Path>,
    checkpoints: &[Checkpoint],
    key: impl FnOnce([u8; 16]) -> Option<CheckpointKey>,
    progress: &mut Told<'_>,
) -> Result<Verified, StoreError> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let database = untouched::open(path)?.map_err(redb::Error::from)?;
        let identity = read_identity(&database, path)?;
        let rows = Rows::of_snapshot(&database.begin_read()?, &Checksums::new(&identity.checksums))?;
        let (mut walk, key) = (Walk::default(), key(identity.database));
        let all = rows.len(Table::Audit)?;
        let mut stretch = walk.go(&rows, usize::MAX, |entries| progress(entries, all))?;
        if let Some(dir) = beside {
            match Witness::of(dir, &identity).noted() {
                Note::Says(noted) => walk.against(&rows, &noted, key.as_ref(), NOTE_IS, &mut stretch)?,
                Note::Gone | Note::NotAsked => stretch.notes.push(NO_NOTE.into()),
            }
        }
        for checkpoint in checkpoints {
            walk.against(&rows, checkpoint, key.as_ref(), KEPT_IS, &mut stretch)?;
        }
        let Stretch { faults, doubts, notes, .. } = stretch;
        Ok(Verified { entries: walk.entries, faults, doubts, notes })
    }));
    looked.unwrap_or_else(|_| Err(broken(path)))
}

/// The keys of a database, which open under its master key only.
pub(crate) struct SealedKeys {
    /// Identifies the database.
    pub(crate) database: [u8; 16],
    /// What is known of the master key.
    pub(crate) master: Master,
    /// The keys.
    pub(crate) keys: Vec<Key>,
}

/// Reads the keys of a database that no daemon has open, and leaves its file as it is.
///
/// # Errors
/// A file that cannot be looked at, or that is no database any more.
pub(crate) fn sealed_keys(path: &Path) -> Result<SealedKeys, StoreError> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let database = untouched::open(path)?.map_err(redb::Error::from)?;
        let identity = read_identity(&database, path)?;
        let rows = Rows::of_snapshot(&database.begin_read()?, &Checksums::new(&identity.checksums))?;
        Ok(SealedKeys { database: identity.database, master: rows.master()?, keys: rows.keys()? })
    }));
    looked.unwrap_or_else(|_| Err(broken(path)))
}

#[cfg(test)]
mod tests;
