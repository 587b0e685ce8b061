//! What is committed goes to a journal first, in one piece, and to its places in the database file afterwards.
//!
//! A commit changes pages all over the file. A disk that is told to make each of those durable before anybody is answered has a hundred places to go
//! to; told to do so with one piece, it has one. The places get what is theirs at once too, but only in the kernel's memory. They are made durable when
//! half of the journal is full, all together and while the other half is written, however often each was changed.
//!
//! redb knows nothing of it: what it has synced is durable, and what it reads is what it wrote. A file is whole without its journal whenever it was
//! closed in order. After a cut the journal is played back before anything else looks at the file.

mod record;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use redb::{BackendError, StorageBackend};

use super::site::Ground;
use record::{HEAD, Life, Place, Record};

pub(super) use record::Scanned;

/// Bytes of one half. One holds many usual batches, and the largest that goes through the journal.
const HALF: u64 = if cfg!(test) { 96 << 10 } else { 16 << 20 };
/// A journal is kept only where the disk has so many times as much left: on a small one, room is worth more than time.
const PLENTY: u64 = 16;
/// Most bytes that wait in memory to be made durable. What is larger goes to its places without the journal.
const WAITING: usize = if cfg!(test) { 64 << 10 } else { 8 << 20 };

/// How the places of the database file are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// By a thread, while commits go on.
    Beside,
    /// At once, so that tests come the same again.
    #[cfg(test)]
    Inline,
}

/// A database file and its journal, which together are one ground.
pub(super) struct Journaled {
    home: Arc<dyn Ground>,
    log: Box<dyn Ground>,
    settling: Settling,
    waiting: RwLock<Waiting>,
    tail: Mutex<Tail>,
}

/// What was written and is not synced yet.
#[derive(Default)]
struct Waiting {
    pieces: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    /// Whether it is so much that it goes to its places at once.
    is_direct: bool,
}

/// Where the journal is written next.
#[derive(Default)]
struct Tail {
    /// The place of the next record, if there is a journal.
    place: Option<Place>,
    /// The thread that makes durable what the other half holds.
    settling: Option<JoinHandle<io::Result<()>>>,
    /// Whether anything has failed. Nothing is known of what comes after, so nothing does.
    has_failed: bool,
}

impl fmt::Debug for Journaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Journaled {
    /// Both, as they lie. Nothing is done with them before [`Ground::recover`].
    pub(super) fn new(home: Box<dyn Ground>, log: Box<dyn Ground>, settling: Settling) -> Self {
        Self {
            home: home.into(),
            log,
            settling,
            waiting: RwLock::default(),
            tail: Mutex::new(Tail { has_failed: true, ..Tail::default() }),
        }
    }

    /// Puts what waits into the journal and then in its places. Whoever reads meanwhile finds it where it waits.
    fn commit(&self, waiting: &Waiting, tail: &mut Tail) -> io::Result<()> {
        let size = Record::size(&waiting.pieces);
        let Some(mut place) = tail.place.filter(|_| size <= HALF) else {
            self.settle(tail)?;
            self.write_home(waiting)?;
            return self.commit_directly(tail);
        };
        if !place.has_room(size) {
            self.turn_over(tail)?;
            place = place.turned_over(&self.head()?);
        }
        let record = Record::of(&place, self.home.len()?, &waiting.pieces);
        self.log.write(place.offset(), record.bytes())?;
        self.log.sync_data()?;
        tail.place = Some(place.after(&record));
        self.write_home(waiting)
    }

    /// Makes durable what is in its places already. The journal, which is empty, goes on from there.
    fn commit_directly(&self, tail: &mut Tail) -> io::Result<()> {
        match tail.place {
            Some(_) => tail.place = Some(self.begin()?),
            None => self.home.sync_data()?,
        }
        Ok(())
    }

