//! Reads, from one consistent state of the store that no write can change.

use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;
use redb::{ReadOnlyTable, ReadableDatabase};

use super::StoreError;
use super::records::{AuditRecord, Listed};
use super::rows::Rows;
use super::schema::{Checksums, Table};
use crate::domain::account::User;
use crate::domain::check::Found;
use crate::domain::effect::ListedAt;
use crate::domain::keyset::Key;
use crate::domain::revocation::CutOffs;
use crate::domain::session::Session;

/// One consistent state of the store.
pub(crate) struct Snapshot {
    rows: Rows<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Users.
    pub(crate) users: u64,
    /// Sessions, ended ones that are not swept yet included.
    pub(crate) sessions: u64,
    /// Audit entries.
    pub(crate) audit_entries: u64,
}

impl Snapshot {
    pub(super) fn open(database: &redb::Database, checksums: &Checksums) -> Result<Self, StoreError> {
        Ok(Self { rows: Rows::opened_as_read(database.begin_read()?, checksums) })
    }

    /// What there is to know of a session.
    pub(crate) fn found(&self, id: SessionId) -> Result<Found, StoreError> {
        let session = self.rows.session(id)?;
        let user = match &session {
            Some(session) => self.rows.user(session.cold.user)?,
            None => None,
        };
        Ok(Found { session, user, cut_offs: self.rows.cut_offs()? })
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
            audit_entries: self.rows.len(Table::Audit)?,
        })
    }

    /// Every row as it lies there.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<super::rows::RawRow> {
        self.rows.all().unwrap()
    }
}
