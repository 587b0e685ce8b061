//! Opening the store: the lock first, then the file, then what it says of itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg, OFlag};
use redb::{Database, ReadableDatabase, TableError};
use tokio::sync::oneshot;

use super::copy::Copied;
use super::handle::{Found, Handle};
use super::medium::{InFile, Medium};
use super::migrate::{STEPS, Step, migrate, steps_from};
use super::order::stamped_or_kept;
use super::records::{Anew, Identity, Mark, key_key};
use super::restore::{Restorer, begin_anew};
use super::rows::{Rows, identity};
use super::schema::{
    Checksums, META_ANEW, META_CUT_OFFS, META_IDENTITY, META_MARK, META_SCHEMA, SCHEMA, Table,
};
use super::snapshot::Snapshot;
use super::view::View;
use super::walk::{Stretch, Walk};
use super::witness::Note;
use super::witness::Witness;
use super::writer::{Audience, Parts, Writer, WriterThread};
use super::{StoreError, is_full};
use crate::clock::Clock;
use crate::domain::effect::{Audit, Event};
use crate::domain::keyset::Key;
use crate::domain::reseal::Master;
use crate::domain::revocation::CutOffs;
use crate::domain::time::Outage;
use crate::files;
use crate::keys::{CheckpointKey, Genuine};
use crate::live::Policies;
use hallpass_protocol::time::Stamp;

/// The database's name in the state directory.
const DATABASE: &str = "hallpass.redb";
/// The name under which a database is made. It gets its own when it is whole.
const UNFINISHED: &str = "hallpass.redb.new";
/// The lock's name there. It holds the daemon's pid for people; the lock itself is the kernel's.
const LOCK: &str = "lock";