    /// Has what this half holds made durable in its places, and waits until that is done for what the other holds.
    fn turn_over(&self, tail: &mut Tail) -> io::Result<()> {
        Self::wait(tail)?;
        match self.settling {
            Settling::Beside => {
                let home = Arc::clone(&self.home);
                let thread = std::thread::Builder::new().name("settling".into());
                tail.settling = Some(thread.spawn(move || home.sync_data())?);
                Ok(())
            }
            #[cfg(test)]
            Settling::Inline => self.home.sync_data(),
        }
    }

    fn wait(tail: &mut Tail) -> io::Result<()> {
        let Some(thread) = tail.settling.take() else { return Ok(()) };
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that settles the journal has panicked")))
    }

    /// Makes everything durable in its places, and the journal empty.
    fn settle(&self, tail: &mut Tail) -> io::Result<()> {
        Self::wait(tail)?;
        if tail.place.is_some() {
            tail.place = Some(self.begin()?);
        }
        Ok(())
    }

    /// Begins another life of the journal: what it holds counts no more, since the file has it. What the file begins with has to be durable first, or it
    /// would not be known again after a cut.
    fn begin(&self) -> io::Result<Place> {
        self.home.sync_data()?;
        let life = Life::new()?;
        self.log.write(0, &life.bytes())?;
        self.log.sync_data()?;
        Ok(Place::first(life, HALF, &self.head()?))
    }

    /// What the database file begins with: by this a journal knows its own.
    fn head(&self) -> io::Result<[u8; HEAD]> {
        let mut head = [0; HEAD];
        if self.home.len()? >= HEAD as u64 {
            self.home.read(0, &mut head)?;
        }
        Ok(head)
    }

    fn write_home(&self, waiting: &Waiting) -> io::Result<()> {
        waiting.pieces.iter().try_for_each(|(&offset, piece)| self.home.write(offset, piece))
    }

    /// Sets room aside for the journal. Where there is not plenty, there is none.
    fn make_room(&self) -> io::Result<bool> {
        let all = Life::BYTES + 2 * HALF;
        if self.log.len()? == all {
            return Ok(true);
        }
        if self.home.available()? < PLENTY * all || self.log.allocate(0..all).is_err() {
            return Ok(false);
        }
        self.log.set_len(all)?;
        self.log.sync_data()?;
        Ok(true)
    }

    /// Does something with the tail, unless something has failed before.
    fn with_tail<T>(&self, act: impl FnOnce(&mut Tail) -> io::Result<T>) -> io::Result<T> {
        let mut tail: MutexGuard<'_, Tail> = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.has_failed {
            return Err(io::Error::other(
                "the journal has failed before; the database is opened again first",
            ));
        }
        let done = act(&mut tail);
        tail.has_failed = done.is_err();
        done
    }

    fn waiting(&self) -> RwLockReadGuard<'_, Waiting> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting_mut(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.waiting.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Puts a piece there, over whatever of it waits already.
    fn put(&mut self, offset: u64, data: &[u8]) {
        self.cut(offset..offset + data.len() as u64);
        self.bytes += data.len();
        self.pieces.insert(offset, data.to_vec());
    }

    /// Takes these bytes out.
    fn cut(&mut self, range: Range<u64>) {
        let over: Vec<_> = self.overlapping(&range).map(|(offset, _)| offset).collect();
        for offset in over {
            let Some(mut piece) = self.pieces.remove(&offset) else { continue };
            self.bytes -= piece.len();
            let end = offset + piece.len() as u64;
            if end > range.end {
                let rest = piece[within(range.end - offset)..].to_vec();
                self.bytes += rest.len();
                self.pieces.insert(range.end, rest);
            }
            if offset < range.start {
                piece.truncate(within(range.start - offset));
                self.bytes += piece.len();
                self.pieces.insert(offset, piece);
            }
        }
    }

    /// The pieces that have bytes in this range, from the last to the first.
    fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Vec<u8>)> {
        let start = range.start;
        self.pieces
            .range(..range.end)
            .rev()
            .take_while(move |(offset, piece)| **offset + piece.len() as u64 > start)
            .map(|(&offset, piece)| (offset, piece))
    }

    /// Lays what waits over what was read.
    fn lay_over(&self, start: u64, out: &mut [u8]) {
        let range = start..start + out.len() as u64;
        for (offset, piece) in self.overlapping(&range) {
            let (from, upto) = (offset.max(range.start), (offset + piece.len() as u64).min(range.end));
            out[within(from - start)..within(upto - start)]
                .copy_from_slice(&piece[within(from - offset)..within(upto - offset)]);
        }
    }
}

