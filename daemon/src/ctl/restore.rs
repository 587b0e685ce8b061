//! Puts a backup in the place of the database of a daemon that does not run, after saying what is lost by it.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::args::RestoreArgs;
use super::backup::failed;
use super::check::{said, told};
use super::failure::Failure;
use super::input;
use super::render::Out;
use super::render::text::{moment, neutral};
use super::whose;
use crate::daemon::DaemonError;
use crate::restore::Restoring;
use crate::store::{Lost, TakenBack};

/// What was done. The field names are a promise.
#[derive(Serialize)]
struct RestoreView<'a> {
    backup: &'a str,
    backup_of: String,
    replaced: Option<String>,
    replaced_unreadable: Option<&'a str>,
    users_added_since: u64,
    taken_back_since: Vec<TakenBackView<'a>>,
}

#[derive(Serialize)]
struct TakenBackView<'a> {
    user_id: String,
    name: &'a str,
    what: &'a str,
    detail: &'a str,
}

/// Restores a backup.
pub(super) fn run(args: &RestoreArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    is_readable(&args.file)?;
    let restoring = Restoring::begin(whose::parts(&args.places)?, &args.file).map_err(stopped)?;
    let report = told("checking", out, |progress| restoring.check(progress)).map_err(stopped)?;
    if !report.is_sound() {
        if !out.json {
            said(&report, out)?;
        }
        let first = report.faults.first().map_or("", String::as_str);
        return Err(Failure::surprise(format!(
            "the backup is damaged, and nothing was replaced: {first}; take an older one"
        )));
    }
    let lost = restoring.lost().map_err(stopped)?;
    if !out.json {
        tell(&lost, out)?;
    }
    let consequence = "every session ends, and users, roles and passwords are as they were in the backup";
    input::confirm(args.yes, consequence, "restore")?;
    let kept = told("restoring", out, |progress| restoring.finish(&lost, progress)).map_err(stopped)?;
    Ok(done(&args.file, &lost, kept.as_deref(), out)?)
}

/// A backup is private to whoever made it, and mostly that is not the user of the daemon.
fn is_readable(backup: &Path) -> Result<(), Failure> {
    match std::fs::File::open(backup) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::Denied(format!(
            "cannot read {}: {error}; this runs as the user of the daemon, so give that one a copy of its own first: as root, install -o USER -m 600 FILE COPY",
            backup.display()
        ))),
        // What else is wrong with it is said where it is used.
        _ => Ok(()),
    }
}

fn stopped(error: DaemonError) -> Failure {
    match error {
        DaemonError::Store(error) => failed(error),
        DaemonError::Config(error) => error.into(),
        error => Failure::surprise(error),
    }
}

/// What is lost, before anything is.
fn tell(lost: &Lost, out: &mut Out<'_>) -> io::Result<()> {
    writeln!(out.to, "The backup is sound, and of {}.", moment(lost.backup_of))?;
    if !lost.replaces {
        return writeln!(
            out.to,
            "There is no database to replace, so nobody can say what was taken back since."
        );
    }
    if let Some(why) = &lost.unreadable {
        writeln!(
            out.to,
            "The database that it replaces cannot tell all that was taken back since: {}",
            neutral(why)
        )?;
    }
    if lost.taken_back.is_empty() {
        writeln!(out.to, "No user is known to have lost anything since.")?;
    } else {
        writeln!(out.to, "Taken back since, and to be taken back again after the restore:")?;
    }
    for taken in &lost.taken_back {
        writeln!(out.to, "  {}", neutral(&sentence(taken)))?;
    }
    match lost.added {
        0 => Ok(()),
        added => writeln!(out.to, "Users added since, whom the backup does not know: {added}"),
    }
}

fn sentence(taken: &TakenBack) -> String {
    let TakenBack { name, what, detail, user } = taken;
    match *what {
        "disabled" => format!("{name} was disabled: hallpass user disable {name}"),
        "removed" => format!("{name} was removed: hallpass user remove {name}"),
        "password" => format!(
            "{name} has changed their password, and the old one counts again: hallpass user passwd {name}"
        ),
        "roles" => format!("{name} has lost these roles: {detail}"),
        _ => format!("{name} was renamed: {detail} (user {user})"),
    }
}

fn done(file: &Path, lost: &Lost, kept: Option<&Path>, out: &mut Out<'_>) -> io::Result<()> {
    let kept = kept.map(|kept| kept.display().to_string());
    if out.json {
        let view = |taken: &'_ TakenBack| taken.user.to_string();
        let taken = lost.taken_back.iter().map(|taken| TakenBackView {
            user_id: view(taken),
            name: &taken.name,
            what: taken.what,
            detail: &taken.detail,
        });
        return out.object(&RestoreView {
            backup: &file.display().to_string(),
            backup_of: moment(lost.backup_of),
            replaced: kept,
            replaced_unreadable: lost.unreadable.as_deref(),
            users_added_since: lost.added,
            taken_back_since: taken.collect(),
        });
    }
    writeln!(out.to, "Restored. Every session of before is over; users log in again.")?;
    if let Some(kept) = kept {
        writeln!(out.to, "The replaced database is kept as {}", neutral(&kept))?;
    }
    writeln!(out.to, "Next: start hallpassd, which makes new keys, and take back again what is listed.")
}
