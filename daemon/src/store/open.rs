//! Opening the store: the lock first, then the file, then what it says of itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg, OFlag};
use redb::{Database, ReadableDatabase, TableError};
use tokio::sync::oneshot;

use super::StoreError;
use super::chain::Head;
use super::records::{Identity, Mark, key_key};
use super::rows::{Rows, identity};
use super::schema::{Checksums, META_CUT_OFFS, META_IDENTITY, META_MARK, META_SCHEMA, SCHEMA, Table};
use super::snapshot::Snapshot;
use super::writer::{Parts, Publish, Writer, WriterThread};
use crate::clock::Clock;
use crate::domain::command::Policy;
use crate::domain::keyset::Key;
use crate::domain::revocation::CutOffs;
use crate::domain::time::Outage;

/// The database's name in the state directory.
const DATABASE: &str = "hallpass.redb";
/// The lock's name there. It holds the daemon's pid for people; the lock itself is the kernel's.
const LOCK: &str = "lock";
/// Bytes of the file that redb may keep in memory.
const CACHE_BYTES: usize = 32 << 20;

/// An open store. While it lives, no other daemon can open the same one.
pub(crate) struct Store {
    database: Arc<Database>,
    path: PathBuf,
    checksums: Checksums,
    identity: Identity,
    sealed_keys: Vec<Key>,
    mark: Mark,
    created: bool,
    _lock: Flock<File>,
}

impl Store {
    /// Opens the store in a directory that this user owns, or makes one there.
    ///
    /// `first_keys` is asked once in the life of a database, in the transaction that creates it: a database without keys never exists.
    ///
    /// # Errors
    /// A directory or file that others could change, a store that another daemon has open, a file of a newer version, damage.
    pub(crate) fn open(
        dir: &Path,
        fresh: [u8; 48],
        first_keys: impl FnOnce(&[u8; 16]) -> Result<Vec<Key>, StoreError>,
    ) -> Result<Self, StoreError> {
        own_directory(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(DATABASE);
        let file = own_file(&path)?;
        let created =
            file.metadata().map_err(StoreError::file(format!("cannot look at {}", path.display())))?.len()
                == 0;
        if !created {
            // Opening for writing writes: what is not ours to open must be refused before. A file that was not closed cleanly can be read only
            // once it is repaired.
            if let Ok(database) = redb::Builder::new().open_read_only(&path) {
                read_identity(&database, &path)?;
            }
        }
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        if created {
            sync_directory(dir)?;
        }
        let identity = match read_identity(&database, &path)? {
            Some(identity) => identity,
            None => initialise(&database, fresh, first_keys)?,
        };
        let checksums = Checksums::new(&identity.checksums);
        let (sealed_keys, mark) = {
            let rows = Rows::of_snapshot(&database.begin_read()?, &checksums)?;
            (rows.keys()?, rows.mark()?)
        };
        Ok(Self {
            database: Arc::new(database),
            path,
            checksums,
            identity,
            sealed_keys,
            mark,
            created,
            _lock: lock,
        })
    }

    /// What identifies this database.
    pub(crate) fn database_id(&self) -> &[u8; 16] {
        &self.identity.database
    }

    /// Its keys, sealed.
    pub(crate) fn sealed_keys(&self) -> &[Key] {
        &self.sealed_keys
    }

    /// The earliest that the daemon's time may be now, in microseconds: all that it has given out before.
    pub(crate) fn time_floor(&self) -> u64 {
        self.mark.latest.as_u64() * 1000
    }

    /// Size of the file in bytes.
    pub(crate) fn bytes(&self) -> Result<u64, StoreError> {
        let what = || format!("cannot look at {}", self.path.display());
        Ok(self.path.metadata().map_err(StoreError::file(what()))?.len())
    }

    /// One consistent state, as of now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::open(&self.database, &self.checksums)
    }

    /// Starts the writer. `publish` is given the keys whenever they have changed, before anybody is answered. `stopped` is dropped when its thread ends.
    pub(crate) fn start_writer(
        &self,
        clock: Arc<Clock>,
        policy: Policy,
        publish: Publish,
        stopped: oneshot::Sender<()>,
    ) -> Result<(Writer, WriterThread), StoreError> {
        let rows = Rows::of_snapshot(&self.database.begin_read()?, &self.checksums)?;
        let outage =
            if self.created { Outage::default() } else { Outage { from: self.mark.latest, to: clock.now() } };
        let parts = Parts {
            database: Arc::clone(&self.database),
            checksums: self.checksums.clone(),
            clock,
            policy,
            publish,
            outage,
            head: Head::after(rows.last_audit()?),
            mark: self.mark,
        };
        Writer::start(parts, stopped).map_err(StoreError::file("cannot start the writer thread"))
    }
}