/// A distance inside of something that lies in memory.
fn within(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

/// What a journal holds that was not settled, if it is this file's: pieces to be put over it in order, and the length that it has then.
pub(super) fn left(home: &dyn StorageBackend, log: &dyn StorageBackend) -> io::Result<Option<Scanned>> {
    let mut head = [0; HEAD];
    if home.len()? >= HEAD as u64 {
        home.read(0, &mut head)?;
    }
    let scanned = Scanned::of(log, HALF)?;
    Ok(scanned.filter(|scanned| scanned.is_of(&head)))
}

/// Puts in their places what a journal holds that was not settled, and says whether there was any.
pub(super) fn play_back(home: &dyn StorageBackend, log: &dyn StorageBackend) -> io::Result<bool> {
    let Some(scanned) = left(home, log)? else { return Ok(false) };
    if home.len()? < scanned.length() {
        home.set_len(scanned.length())?;
    }
    scanned.pieces().try_for_each(|(offset, piece)| home.write(offset, piece))?;
    home.sync_data()?;
    // What comes next may change the file without the journal.
    log.write(0, &Life::NONE)?;
    log.sync_data()?;
    Ok(true)
}

impl StorageBackend for Journaled {
    fn len(&self) -> io::Result<u64> {
        self.home.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let waiting = self.waiting();
        self.home.read(offset, out)?;
        waiting.lay_over(offset, out);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut waiting = self.waiting_mut();
        let now = self.home.len()?;
        if length < now {
            // What the journal holds of the end would be played back onto a file that has none.
            self.with_tail(|tail| self.settle(tail))?;
            waiting.cut(length..now);
        }
        self.home.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with_tail(|tail| {
            // Only the writer writes, and it is the one who syncs: readers go on.
            let waiting = self.waiting();
            if waiting.is_direct { self.commit_directly(tail) } else { self.commit(&waiting, tail) }
        })?;
        *self.waiting_mut() = Waiting::default();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut waiting = self.waiting_mut();
        if !waiting.is_direct {
            waiting.put(offset, data);
            if waiting.bytes <= WAITING {
                return Ok(());
            }
            self.with_tail(|tail| self.settle(tail).and_then(|()| self.write_home(&waiting)))?;
            *waiting = Waiting { is_direct: true, ..Waiting::default() };
            return Ok(());
        }
        self.home.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let settled = self.with_tail(|tail| {
            let settled = self.settle(tail);
            // The next to open it may have begun by the time that this one goes.
            tail.has_failed = true;
            settled
        });
        let closed = self.home.close();
        settled.and(closed)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.home.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.home.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.home.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.home.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.home.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.home.query_lock_range(start, end)
    }
}

impl Ground for Journaled {
    fn recover(&self) -> io::Result<()> {
        self.home.recover()?;
        if play_back(&*self.home, &*self.log)? {
            tracing::info!("what was committed last has been played back from the journal");
        }
        let place = if self.make_room()? { Some(self.begin()?) } else { None };
        *self.tail.lock().unwrap_or_else(PoisonError::into_inner) = Tail { place, ..Tail::default() };
        Ok(())
    }

    fn allocate(&self, bytes: Range<u64>) -> io::Result<()> {
        self.home.allocate(bytes)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.home.allocated()
    }

    fn available(&self) -> io::Result<u64> {
        self.home.available()
    }
}

#[cfg(test)]
mod tests;
