//! Reads the audit chain of the running daemon, and verifies one.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use hallpass_client::admin::{AdminClient, AuditFrom, FindAudit, VerifyAudit};
use hallpass_protocol::limits::{AUDIT_PER_PAGE, CHECKPOINTS_PER_CALL};
use serde::Serialize;

use super::args::{ExportChainArgs, TailArgs, VerifyChainArgs, Which};
use super::backup::failed;
use super::failure::Failure;
use super::progress::Progress;
use super::render::colour::Colour;
use super::render::text::neutral;
use super::render::{self, Out};
use crate::daemon::DaemonError;
use crate::keys::Checkpoint;
use crate::verify::verify_offline;

type Outcome = Result<(), Failure>;

/// What is shown on the terminal while a chain is verified.
const VERIFYING: &str = "verifying";
const ENTRIES: &str = "entries";

/// Prints the newest entries that fit, or the first after a number.
pub(super) async fn tail(args: TailArgs, admin: &AdminClient, out: &mut Out<'_>) -> Outcome {
    let mut list = render::audit();
    let mut left = usize::try_from(args.count.get()).unwrap_or(usize::MAX);
    let mut find = wanted(args.which, admin).await?;
    if let Some(after) = args.after {
        find.from = AuditFrom::After(after);
        return print(find, left, admin, out, |_| ()).await;
    }
    let mut newest_first = Vec::new();
    loop {
        find.count = page(left);
        let found = admin.audit_find(find.clone()).await?;
        left = left.saturating_sub(found.entries.len());
        newest_first.extend(found.entries);
        match found.next {
            Some(next) if left > 0 => find.from = AuditFrom::Before(next),
            _ => break,
        }
    }
    newest_first.reverse();
    Ok(list.page(out, &newest_first)?)
}

/// Prints all entries that fit, one line of JSON each.
pub(super) async fn export(args: ExportChainArgs, admin: &AdminClient, out: &mut Out<'_>) -> Outcome {
    let mut find = wanted(args.which, admin).await?;
    find.from = AuditFrom::After(args.after.unwrap_or(0));
    let progress = Progress::beside_answer("exporting", ENTRIES, out);
    out.json = true;
    print(find, usize::MAX, admin, out, |done| progress.at(done, None)).await
}

async fn print(
    mut find: FindAudit,
    mut left: usize,
    admin: &AdminClient,
    out: &mut Out<'_>,
    told: impl Fn(u64),
) -> Outcome {
    let (mut list, mut done) = (render::audit(), 0);
    loop {
        find.count = page(left);
        let found = admin.audit_find(find.clone()).await?;
        list.page(out, &found.entries)?;
        done += found.entries.len() as u64;
        told(done);
        left = left.saturating_sub(found.entries.len());
        match found.next {
            Some(next) if left > 0 => find.from = AuditFrom::After(next),
            _ => return Ok(()),
        }
    }
}

fn page(left: usize) -> u32 {
    u32::try_from(left.min(AUDIT_PER_PAGE)).unwrap_or(u32::MAX)
}

async fn wanted(which: Which, admin: &AdminClient) -> Result<FindAudit, Failure> {
    let user = match which.user {
        None => None,
        Some(text) => Some(match text.parse() {
            Ok(id) => id,
            Err(_) => admin.user_show(text).await?.user_id,
        }),
    };
    let Which { app, event, since, .. } = which;
    Ok(FindAudit { from: AuditFrom::Newest, count: 0, user, app, event, since })
}

/// What a verification has found. The field names are a promise.
#[derive(Debug, Default, Serialize)]
struct VerifiedView {
    sound: bool,
    entries: u64,
    checkpoints: usize,
    faults: Vec<String>,
    notes: Vec<String>,
}

