//! Reading and writing rows by what they mean. The same reads serve a snapshot and the writer's open transaction.

use std::sync::OnceLock;

use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, WriteTransaction};

use super::StoreError;
use super::chain::Head;
use super::counts::{failures_key, lasts, some_failures_key};
use super::records::{AuditRecord, AuditStart, Identity, Listed, Mark, NameRecord, Record, listed_key, pair};
use super::schema::{Checksums, META_AUDIT_START, META_CUT_OFFS, META_MARK, META_MASTER, Table, bad_row};
use crate::domain::account::User;
use crate::domain::effect::ListedAt;
use crate::domain::keyset::Key;
use crate::domain::reseal::Master;
use crate::domain::retention::{AT_ONCE, AuditPolicy, OldEntries};
use crate::domain::revocation::CutOffs;
use crate::domain::session::Session;
use crate::domain::throttle::{FORGOTTEN, Failures, ThrottleKey};
use crate::domain::time::Moment;

type Bytes = &'static [u8];

/// A row as it lies there: its table, its key, and its value with the checksum.
#[cfg(test)]
pub(super) type RawRow = (&'static str, Vec<u8>, Vec<u8>);

/// The rows as the writer's transaction sees and changes them.
pub(super) type WriterRows<'txn> = Rows<redb::Table<'txn, Bytes, Bytes>>;

/// The rows as of a snapshot.
pub(super) type SnapshotRows = Rows<ReadOnlyTable<Bytes, Bytes>>;

/// The tables of one transaction, in the order of [`Table::ALL`].
pub(super) struct Rows<T> {
    tables: [OnceLock<T>; Table::ALL.len()],
    /// What opens a table that is not yet: most reads need few of them, and to open one costs more than to read a row of it.
    later: Option<Later<T>>,
    checksums: Checksums,
}

struct Later<T> {
    txn: ReadTransaction,
    open: fn(&ReadTransaction, Table) -> Result<T, StoreError>,
}

impl SnapshotRows {
    /// The rows as of a snapshot. A table that is missing is told of now.
    pub(super) fn of_snapshot(txn: &ReadTransaction, checksums: &Checksums) -> Result<Self, StoreError> {
        let tables = open_all(|table| txn.open_table(table.definition()))?;
        Ok(Self { tables, later: None, checksums: checksums.clone() })
    }

    /// The same, with each table opened when it is read.
    pub(super) fn opened_as_read(txn: ReadTransaction, checksums: &Checksums) -> Self {
        let later = Later { txn, open: |txn, table| Ok(txn.open_table(table.definition())?) };
        let tables = [const { OnceLock::new() }; Table::ALL.len()];
        Self { tables, later: Some(later), checksums: checksums.clone() }
    }
}

impl<'txn> WriterRows<'txn> {
    /// The rows as the writer's transaction sees and changes them.
    pub(super) fn of_writer(txn: &'txn WriteTransaction, checksums: &Checksums) -> Result<Self, StoreError> {
        let tables = open_all(|table| txn.open_table(table.definition()))?;
        Ok(Self { tables, later: None, checksums: checksums.clone() })
    }

    fn table_mut(&mut self, table: Table) -> Result<&mut redb::Table<'txn, Bytes, Bytes>, StoreError> {
        self.tables[table as usize].get_mut().ok_or_else(|| missing(table))
    }

    /// Writes a row.
    pub(super) fn put(&mut self, table: Table, key: &[u8], value: &impl Record) -> Result<(), StoreError> {
        let row = self.checksums.seal(table, key, value.to_bytes());
        self.table_mut(table)?.insert(key, row.as_slice())?;
        Ok(())
    }

    /// Removes a row, if there is one.
    pub(super) fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.table_mut(table)?.remove(key)?;
        Ok(())
    }
}

fn open_all<T, E: Into<StoreError>>(
    mut open: impl FnMut(Table) -> Result<T, E>,
) -> Result<[OnceLock<T>; Table::ALL.len()], StoreError> {
    let mut tables = [const { OnceLock::new() }; Table::ALL.len()];
    for table in Table::ALL {
        tables[table as usize] = OnceLock::from(open(table).map_err(Into::into)?);
    }
    Ok(tables)
}

fn missing(table: Table) -> StoreError {
    StoreError::Layout(format!("the table {} is missing", table.name()))
}

impl<T> Rows<T> {
    fn table(&self, table: Table) -> Result<&T, StoreError> {
        let place = &self.tables[table as usize];
        if let Some(open) = place.get() {
            return Ok(open);
        }
        let Later { txn, open } = self.later.as_ref().ok_or_else(|| missing(table))?;
        let opened = open(txn, table)?;
        Ok(place.get_or_init(|| opened))
    }
}

