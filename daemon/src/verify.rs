//! Verifies the audit chain of a database that no daemon has open, against the note beside it and against checkpoints that somebody has kept.

use std::path::Path;

use crate::daemon::{DaemonError, Parts, master_key_of};
use crate::keys::{Checkpoint, CheckpointKey, MasterKey};
use crate::store::{self, Verified};

/// Verifies the database of these places, or the file that is named instead, with the master key of the places if they have one.
pub(crate) fn verify_offline(
    parts: Option<&Parts>,
    file: Option<&Path>,
    checkpoints: &[Checkpoint],
) -> Result<Verified, DaemonError> {
    let master = parts.map(master_key_of).map(|path| MasterKey::read(&path));
    let mut notes = Vec::new();
    if let Some(Err(error)) = &master {
        notes.push(format!("the master key was not to be had: {error}"));
    }
    let key = |database| Some(CheckpointKey::new(master.as_ref()?.as_ref().ok()?, database));
    let state_dir = parts.map(|parts| parts.state_dir.as_path());
    let beside: Option<&Path> = state_dir.filter(|_| file.is_none());
    let path = match (file, state_dir) {
        (Some(file), _) => file.to_owned(),
        (None, Some(dir)) => store::database_in(dir),
        (None, None) => return Err(DaemonError::Other("there is no database to verify".into())),
    };
    let mut verified = store::verify(&path, beside, checkpoints, key)?;
    notes.append(&mut verified.notes);
    Ok(Verified { notes, ..verified })
}
