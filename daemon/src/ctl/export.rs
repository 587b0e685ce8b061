//! Writes all users down, one a line, as an import takes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use hallpass_client::admin::{AdminClient, Export, ExportPlace, ExportedUser};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::UserId;
use hallpass_protocol::secret::Password;
use serde::Serialize;

use super::args::ExportArgs;
use super::failure::Failure;
use super::interrupt::unless_ended;
use super::progress::Progress;
use super::render::Out;
use super::render::text::{neutral, neutral_json};
use crate::files::{self, Unfinished};

/// A line. The field names are a promise, and an import takes every one of them.
#[derive(Serialize)]
struct LineView<'a> {
    name: &'a str,
    user_id: UserId,
    /// Left out where hashes were not asked for, and null for who has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "not asked for and not there are two different things")]
    hash: Option<Option<&'a str>>,
    roles: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    disabled: bool,
}

/// What was written to a file.
#[derive(Serialize)]
struct DoneView<'a> {
    file: &'a str,
    users: u64,
}

/// What is shown on the terminal meanwhile.
const DOING: &str = "exporting";
const UNIT: &str = "users";

/// A file that was named for the lines. It gets its name once it is whole.
pub(super) struct Named {
    path: PathBuf,
    file: File,
    unfinished: Unfinished,
}

/// Where the lines go: a file, or stdout. Hashes are never shown on a terminal.
pub(super) fn open(args: &ExportArgs, out: &Out<'_>) -> Result<Option<Named>, Failure> {
    let Some(path) = args.out.clone() else {
        if args.with_hashes && out.width.is_some() {
            return Err(Failure::usage(
                "hashes of passwords are not shown on a terminal; name a new file for them with --out",
            ));
        }
        return Ok(None);
    };
    if path.symlink_metadata().is_ok() {
        return Err(taken());
    }
    let unfinished = Unfinished::of(&path);
    let file = files::create_anew(unfinished.path())
        .map_err(|error| Failure::usage(format!("the file for the users cannot be made: {error}")))?;
    Ok(Some(Named { path, file, unfinished }))
}

/// Takes the users down. A signal breaks it off, and leaves no file behind.
pub(super) async fn run(
    to: Option<Named>,
    with_hashes: bool,
    admin: &AdminClient,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let Some(Named { path, file, unfinished }) = to else {
        let progress = Progress::beside_answer(DOING, UNIT, out);
        return unless_ended(export(with_hashes, admin, out.to, &progress)).await.map(drop);
    };
    let mut lines = BufWriter::new(file);
    let progress = Progress::of(DOING, UNIT, out);
    let users = unless_ended(export(with_hashes, admin, &mut lines, &progress)).await?;
    drop(progress);
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    unfinished.finish(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(),
        _ => error.into(),
    })?;
    let name = path.display().to_string();
    if out.json {
        return Ok(out.object(&DoneView { file: &name, users })?);
    }
    writeln!(out.to, "Wrote {}: {users} users.", neutral(&name))?;
    if with_hashes {
        writeln!(out.to, "It holds the hashes of passwords: remove it once it has arrived.")?;
    }
    Ok(())
}

/// Writes every user, and says how many they were.
async fn export(
    with_hashes: bool,
    admin: &AdminClient,
    to: &mut dyn Write,
    progress: &Progress,
) -> Result<u64, Failure> {
    let begun = admin.export_begin(with_hashes).await?;
    let written = lines(begun, with_hashes, admin, to, progress).await;
    // What is not let go of now goes by itself.
    let _ = admin.export_end(begun.id).await;
    let written = written?;
    to.flush()?;
    if written == begun.users {
        return Ok(written);
    }
    let wanted = begun.users;
    Err(Failure::surprise(format!("there are {wanted} users and {written} arrived; make the export again")))
}

async fn lines(
    begun: Export,
    with_hashes: bool,
    admin: &AdminClient,
    to: &mut dyn Write,
    progress: &Progress,
) -> Result<u64, Failure> {
    let (mut written, mut after) = (0, None);
    loop {
        let page = admin.export_page(ExportPlace { id: begun.id, after }).await?;
        for user in &page.users {
            writeln!(to, "{}", line(user, with_hashes)?)?;
        }
        written += page.users.len() as u64;
        progress.at(written, Some(begun.users));
        match page.users.last() {
            Some(user) if !page.last => after = Some(user.user_id),
            _ => return Ok(written),
        }
    }
}

/// The line of a user.
pub(super) fn line(user: &ExportedUser, with_hashes: bool) -> io::Result<String> {
    let view = LineView {
        name: &user.name,
        user_id: user.user_id,
        hash: with_hashes.then(|| user.hash.as_ref().map(Password::expose)),
        roles: &user.roles,
        attributes: &user.attributes,
        disabled: user.disabled,
    };
    Ok(neutral_json(&serde_json::to_string(&view)?))
}

fn taken() -> Failure {
    let why = "the file for the users is there already and was left as it is; name one that is not there yet";
    Refusal::because(ErrorCode::InvalidRequest, why).into()
}

#[cfg(test)]
mod tests;
