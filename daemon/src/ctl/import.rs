//! Moves users in from another program: a line for each, and a report of what became of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use futures_util::{StreamExt, stream};
use hallpass_client::admin::{AdminClient, ImportReport, ImportUser};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::UserId;
use hallpass_protocol::secret::Password;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::failure::{Failure, Fault, status};
use super::progress::Progress;
use super::render::Out;
use super::render::colour::Colour;
use super::render::text::neutral;

/// Longest line in bytes.
pub(super) const LINE_BYTES: usize = 16 * 1024;
/// Users that are asked for at once, so that the daemon can commit them together.
const AT_ONCE: usize = 32;

/// A line as it is written. What is not known is an error: a misspelt `disabled` would let somebody in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    user_id: Option<UserId>,
    hash: Option<Password>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    disabled: bool,
}

impl Entry {
    /// The user that it tells of.
    pub(super) fn into_user(self, check_only: bool) -> ImportUser {
        let Self { name, user_id, hash, roles, attributes, disabled } = self;
        ImportUser { name, hash, roles, attributes, disabled, user_id, check_only }
    }
}

/// The lines of the file, or of stdin for `-`.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    // The path is not repeated: a hash may stand in its place.
    let file = File::open(path)
        .map_err(|error| Failure::usage(format!("the file of users cannot be read: {error}")))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Imports every line, and says what became of each. Refused lines stop no other; a daemon that cannot be asked does.
pub(super) async fn run(
    lines: Box<dyn BufRead>,
    dry_run: bool,
    admin: &AdminClient,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let asked = stream::iter(Entries::of(lines)).map(|(line, entry)| async move {
        let user = match entry {
            Ok(entry) => entry.into_user(dry_run),
            Err(failure) => return (line, None, Err(failure)),
        };
        let name = user.name.clone();
        (line, Some(name), admin.user_import(user).await.map_err(Failure::from))
    });
    let mut answers = Box::pin(asked.buffered(AT_ONCE));
    let mut report = Report { dry_run, ..Report::default() };
    let progress = Progress::of("importing", "lines", out);
    while let Some((line, name, answer)) = answers.next().await {
        progress.at(line, None);
        match answer {
            Ok(done) => report.added(out, line, &name.unwrap_or_default(), &done)?,
            Err(failure) if failure.fault().code == ErrorCode::AlreadyExists.as_str() => {
                progress.aside(|| report.there(out, line, &name.unwrap_or_default()))?;
            }
            Err(failure) if failure.exit_status() == status::REFUSED => {
                progress.aside(|| report.refused(out, line, &failure.fault()))?;
            }
            // What is refused for this reason would be refused for every line to come.
            Err(failure) => {
                drop(progress);
                report.summary(out, Some(line))?;
                return Err(failure);
            }
        }
    }
    drop(progress);
    report.summary(out, None)?;
    if report.refused == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// Users, each with the number of its line.
pub(super) struct Entries {
    lines: Box<dyn BufRead>,
    number: u64,
    /// The line that each name was first seen in.
    seen: BTreeMap<String, u64>,
    /// The same of each identifier.
    seen_ids: BTreeMap<UserId, u64>,
}

impl Iterator for Entries {
    type Item = (u64, Result<Entry, Failure>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            match next_line(&mut self.lines) {
                Ok(None) => return None,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some((self.number, self.entry(&line))),
                Err(failure) => return Some((self.number, Err(failure))),
            }
        }
    }
}

impl Entries {
    /// The users of these lines.
    pub(super) fn of(lines: Box<dyn BufRead>) -> Self {
        Self { lines, number: 0, seen: BTreeMap::new(), seen_ids: BTreeMap::new() }
    }

    fn entry(&mut self, line: &[u8]) -> Result<Entry, Failure> {
        // The parser's own words would repeat what stands there, and that may be the hash.
        let entry: Entry = serde_json::from_slice(line).map_err(|error| {
            refusal(if error.is_data() {
                "the line is not an object of name, user_id, hash, roles, attributes and disabled, each of its kind".into()
            } else {
                format!("the line is not JSON from column {} on", error.column())
            })
        })?;
        if let Some(first) = self.seen.insert(entry.name.clone(), self.number) {
            return Err(refusal(format!("line {first} has the same name")));
        }
        match entry.user_id.and_then(|id| self.seen_ids.insert(id, self.number)) {
            Some(first) => Err(refusal(format!("line {first} has the same user_id"))),
            None => Ok(entry),
        }
    }
}