/// Makes the directory, or makes sure that nobody else can change what is in it.
fn own_directory(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(StoreError::file(format!("cannot make the state directory {}", dir.display())))?;
    let found = dir.metadata().map_err(StoreError::file(format!("cannot look at {}", dir.display())))?;
    if found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(StoreError::Layout(format!(
            "the state directory {} must belong to the user of the daemon and be writable by nobody else; `chown` it and `chmod 700` it",
            dir.display()
        )));
    }
    Ok(())
}

/// Takes the lock of a state directory, or says who has it.
fn lock(dir: &Path) -> Result<Flock<File>, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .map_err(StoreError::file(format!("cannot open {}", path.display())))?;
    let mut holder = String::new();
    // What the file says is for people only; a file that cannot be read changes nothing about the lock.
    let _ = (&file).take(16).read_to_string(&mut holder);
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let what = || format!("cannot write {}", path.display());
            lock.set_len(0).map_err(StoreError::file(what()))?;
            lock.rewind().map_err(StoreError::file(what()))?;
            writeln!(lock, "{}", std::process::id()).map_err(StoreError::file(what()))?;
            Ok(lock)
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(StoreError::Layout(format!(
            "the state directory {} is in use by another hallpassd (pid {}); stop that one first, or give this one another --state-dir",
            dir.display(),
            holder.trim()
        ))),
        Err((_, error)) => {
            Err(StoreError::File { what: format!("cannot lock {}", path.display()), source: error.into() })
        }
    }
}

/// Opens or makes a file that only this user can read, and that has no other name.
fn own_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(StoreError::file(format!("cannot open {}", path.display())))?;
    crate::files::refuse_unless_private(&file, path).map_err(StoreError::Layout)?;
    Ok(file)
}

fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    let what = format!("cannot make {} durable", dir.display());
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::file(what))
}

/// What the file says of itself; nothing if it says nothing yet.
fn read_identity(database: &impl ReadableDatabase, path: &Path) -> Result<Option<Identity>, StoreError> {
    let txn = database.begin_read()?;
    let meta = match txn.open_table(Table::Meta.definition()) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let schema = meta.get(META_SCHEMA)?.and_then(|row| row.value().try_into().ok().map(u32::from_be_bytes));
    match schema {
        Some(SCHEMA) => {}
        Some(newer) if newer > SCHEMA => {
            return Err(StoreError::Layout(format!(
                "{} has schema {newer} and this hallpassd knows {SCHEMA}; it was left as it is; install the newer hallpassd",
                path.display()
            )));
        }
        _ => {
            return Err(StoreError::Layout(format!(
                "{} is not a Hallpass database; move it away or restore a backup",
                path.display()
            )));
        }
    }
    let identity = meta.get(META_IDENTITY)?.and_then(|row| identity(row.value()));
    identity.map(Some).ok_or_else(|| super::schema::bad_row(Table::Meta, META_IDENTITY).into())
}

/// Fills an empty file in one transaction.
fn initialise(
    database: &Database,
    fresh: [u8; 48],
    first_keys: impl FnOnce(&[u8; 16]) -> Result<Vec<Key>, StoreError>,
) -> Result<Identity, StoreError> {
    let mut identity = Identity { database: [0; 16], checksums: [0; 32] };
    identity.database.copy_from_slice(&fresh[..16]);
    identity.checksums.copy_from_slice(&fresh[16..]);
    let txn = database.begin_write()?;
    {
        let mut rows = Rows::of_writer(&txn, &Checksums::new(&identity.checksums))?;
        rows.put(Table::Meta, META_IDENTITY, &identity)?;
        rows.put(Table::Meta, META_MARK, &Mark::default())?;
        rows.put(Table::Meta, META_CUT_OFFS, &CutOffs::default())?;
        for key in first_keys(&identity.database)? {
            rows.put(Table::Keys, &key_key(key.kind, key.number), &key)?;
        }
    }
    {
        let mut meta = txn.open_table(Table::Meta.definition())?;
        meta.insert(META_SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
    }
    txn.commit()?;
    Ok(identity)
}
