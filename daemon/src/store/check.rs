//! Looks at a whole database that no daemon has open: its structure, every row, every index in both directions, its keys and the audit chain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;
use redb::{Database, ReadableDatabase};

use super::copy::refuse_other_tables;
use super::open::read_identity;
use super::records::{Anew, AuditStart, Identity, Listed, Mark, NameRecord, Record, key_key, pair};
use super::rows::{Rows, SnapshotRows};
use super::schema::{
    BadRow, Checksums, META_ANEW, META_AUDIT_START, META_CUT_OFFS, META_IDENTITY, META_MARK, META_MASTER,
    META_SCHEMA, Table, bad_row,
};
use super::walk::Walk;
use super::{StoreError, untouched};
use crate::domain::account::User;
use crate::domain::keyset::{Key, KeyKind, KeyState};
use crate::domain::reseal::Master;
use crate::domain::revocation::CutOffs;
use crate::domain::session::{Cold, Hot, Session, is_alive};
use crate::domain::throttle::Failures;

/// Most faults that are told one by one.
const TOLD: usize = 100;
/// How far the time on disk can be behind the last sweep, amply.
const BEHIND: Duration = Duration::from_mins(1);

/// What a check has found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Users there are.
    pub(crate) users: u64,
    /// Sessions there are, ended ones included.
    pub(crate) sessions: u64,
    /// Audit entries there are.
    pub(crate) audit_entries: u64,
    /// What is wrong, in words; the first of it.
    pub(crate) faults: Vec<String>,
    /// How much more is wrong.
    pub(crate) more: u64,
}

impl Report {
    /// Whether everything is as it must be.
    pub(crate) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: impl Into<String>) {
        if self.faults.len() < TOLD {
            self.faults.push(fault.into());
        } else {
            self.more += 1;
        }
    }
}

/// Who is told how many rows are checked, and of how many.
pub(crate) type Told<'a> = dyn FnMut(u64, u64) + 'a;

/// Checks a database and leaves its file as it is.
///
/// # Errors
/// A file that cannot be looked at. What is wrong inside stands in the report.
pub(crate) fn check(path: &Path, progress: &mut Told<'_>) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let looked = catch_unwind(AssertUnwindSafe(|| look(path, &mut report, progress)));
    match looked {
        Ok(Err(error @ (StoreError::InUse(_) | StoreError::File { .. } | StoreError::Newer(_)))) => {
            return Err(error);
        }
        Ok(Err(error)) => report.fault(error.to_string()),
        Ok(Ok(())) => {}
        Err(_) => report.fault("the structure of the file is so damaged that it cannot be read to its end"),
    }
    Ok(report)
}

fn look(path: &Path, report: &mut Report, progress: &mut Told<'_>) -> Result<(), StoreError> {
    let mut database = match untouched::open(path)? {
        Ok(database) => database,
        Err(error) => {
            report.fault(format!("it cannot be opened as a database: {error}"));
            return Ok(());
        }
    };
    let identity = read_identity(&database, path)?;
    match database.check_integrity() {
        Ok(true) => {}
        Ok(false) => {
            report.fault("its pages do not match their checksums, or its free room is not what it says");
        }
        Err(error) => report.fault(format!("its pages cannot be checked: {error}")),
    }
    rows(&database, &identity, report, progress)
}

fn rows(
    database: &Database,
    identity: &Identity,
    report: &mut Report,
    progress: &mut Told<'_>,
) -> Result<(), StoreError> {
    let txn = database.begin_read()?;
    refuse_other_tables(&txn)?;
    let rows = Rows::of_snapshot(&txn, &Checksums::new(&identity.checksums))?;
    report.users = rows.len(Table::Users)?;
    report.sessions = rows.len(Table::Hot)?;
    report.audit_entries = rows.len(Table::Audit)?;
    let counted = Table::ALL.into_iter().filter(|table| *table != Table::Meta);
    let all = counted.map(|table| rows.len(table)).sum::<Result<u64, _>>()?;
    let mut check = Check { rows: &rows, report, progress, done: 0, all };
    check.meta();
    check.users();
    check.sessions();
    check.keys();
    check.audit();
    check.rest();
    Ok(())
}