impl<T: ReadableTable<Bytes, Bytes>> Rows<T> {
    /// A row, checked and decoded.
    pub(super) fn get<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, StoreError> {
        match self.table(table)?.get(key)? {
            None => Ok(None),
            Some(row) => self.decode(table, key, row.value()).map(Some),
        }
    }

    /// The record of a row as it lies in a table.
    pub(super) fn decode<R: Record>(&self, table: Table, key: &[u8], row: &[u8]) -> Result<R, StoreError> {
        let value = self.checksums.open(table, key, row)?;
        Ok(R::from_bytes(value).ok_or_else(|| bad_row(table, key))?)
    }

    /// Every row as it lies there; none of them is damaged.
    #[cfg(test)]
    pub(super) fn all(&self) -> Result<Vec<RawRow>, StoreError> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            for row in self.table(table)?.iter()? {
                let (key, value) = row?;
                if (table, key.value()) != (Table::Meta, super::schema::META_SCHEMA) {
                    self.checksums.open(table, key.value(), value.value())?;
                }
                rows.push((table.name(), key.value().to_vec(), value.value().to_vec()));
            }
        }
        Ok(rows)
    }

    /// Every row of a table as it lies, in order.
    pub(super) fn each(&self, table: Table, mut look: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        for row in self.table(table)?.iter()? {
            let (key, row) = row?;
            look(key.value(), row.value());
        }
        Ok(())
    }

    /// How many rows a table has.
    pub(super) fn len(&self, table: Table) -> Result<u64, StoreError> {
        Ok(self.table(table)?.len()?)
    }

    /// A user.
    pub(super) fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.get(Table::Users, id.as_bytes())
    }

    /// The user of this name. The text need not be a name.
    pub(super) fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        let record: Option<NameRecord> = self.get(Table::Names, name.as_bytes())?;
        let Some(record) = record.filter(|record| record.reserved.is_none()) else { return Ok(None) };
        // A name that leads nowhere would be an account that silently does not exist.
        let user = self.user(record.user)?.ok_or_else(|| bad_row(Table::Names, name.as_bytes()))?;
        Ok(Some(user))
    }

    /// Whether this user, or a new one, cannot have this name now: somebody has it, or somebody else gave it up not long ago.
    pub(super) fn name_taken(&self, name: &str, now: Millis, by: Option<UserId>) -> Result<bool, StoreError> {
        let record: Option<NameRecord> = self.get(Table::Names, name.as_bytes())?;
        let kept =
            |record: NameRecord| record.reserved.is_none_or(|until| now < until && by != Some(record.user));
        Ok(record.is_some_and(kept))
    }

    /// A session, both rows of it.
    pub(super) fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let key = id.as_bytes();
        match (self.get(Table::Cold, key)?, self.get(Table::Hot, key)?) {
            (Some(cold), Some(hot)) => Ok(Some(Session { id, cold, hot })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(bad_row(Table::Hot, key).into()),
            (Some(_), None) => Err(bad_row(Table::Cold, key).into()),
        }
    }

    /// A user's sessions after one of them, oldest first, dead ones that are not swept yet included.
    pub(super) fn sessions_of(
        &self,
        user: UserId,
        after: Option<SessionId>,
        most: usize,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for id in self.session_ids_of(user, after)?.into_iter().take(most) {
            sessions.push(
                self.session(id)?
                    .ok_or_else(|| bad_row(Table::OfUser, &pair(user.as_bytes(), id.as_bytes())))?,
            );
        }
        Ok(sessions)
    }

    /// The identifiers of a user's sessions after one of them, oldest first.
    fn session_ids_of(&self, user: UserId, after: Option<SessionId>) -> Result<Vec<SessionId>, StoreError> {
        let first = pair(user.as_bytes(), &after.map_or([0; 16], |id| *id.as_bytes()));
        let last = pair(user.as_bytes(), &[u8::MAX; 16]);
        let mut ids = Vec::new();
        for row in self.table(Table::OfUser)?.range::<&[u8]>(first.as_slice()..=last.as_slice())? {
            let (key, value) = row?;
            self.decode::<()>(Table::OfUser, key.value(), value.value())?;
            let id = trailing_id(Table::OfUser, key.value())?;
            if Some(id) != after {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Sessions whose place in the deadline index has come, each with that place.
    pub(super) fn sessions_due(
        &self,
        now: Millis,
        most: usize,
    ) -> Result<Vec<(Millis, Session)>, StoreError> {
        let last = pair(&now.as_u64().to_be_bytes(), &[u8::MAX; 16]);
        let mut due = Vec::new();
        for row in self.table(Table::Due)?.range::<&[u8]>(..=last.as_slice())?.take(most) {
            let (key, value) = row?;
            self.decode::<()>(Table::Due, key.value(), value.value())?;
            let (at, _) =
                key.value().split_first_chunk::<8>().ok_or_else(|| bad_row(Table::Due, key.value()))?;
            let id = trailing_id(Table::Due, key.value())?;
            let session = self.session(id)?.ok_or_else(|| bad_row(Table::Due, key.value()))?;
            due.push((Millis::from_u64(u64::from_be_bytes(*at)), session));
        }
        Ok(due)
    }

    /// How many sessions were opened since a stamp, to the millisecond, dead ones that are not swept yet included.
    pub(super) fn sessions_since(&self, stamp: Stamp) -> Result<u64, StoreError> {
        if stamp == Stamp::default() {
            return self.len(Table::Hot);
        }
        // Identifiers begin with the time they were made at, so what was opened later lies behind.
        let first = SessionId::new(Millis::from_u64(stamp.0 / 1000 + 1), [0; 10]);
        let later = self.table(Table::Hot)?.range::<&[u8]>(first.as_bytes().as_slice()..)?;
        later.map(|row| row.map(|_| 1).map_err(StoreError::from)).sum()
    }

    /// Entries of the revocation list after one of them, oldest first.
    pub(super) fn revocations_after(
        &self,
        after: Option<ListedAt>,
        most: usize,
    ) -> Result<Vec<(ListedAt, Listed)>, StoreError> {
        let first = after.map_or_else(Vec::new, |(stamp, place)| listed_key(stamp, place.saturating_add(1)));
        let mut entries = Vec::new();
        for row in self.table(Table::Revocations)?.range::<&[u8]>(first.as_slice()..)?.take(most) {
            let (key, value) = row?;
            let bad = || bad_row(Table::Revocations, key.value());
            let (stamp, place) = key.value().split_first_chunk::<8>().ok_or_else(bad)?;
            let place = place.try_into().map(u16::from_be_bytes).map_err(|_| bad())?;
            let listed = self.decode(Table::Revocations, key.value(), value.value())?;
            entries.push(((Stamp(u64::from_be_bytes(*stamp)), place), listed));
        }
        Ok(entries)
    }

    /// Users by name, after a name.
    pub(super) fn users_after(&self, after: Option<&str>, most: usize) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        let first = after.unwrap_or_default().as_bytes();
        for row in self.table(Table::Names)?.range::<&[u8]>(first..)? {
            let (key, value) = row?;
            if Some(key.value()) == after.map(str::as_bytes) {
                continue;
            }
            if users.len() == most {
                break;
            }
            let record: NameRecord = self.decode(Table::Names, key.value(), value.value())?;
            if record.reserved.is_none() {
                users.push(self.user(record.user)?.ok_or_else(|| bad_row(Table::Names, key.value()))?);
            }
        }
        Ok(users)
    }

    /// Users by their identifiers, after one of them, and whether they are the last.
    pub(super) fn users_page(
        &self,
        after: Option<UserId>,
        bytes: usize,
        most: usize,
    ) -> Result<(Vec<User>, bool), StoreError> {
        let (mut users, mut size) = (Vec::new(), 0);
        let first = after.map_or([0; 16], |id| *id.as_bytes());
        for row in self.table(Table::Users)?.range::<&[u8]>(first.as_slice()..)? {
            let (key, value) = row?;
            if after.is_some_and(|after| key.value() == after.as_bytes()) {
                continue;
            }
            if size >= bytes || users.len() >= most {
                return Ok((users, false));
            }
            size += value.value().len();
            users.push(self.decode(Table::Users, key.value(), value.value())?);
        }
        Ok((users, true))
    }

    /// Failures counted under a key.
    pub(super) fn failures(&self, key: &ThrottleKey) -> Result<Option<Failures>, StoreError> {
        self.get(Table::Failures, &failures_key(key))
    }

    /// Some counts of failures that are so old that they mean nothing. Their keys are hashes, so a place drawn by the stamp is any place: in time
    /// every row is come by. Most count a name from a source, so most looks begin there.
    pub(super) fn old_failures(&self, at: &Moment, most: usize) -> Result<Vec<[u8; 16]>, StoreError> {
        let from = some_failures_key(at.stamp);
        let table = self.table(Table::Failures)?;
        let ahead = table.range::<&[u8]>(from.as_slice()..)?;
        let behind = table.range::<&[u8]>(..from.as_slice())?;
        let mut old = Vec::new();
        for row in ahead.chain(behind).take(most) {
            let (key, value) = row?;
            let failures: Failures = self.decode(Table::Failures, key.value(), value.value())?;
            if at.now.since(failures.last) >= FORGOTTEN && !lasts(key.value()) {
                let key = key.value().try_into().map_err(|_| bad_row(Table::Failures, key.value()))?;
                old.push(key);
            }
        }
        Ok(old)
    }

    /// Stamps that end many sessions at once.
    pub(super) fn cut_offs(&self) -> Result<CutOffs, StoreError> {
        self.get(Table::Meta, META_CUT_OFFS)?.ok_or_else(|| bad_row(Table::Meta, META_CUT_OFFS).into())
    }

    /// How far stamps and time have come.
    pub(super) fn mark(&self) -> Result<Mark, StoreError> {
        self.get(Table::Meta, META_MARK)?.ok_or_else(|| bad_row(Table::Meta, META_MARK).into())
    }

    /// Every key, sealed.
    pub(super) fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        for row in self.table(Table::Keys)?.iter()? {
            let (key, value) = row?;
            keys.push(self.decode(Table::Keys, key.value(), value.value())?);
        }
        Ok(keys)
    }

    /// What is known of the master key.
    pub(super) fn master(&self) -> Result<Master, StoreError> {
        Ok(self.get(Table::Meta, META_MASTER)?.unwrap_or_default())
    }

    /// The newest audit entry and its number, if there is any.
    pub(super) fn last_audit(&self) -> Result<Option<(u64, AuditRecord)>, StoreError> {
        match self.table(Table::Audit)?.last()? {
            None => Ok(None),
            Some((key, value)) => self.audit_entry(key.value(), value.value()).map(Some),
        }
    }

    /// Audit entries after a number, oldest first.
    pub(super) fn audit_after(
        &self,
        number: u64,
        most: usize,
    ) -> Result<Vec<(u64, AuditRecord)>, StoreError> {
        let first = number.saturating_add(1).to_be_bytes();
        let mut entries = Vec::new();
        for row in self.table(Table::Audit)?.range::<&[u8]>(first.as_slice()..)?.take(most) {
            let (key, value) = row?;
            entries.push(self.audit_entry(key.value(), value.value())?);
        }
        Ok(entries)
    }

    /// What the audit entries that are there go on from.
    pub(super) fn audit_start(&self) -> Result<Head, StoreError> {
        let start: AuditStart = self.get(Table::Meta, META_AUDIT_START)?.unwrap_or_default();
        Ok(Head { number: start.number, hash: start.hash })
    }

    /// The oldest audit entries, if there are enough that need not be kept any longer.
    pub(super) fn old_audit(
        &self,
        policy: &AuditPolicy,
        now: Millis,
    ) -> Result<Option<OldEntries>, StoreError> {
        let before = self.audit_start()?.number;
        let Some((newest, _)) = self.last_audit()? else { return Ok(None) };
        let over = |(number, record): &(u64, AuditRecord)| policy.is_over(*number, record.stamp, newest, now);
        let Some((first, oldest)) = self.audit_after(before, 1)?.into_iter().find(over) else {
            return Ok(None);
        };
        let old = self.audit_after(before, AT_ONCE)?;
        let old: Vec<_> = old.into_iter().take_while(over).collect();
        let enough = old.len() == AT_ONCE || policy.is_long_over(oldest.stamp, now);
        let last = old.last().filter(|_| enough);
        Ok(last.map(|(last, record)| OldEntries { first, last: *last, hash: record.hash }))
    }

    /// The rows of a table from a key on, as they lie.
    pub(super) fn rows_from(
        &self,
        table: Table,
        first: &[u8],
    ) -> Result<redb::Range<'_, Bytes, Bytes>, StoreError> {
        Ok(self.table(table)?.range::<&[u8]>(first..)?)
    }

    fn audit_entry(&self, key: &[u8], value: &[u8]) -> Result<(u64, AuditRecord), StoreError> {
        let number = key.try_into().map(u64::from_be_bytes).map_err(|_| bad_row(Table::Audit, key))?;
        Ok((number, self.decode(Table::Audit, key, value)?))
    }
}

fn trailing_id(table: Table, key: &[u8]) -> Result<SessionId, StoreError> {
    match key.split_last_chunk::<16>() {
        Some((_, id)) => Ok(SessionId::from_bytes(*id)),
        None => Err(bad_row(table, key).into()),
    }
}

/// Reads the one row that holds the key of all checksums; a value that decodes and matches itself is taken at its word.
pub(super) fn identity(row: &[u8]) -> Option<Identity> {
    let value = row.get(..row.len().checked_sub(8)?)?;
    let identity = Identity::from_bytes(value)?;
    let checksums = Checksums::new(&identity.checksums);
    checksums.open(Table::Meta, super::schema::META_IDENTITY, row).is_ok().then_some(identity)
}
