//! Where the database lies, and what of the disk is set aside for it before it is needed.
//!
//! redb makes its file longer when nothing in it is free any more, about twice as long at a time, and a file that only got longer has no room on the
//! disk yet: what is written there later fails on a full one. So here the room comes first and the length after it, and more room than the length is kept.

use std::io;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

/// Bytes that are kept for whoever takes something back on a disk that is full. A revocation that is committed alone leaves less than one of 4 KiB
/// for good and needs some 100 KiB for a moment, so this is room for many hundreds. The disks of the tests are smaller, as is everything on them.
const RESERVE: u64 = if cfg!(test) { 256 << 10 } else { 2 << 20 };
/// What a batch may take before the room is looked at again.
const BATCH_ROOM: u64 = RESERVE / 2;
/// Below this nothing new is begun.
pub(super) const ENOUGH: u64 = RESERVE + BATCH_ROOM;
/// Below this much on the disk somebody is told, or below what redb would take next if that is more.
const LOW: u64 = 64 << 20;
/// redb's files grow to twice their length up to this one, and by at most two of these from there.
const REGION: u64 = 4 << 30;
/// What a length may be above twice the one before: the file's first page and a few large rows.
const SLACK: u64 = 64 << 10;

/// What can lie under a database: something that bytes are read from and written to, and that has an end.
pub(super) trait Ground: StorageBackend {
    /// Sets these bytes aside, whatever becomes of the rest of the disk. The length stays.
    fn allocate(&self, bytes: Range<u64>) -> io::Result<()>;
    /// How many bytes are set aside in all.
    fn allocated(&self) -> io::Result<u64>;
    /// How many the disk has left for this user.
    fn available(&self) -> io::Result<u64>;
}

/// The ground of an open database, which redb and the writer share.
#[derive(Debug, Clone)]
pub(super) struct Site(Arc<Claim>);

#[derive(Debug)]
struct Claim {
    ground: Box<dyn Ground>,
    /// The length that redb has given the file. It can lie there longer: see [`Site::shorten`].
    length: AtomicU64,
    /// Every byte below this one is set aside.
    held: AtomicU64,
    /// Bytes that were ever written.
    written: AtomicU64,
    /// Whether redb only tries what it would do: see [`Site::would_outgrow`].
    trying: AtomicBool,
    outgrown: AtomicBool,
}

impl Site {
    /// Sets aside whatever has a length already: a file may have holes.
    pub(super) fn new(ground: Box<dyn Ground>) -> io::Result<Self> {
        let length = ground.len()?;
        let site = Self(Arc::new(Claim {
            length: AtomicU64::new(length),
            ground,
            held: AtomicU64::new(0),
            written: AtomicU64::new(0),
            trying: AtomicBool::new(false),
            outgrown: AtomicBool::new(false),
        }));
        if let Err(error) = site.hold(length) {
            tracing::warn!(%error, "the disk has no room for what is empty in the database file; no new sessions are opened until it has");
        }
        Ok(site)
    }

    /// How much longer the file can get for certain, in the steps that redb makes.
    pub(super) fn beyond(&self) -> io::Result<u64> {
        let (length, held) = (self.len()?, self.held());
        let mut reached = length;
        while longer(reached) <= held {
            reached = longer(reached);
        }
        Ok(reached - length)
    }

    /// Whether everything that has a length is set aside.
    pub(super) fn is_whole(&self) -> io::Result<bool> {
        Ok(self.held() >= self.len()?)
    }

    /// Tries to have so much room beyond the end of the file.
    pub(super) fn make_room(&self, room: u64) {
        let Ok(length) = self.len() else { return };
        let mut wanted = length;
        // What it comes to is looked at, not whether this went well.
        while wanted - length < room {
            wanted = longer(wanted);
            if self.hold(wanted).is_err() {
                return;
            }
        }
    }

    /// Whether the disk would have as much left as this much more room takes from it.
    pub(super) fn is_cheap(&self) -> bool {
        let more = self.len().map_or(u64::MAX, |length| longer(length).saturating_sub(self.held()));
        self.available().is_ok_and(|available| available / 2 >= more)
    }

    /// Whether somebody should see to the disk before the daemon has to go without.
    pub(super) fn is_low(&self) -> io::Result<bool> {
        let length = self.len()?;
        Ok(self.available()? < LOW.max(longer(length) - length))
    }

    /// Bytes that were written since the database was opened.
    pub(super) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// What the disk has left.
    pub(super) fn available(&self) -> io::Result<u64> {
        self.0.ground.available()
    }

    /// Whether what is done with the database would make its file longer. Nothing of that may be committed.
    pub(super) fn would_outgrow<T, E>(&self, act: impl FnOnce() -> Result<T, E>) -> Result<bool, E> {
        self.0.outgrown.store(false, Ordering::Relaxed);
        self.0.trying.store(true, Ordering::Relaxed);
        let acted = act();
        self.0.trying.store(false, Ordering::Relaxed);
        acted.map(|_| self.has_outgrown())
    }

    /// Whether what is being tried has come so far already.
    pub(super) fn has_outgrown(&self) -> bool {
        self.0.outgrown.load(Ordering::Relaxed)
    }

    fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    fn is_trying(&self) -> bool {
        self.0.trying.load(Ordering::Relaxed)
    }

    /// Sets everything below this byte aside.
    fn hold(&self, end: u64) -> io::Result<()> {
        let (held, Claim { ground, .. }) = (self.held(), &*self.0);
        if end <= held {
            return Ok(());
        }
        // Some file systems take all they have before they say that it is not enough.
        let more = end.saturating_sub(held.max(ground.allocated()?));
        if ground.available()? < more {
            return Err(io::ErrorKind::StorageFull.into());
        }
        ground.allocate(held..end)?;
        self.0.held.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// What is given back on a disk that is nearly full cannot be had again. There the file stays as long as it is, and only redb is told that it is
    /// shorter: told its true length, redb would take the next step of growth for one back.
    fn shorten(&self, length: u64) -> io::Result<()> {
        let room = self.len()?.saturating_add(ENOUGH);
        if self.available()? < room {
            self.0.length.store(length, Ordering::Relaxed);
            return Ok(());
        }
        self.0.ground.set_len(length)?;
        self.0.length.store(length, Ordering::Relaxed);
        self.0.held.fetch_min(length, Ordering::Relaxed);
        self.make_room(ENOUGH);
        Ok(())
    }
}

/// The most that redb makes of a file of this length.
fn longer(length: u64) -> u64 {
    if length < REGION { 2 * length + SLACK } else { length + 2 * REGION + SLACK }
}

impl StorageBackend for Site {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.length.load(Ordering::Relaxed))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.ground.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let now = self.len()?;
        if self.is_trying() {
            self.0.outgrown.fetch_or(length > now, Ordering::Relaxed);
            return Ok(());
        }
        if length <= now {
            return self.shorten(length);
        }
        self.hold(length)?;
        // Never back: what lies beyond may be all the room there is.
        if self.0.ground.len()? < length {
            self.0.ground.set_len(length)?;
        }
        self.0.length.store(length, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_trying() { Ok(()) } else { self.0.ground.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_trying() {
            // redb keeps what it could not write to make room in its memory.
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        self.0.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.0.ground.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.ground.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.ground.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.ground.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.ground.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.ground.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.ground.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.ground.query_lock_range(start, end)
    }
}
