//! Checks a database file that no daemon has open, and says what it found.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::backup::failed;
use super::failure::Failure;
use super::progress::Progress;
use super::render::Out;
use super::render::colour::Colour;
use super::render::text::neutral;
use super::whose;
use crate::daemon_main::Where;
use crate::store::{self, Report, Told};

/// What was found. The field names are a promise.
#[derive(Serialize)]
struct CheckView<'a> {
    file: &'a str,
    sound: bool,
    users: u64,
    sessions: u64,
    audit_entries: u64,
    faults: &'a [String],
    more_faults: u64,
}

/// Checks the file that was named, or the database that a daemon of these places would open.
pub(super) fn run(file: Option<PathBuf>, places: &Where, out: &mut Out<'_>) -> Result<(), Failure> {
    let file = match file {
        Some(file) => file,
        None => store::database_in(&whose::parts(places)?.state_dir),
    };
    let report = told("checking", out, |progress| store::check(&file, progress)).map_err(failed)?;
    show(&file, &report, out)?;
    if report.is_sound() { Ok(()) } else { Err(Failure::Reported) }
}

/// Does something with all rows and says on the terminal how far it is.
pub(super) fn told<T>(doing: &'static str, out: &Out<'_>, work: impl FnOnce(&mut Told<'_>) -> T) -> T {
    let progress = Progress::of(doing, "rows", out);
    work(&mut |done, all| progress.at(done, Some(all)))
}

fn show(file: &Path, report: &Report, out: &mut Out<'_>) -> io::Result<()> {
    let name = file.display().to_string();
    let Report { users, sessions, audit_entries, faults, more } = report;
    if out.json {
        return out.object(&CheckView {
            file: &name,
            sound: report.is_sound(),
            users: *users,
            sessions: *sessions,
            audit_entries: *audit_entries,
            faults,
            more_faults: *more,
        });
    }
    let name = neutral(&name);
    writeln!(out.to, "{name}: {users} users, {sessions} sessions, {audit_entries} audit entries.")?;
    if report.is_sound() {
        let sound = "Structure, rows, indexes, keys and the audit chain are as they must be.";
        return writeln!(out.to, "{}", out.coloured(Colour::Good, sound));
    }
    said(report, out)?;
    writeln!(out.to, "The file was left as it is. Next: keep it, and `hallpass restore` a backup.")
}

/// The faults, one a line.
pub(super) fn said(report: &Report, out: &mut Out<'_>) -> io::Result<()> {
    for fault in &report.faults {
        writeln!(out.to, "  {}: {}", out.coloured(Colour::Bad, "fault"), neutral(fault))?;
    }
    if report.more > 0 {
        writeln!(out.to, "  and {} more", report.more)?;
    }
    Ok(())
}