/// The database of a state directory.
pub(crate) fn database_in(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

/// An open store. While it lives, no other daemon can open the same one.
pub(crate) struct Store {
    handle: Arc<Handle>,
    found: Found,
    /// Notes beside the database what was written last, where it lies in a directory.
    witness: Option<Witness>,
    /// What that note was found to say.
    noted: Note,
    created: bool,
    _lock: Option<Flock<File>>,
}

impl Store {
    /// Opens the store in a directory that this user owns, or makes one there.
    ///
    /// `first_keys` is asked in the transaction that creates a database: a database without keys never exists. Under its name the database is whole
    /// from the first moment; what a start that was killed has left under another is thrown away. One of an older schema is brought up to the present one.
    ///
    /// # Errors
    /// A directory or file that others could change, a store that another daemon has open, a file of a newer version, damage.
    pub(crate) fn open(
        dir: &Path,
        fresh: [u8; 48],
        first_keys: impl FnMut(&[u8; 16], u16) -> Result<Vec<Key>, StoreError>,
    ) -> Result<Self, StoreError> {
        Self::open_by(&STEPS, dir, fresh, first_keys)
    }

    /// The same, with these steps from older schemas to the present one.
    pub(super) fn open_by(
        steps: &[Step],
        dir: &Path,
        fresh: [u8; 48],
        mut first_keys: impl FnMut(&[u8; 16], u16) -> Result<Vec<Key>, StoreError>,
    ) -> Result<Self, StoreError> {
        own_directory(dir)?;
        let lock = lock(dir)?;
        let path = database_in(dir);
        let created = !is_made(&path)?;
        if created {
            make(dir, &path, fresh, |database| first_keys(database, 1))?;
        }
        // Opening for writing writes: what is not ours to open must be refused before. A file that was not closed cleanly can be read only once it is
        // repaired.
        let looked = std::panic::catch_unwind(|| match redb::Builder::new().open_read_only(&path) {
            Ok(database) => read_identity(&database, &path).map(drop),
            Err(_) => Ok(()),
        });
        let on = || Self::on(Box::new(InFile(path.clone())), created, None);
        let opened = match looked.unwrap_or_else(|_| Err(broken(&path))).and_then(|()| on()) {
            Err(StoreError::Older { found, message }) => {
                let missing = steps_from(found, steps).ok_or(StoreError::Older { found, message })?;
                migrate(&path, found, missing).and_then(|()| on())?
            }
            opened => opened?,
        };
        let mut store = Self { _lock: Some(lock), ..opened };
        store.settle(dir, first_keys)?;
        Ok(store)
    }

    /// Opens the database that lies on this medium.
    pub(super) fn on(
        medium: Box<dyn Medium>,
        created: bool,
        lock: Option<Flock<File>>,
    ) -> Result<Self, StoreError> {
        let (handle, found) = Handle::open(medium)?;
        Ok(Self {
            handle: Arc::new(handle),
            found,
            witness: None,
            noted: Note::NotAsked,
            created,
            _lock: lock,
        })
    }

    /// Finds out whether the database is the one that was last written here, and ends what a restore has begun.
    fn settle(
        &mut self,
        dir: &Path,
        mut first_keys: impl FnMut(&[u8; 16], u16) -> Result<Vec<Key>, StoreError>,
    ) -> Result<(), StoreError> {
        let (identity, checksums) = (self.handle.identity(), self.handle.checksums());
        if self.created {
            Witness::forget(dir).map_err(StoreError::file("cannot remove the note of an audit chain"))?;
        }
        let witness = Witness::of(dir, identity);
        let noted = witness.noted();
        let (found, began_anew) = self.handle.with(|database| {
            distrust(database, &witness, checksums)?;
            let began_anew = Rows::of_snapshot(&database.begin_read()?, checksums)?
                .get::<Anew>(Table::Meta, META_ANEW)?
                .is_some();
            end_restore(database, checksums, |number| first_keys(&identity.database, number))?;
            Ok((Found::in_database(database, checksums)?, began_anew))
        })?;
        self.found = found;
        self.noted = if self.created || began_anew { Note::NotAsked } else { noted };
        self.witness = Some(witness);
        Ok(())
    }

    /// From now on checkpoints of the audit chain are made with this key.
    pub(crate) fn seal_checkpoints(&self, key: CheckpointKey) {
        if let Some(witness) = &self.witness {
            witness.seal_with(key);
        }
    }

    /// The checkpoint that lies beside the database now.
    pub(crate) fn noted(&self) -> Note {
        self.witness.as_ref().map_or(Note::NotAsked, Witness::noted)
    }

    /// Why the audit chain as it was found is not confirmed by what was kept outside of it, if it is not. A master key that was replaced may have
    /// made the last checkpoint.
    pub(crate) fn unconfirmed(&self, key: &CheckpointKey) -> Result<Option<String>, StoreError> {
        let noted = match &self.noted {
            Note::NotAsked => return Ok(None),
            Note::Gone => {
                return Ok(Some("the note beside the database, or the checkpoint in it, was gone".into()));
            }
            Note::Says(noted) => noted,
        };
        if key.judge(noted) == Genuine::Unknown
            && self.found.master.replaced.is_some_and(|(id, _)| noted.is_by(id))
        {
            return Ok(None);
        }
        let (snapshot, mut stretch) = (self.snapshot()?, Stretch::default());
        let walk = Walk::at(self.found.head);
        snapshot.hold_against(&walk, &self.noted, &[], key, &mut stretch)?;
        Ok(stretch.faults.into_iter().chain(stretch.notes).next())
    }

    /// What identifies this database.
    pub(crate) fn database_id(&self) -> &[u8; 16] {
        &self.handle.identity().database
    }

    /// Its keys as they were sealed when the store was opened.
    pub(crate) fn sealed_keys(&self) -> &[Key] {
        &self.found.keys
    }

    /// What was known of the master key when the store was opened.
    pub(crate) fn master(&self) -> &Master {
        &self.found.master
    }

    /// The earliest that the daemon's time may be now, in microseconds: all that it has given out before.
    pub(crate) fn time_floor(&self) -> u64 {
        self.found.mark.latest.as_u64() * 1000
    }

    /// Size of the file in bytes.
    pub(crate) fn bytes(&self) -> Result<u64, StoreError> {
        let path = self.handle.medium().path();
        let what = || format!("cannot look at {}", path.display());
        Ok(path.metadata().map_err(StoreError::file(what()))?.len())
    }

    /// The open database, for tests that put something into it by themselves.
    #[cfg(test)]
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Bytes that the disk has left, and whether somebody should see to it.
    pub(crate) fn disk(&self) -> Result<(u64, bool), StoreError> {
        let site = self.handle.site()?;
        let what = || format!("cannot look at the disk of {}", self.handle.medium().path().display());
        let left = site.available().map_err(StoreError::file(what()))?;
        Ok((left, site.is_low().map_err(StoreError::file(what()))?))
    }

    /// One consistent state, as of now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.handle.snapshot()
    }

    /// The state that verifications go by now, and the stamp that their answers bear.
    pub(crate) fn view(&self, visible: impl FnOnce() -> Stamp) -> Result<(Stamp, Arc<View>), StoreError> {
        let newest = self.handle.newest();
        let open = || self.snapshot().map(|snapshot| Arc::new(View::new(snapshot)));
        stamped_or_kept(visible, || newest.get(), open, |stamp, view| newest.keep(stamp, view))
    }

    /// One consistent state to copy, every table of it.
    pub(crate) fn copied(&self) -> Result<Copied, StoreError> {
        self.handle.with(Copied::open)
    }

    /// The highest stamp that may ever have been given out.
    pub(crate) fn stamp_mark(&self) -> Stamp {
        self.found.mark.reserved
    }

    /// Starts the writer. Its stamps lie above `floor`. The audience is told of every commit before anybody is answered. `stopped` is dropped when
    /// its thread ends.
    pub(crate) fn start_writer(
        &self,
        clock: Arc<Clock>,
        policies: impl Into<Policies>,
        floor: Stamp,
        audience: Arc<dyn Audience + Sync>,
        stopped: oneshot::Sender<()>,
    ) -> Result<(Writer, WriterThread), StoreError> {
        let Found { mark, head, .. } = self.found;
        let outage =
            if self.created { Outage::default() } else { Outage { from: mark.latest, to: clock.now() } };
        let parts = Parts {
            handle: Arc::clone(&self.handle),
            clock,
            policies: policies.into(),
            audience,
            outage,
            head,
            witness: self.witness.clone(),
            mark,
            floor: floor.max(mark.reserved),
        };
        Writer::start(parts, stopped).map_err(StoreError::file("cannot start the writer thread"))
    }
}

