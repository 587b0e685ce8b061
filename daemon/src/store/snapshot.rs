//! Reads, from one consistent state of the store that no write can change.

use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;
use redb::{ReadOnlyTable, ReadableDatabase};

use super::StoreError;
use super::records::{AuditRecord, Listed};
use super::rows::Rows;
use super::schema::{Checksums, Table};
use super::walk::{KEPT_IS, NO_NOTE, NOTE_IS, Stretch, Walk, Wanted};
use super::witness::Note;
use crate::domain::account::User;
use crate::domain::check::Found;
use crate::domain::effect::ListedAt;
use crate::domain::keyset::Key;
use crate::domain::revocation::CutOffs;
use crate::domain::session::Session;
use crate::keys::{Checkpoint, CheckpointKey};

/// One consistent state of the store.
pub(crate) struct Snapshot {
    rows: Rows<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

/// Audit entries that were looked for, and where the rest lies, if there is any.
pub(crate) type FoundEntries = (Vec<(u64, AuditRecord)>, Option<u64>);

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Users.
    pub(crate) users: u64,
    /// Sessions, ended ones that are not swept yet included.
    pub(crate) sessions: u64,
    /// Sessions that are listed as alive.
    pub(crate) alive: u64,
    /// Audit entries.
    pub(crate) audit_entries: u64,
}

impl Snapshot {
    pub(super) fn open(database: &redb::Database, checksums: &Checksums) -> Result<Self, StoreError> {
        Ok(Self { rows: Rows::opened_as_read(database.begin_read()?, checksums) })
    }

    /// What there is to know of a session.
    pub(crate) fn found(&self, id: SessionId) -> Result<Found, StoreError> {
        let (session, user) = self.session_and_user(id)?;
        Ok(Found { session, user, cut_offs: self.rows.cut_offs()? })
    }

    /// A session and its user.
    pub(super) fn session_and_user(
        &self,
        id: SessionId,
    ) -> Result<(Option<Session>, Option<User>), StoreError> {
        let session = self.rows.session(id)?;
        let user = match &session {
            Some(session) => self.rows.user(session.cold.user)?,
            None => None,
        };
        Ok((session, user))
    }

