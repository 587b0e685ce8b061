//! Copies the database of a running daemon into a file, page by page out of one state that the daemon holds meanwhile.
//!
//! The file is written here and not by the daemon, which cannot write where an administrator can.

use std::path::Path;

use hallpass_client::admin::{AdminClient, Backup, BackupPlace};
use hallpass_protocol::error::{ErrorCode, Refusal};
use serde::Serialize;

use super::check::told;
use super::failure::Failure;
use super::interrupt::unless_ended;
use super::progress::Progress;
use super::render::Out;
use super::render::text::neutral;
use crate::store::{self, Copy, StoreError};

#[derive(Serialize)]
struct BackupView<'a> {
    file: &'a str,
    rows: u64,
    bytes: u64,
}

/// Makes the copy. A signal breaks it off, and leaves nothing behind.
pub(super) async fn run(file: &Path, admin: AdminClient, out: &mut Out<'_>) -> Result<(), Failure> {
    let (rows, bytes) = unless_ended(make(file, &admin, out)).await?;
    let name = file.display().to_string();
    if out.json {
        return Ok(out.object(&BackupView { file: &name, rows, bytes })?);
    }
    let name = neutral(&name);
    writeln!(out.to, "Wrote {name}: {rows} rows, {bytes} bytes.")?;
    Ok(writeln!(out.to, "Keep it as safe as the database, and apart from the master key.")?)
}

async fn make(file: &Path, admin: &AdminClient, out: &Out<'_>) -> Result<(u64, u64), Failure> {
    let copy = Copy::begin(file).map_err(failed)?;
    let backup = admin.backup_begin().await?;
    let copied = fill(copy, &backup, admin, out).await;
    // What is not let go of now goes by itself; the copy is what counts.
    let _ = admin.backup_end(backup.id).await;
    let (copy, rows) = copied?;
    let whole = copy.close().map_err(failed)?;
    let bytes = whole.lies_at().metadata()?.len();
    let report = told("checking", out, |progress| store::check(whole.lies_at(), progress)).map_err(failed)?;
    if let Some(fault) = report.faults.first() {
        let why = format!(
            "the database is damaged, and so was its copy, which was not kept: {fault}; stop the daemon and run `hallpass check`"
        );
        return Err(Failure::surprise(why));
    }
    whole.finish().map_err(failed)?;
    Ok((rows, bytes))
}

async fn fill(
    mut copy: Copy,
    backup: &Backup,
    admin: &AdminClient,
    out: &Out<'_>,
) -> Result<(Copy, u64), Failure> {
    let (mut done, all) = (0, backup.tables.iter().map(|table| table.rows).sum());
    let progress = Progress::of("copying", "rows", out);
    for (number, table) in backup.tables.iter().enumerate() {
        let mut after = None;
        let mut rows = 0;
        loop {
            let place =
                BackupPlace { id: backup.id, table: u32::try_from(number).unwrap_or(u32::MAX), after };
            let page = admin.backup_page(place).await?;
            copy.take(number, &table.name, &page.rows).map_err(failed)?;
            rows += page.rows.len() as u64;
            done += page.rows.len() as u64;
            progress.at(done, Some(all));
            match page.rows.into_iter().next_back() {
                Some((key, _)) if !page.last => after = Some(key),
                _ => break,
            }
        }
        if rows != table.rows {
            let (name, wanted) = (&table.name, table.rows);
            return Err(Failure::surprise(format!(
                "table {name} has {wanted} rows and {rows} arrived; nothing was kept; make the backup again"
            )));
        }
    }
    Ok((copy, done))
}

/// What a file that does not serve is answered with.
pub(super) fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::InUse(why) => Refusal::because(ErrorCode::Unavailable, why).into(),
        StoreError::Layout(why) | StoreError::Newer(why) | StoreError::Older { message: why, .. } => {
            Refusal::because(ErrorCode::InvalidRequest, why).into()
        }
        StoreError::File { what, source } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::Denied(format!("{what}: {source}; run this as the user whose file or directory it is"))
        }
        error => Failure::surprise(error),
    }
}