/// Makes the directory, or makes sure that nobody else can change what is in it.
pub(super) fn own_directory(dir: &Path) -> Result<(), StoreError> {
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
pub(super) fn lock(dir: &Path) -> Result<Flock<File>, StoreError> {
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
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // Written over what is there, as wide as any pid: a file that is made shorter first needs room again.
            let noted = lock.rewind().and_then(|()| writeln!(lock, "{:<10}", std::process::id()));
            match noted {
                // Who holds it is for people to know; that it is held is not.
                Err(error) if is_full(&error) => {}
                noted => noted.map_err(StoreError::file(format!("cannot write {}", path.display())))?,
            }
            Ok(lock)
        }
        Err((file, nix::errno::Errno::EWOULDBLOCK)) => Err(StoreError::InUse(format!(
            "the state directory {} is in use by another hallpassd{}; stop that one first, or give this one another --state-dir",
            dir.display(),
            holder(&file)
        ))),
        Err((_, error)) => {
            Err(StoreError::File { what: format!("cannot lock {}", path.display()), source: error.into() })
        }
    }
}

/// Who has the lock, for people only: nothing, as long as the holder has not said so.
fn holder(lock: &File) -> String {
    let mut text = String::new();
    // A file that cannot be read changes nothing about the lock.
    let _ = lock.take(16).read_to_string(&mut text);
    // What stood there before may go on after it.
    let line = text.lines().next().unwrap_or_default();
    line.trim().parse::<u32>().map_or_else(|_| String::new(), |pid| format!(" (pid {pid})"))
}

/// Whether there is a database. An empty file was one: a database gets its name only once it is whole, so something has cut it.
fn is_made(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() && found.len() == 0 => Err(StoreError::Layout(format!(
            "{} is empty, which a database never is: something has cut it; move it away or restore a backup",
            path.display()
        ))),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::File { what: format!("cannot look at {}", path.display()), source }),
    }
}

/// Makes a database with its first keys under another name, and gives it its own once all of it is on disk. The caller holds the lock.
fn make(
    dir: &Path,
    path: &Path,
    fresh: [u8; 48],
    first_keys: impl FnOnce(&[u8; 16]) -> Result<Vec<Key>, StoreError>,
) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED);
    let file = files::create_anew(&unfinished).map_err(StoreError::file(format!(
        "cannot make {}; free the name or the disk and start again",
        unfinished.display()
    )))?;
    let database = redb::Builder::new().create_file(file)?;
    initialise(&database, fresh, first_keys)?;
    // Closing writes too.
    drop(database);
    files::finish(&unfinished, path).map_err(StoreError::file(format!("cannot make {}", path.display())))
}

