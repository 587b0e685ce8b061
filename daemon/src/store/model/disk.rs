//! A disk in memory that keeps what was synced apart from what was not, of which the power can be cut, and which can fail.
//!
//! It is as bad as a disk may be: what was not synced is kept, lost or torn in sectors, each by chance and in any order, and a sync that fails loses
//! what it was to make durable.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use nix::errno::Errno;
use redb::StorageBackend;

use crate::store::StoreError;
use crate::store::medium::Medium;
use crate::store::site::Ground;

/// What a trial beside the database takes.
const BESIDE: u64 = 1 << 20;
/// What is written as a whole or not at all.
const SECTOR: usize = 512;

/// Chance that comes the same again from the same seed.
#[derive(Debug, Clone)]
pub(in crate::store) struct Dice(pub(in crate::store) u64);

impl Dice {
    pub(in crate::store) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(in crate::store) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(in crate::store) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// What happens to the disk, counted in operations that change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Trap {
    /// The power is cut in this operation.
    Cut(u64),
    /// This operation and so many in all fail with an error of the system, reads among them where it is one of reading.
    Fail { at: u64, times: u64, errno: Errno },
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug)]
struct Platter {
    durable: Vec<u8>,
    /// What a read finds: all of it, synced or not.
    seen: Vec<u8>,
    unsynced: Vec<Change>,
    operations: u64,
    /// How many bytes are set aside for what lies on it.
    allocated: usize,
    /// And how many can be.
    room: usize,
    trap: Option<Trap>,
    dark: bool,
    failures: u64,
    dice: Dice,
}

/// The disk; clones are the same one.
#[derive(Debug, Clone)]
pub(in crate::store) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// A disk with this on it.
    pub(in crate::store) fn with(image: Vec<u8>, trap: Option<Trap>, dice: Dice) -> Self {
        let (seen, unsynced, allocated) = (image.clone(), Vec::new(), image.len());
        Self(Arc::new(Mutex::new(Platter {
            durable: image,
            seen,
            unsynced,
            operations: 0,
            allocated,
            room: usize::MAX,
            trap,
            dark: false,
            failures: 0,
            dice,
        })))
    }

    /// The same bytes as a start finds them once the power is back: what was set aside still is, and the disk is as full.
    pub(super) fn after_the_cut(&self, trap: Option<Trap>, dice: Dice) -> Self {
        self.cut();
        let (image, allocated, room) = {
            let platter = self.lock();
            (platter.durable.clone(), platter.allocated, platter.room)
        };
        let disk = Self::with(image, trap, dice);
        {
            let mut platter = disk.lock();
            (platter.allocated, platter.room) = (allocated, room);
        }
        disk
    }

    /// Something else takes everything that is not set aside, but for so many bytes.
    pub(super) fn fill_up(&self, but: usize) {
        let mut platter = self.lock();
        platter.room = platter.allocated + but;
    }

    /// And gives it back.
    pub(super) fn clear_up(&self) {
        self.lock().room = usize::MAX;
    }

    /// Cuts the power, if it is not cut yet.
    pub(in crate::store) fn cut(&self) {
        self.lock().cut();
    }

    /// Whether the power is cut.
    pub(in crate::store) fn is_dark(&self) -> bool {
        self.lock().dark
    }

    /// How many operations have failed.
    pub(in crate::store) fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// What is on it for certain.
    pub(in crate::store) fn image(&self) -> Vec<u8> {
        self.lock().durable.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }
}

