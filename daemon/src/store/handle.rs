//! The open database. After the disk under it has failed it is opened again, for its old handle answers no more.

use std::panic::AssertUnwindSafe;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::StoreError;
use super::chain::Head;
use super::medium::{Medium, builder};
use super::open::{broken, read_identity, unopened};
use super::records::{Identity, Mark};
use super::rows::Rows;
use super::schema::Checksums;
use super::site::{Ground, Site};
use super::snapshot::Snapshot;
use super::view::Newest;
use crate::domain::keyset::Key;
use crate::domain::reseal::Master;

/// The open database.
pub(super) struct Handle {
    medium: Box<dyn Medium>,
    identity: Identity,
    checksums: Checksums,
    open: RwLock<Option<Open>>,
    newest: Newest,
}

/// A database and what it lies on.
struct Open {
    database: Database,
    site: Site,
}

/// What is held in memory of a database, as it is read whenever one is opened.
pub(super) struct Found {
    pub(super) keys: Vec<Key>,
    pub(super) master: Master,
    pub(super) mark: Mark,
    pub(super) head: Head,
}

impl Found {
    /// Reads it.
    pub(super) fn in_database(database: &Database, checksums: &Checksums) -> Result<Self, StoreError> {
        let rows = Rows::of_snapshot(&database.begin_read()?, checksums)?;
        Ok(Self {
            keys: rows.keys()?,
            master: rows.master()?,
            mark: rows.mark()?,
            head: Head::after(rows.last_audit()?),
        })
    }
}

impl Handle {
    /// Opens what lies there.
    pub(super) fn open(medium: Box<dyn Medium>) -> Result<(Self, Found), StoreError> {
        let (open, identity, found) = read(medium.reach()?, &*medium)?;
        let checksums = Checksums::new(&identity.checksums);
        let open = RwLock::new(Some(open));
        Ok((Self { medium, identity, checksums, open, newest: Newest::default() }, found))
    }

    /// Opens it again. As long as it cannot be reached, what the old handle still holds in memory can be read.
    pub(super) fn reopen(&self) -> Result<Found, StoreError> {
        let ground = self.medium.reach()?;
        self.close();
        // A sync that failed has left pages in memory that the disk may never have got, and that the kernel takes for written.
        self.medium.forget_what_is_cached();
        let (open, identity, found) = read(ground, &*self.medium)?;
        if identity.database != self.identity.database {
            let path = self.medium.path().display();
            return Err(StoreError::Layout(format!(
                "{path} is another database than it was when the daemon started; put the right one back or restart hallpassd"
            )));
        }
        *self.lock() = Some(open);
        // Somebody may have looked meanwhile at what the old handle held.
        self.newest.forget();
        Ok(found)
    }

    /// Tries whether there is room and leave to write, beside the database: one that fails in it is to be opened again.
    pub(super) fn takes_writes(&self) -> Result<(), StoreError> {
        let what = || format!("nothing can be written beside {}", self.medium.path().display());
        self.medium.takes_writes().map_err(StoreError::file(what()))
    }

    /// One consistent state, as of now.
    pub(super) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.with(|database| Snapshot::open(database, &self.checksums))
    }

    /// The view that was opened last.
    pub(super) fn newest(&self) -> &Newest {
        &self.newest
    }

    /// Begins to write. Only the writer does.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        self.with(|database| Ok(database.begin_write()?))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn checksums(&self) -> &Checksums {
        &self.checksums
    }

    pub(super) fn medium(&self) -> &dyn Medium {
        &*self.medium
    }

    /// Closing reads and writes once more, and may meet what cannot be as opening may. What was committed is there all the same.
    fn close(&self) {
        self.newest.forget();
        let old = self.lock().take();
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            let error = broken(self.medium.path());
            tracing::error!(%error, "the database could not be closed in order");
        }
    }

    /// Does something with the database as long as it is open.
    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        act(&open.as_ref().ok_or(StoreError::Closed)?.database)
    }

    /// What it lies on, as long as it is open.
    pub(super) fn site(&self) -> Result<Site, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        Ok(open.as_ref().ok_or(StoreError::Closed)?.site.clone())
    }

    /// What is behind the lock is exchanged whole, so a poisoned one holds nothing that is half done.
    fn lock(&self) -> RwLockWriteGuard<'_, Option<Open>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens, and reads what is held in memory. What redb takes for granted of a file that is damaged may end in a panic; that is a refusal too.
fn read(ground: Box<dyn Ground>, medium: &dyn Medium) -> Result<(Open, Identity, Found), StoreError> {
    let read = std::panic::catch_unwind(AssertUnwindSafe(|| read_all(ground, medium)));
    read.unwrap_or_else(|_| Err(broken(medium.path())))
}

fn read_all(ground: Box<dyn Ground>, medium: &dyn Medium) -> Result<(Open, Identity, Found), StoreError> {
    let what = || format!("cannot look at {}", medium.path().display());
    let site = Site::new(ground).map_err(StoreError::file(what()))?;
    let opened = builder().create_with_backend(site.clone());
    let database = opened.map_err(|error| unopened(medium.path(), &error))?;
    let identity = read_identity(&database, medium.path())?;
    let found = Found::in_database(&database, &Checksums::new(&identity.checksums))?;
    Ok((Open { database, site }, identity, found))
}
