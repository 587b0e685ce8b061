//! Puts a backup in the place of a database that no daemon has open.
//!
//! A backup does not know what was taken back since. So everything is taken back with it: no session and no key goes on, and no code for a password does,
//! for it may have been used. What the replaced database knew of its users is told, since only an administrator can do it again.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hallpass_protocol::id::UserId;
use hallpass_protocol::time::{Millis, Stamp};
use nix::fcntl::{AT_FDCWD, Flock, RenameFlags, renameat2};
use redb::{Database, ReadableDatabase};

use super::chain::{Head, Who};
use super::check::{Report, Told, check};
use super::medium::CACHE_BYTES;
use super::open::{database_in, lock, own_directory, read_identity};
use super::records::{Anew, Listed, Mark, listed_key};
use super::rows::{Rows, SnapshotRows, WriterRows};
use super::schema::{Checksums, META_ANEW, META_CUT_OFFS, META_MARK, META_MASTER, Table};
use super::witness::Witness;
use super::{StoreError, untouched};
use crate::domain::account::User;
use crate::domain::effect::{Audit, Event};
use crate::domain::keyset::{Key, KeyKind};
use crate::domain::revocation::CutOffs;
use crate::domain::time::{Moment, Outage};
use crate::files;

/// How many generations of keys a database may have had that its backup does not know of. Their numbers are not used again, so that a token of theirs
/// is known to be over.
const UNKNOWN_GENERATIONS: u16 = 16;

/// A restore that has begun: nobody else can open the database meanwhile.
pub(crate) struct Restore {
    backup: PathBuf,
    path: PathBuf,
    _lock: Flock<File>,
}

/// What the replaced database knew that the backup does not.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Whether there is a database to replace.
    pub(crate) replaces: bool,
    /// Why it cannot tell what it knew.
    pub(crate) unreadable: Option<String>,
    /// What was taken back since the backup.
    pub(crate) taken_back: Vec<TakenBack>,
    /// How many users were added since.
    pub(crate) added: u64,
    /// The time that the backup is of.
    pub(crate) backup_of: Millis,
    mark: Mark,
}

/// Something that was taken back from a user since the backup.
#[derive(Debug)]
pub(crate) struct TakenBack {
    /// Whose.
    pub(crate) user: UserId,
    /// Their name in the backup.
    pub(crate) name: String,
    /// What: `disabled`, `removed`, `password`, `roles` or `renamed`.
    pub(crate) what: &'static str,
    /// What more there is to know of it.
    pub(crate) detail: String,
}

/// Who restores, and when.
pub(crate) struct Restorer {
    /// The user of the process.
    pub(crate) uid: u32,
    /// The process.
    pub(crate) pid: i32,
    /// What it is known as.
    pub(crate) app: &'static str,
    /// The wall clock, in microseconds.
    pub(crate) wall: u64,
    /// The newest stamp that a client may have seen.
    pub(crate) visible: Stamp,
}

impl Restorer {
    /// A daemon that starts. What the board knows it raises its floor by later.
    pub(super) fn the_daemon() -> Self {
        let (uid, pid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getpid().as_raw());
        Self { uid, pid, app: "hallpassd", wall: 0, visible: Stamp::default() }
    }
}

impl Restore {
    /// Begins to restore a backup into a state directory.
    ///
    /// # Errors
    /// A directory that others could change, or that a daemon has in use.
    pub(crate) fn begin(dir: &Path, backup: &Path) -> Result<Self, StoreError> {
        own_directory(dir)?;
        let lock = lock(dir)?;
        let path = database_in(dir);
        let same = |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        if let (Ok(there), Ok(backup)) = (path.metadata(), backup.metadata())
            && same(there, backup)
        {
            let what = "this is the database itself and no backup of it; name a file that `hallpass backup` has made";
            return Err(StoreError::Layout(what.into()));
        }
        Ok(Self { backup: backup.to_owned(), path, _lock: lock })
    }

    /// Checks the backup.
    pub(crate) fn check(&self, progress: &mut Told<'_>) -> Result<Report, StoreError> {
        check(&self.backup, progress)
    }