impl Platter {
    /// What of these changes gets through is chance; so is whether any is torn.
    fn settle(&mut self) {
        let kept = [0, 100, 50, 50, 90][usize::try_from(self.dice.below(5)).unwrap()];
        let tears = self.dice.percent(50);
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Length(length) if self.dice.percent(kept) => self.durable.resize(length, 0),
                Change::Write(at, data) if tears => {
                    for (place, sector) in sectors(at, &data) {
                        if self.dice.percent(kept) {
                            put(&mut self.durable, place, sector);
                        }
                    }
                }
                Change::Write(at, data) if self.dice.percent(kept) => put(&mut self.durable, at, &data),
                _ => {}
            }
        }
    }

    /// What this operation fails with, if it does.
    fn failure(&mut self, operation: u64) -> Option<io::Error> {
        match self.trap {
            Some(Trap::Fail { at, times, errno }) if (at..at + times).contains(&operation) => {
                self.failures += 1;
                Some(errno.into())
            }
            _ => None,
        }
    }

    /// What a failure leaves behind: half a write, and of a sync what got through. What did not is lost, though the kernel takes it for written.
    fn fail(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Write(at, data)) if self.dice.percent(50) => {
                let half = Change::Write(at, data[..data.len() / 2].to_vec());
                half.clone().make(&mut self.seen);
                self.unsynced.push(half);
            }
            Some(_) => {}
            None => {
                self.settle();
                self.seen.clone_from(&self.durable);
            }
        }
    }

    fn cut(&mut self) {
        if !self.dark {
            self.settle();
            self.dark = true;
        }
    }

    /// Sets everything below this byte aside, if it is not.
    fn allocate(&mut self, end: usize) -> io::Result<()> {
        if end > self.room.max(self.allocated) {
            return Err(Errno::ENOSPC.into());
        }
        self.allocated = self.allocated.max(end);
        Ok(())
    }

    /// Does one change, which the power may be cut in.
    fn change(&mut self, change: Option<Change>) -> io::Result<()> {
        if self.dark {
            return Err(io::Error::other("there is no power"));
        }
        self.operations += 1;
        match &change {
            Some(Change::Write(at, data)) => self.allocate(at + data.len())?,
            Some(Change::Length(length)) if *length < self.seen.len() => {
                self.allocated = self.allocated.min(*length);
            }
            _ => {}
        }
        if let Some(error) = self.failure(self.operations) {
            self.fail(change);
            return Err(error);
        }
        self.unsynced.extend(change.clone());
        match self.trap {
            Some(Trap::Cut(at)) if self.operations >= at => {
                self.cut();
                return Err(io::Error::other("the power was cut"));
            }
            _ => {}
        }
        match change {
            Some(change) => change.make(&mut self.seen),
            None => self.unsynced.drain(..).for_each(|change| change.make(&mut self.durable)),
        }
        Ok(())
    }
}

impl Change {
    fn make(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => put(bytes, at, &data),
            Self::Length(length) => bytes.resize(length, 0),
        }
    }
}

/// The parts of a write that lie in one sector each.
fn sectors(at: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let head = (SECTOR - at % SECTOR).min(data.len());
    let (first, rest) = data.split_at(head);
    let rest = rest.chunks(SECTOR).enumerate().map(move |(n, part)| (at + head + n * SECTOR, part));
    std::iter::once((at, first)).chain(rest)
}

/// A write beyond the end makes it longer.
fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(data);
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.lock();
        if platter.dark {
            return Err(io::Error::other("there is no power"));
        }
        let next = platter.operations + 1;
        if matches!(platter.trap, Some(Trap::Fail { errno: Errno::EIO, .. }))
            && let Some(error) = platter.failure(next)
        {
            platter.operations = next;
            return Err(error);
        }
        let found = platter.seen.get(place(offset)..place(offset) + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.lock().change(Some(Change::Length(place(length))))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.lock().change(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.lock().change(Some(Change::Write(place(offset), data.to_vec())))
    }
}

impl Ground for Disk {
    fn allocate(&self, bytes: Range<u64>) -> io::Result<()> {
        let mut platter = self.lock();
        if platter.dark {
            return Err(io::Error::other("there is no power"));
        }
        platter.allocate(place(bytes.end))
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.lock().allocated as u64)
    }

    fn available(&self) -> io::Result<u64> {
        let platter = self.lock();
        Ok(platter.room.saturating_sub(platter.allocated) as u64)
    }
}

impl Medium for Disk {
    fn reach(&self) -> Result<Box<dyn Ground>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn forget_what_is_cached(&self) {}

    fn takes_writes(&self) -> io::Result<()> {
        if self.available()? < BESIDE {
            return Err(Errno::ENOSPC.into());
        }
        self.lock().change(Some(Change::Write(0, Vec::new())))
    }

    fn path(&self) -> &Path {
        Path::new("a disk in memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_synced_is_kept_or_lost_or_torn_and_what_is_stays() {
        let mut ends = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = Disk::with(Vec::new(), Some(Trap::Cut(4)), Dice(seed));
            disk.write(0, &[1; 1024]).unwrap();
            disk.sync_data().unwrap();
            disk.write(0, &[2; 1024]).unwrap();
            assert!(disk.write(100, &[3; 20]).is_err(), "the power is cut in this one");
            let image = disk.image();
            assert_eq!(image.len(), 1024);
            ends.insert((image[0], image[100], image[600]));
        }
        for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            assert!(ends.contains(&(first, first, second)), "{ends:?}");
            assert!(ends.contains(&(first, 3, second)), "{ends:?}");
        }
    }
}
