//! Looks at a database that no daemon has open: its audit chain, against the note beside it and against checkpoints that somebody has kept, and whether
//! its keys open.

use std::path::Path;

use hallpass_protocol::time::Stamp;

use crate::daemon::{DaemonError, Parts, master_key_of, opening};
use crate::entropy::Entropy;
use crate::keys::{Checkpoint, CheckpointKey, MasterKey, Sealer};
use crate::store::{self, SealedKeys, Told, Verified};

/// Verifies the database of these places, or the file that is named instead, with the master key of the places if they have one.
pub(crate) fn verify_offline(
    parts: Option<&Parts>,
    file: Option<&Path>,
    checkpoints: &[Checkpoint],
    progress: &mut Told<'_>,
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
    let mut verified = store::verify(&path, beside, checkpoints, key, progress)?;
    notes.append(&mut verified.notes);
    Ok(Verified { notes, ..verified })
}

/// Makes sure that the master key of these places opens the keys of their database.
pub(crate) fn opens(parts: &Parts) -> Result<(), DaemonError> {
    let path = master_key_of(parts);
    let master_key = MasterKey::read(&path)?;
    let SealedKeys { database, master, keys } = store::sealed_keys(&store::database_in(&parts.state_dir))?;
    let found = Sealer::new(master_key, database, Entropy::new(parts.random.clone()));
    let (sealer, _) = opening(found, &master, &path)?;
    sealer.open(&keys, &parts.config.issuer, Stamp(0))?;
    Ok(())
}
