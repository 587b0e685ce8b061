//! The reader's side: whether what bears a stamp still stands.

use std::sync::atomic::Ordering::Acquire;

use super::header::Header;
use super::{LEASE, Memory, word};
use crate::id::{SessionId, UserId};
use crate::time::{Millis, Stamp};

/// The length of a lease in nanoseconds.
const LEASE_NANOS: u64 = LEASE.as_secs() * 1_000_000_000;

/// Why the board does not vouch for something: the daemon is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The daemon has stopped and said so. The board is never to be believed again before it is opened anew.
    Closed,
    /// The lease is over, or is not one.
    NoLease,
    /// Something that concerns everybody has changed since.
    Floor,
    /// The session or its user, or something that shares a slot with them, has changed since.
    Changed,
    /// Bears a stamp that the board has not reached.
    Ahead,
    /// The keys on hand are not the present ones.
    Keys,
}

impl Ask {
    /// The reason as a stable word, for statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::NoLease => "no_lease",
            Self::Floor => "floor",
            Self::Changed => "changed",
            Self::Ahead => "ahead",
            Self::Keys => "keys",
        }
    }
}

/// The slots of a session and of its user, looked up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    session: usize,
    user: usize,
}

/// Whether a board may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It may.
    Good,
    /// It ran out this many nanoseconds ago.
    Over(u64),
    /// The daemon has stopped and said so.
    Closed,
    /// It reaches further ahead than any lease does: it is of another boot, or the clocks differ.
    Impossible,
}

/// A board to be read.
#[derive(Debug)]
pub struct Reader<M> {
    memory: M,
    header: Header,
    inode: u64,
}

impl<M: Memory> Reader<M> {
    /// Reads from this memory, which is as long as the header says and the file of this number.
    #[must_use]
    pub fn new(memory: M, header: Header, inode: u64) -> Self {
        Self { memory, header, inode }
    }

    /// Whether both read the same file.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.inode, &self.header) == (other.inode, &other.header)
    }

    /// What the board says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The slots of a session and its user. They hold for this board only.
    #[must_use]
    pub fn watch(&self, session: SessionId, user: UserId) -> Watched {
        Watched { session: self.header.slot(session.as_bytes()), user: self.header.slot(user.as_bytes()) }
    }

    /// The daemon's time at this moment of `CLOCK_MONOTONIC`, in nanoseconds: what it was when it last extended its lease, and what has gone by since.
    ///
    /// It is behind the daemon's own by no more than the wall clock was set forward, or the machine has slept, since then: a second ago, while the
    /// daemon is well, and the length of a lease otherwise.
    #[inline]
    #[must_use]
    pub fn time(&self, monotonic: u64) -> Millis {
        self.time_since(self.memory.load(word::LEASE, Acquire), monotonic)
    }

    /// The same, by a lease that was loaded before: a time that is newer than that makes what is added too much, which ends things early and never
    /// late.
    #[inline]
    #[must_use]
    pub fn time_since(&self, lease: u64, monotonic: u64) -> Millis {
        let since = monotonic.saturating_sub(lease.saturating_sub(LEASE_NANOS));
        let time = self.memory.load(word::TIME, Acquire).saturating_add(since / 1_000_000);
        Millis::from_u64(time)
    }

    /// Which start of the daemon writes it.
    #[must_use]
    pub fn life(&self) -> Stamp {
        Stamp(self.memory.load(word::LIFE, Acquire))
    }

    /// The version of the present key set.
    #[must_use]
    pub fn keys(&self) -> Stamp {
        Stamp(self.memory.load(word::KEYS, Acquire))
    }

    /// Whether the board may be believed at this moment of `CLOCK_MONOTONIC`, in nanoseconds.
    #[inline]
    pub fn lease(&self, monotonic: u64) -> Lease {
        Self::judge(self.memory.load(word::LEASE, Acquire), monotonic)
    }

    #[inline]
    fn judge(until: u64, monotonic: u64) -> Lease {
        match until.checked_sub(monotonic) {
            _ if until == 0 => Lease::Closed,
            None | Some(0) => Lease::Over(monotonic - until),
            Some(ahead) if ahead <= LEASE_NANOS => Lease::Good,
            Some(_) => Lease::Impossible,
        }
    }

    /// Whether an answer of the daemon that bears this stamp still stands, and by which time that was judged.
    ///
    /// # Errors
    /// Why it does not, or may not.
    #[inline]
    pub fn check(&self, stamp: Stamp, watched: Watched, monotonic: u64) -> Result<Millis, Ask> {
        let lease = self.check_lease(monotonic)?;
        self.check_changes(stamp, watched)?;
        Ok(self.time_since(lease, monotonic))
    }

    /// Whether an access token that was not seen before and bears this stamp may be judged here, with a key set of this version.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_first(
        &self,
        stamp: Stamp,
        watched: Watched,
        keys: Stamp,
        monotonic: u64,
    ) -> Result<(), Ask> {
        self.check_lease(monotonic)?;
        if self.keys() != keys {
            return Err(Ask::Keys);
        }
        // A stamp that the daemon has not reached is forged, or from a future that a restore has undone. Whoever sees `visible` sees every
        // change up to it, so the slots are looked at afterwards.
        if stamp.0 > self.memory.load(word::VISIBLE, Acquire) {
            return Err(Ask::Ahead);
        }
        self.check_changes(stamp, watched)
    }

    /// Whether the board may be believed at this moment of `CLOCK_MONOTONIC`, in nanoseconds, and until when.
    ///
    /// # Errors
    /// That the board may not be believed now.
    #[inline]
    pub fn check_lease(&self, monotonic: u64) -> Result<u64, Ask> {
        let until = self.memory.load(word::LEASE, Acquire);
        match Self::judge(until, monotonic) {
            Lease::Good => Ok(until),
            Lease::Over(_) | Lease::Impossible => Err(Ask::NoLease),
            Lease::Closed => Err(Ask::Closed),
        }
    }

    /// Whether nothing has changed since this stamp, whoever may believe it. Floor and slots are read in any order: each says *ask* by itself.
    ///
    /// # Errors
    /// What has changed.
    #[inline]
    pub fn check_changes(&self, stamp: Stamp, watched: Watched) -> Result<(), Ask> {
        if self.memory.load(word::FLOOR, Acquire) > stamp.0 {
            return Err(Ask::Floor);
        }
        let changed = self.memory.load(watched.session, Acquire).max(self.memory.load(watched.user, Acquire));
        if changed > stamp.0 { Err(Ask::Changed) } else { Ok(()) }
    }
}
