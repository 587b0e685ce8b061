//! A walk over the audit chain from its beginning to its end, a bounded way at a time, and what was wrong on it.

use hallpass_protocol::id::UserId;
use hallpass_protocol::time::Stamp;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::chain::Head;
use super::records::AuditRecord;
use super::rows::Rows;
use super::schema::Table;
use crate::domain::effect::Event;
use crate::domain::retention::gone_upto;
use crate::keys::{Checkpoint, CheckpointKey, Genuine};

/// What the checkpoint in the note is called.
pub(super) const NOTE_IS: &str = "the note beside the database";
/// What a checkpoint is called that somebody has kept.
pub(super) const KEPT_IS: &str = "a checkpoint that was kept";
/// What is said where there is no note.
pub(super) const NO_NOTE: &str = "there is no note with a checkpoint beside the database, so an end that was cut off or a chain that was replaced does not show here";
/// Most faults that are told of one stretch, and most doubts.
const TOLD: usize = 50;

/// How far a walk has come. It crosses the wire between two stretches, and means nothing to anybody but this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walk {
    begun: bool,
    number: u64,
    hash: [u8; 32],
    pub(super) stamp: Stamp,
    /// What the chain says of the entries that retention has removed: the last of them, and its hash.
    gone: Option<(u64, [u8; 32])>,
    /// Entries that were looked at.
    pub(crate) entries: u64,
}

/// What was found on one stretch.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    /// What is wrong, in words.
    pub(crate) faults: Vec<String>,
    /// What the daemon found at a start and could not believe, which it wrote down.
    pub(crate) doubts: Vec<String>,
    /// What nobody can tell, or what somebody should know.
    pub(crate) notes: Vec<String>,
    /// Whether the end of the chain was reached.
    pub(crate) done: bool,
}

impl Stretch {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < TOLD {
            self.faults.push(fault);
        }
    }

    /// What was noticed last is what somebody may not know yet, so it takes the place of what came first.
    fn doubt(&mut self, doubt: String) {
        if self.doubts.len() == TOLD {
            self.doubts.remove(0);
        }
        self.doubts.push(doubt);
    }
}

impl Walk {
    /// A walk that has come to this entry.
    pub(super) fn at(head: Head) -> Self {
        Self { begun: true, number: head.number, hash: head.hash, ..Self::default() }
    }

    /// Goes on over so many entries, and says after each how many they were from the beginning.
    pub(super) fn go<T>(
        &mut self,
        rows: &Rows<T>,
        most: usize,
        mut told: impl FnMut(u64),
    ) -> Result<Stretch, StoreError>
    where
        T: ReadableTable<&'static [u8], &'static [u8]>,
    {
        let mut stretch = Stretch::default();
        let start = rows.audit_start()?;
        // What retention has removed since the last stretch is no gap.
        if !self.begun || start.number > self.number {
            (self.begun, self.number, self.hash) = (true, start.number, start.hash);
        }
        let first = self.number.saturating_add(1).to_be_bytes();
        let mut looked_at = 0;
        for row in rows.rows_from(Table::Audit, &first)?.take(most) {
            let (key, value) = row?;
            looked_at += 1;
            let number = key.value().try_into().map(u64::from_be_bytes);
            let record = rows.decode::<AuditRecord>(Table::Audit, key.value(), value.value());
            match (number, record) {
                (Ok(number), Ok(record)) => self.step(number, &record, &mut stretch),
                (Ok(number), Err(error)) => {
                    stretch.fault(error.to_string());
                    // The next stretch goes on behind it: one of nothing but such rows would be walked for ever.
                    self.number = number;
                }
                (Err(_), Err(error)) => stretch.fault(error.to_string()),
                (Err(_), _) => stretch.fault("an audit entry has a key that is no number".into()),
            }
            told(self.entries);
        }
        stretch.done = looked_at < most;
        if stretch.done && self.gone.unwrap_or_default() != (start.number, start.hash) {
            stretch.fault(format!(
                "the chain begins behind entry {}, and nothing in it says that the entries before were removed in order",
                start.number
            ));
        }
        Ok(stretch)
    }

    fn step(&mut self, number: u64, record: &AuditRecord, stretch: &mut Stretch) {
        self.entries += 1;
        let mut head = Head { number: self.number, hash: self.hash };
        if let Some(broken) = head.follow(number, record) {
            stretch.fault(broken);
        }
        (self.number, self.hash) = (head.number, head.hash);
        if record.stamp < self.stamp {
            stretch.fault(format!("audit entry {number} is older than the one before it"));
        }
        self.stamp = record.stamp;
        if record.event == Event::AuditPrune.as_str() {
            self.gone = gone_upto(&record.detail);
        }
        if record.event == Event::AuditUnconfirmed.as_str() {
            stretch.doubt(format!(
                "at entry {number} the daemon started and could not confirm the entries before it: {}",
                record.detail
            ));
        }
        if record.event == Event::Rollback.as_str() {
            stretch.doubt(format!(
                "at entry {number} the daemon found an older or another database in the place of the one that it wrote last, and ended every session"
            ));
        }
    }

    /// Whether the chain that was walked contains what a checkpoint says.
    pub(super) fn against<T>(
        &self,
        rows: &Rows<T>,
        checkpoint: &Checkpoint,
        key: Option<&CheckpointKey>,
        of: &str,
        stretch: &mut Stretch,
    ) -> Result<(), StoreError>
    where
        T: ReadableTable<&'static [u8], &'static [u8]>,
    {
        let Checkpoint { number, hash, stamp, .. } = checkpoint;
        match key.map(|key| key.judge(checkpoint)) {
            Some(Genuine::Yes) => {}
            Some(Genuine::No) => {
                stretch.fault(format!(
                    "{of} is forged or damaged: the daemon that has this master key did not write it for this database"
                ));
                return Ok(());
            }
            Some(Genuine::Unknown) => stretch.notes.push(format!(
                "{of} was made under another master key, so nobody can tell here whether it is genuine"
            )),
            None => stretch
                .notes
                .push(format!("whether {of} is genuine was not checked, for want of the master key")),
        }
        let start = rows.audit_start()?;
        let at = super::chain::time(*stamp);
        if *number < start.number {
            stretch.notes.push(format!("{of} is of {at}, and its entry {number} was removed by retention"));
        } else if *number > self.number {
            stretch.fault(format!(
                "the chain ends with entry {}, and {of} of {at} knows entry {number}: its end was cut off",
                self.number
            ));
        } else {
            let found = match rows.get::<AuditRecord>(Table::Audit, &number.to_be_bytes())? {
                Some(record) => record.hash,
                None if *number == start.number => start.hash,
                None => [0; 32],
            };
            if found != *hash {
                stretch.fault(format!(
                    "entry {number} is not the one that {of} of {at} knows: the chain was replaced by another"
                ));
            }
        }
        Ok(())
    }
}

/// Which entries somebody wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// About this user.
    pub(crate) user: Option<UserId>,
    /// By this app.
    pub(crate) app: Option<String>,
    /// Of this event, or of those whose names go on behind it with a dot.
    pub(crate) event: Option<String>,
}

impl Wanted {
    pub(super) fn fits(&self, record: &AuditRecord) -> bool {
        let is_event = |event: &String| {
            let rest = record.event.strip_prefix(event.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.user.is_none_or(|user| record.user == Some(user))
            && self.app.as_ref().is_none_or(|app| record.app == *app)
            && self.event.as_ref().is_none_or(is_event)
    }
}

#[cfg(test)]
mod tests;