struct Check<'a> {
    rows: &'a SnapshotRows,
    report: &'a mut Report,
    progress: &'a mut Told<'a>,
    done: u64,
    all: u64,
}

impl Check<'_> {
    /// Every row of a table that is what was written; the others are faults.
    fn each<R: Record>(&mut self, table: Table, mut look: impl FnMut(&mut Self, &[u8], R)) {
        let rows = self.rows;
        let read = rows.each(table, |key, row| {
            self.done += 1;
            (self.progress)(self.done, self.all);
            match rows.decode::<R>(table, key, row) {
                Ok(record) => look(self, key, record),
                Err(error) => self.report.fault(error.to_string()),
            }
        });
        if let Err(error) = read {
            self.report.fault(format!("table {} cannot be read to its end: {error}", table.name()));
        }
    }

    fn bad(&mut self, row: &BadRow) {
        self.report.fault(row.to_string());
    }

    fn meta(&mut self) {
        let rows = self.rows;
        let read = rows.each(Table::Meta, |key, row| {
            let decoded = match key {
                META_SCHEMA => Ok(()),
                META_IDENTITY => rows.decode::<Identity>(Table::Meta, key, row).map(drop),
                META_MARK => rows.decode::<Mark>(Table::Meta, key, row).map(drop),
                META_CUT_OFFS => rows.decode::<CutOffs>(Table::Meta, key, row).map(drop),
                META_ANEW => rows.decode::<Anew>(Table::Meta, key, row).map(drop),
                META_AUDIT_START => rows.decode::<AuditStart>(Table::Meta, key, row).map(drop),
                META_MASTER => rows.decode::<Master>(Table::Meta, key, row).map(drop),
                _ => Err(bad_row(Table::Meta, key).into()),
            };
            if let Err(error) = decoded {
                self.report.fault(error.to_string());
            }
        });
        for missing in [read.err(), rows.mark().map(drop).err(), rows.cut_offs().map(drop).err()] {
            // A row that is there and damaged was told above.
            if let Some(error) = missing.filter(|error| !self.report.faults.contains(&error.to_string())) {
                self.report.fault(error.to_string());
            }
        }
    }

    fn users(&mut self) {
        self.each::<User>(Table::Users, |check, key, user| {
            if key != user.id.as_bytes() {
                check.bad(&bad_row(Table::Users, key));
            }
            let name = user.name.as_str();
            match check.rows.get::<NameRecord>(Table::Names, name.as_bytes()) {
                Ok(Some(record)) if record.user == user.id && record.reserved.is_none() => {}
                Err(_) => {}
                Ok(_) => check.report.fault(format!("user {} is not found by their name {name}", user.id)),
            }
        });
        self.each::<NameRecord>(Table::Names, |check, key, record| {
            let user = check.rows.user(record.user);
            let of_this_name =
                |user: &Option<User>| user.as_ref().is_some_and(|user| user.name.as_str().as_bytes() == key);
            if record.reserved.is_none() && user.is_ok_and(|user| !of_this_name(&user)) {
                let name = String::from_utf8_lossy(key);
                check.report.fault(format!(
                    "the name {name} leads to user {}, who has another or is none",
                    record.user
                ));
            }
        });
    }

    fn sessions(&mut self) {
        let cut_offs = self.rows.cut_offs().unwrap_or_default();
        let now = self.rows.mark().map_or(Millis::MAX, |mark| mark.latest).plus(BEHIND);
        let due = self.due();
        self.each::<Cold>(Table::Cold, |check, key, _| {
            if check.rows.get::<Hot>(Table::Hot, key).is_ok_and(|hot| hot.is_none()) {
                check.bad(&bad_row(Table::Cold, key));
            }
        });
        self.each::<Hot>(Table::Hot, |check, key, hot| {
            let cold = check.rows.get::<Cold>(Table::Cold, key);
            let (Ok(Some(cold)), Ok(id)) = (cold, <[u8; 16]>::try_from(key)) else {
                return check.report.fault(format!("session {} is not whole", crate::hex::encode(key)));
            };
            if due.binary_search(&id).is_err() {
                let id = SessionId::from_bytes(id);
                check.report.fault(format!(
                    "session {id} is not in the index of deadlines, so it is never swept away"
                ));
            }
            check.listed(Session { id: SessionId::from_bytes(id), cold, hot }, &cut_offs, now);
        });
        self.each::<()>(Table::OfUser, |check, key, ()| {
            let ids = key
                .split_last_chunk::<16>()
                .and_then(|(user, id)| Some((<[u8; 16]>::try_from(user).ok()?, id)));
            let Some((user, id)) = ids else { return check.bad(&bad_row(Table::OfUser, key)) };
            let cold = check.rows.get::<Cold>(Table::Cold, id);
            if cold.is_ok_and(|cold| cold.is_none_or(|cold| *cold.user.as_bytes() != user)) {
                let (user, id) = (UserId::from_bytes(user), SessionId::from_bytes(*id));
                check
                    .report
                    .fault(format!("user {user} has session {id} listed, which is not theirs or is none"));
            }
        });
    }

    /// A session that a revocation of its user must find is in the list that it looks at.
    fn listed(&mut self, session: Session, cut_offs: &CutOffs, now: Millis) {
        let Ok(user) = self.rows.user(session.cold.user) else { return };
        let alive = session.hot.revoked.is_none() && is_alive(user.as_ref(), &session, cut_offs, now).is_ok();
        let key = pair(session.cold.user.as_bytes(), session.id.as_bytes());
        if alive && self.rows.get::<()>(Table::OfUser, &key).is_ok_and(|listed| listed.is_none()) {
            let (id, user) = (session.id, session.cold.user);
            self.report.fault(format!("session {id} is alive and not in the list of user {user}"));
        }
    }

    /// The sessions in the index of deadlines, in order. Each stands there once.
    fn due(&mut self) -> Vec<[u8; 16]> {
        let mut due = Vec::new();
        self.each::<()>(Table::Due, |check, key, ()| match key.split_last_chunk::<16>() {
            Some((deadline, id)) if deadline.len() == 8 => {
                if check.rows.get::<Hot>(Table::Hot, id).is_ok_and(|hot| hot.is_none()) {
                    let id = SessionId::from_bytes(*id);
                    check.report.fault(format!("the index of deadlines names session {id}, which is none"));
                }
                due.push(*id);
            }
            _ => check.bad(&bad_row(Table::Due, key)),
        });
        due.sort_unstable();
        for twice in due.windows(2).filter(|pair| pair[0] == pair[1]) {
            let id = SessionId::from_bytes(twice[0]);
            self.report.fault(format!("session {id} stands twice in the index of deadlines"));
        }
        due
    }

    fn keys(&mut self) {
        let mut active = [0_u32; KeyKind::ALL.len()];
        self.each::<Key>(Table::Keys, |check, row, key| {
            if *row != key_key(key.kind, key.number) {
                check.bad(&bad_row(Table::Keys, row));
            }
            if key.state == KeyState::Active {
                active[key.kind as usize] += 1;
            }
        });
        let anew = self.rows.get::<Anew>(Table::Meta, META_ANEW).is_ok_and(|anew| anew.is_some());
        // A database that was restored gets its keys from the daemon that opens it next.
        let wanted = u32::from(!anew);
        for (kind, count) in KeyKind::ALL.into_iter().zip(active) {
            if count != wanted {
                let kind = kind.as_str();
                self.report.fault(format!("there are {count} active {kind} keys, and must be {wanted}"));
            }
        }
    }

    fn audit(&mut self) {
        let mut walk = Walk::default();
        match walk.go(self.rows, usize::MAX, |_| ()) {
            Ok(stretch) => stretch.faults.into_iter().for_each(|fault| self.report.fault(fault)),
            Err(error) => self.report.fault(error.to_string()),
        }
        self.done += walk.entries;
        if self.rows.mark().is_ok_and(|mark| walk.stamp > mark.reserved) {
            self.report.fault("the audit chain has a stamp that cannot have been given out yet");
        }
    }

    fn rest(&mut self) {
        self.each::<Failures>(Table::Failures, |check, key, _| {
            if key.len() != 16 {
                check.bad(&bad_row(Table::Failures, key));
            }
        });
        self.each::<Listed>(Table::Revocations, |check, key, _| {
            if key.len() != 10 {
                check.bad(&bad_row(Table::Revocations, key));
            }
        });
    }
}

#[cfg(test)]
mod tests;
