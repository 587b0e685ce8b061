//! A database of an older schema is brought up to the present one: first a copy of the file, then every step in one transaction.
//!
//! A schema is what the rows of every table look like. Each schema that was ever released has a golden database under `tests/golden/`, which the
//! present code must go on opening. Whoever changes the schema raises [`SCHEMA`], adds the step that leads to it, and adds a golden database of
//! it; the compiler counts the steps.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::StoreError;
use super::medium::{InFile, Medium, builder};
use super::open::{broken, schema, unopened};
use super::rows::identity;
use super::schema::{Checksums, META_IDENTITY, META_SCHEMA, SCHEMA, Table, bad_row};
use crate::files::{self, Unfinished};

/// Turns the rows of one schema into those of the next. It runs in the transaction that ends with the new number.
pub(super) type Step = fn(&WriteTransaction, &Checksums) -> Result<(), StoreError>;

/// The first schema that was released.
const FIRST: u32 = 1;

/// The steps from each schema that was released to the next, in order.
pub(super) const STEPS: [Step; (SCHEMA - FIRST) as usize] = [];

/// The steps that lead from this schema to the present one, if it is older and they are known.
pub(super) fn steps_from(found: u32, steps: &[Step]) -> Option<&[Step]> {
    let missing = usize::try_from(SCHEMA.checked_sub(found)?).ok()?;
    let known = steps.len().checked_sub(missing)?;
    steps.get(known..).filter(|steps| !steps.is_empty())
}

/// Brings a database up to the present schema. The caller holds the lock of its directory.
///
/// A start that is killed meanwhile leaves the file as it was or as it is to be, and perhaps another copy of it.
///
/// # Errors
/// A file that is not ours, no room for the copy, damage. The database is as it was then.
pub(super) fn migrate(path: &Path, found: u32, steps: &[Step]) -> Result<(), StoreError> {
    let medium = InFile(path.to_owned());
    // Nobody else's file is copied.
    let opening = medium.reach()?;
    let kept = keep(path, found)?;
    let (file, kept) = (path.display(), kept.display());
    tracing::info!(
        "{file} has schema {found} and is brought up to {SCHEMA}; as it was it is kept in {kept}, to go back with the older hallpassd"
    );
    let brought_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let database = opening(&builder()).map_err(|error| unopened(path, &error))?;
        bring_up(&database, steps)?;
        match schema(&database, path)? {
            SCHEMA => Ok(()),
            other => Err(StoreError::Layout(format!("{file} has schema {other} after all; restore {kept}"))),
        }
    }));
    brought_up.unwrap_or_else(|_| Err(broken(path)))?;
    tracing::info!("{file} has schema {SCHEMA} now; remove {kept} once you do not mean to go back");
    Ok(())
}

/// All steps, and the number of what they lead to, in one transaction.
pub(super) fn bring_up(database: &Database, steps: &[Step]) -> Result<(), StoreError> {
    let read = database.begin_read()?.open_table(Table::Meta.definition())?.get(META_IDENTITY)?;
    let identity =
        read.and_then(|row| identity(row.value())).ok_or_else(|| bad_row(Table::Meta, META_IDENTITY))?;
    let checksums = Checksums::new(&identity.checksums);
    let txn = database.begin_write()?;
    steps.iter().try_for_each(|step| step(&txn, &checksums))?;
    txn.open_table(Table::Meta.definition())?.insert(META_SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
    Ok(txn.commit()?)
}

/// Copies the file to a name that says what it is, and gives the name.
fn keep(path: &Path, found: u32) -> Result<PathBuf, StoreError> {
    let what = |to: &Path| {
        let (from, to) = (path.display(), to.display());
        format!(
            "cannot copy {from} to {to} before it is brought up to a new schema; nothing was changed; make room and start again"
        )
    };
    let written = path.metadata().and_then(|found| found.modified()).map_err(StoreError::file(what(path)))?;
    let date = humantime::format_rfc3339_micros(written);
    let kept = path.with_added_extension(format!("schema-{found}-{date}"));
    // A start that was killed may have made the same copy, and none of another content has this name: it is of what was written then.
    if kept.is_file() {
        return Ok(kept);
    }
    let unfinished = Unfinished::at(path.with_added_extension("copying"));
    let copied = files::create_anew(unfinished.path())
        .and_then(|mut to| {
            io::copy(&mut File::open(path)?, &mut to)?;
            to.sync_all()
        })
        .and_then(|()| unfinished.finish(&kept));
    copied.map_err(StoreError::file(what(&kept)))?;
    Ok(kept)
}

#[cfg(test)]
mod tests;