    /// A user.
    pub(crate) fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.rows.user(id)
    }

    /// The user of this name.
    pub(crate) fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.rows.user_named(name)
    }

    /// Whether a new user, or the one of this identifier, cannot have this name now: somebody has it, or somebody else gave it up not long ago.
    pub(crate) fn name_taken(&self, name: &str, now: Millis, by: Option<UserId>) -> Result<bool, StoreError> {
        self.rows.name_taken(name, now, by)
    }

    /// Users by name, after a name.
    pub(crate) fn users_after(&self, after: Option<&str>, most: usize) -> Result<Vec<User>, StoreError> {
        self.rows.users_after(after, most)
    }

    /// Users by their identifiers, after one of them, and whether they are the last. The bytes are a measure for when to stop, which the last user may
    /// go beyond.
    pub(crate) fn users_page(
        &self,
        after: Option<UserId>,
        bytes: usize,
        most: usize,
    ) -> Result<(Vec<User>, bool), StoreError> {
        self.rows.users_page(after, bytes, most)
    }

    /// A user's sessions after one of them, oldest first, dead ones that are not swept yet included.
    pub(crate) fn sessions_of(
        &self,
        user: UserId,
        after: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<Session>, StoreError> {
        self.rows.sessions_of(user, after, most)
    }

    /// Stamps that end many sessions at once.
    pub(crate) fn cut_offs(&self) -> Result<CutOffs, StoreError> {
        self.rows.cut_offs()
    }

    /// Audit entries after a number, oldest first.
    pub(crate) fn audit_after(
        &self,
        number: u64,
        most: usize,
    ) -> Result<Vec<(u64, AuditRecord)>, StoreError> {
        self.rows.audit_after(number, most)
    }

    /// Goes on over so many entries of the audit chain.
    pub(crate) fn walk(&self, walk: &mut Walk, most: usize) -> Result<Stretch, StoreError> {
        walk.go(&self.rows, most, |_| ())
    }

    /// Holds the audit chain that was walked against checkpoints: what lies in the note beside the database, and what somebody has kept.
    pub(crate) fn hold_against(
        &self,
        walk: &Walk,
        note: &Note,
        kept: &[Checkpoint],
        key: &CheckpointKey,
        stretch: &mut Stretch,
    ) -> Result<(), StoreError> {
        match note {
            Note::Says(noted) => walk.against(&self.rows, noted, Some(key), NOTE_IS, stretch)?,
            Note::Gone => stretch.notes.push(NO_NOTE.into()),
            Note::NotAsked => {}
        }
        kept.iter().try_for_each(|kept| walk.against(&self.rows, kept, Some(key), KEPT_IS, stretch))
    }

    /// The number of the newest audit entry that is older than a moment; of the last that was removed, if none is.
    pub(crate) fn audit_before(&self, moment: Millis) -> Result<u64, StoreError> {
        let start = self.rows.audit_start()?.number;
        let (mut low, mut high) = (start, self.last_audit()?);
        // Stamps grow with the numbers.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let found = self.rows.audit_after(middle - 1, 1)?;
            if found.first().is_some_and(|(_, record)| record.stamp.0 / 1000 < moment.as_u64()) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    /// The audit entries that somebody wants to see among so many before a number, newest first, and the number that the rest lies before.
    pub(crate) fn audit_back(
        &self,
        before: u64,
        floor: u64,
        look: usize,
        most: usize,
        wanted: &Wanted,
    ) -> Result<FoundEntries, StoreError> {
        let lowest = before.saturating_sub(1).saturating_sub(look as u64).max(floor);
        let mut rows = self.rows.audit_after(lowest, look)?;
        rows.retain(|(number, _)| *number < before);
        let mut found = Vec::new();
        for (number, record) in rows.into_iter().rev() {
            if found.len() == most {
                return Ok((found, Some(number + 1)));
            }
            if wanted.fits(&record) {
                found.push((number, record));
            }
        }
        Ok((found, (lowest > floor).then_some(lowest + 1)))
    }

    /// The same among so many after a number, oldest first, and the number that the rest lies after.
    pub(crate) fn audit_on(
        &self,
        after: u64,
        look: usize,
        most: usize,
        wanted: &Wanted,
    ) -> Result<FoundEntries, StoreError> {
        let rows = self.rows.audit_after(after, look)?;
        let whole = rows.len() == look;
        let (mut found, mut last) = (Vec::new(), after);
        for (number, record) in rows {
            if found.len() == most {
                return Ok((found, Some(last)));
            }
            last = number;
            if wanted.fits(&record) {
                found.push((number, record));
            }
        }
        Ok((found, whole.then_some(last)))
    }

    /// Every key, sealed.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.rows.keys()
    }

    /// Entries of the revocation list after one of them, oldest first.
    pub(crate) fn revocations_after(
        &self,
        after: Option<ListedAt>,
        most: usize,
    ) -> Result<Vec<(ListedAt, Listed)>, StoreError> {
        self.rows.revocations_after(after, most)
    }

    /// The number of the newest audit entry; 0 before the first.
    pub(crate) fn last_audit(&self) -> Result<u64, StoreError> {
        Ok(self.rows.last_audit()?.map_or(0, |(number, _)| number))
    }

    /// How much of everything there is.
    pub(crate) fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts {
            users: self.rows.len(Table::Users)?,
            sessions: self.rows.len(Table::Hot)?,
            alive: self.rows.len(Table::OfUser)?,
            audit_entries: self.rows.len(Table::Audit)?,
        })
    }

    /// Every row as it lies there.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<super::rows::RawRow> {
        self.rows.all().unwrap()
    }
}