/// Ends everything that was given out on a database that is not the one that was last written.
fn distrust(database: &Database, witness: &Witness, checksums: &Checksums) -> Result<(), StoreError> {
    let rows = Rows::of_snapshot(&database.begin_read()?, checksums)?;
    // One that was restored has begun anew already.
    if rows.get::<Anew>(Table::Meta, META_ANEW)?.is_some() {
        return Ok(());
    }
    let Some(mark) = witness.contradicts(&rows)? else { return Ok(()) };
    tracing::error!(
        "the database is older than what was last written here, or another one: every session is ended and new keys are made; find out who has replaced it, and use `hallpass restore` for that"
    );
    let news = Audit::new(Event::Rollback);
    begin_anew(database, checksums, &news, mark, &Restorer::the_daemon())
}

/// Makes the keys of a database that was restored. A start that is killed before has changed nothing.
fn end_restore(
    database: &Database,
    checksums: &Checksums,
    first_keys: impl FnOnce(u16) -> Result<Vec<Key>, StoreError>,
) -> Result<(), StoreError> {
    let anew = Rows::of_snapshot(&database.begin_read()?, checksums)?.get::<Anew>(Table::Meta, META_ANEW)?;
    let Some(Anew(number)) = anew else { return Ok(()) };
    let keys = first_keys(number)?;
    let txn = database.begin_write()?;
    {
        let mut rows = Rows::of_writer(&txn, checksums)?;
        for key in keys {
            rows.put(Table::Keys, &key_key(key.kind, key.number), &key)?;
        }
        rows.remove(Table::Meta, META_ANEW)?;
    }
    Ok(txn.commit()?)
}

/// What to say of a file that does not open.
pub(super) fn unopened(path: &Path, error: &redb::DatabaseError) -> StoreError {
    StoreError::Layout(format!(
        "the database {} cannot be opened: {error}; it was left as it is; mend the disk or put a copy back, or move it away to start without users",
        path.display()
    ))
}

/// What to say of a file in which redb has met what it thinks cannot be.
pub(super) fn broken(path: &Path) -> StoreError {
    StoreError::Layout(format!(
        "the database {} is damaged; what was met in it stands above; mend the disk and put a copy back, or move it \
         away to start without users",
        path.display()
    ))
}

/// The number of a file's schema, 0 where it has none.
pub(super) fn schema(database: &impl ReadableDatabase, path: &Path) -> Result<u32, StoreError> {
    let found = match database.begin_read()?.open_table(Table::Meta.definition()) {
        Ok(meta) => {
            meta.get(META_SCHEMA)?.and_then(|row| row.value().try_into().ok().map(u32::from_be_bytes))
        }
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found {
        Some(newer) if newer > SCHEMA => Err(StoreError::Newer(format!(
            "{} has schema {newer} and this hallpassd knows {SCHEMA}; it was left as it is; install the newer hallpassd",
            path.display()
        ))),
        found => Ok(found.unwrap_or_default()),
    }
}

/// What the file says of itself.
pub(super) fn read_identity(database: &impl ReadableDatabase, path: &Path) -> Result<Identity, StoreError> {
    let (found, name) = (schema(database, path)?, path.display());
    if found != SCHEMA {
        let message = match found {
            0 => format!("{name} is not a Hallpass database; move it away or restore a backup"),
            _ => format!(
                "{name} has schema {found} and this hallpassd knows {SCHEMA}, to which it is brought up when one starts on it"
            ),
        };
        return Err(StoreError::Older { found, message });
    }
    let meta = database.begin_read()?.open_table(Table::Meta.definition())?;
    let identity = meta.get(META_IDENTITY)?.and_then(|row| identity(row.value()));
    identity.ok_or_else(|| super::schema::bad_row(Table::Meta, META_IDENTITY).into())
}

/// Fills an empty database in one transaction.
pub(super) fn initialise(
    database: &Database,
    fresh: [u8; 48],
    first_keys: impl FnOnce(&[u8; 16]) -> Result<Vec<Key>, StoreError>,
) -> Result<(), StoreError> {
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
    Ok(txn.commit()?)
}