fn refusal(why: String) -> Failure {
    Refusal::because(ErrorCode::InvalidRequest, why).into()
}

/// The next line without its newline. Of an overlong one nothing is kept, and the next begins after it.
fn next_line(lines: &mut dyn BufRead) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
    let (mut some, mut overlong) = (false, false);
    loop {
        let unreadable = |error| Failure::usage(format!("the users cannot be read: {error}"));
        let read = lines.fill_buf().map_err(unreadable)?;
        if read.is_empty() {
            break;
        }
        some = true;
        let end = read.iter().position(|&byte| byte == b'\n');
        let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
        overlong |= line.len() + part.len() > LINE_BYTES;
        if !overlong {
            line.extend_from_slice(part);
        }
        let used = end.map_or(read.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() {
            break;
        }
    }
    if overlong {
        return Err(refusal(format!("the line is longer than {LINE_BYTES} bytes")));
    }
    Ok(some.then_some(line))
}

/// The format of a hash that is none.
const NO_HASH: &str = "none";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What became of the lines so far. Only a name that the daemon has taken for one is repeated.
#[derive(Default, Serialize)]
struct Report {
    dry_run: bool,
    added: u64,
    already_there: u64,
    refused: u64,
    /// Of those that were added, who has no password.
    #[serde(skip_serializing_if = "is_none")]
    without_password: u64,
    /// The line at which the daemon could be asked no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<u64>,
}

/// `{"summary": ...}`, the last line of the report.
#[derive(Serialize)]
struct SummaryView<'a> {
    summary: &'a Report,
}

/// What became of one line.
#[derive(Serialize)]
struct LineView<'a> {
    line: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Fault>,
}

impl<'a> LineView<'a> {
    fn new(line: u64, outcome: &'static str, name: Option<&'a str>) -> Self {
        Self { line, outcome, name, user_id: None, format: None, error: None }
    }
}

impl Report {
    fn added(&mut self, out: &mut Out<'_>, line: u64, name: &str, done: &ImportReport) -> io::Result<()> {
        self.added += 1;
        self.without_password += u64::from(done.format == NO_HASH);
        if !out.json {
            // In text only what needs a look has a line of its own.
            return Ok(());
        }
        let outcome = if self.dry_run { "would_add" } else { "added" };
        let user_id = done.user.as_ref().map(|user| user.user_id);
        out.object(&LineView {
            user_id,
            format: Some(&done.format),
            ..LineView::new(line, outcome, Some(name))
        })
    }

    fn there(&mut self, out: &mut Out<'_>, line: u64, name: &str) -> io::Result<()> {
        self.already_there += 1;
        if out.json {
            return out.object(&LineView::new(line, "already_there", Some(name)));
        }
        writeln!(out.to, "line {line}: {} is already there", neutral(name))
    }

    fn refused(&mut self, out: &mut Out<'_>, line: u64, fault: &Fault) -> io::Result<()> {
        self.refused += 1;
        if out.json {
            return out.object(&LineView { error: Some(fault), ..LineView::new(line, "refused", None) });
        }
        let refused = out.coloured(Colour::Bad, "refused");
        writeln!(out.to, "line {line}: {refused}: {} ({})", neutral(&fault.message), fault.code)
    }

    fn summary(&mut self, out: &mut Out<'_>, stopped_at: Option<u64>) -> io::Result<()> {
        self.stopped_at = stopped_at;
        if out.json {
            return out.object(&SummaryView { summary: self });
        }
        if let Some(line) = stopped_at {
            writeln!(
                out.to,
                "Stopped at line {line}; run it again when the daemon answers, whoever was added stays."
            )?;
        }
        let added = if self.dry_run { "would be added" } else { "added" };
        let Self { added: count, already_there, refused, .. } = self;
        writeln!(out.to, "{count} {added}, {already_there} already there, {refused} refused.")?;
        if self.without_password > 0 {
            let them = self.without_password;
            writeln!(
                out.to,
                "{them} of them without a password: they log in once `hallpass user code NAME` has made them a code."
            )?;
        }
        if self.dry_run { writeln!(out.to, "Nothing was changed.") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