    /// What the database that is to be replaced knows and the backup does not.
    pub(crate) fn lost(&self) -> Result<Lost, StoreError> {
        let backup = read(&self.backup)?;
        let backup_of = backup.mark()?.latest;
        let mut lost = Lost { backup_of, ..Lost::default() };
        lost.replaces = self.path.symlink_metadata().is_ok();
        if lost.replaces {
            let compared = catch_unwind(AssertUnwindSafe(|| lost.compare(&backup, &read(&self.path)?)));
            let failed = match compared {
                Ok(outcome) => outcome.err().map(|error| error.to_string()),
                Err(_) => Some("its structure is damaged".into()),
            };
            lost.unreadable = failed;
        }
        Ok(lost)
    }

    /// Puts the backup in its place, and gives the name under which the replaced database is kept.
    pub(crate) fn put(
        self,
        lost: &Lost,
        by: &Restorer,
        progress: &mut Told<'_>,
    ) -> Result<Option<PathBuf>, StoreError> {
        let date = humantime::format_rfc3339_seconds(
            std::time::UNIX_EPOCH + std::time::Duration::from_micros(by.wall),
        );
        let beside = |what: &str| self.path.with_added_extension(format!("{what}-{date}"));
        let (unfinished, kept) = (beside("restoring"), beside("replaced"));
        let outcome = self.prepare(&unfinished, lost, by, progress).and_then(|()| {
            files::sync(&unfinished)
                .map_err(StoreError::file(format!("cannot write {}", unfinished.display())))?;
            self.exchange(&unfinished, lost.replaces.then_some(&kept))
        });
        if outcome.is_err() && !kept.exists() {
            // Whatever has not taken the place of the database is not needed.
            let _ = std::fs::remove_file(&unfinished);
        }
        outcome.map(|()| lost.replaces.then_some(kept))
    }

    fn prepare(
        &self,
        unfinished: &Path,
        lost: &Lost,
        by: &Restorer,
        progress: &mut Told<'_>,
    ) -> Result<(), StoreError> {
        let what = || format!("cannot copy {} to {}", self.backup.display(), unfinished.display());
        let mut from = File::open(&self.backup).map_err(StoreError::file(what()))?;
        let mut file = files::create_anew(unfinished).map_err(StoreError::file(what()))?;
        io::copy(&mut from, &mut file).map_err(StoreError::file(what()))?;
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        let identity = read_identity(&database, unfinished)?;
        begin_anew(&database, &Checksums::new(&identity.checksums), &lost.news(), lost.mark, by)?;
        drop(database);
        let report = check(unfinished, progress)?;
        match report.faults.into_iter().next() {
            None => Ok(()),
            Some(fault) => Err(StoreError::Layout(format!(
                "the restored copy is not sound: {fault}; nothing was replaced"
            ))),
        }
    }

    /// One step: before it the old database lies in its place, after it the new one.
    fn exchange(&self, unfinished: &Path, kept: Option<&PathBuf>) -> Result<(), StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        Witness::forget(dir).map_err(StoreError::file("cannot remove the note of the audit chain"))?;
        let what = || format!("cannot put {} in its place; nothing was replaced", self.path.display());
        let flags = if kept.is_some() { RenameFlags::RENAME_EXCHANGE } else { RenameFlags::RENAME_NOREPLACE };
        renameat2(AT_FDCWD, unfinished, AT_FDCWD, &self.path, flags)
            .map_err(|error| StoreError::File { what: what(), source: error.into() })?;
        let named = kept.map_or(Ok(()), |kept| std::fs::rename(unfinished, kept));
        named.and_then(|()| files::sync_directory_of(&self.path)).map_err(StoreError::file(format!(
            "the backup is in its place, but its name may not be on disk yet; the replaced database lies beside {}",
            self.path.display()
        )))
    }
}

