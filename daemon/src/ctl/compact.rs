//! Gives back what is free inside the database of a daemon that does not run.

use serde::Serialize;

use super::backup::failed;
use super::failure::Failure;
use super::progress::Progress;
use super::render::Out;
use super::render::text::neutral;
use super::whose;
use crate::daemon_main::Where;
use crate::store;

/// What was done. The field names are a promise.
#[derive(Serialize)]
struct CompactView<'a> {
    file: &'a str,
    bytes_before: u64,
    bytes_after: u64,
}

/// Compacts the database that a daemon of these places would open.
pub(super) fn run(places: &Where, out: &mut Out<'_>) -> Result<(), Failure> {
    let dir = whose::parts(places)?.state_dir;
    let progress = Progress::of("compacting", "rows", out);
    let compacted = store::compact(&dir);
    // Before anything is said of how it went.
    drop(progress);
    let compacted = compacted.map_err(failed)?;
    let file = compacted.file.display().to_string();
    let (bytes_before, bytes_after) = (compacted.before, compacted.after);
    if out.json {
        return Ok(out.object(&CompactView { file: &file, bytes_before, bytes_after })?);
    }
    let file = neutral(&file);
    writeln!(out.to, "{file}: {bytes_before} bytes before, {bytes_after} bytes now.")?;
    Ok(())
}