/// Verifies the chain of the daemon, or of a database that none has open.
pub(super) async fn verify(
    args: &VerifyChainArgs,
    admin: impl AsyncFnOnce() -> Result<AdminClient, Failure>,
    out: &mut Out<'_>,
) -> Outcome {
    let lines = args.against.as_deref().map_or_else(|| Ok(Vec::new()), checkpoints)?;
    let mut view = VerifiedView { checkpoints: lines.len(), ..VerifiedView::default() };
    if args.file.is_some() || args.places.are_told() {
        let parts = args.places.are_told().then(|| args.places.parts()).transpose()?;
        let kept: Vec<_> = lines.iter().filter_map(|line| Checkpoint::find(line)).collect();
        let verified = {
            let progress = Progress::of(VERIFYING, ENTRIES, out);
            let mut told = |done, all| progress.at(done, Some(all));
            verify_offline(parts.as_ref(), args.file.as_deref(), &kept, &mut told)
        };
        let verified = verified.map_err(|error| match error {
            DaemonError::Store(error) => failed(error),
            error => Failure::surprise(error),
        })?;
        (view.entries, view.faults) = (verified.entries, verified.faults);
        view.notes = [verified.doubts, verified.notes].concat();
    } else {
        let admin = admin().await?;
        online(&admin, &lines, &mut view, &Progress::of(VERIFYING, ENTRIES, out)).await?;
    }
    view.sound = view.faults.is_empty();
    show(&view, out)?;
    if view.sound { Ok(()) } else { Err(Failure::Reported) }
}

async fn online(
    admin: &AdminClient,
    lines: &[String],
    view: &mut VerifiedView,
    progress: &Progress,
) -> Outcome {
    let mut ask = VerifyAudit { place: Vec::new(), checkpoints: Vec::new() };
    let mut rest = lines.chunks(CHECKPOINTS_PER_CALL);
    loop {
        let stretch = admin.audit_verify(ask.clone()).await?;
        view.entries = stretch.entries;
        progress.at(stretch.entries, None);
        view.faults.extend(stretch.faults);
        view.notes.extend(stretch.doubts.into_iter().chain(stretch.notes));
        ask = VerifyAudit { place: stretch.place, checkpoints: Vec::new() };
        if stretch.done {
            match rest.next() {
                Some(more) => ask.checkpoints = more.to_vec(),
                None => break,
            }
        }
    }
    // The end was reached, and looked at, once for each call since.
    for said in [&mut view.faults, &mut view.notes] {
        let mut seen = std::collections::HashSet::new();
        said.retain(|sentence| seen.insert(sentence.clone()));
    }
    Ok(())
}

/// The lines of a log that hold a checkpoint.
fn checkpoints(path: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |error: io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let from: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut found = Vec::new();
    for line in from.split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(unreadable)?).into_owned();
        if let Some(checkpoint) = Checkpoint::find(&line) {
            found.push(checkpoint.to_string());
        }
    }
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "there is no checkpoint in {}; the daemon's log has a line `audit checkpoint` every ten minutes in which something happened",
            path.display()
        )));
    }
    Ok(found)
}

fn show(view: &VerifiedView, out: &mut Out<'_>) -> io::Result<()> {
    if out.json {
        return out.object(view);
    }
    for note in &view.notes {
        writeln!(out.to, "  note: {}", neutral(note))?;
    }
    for fault in &view.faults {
        writeln!(out.to, "  {}: {}", out.coloured(Colour::Bad, "fault"), neutral(fault))?;
    }
    let VerifiedView { entries, checkpoints, .. } = view;
    let held = if *checkpoints == 0 { String::new() } else { format!(" and {checkpoints} checkpoints") };
    if view.sound {
        let sound = format!("{entries} entries{held}: each follows from the one before it.");
        return writeln!(out.to, "{}", out.coloured(Colour::Good, &sound));
    }
    writeln!(
        out.to,
        "{entries} entries{held}: the chain is not what the daemon wrote.\n\
         Next: keep a copy of the state directory and of the log, and find out who could write the database."
    )
}