impl Lost {
    fn compare(&mut self, backup: &SnapshotRows, there: &SnapshotRows) -> Result<(), StoreError> {
        self.mark = there.mark()?;
        let mut failed = None;
        backup.each(Table::Users, |key, row| {
            let pair = backup
                .decode::<User>(Table::Users, key, row)
                .and_then(|user| Ok((there.user(user.id)?, user)));
            match pair {
                Ok((now, then)) => self.taken_back.extend(taken_back(&then, now.as_ref())),
                Err(error) => failed = Some(error),
            }
        })?;
        there.each(Table::Users, |key, _| {
            self.added += u64::from(backup.get::<User>(Table::Users, key).is_ok_and(|user| user.is_none()));
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// What the audit chain tells of it.
    fn news(&self) -> Audit {
        let of = humantime::format_rfc3339_seconds(
            std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.backup_of.as_u64()),
        );
        let (taken, added) = (self.taken_back.len(), self.added);
        let detail =
            format!("a backup of {of}; {taken} changes of users taken back since, {added} users added since");
        Audit { detail, ..Audit::new(Event::Restore) }
    }
}

/// What was taken back from a user between two states.
fn taken_back(then: &User, now: Option<&User>) -> Vec<TakenBack> {
    let mut found = Vec::new();
    let mut tell = |what, detail: String| {
        found.push(TakenBack { user: then.id, name: then.name.as_str().to_owned(), what, detail });
    };
    let Some(now) = now else {
        tell("removed", String::new());
        return found;
    };
    if now.disabled && !then.disabled {
        tell("disabled", String::new());
    }
    if now.credential_version != then.credential_version {
        tell("password", String::new());
    }
    let gone: Vec<_> =
        then.roles.as_slice().iter().filter(|role| !now.roles.contains(role)).cloned().collect();
    if !gone.is_empty() {
        tell("roles", gone.join(", "));
    }
    if now.name != then.name {
        tell("renamed", now.name.as_str().to_owned());
    }
    found
}

fn read(path: &Path) -> Result<SnapshotRows, StoreError> {
    let database = untouched::open(path)?.map_err(redb::Error::from)?;
    let identity = read_identity(&database, path)?;
    Rows::of_snapshot(&database.begin_read()?, &Checksums::new(&identity.checksums))
}

/// Ends everything that was given out on a database: its sessions, its keys, its codes. The daemon that opens it next makes its first keys anew.
pub(super) fn begin_anew(
    database: &Database,
    checksums: &Checksums,
    news: &Audit,
    other: Mark,
    by: &Restorer,
) -> Result<(), StoreError> {
    let txn = database.begin_write()?;
    {
        let mut rows = Rows::of_writer(&txn, checksums)?;
        let mark = rows.mark()?;
        let highest = mark.reserved.max(other.reserved).max(by.visible).0.max(by.wall);
        let latest = mark.latest.max(other.latest).max(Millis::from_u64(by.wall / 1000));
        let at = Moment { now: latest, stamp: Stamp(highest + 1), outage: Outage::default() };
        let cut_offs = CutOffs { everything: at.stamp, ..rows.cut_offs()? };
        rows.put(Table::Meta, META_CUT_OFFS, &cut_offs)?;
        rows.put(Table::Meta, META_MARK, &Mark { reserved: at.stamp, latest })?;
        rows.put(Table::Revocations, &listed_key(at.stamp, 0), &Listed::Everything)?;
        forget_keys(&mut rows)?;
        forget_codes(&mut rows)?;
        let mut head = Head::after(rows.last_audit()?);
        let who = Who { uid: by.uid, pid: by.pid, app: by.app };
        let record = head.link(news.clone(), "ok", &who, &at);
        rows.put(Table::Audit, &head.number.to_be_bytes(), &record)?;
    }
    Ok(txn.commit()?)
}

fn forget_keys(rows: &mut WriterRows<'_>) -> Result<(), StoreError> {
    let keys = rows.keys()?;
    let mut newest = rows.get::<Anew>(Table::Meta, META_ANEW)?.map_or(0, |anew| anew.0);
    for Key { kind, number, .. } in keys {
        newest = newest.max(number);
        rows.remove(Table::Keys, &super::records::key_key(kind, number))?;
    }
    rows.remove(Table::Meta, META_MASTER)?;
    let number = newest.checked_add(UNKNOWN_GENERATIONS).ok_or_else(|| {
        let kinds = KeyKind::ALL.map(KeyKind::as_str).join(" and ");
        StoreError::Layout(format!(
            "the numbers of {kinds} keys are used up; move the users to a new database"
        ))
    })?;
    rows.put(Table::Meta, META_ANEW, &Anew(number))
}

/// A code that was used since the backup must not be good again.
fn forget_codes(rows: &mut WriterRows<'_>) -> Result<(), StoreError> {
    let (mut with_code, mut failed) = (Vec::new(), None);
    rows.each(Table::Users, |key, row| match rows.decode::<User>(Table::Users, key, row) {
        Ok(user) if user.code.is_some() => with_code.push(user),
        Ok(_) => {}
        Err(error) => failed = Some(error),
    })?;
    failed.map_or(Ok(()), Err)?;
    for user in with_code {
        rows.put(Table::Users, user.id.as_bytes(), &User { code: None, ..user.clone() })?;
    }
    Ok(())
}
