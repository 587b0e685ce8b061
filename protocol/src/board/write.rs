//! The daemon's side: raising what has changed, in the order that readers rely on.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::header::Header;
use super::{LEASE, MemoryMut, word};
use crate::time::{Millis, Stamp};

/// A board to be written. There is one writer at a time; who that is, a lock outside of this decides.
#[derive(Debug)]
pub struct Writer<M> {
    memory: M,
    header: Header,
}

impl<M: MemoryMut> Writer<M> {
    /// Writes to this memory, which is as long as the header says.
    #[must_use]
    pub fn new(memory: M, header: Header) -> Self {
        Self { memory, header }
    }

    /// What the board says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The memory under it.
    #[must_use]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The newest stamp whose changes are all on the board.
    #[must_use]
    pub fn visible(&self) -> Stamp {
        Stamp(self.memory.load(word::VISIBLE, Acquire))
    }

    /// Begins to show what this start of the daemon does: whatever bears a stamp below `floor` is to be asked about. Only after this comes a lease.
    pub fn open(&self, life: Stamp, floor: Stamp, keys: Stamp) {
        self.memory.store(word::LIFE, life.0, Relaxed);
        self.memory.store(word::FLOOR, floor.0, Relaxed);
        self.memory.store(word::KEYS, keys.0, Relaxed);
        self.memory.store(word::VISIBLE, floor.0, Release);
    }

    /// Lets the board be believed for the length of a lease from this moment of `CLOCK_MONOTONIC`, in nanoseconds; `time` is the daemon's.
    pub fn extend(&self, monotonic: u64, time: Millis) {
        self.memory.store(word::TIME, time.as_u64(), Relaxed);
        let reach = u64::try_from(LEASE.as_nanos()).unwrap_or(0);
        // Whoever sees the lease sees all that was written before it.
        self.memory.store(word::LEASE, monotonic.saturating_add(reach), Release);
    }

    /// Ends the life of the board: nobody believes it any more.
    pub fn close(&self) {
        self.memory.store(word::LEASE, 0, Release);
    }

    /// Marks a session or user as changed at this stamp.
    pub fn raise(&self, id: &[u8; 16], stamp: Stamp) {
        self.lift(self.header.slot(id) as usize, stamp);
    }

    /// Has everything asked about that bears a stamp below this one.
    pub fn raise_floor(&self, stamp: Stamp) {
        self.lift(word::FLOOR, stamp);
    }

    /// Says which key set is the present one.
    pub fn set_keys(&self, version: Stamp) {
        self.memory.store(word::KEYS, version.0, Release);
    }

    /// Says that every change up to this stamp is on the board.
    pub fn set_visible(&self, stamp: Stamp) {
        self.lift(word::VISIBLE, stamp);
    }

    fn lift(&self, word: usize, stamp: Stamp) {
        if self.memory.load(word, Relaxed) < stamp.0 {
            self.memory.store(word, stamp.0, Release);
        }
    }
}
