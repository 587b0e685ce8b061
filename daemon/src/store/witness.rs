//! A note beside the database of how far its audit chain has come. A database that does not contain what was noted is not the one that was last written: somebody has put an
//! older copy, or another one, in its place.
//!
//! The note is written after a commit and never before, so a crash leaves it behind the database and not ahead of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_protocol::time::{Millis, Stamp};

use super::StoreError;
use super::chain::Head;
use super::records::{AuditRecord, Identity, Mark};
use super::rows::SnapshotRows;
use super::schema::{Checksums, Table};
use crate::files;
use crate::keys::{Checkpoint, CheckpointKey};

/// The note's name in the state directory.
const NOTE: &str = "audit.mark";

/// Writes and reads the note.
#[derive(Clone)]
pub(super) struct Witness {
    path: PathBuf,
    database: [u8; 16],
    checksums: Checksums,
    seal: Arc<Mutex<Seal>>,
}

/// What the note beside a database says of its audit chain.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// Nothing that could hold: the database is new here, or has just begun anew.
    NotAsked,
    /// Nothing, though it should.
    Gone,
    /// This.
    Says(Checkpoint),
}

/// What checkpoints are made with, and when one was last said in the log.
#[derive(Default)]
struct Seal {
    key: Option<CheckpointKey>,
    said: u64,
    said_at: Millis,
}

/// A checkpoint is said when so many entries have come since the last one, or after so long.
const SAY_AFTER_ENTRIES: u64 = 1000;
const SAY_AFTER: Duration = Duration::from_mins(10);

impl Witness {
    pub(super) fn of(dir: &Path, identity: &Identity) -> Self {
        let checksums = Checksums::new(&identity.checksums);
        Self { path: dir.join(NOTE), database: identity.database, checksums, seal: Arc::default() }
    }

    /// Notes what is on disk by now. A note that cannot be written says less than it could, and nothing wrong.
    ///
    /// The checkpoint in it says that the chain had come so far by this stamp. `closing` is the last note of this life.
    pub(super) fn note(&self, head: &Head, mark: &Mark, stamp: Stamp, closing: bool) {
        let mut text =
            self.sealed(&format!("{} {} {}", self.line(head), mark.reserved.0, mark.latest.as_u64()));
        if let Some(checkpoint) = self.checkpoint(head, mark, stamp, closing) {
            text = format!("{text}\n{checkpoint}\n");
        }
        let unfinished = self.path.with_added_extension("new");
        let written = files::create_anew(&unfinished)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&unfinished, &self.path));
        if let Err(error) = written {
            tracing::warn!(%error, "the note of the audit chain cannot be written; a database that is rolled back meanwhile goes unnoticed");
        }
    }

    /// What was noted of a database that is not this one as it is now, if that is so.
    pub(super) fn contradicts(&self, rows: &SnapshotRows) -> Result<Option<Mark>, StoreError> {
        let Ok(text) = std::fs::read_to_string(&self.path) else { return Ok(None) };
        let text = text.lines().next().unwrap_or_default();
        let fields: Vec<_> = text.split_whitespace().collect();
        let [database, number, hash, reserved, latest, _] = fields[..] else {
            tracing::warn!(
                "the note of the audit chain is damaged; whether the database was rolled back is not known"
            );
            return Ok(None);
        };
        if database != crate::hex::encode(&self.database) {
            return Ok(Some(Mark::default()));
        }
        let noted = (|| Some((number.parse::<u64>().ok()?, reserved.parse().ok()?, latest.parse().ok()?)))();
        let genuine = self.sealed(text.rsplit_once(' ').map_or("", |(line, _)| line)) == text;
        let Some((number, reserved, latest)) = noted.filter(|_| genuine) else {
            tracing::warn!(
                "the note of the audit chain is damaged; whether the database was rolled back is not known"
            );
            return Ok(None);
        };
        let there = rows.get::<AuditRecord>(Table::Audit, &number.to_be_bytes())?;
        let same = there.is_some_and(|record| crate::hex::encode(&record.hash) == hash);
        Ok((!same).then_some(Mark { reserved: Stamp(reserved), latest: Millis::from_u64(latest) }))
    }

    /// From now on checkpoints are made with this key.
    pub(super) fn seal_with(&self, key: CheckpointKey) {
        self.lock().key = Some(key);
    }

    /// The checkpoint in the note, if there is one.
    pub(super) fn noted(&self) -> Note {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        text.lines().find_map(Checkpoint::find).map_or(Note::Gone, Note::Says)
    }

    fn checkpoint(&self, head: &Head, mark: &Mark, stamp: Stamp, closing: bool) -> Option<String> {
        let mut seal = self.lock();
        let text = seal.key.as_ref()?.text(head.number, &head.hash, stamp);
        let more = head.number.saturating_sub(seal.said);
        let due = more >= SAY_AFTER_ENTRIES || closing || mark.latest.since(seal.said_at) >= SAY_AFTER;
        if more > 0 && due {
            (seal.said, seal.said_at) = (head.number, mark.latest);
            tracing::info!(checkpoint = text.as_str(), entries = head.number, "audit checkpoint");
        }
        Some(text)
    }

    /// What is behind the lock is never left half changed.
    fn lock(&self) -> MutexGuard<'_, Seal> {
        self.seal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, head: &Head) -> String {
        format!("{} {} {}", crate::hex::encode(&self.database), head.number, crate::hex::encode(&head.hash))
    }

    /// The line with its checksum behind it.
    fn sealed(&self, line: &str) -> String {
        let row = self.checksums.seal(Table::Audit, NOTE.as_bytes(), line.as_bytes().to_vec());
        format!("{line} {}", crate::hex::encode(&row[line.len()..]))
    }

    /// Forgets what was noted: the database is replaced on purpose.
    pub(super) fn forget(dir: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(dir.join(NOTE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
