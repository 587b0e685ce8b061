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

/// The slots of a session and of its user, looked up once: eight bytes, since every verification reads them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watched {
    session: u32,
    user: u32,
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
        let slot = |word: u32| self.memory.load(word as usize, Acquire);
        let changed = slot(watched.session).max(slot(watched.user));
        if changed > stamp.0 { Err(Ask::Changed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::super::{MemoryMut, Writer};
    use super::*;

    /// A board in memory of this process, and the moment at which its lease was last extended, in nanoseconds of the monotonic clock.
    #[derive(Clone, Copy)]
    struct Words(&'static [AtomicU64]);

    const AT: u64 = 1_000_000_000_000;
    const TIME: Millis = Millis::from_u64(1_795_224_000_000);

    impl Memory for Words {
        fn load(&self, word: usize, order: Ordering) -> u64 {
            self.0[word].load(order)
        }
    }

    impl MemoryMut for Words {
        fn store(&self, word: usize, value: u64, order: Ordering) {
            self.0[word].store(value, order);
        }
    }

    fn board() -> (Writer<Words>, Reader<Words>) {
        let header = Header { slots: 1024, hash_key: [3; 32], database: [4; 16], boot: [5; 16] };
        let words = (0..word::SLOTS + 1024).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
        let memory = Words(words.leak());
        let writer = Writer::new(memory, header.clone());
        writer.open(Stamp(10), Stamp(10), Stamp(10));
        writer.extend(AT, TIME);
        (writer, Reader::new(memory, header, 1))
    }

    #[test]
    fn clocks_that_differ_leave_no_lease() {
        let (writer, reader) = board();
        let check = |monotonic| reader.check(Stamp(10), Watched::default(), monotonic).map(drop);
        assert_eq!(check(AT), Ok(()));
        // A reader's clock that is behind by anything makes the lease reach further than one can.
        assert_eq!((check(AT - 1), reader.lease(AT - 1)), (Err(Ask::NoLease), Lease::Impossible));
        assert_eq!(check(0), Err(Ask::NoLease));
        assert_eq!(check(AT + LEASE_NANOS - 1), Ok(()));
        assert_eq!(
            (check(AT + LEASE_NANOS), reader.lease(AT + LEASE_NANOS)),
            (Err(Ask::NoLease), Lease::Over(0))
        );
        // A clock that cannot be read is taken as this.
        assert_eq!(check(u64::MAX), Err(Ask::NoLease));
        writer.close();
        for monotonic in [0, AT, u64::MAX] {
            assert_eq!(check(monotonic), Err(Ask::Closed));
        }
    }

    #[test]
    fn the_time_is_the_daemons_and_goes_on() {
        let (writer, reader) = board();
        assert_eq!(reader.time(AT), TIME);
        assert_eq!(reader.time(AT + 1_500_000_000), TIME.plus(Duration::from_millis(1_500)));
        assert_eq!(
            reader.check(Stamp(10), Watched::default(), AT + 2_000_000),
            Ok(TIME.plus(Duration::from_millis(2)))
        );
        writer.extend(AT, Millis::MAX);
        assert_eq!(reader.time(AT + LEASE_NANOS), Millis::MAX);
    }

    #[test]
    fn each_thing_that_changes_is_asked_about_by_its_own_name() {
        let (writer, reader) = board();
        let (session, user) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let watched = reader.watch(session, user);
        let check = |stamp| reader.check(Stamp(stamp), watched, AT).map(drop);
        let first = |stamp, keys| reader.check_first(Stamp(stamp), watched, Stamp(keys), AT);
        assert_eq!((check(10), first(10, 10)), (Ok(()), Ok(())));
        assert_eq!(
            (check(9), first(11, 10), first(10, 9)),
            (Err(Ask::Floor), Err(Ask::Ahead), Err(Ask::Keys))
        );
        for (number, id) in [(20, session.as_bytes()), (30, user.as_bytes())] {
            writer.raise(id, Stamp(number));
            writer.set_visible(Stamp(number));
            assert_eq!((check(number - 1), check(number)), (Err(Ask::Changed), Ok(())));
            assert_eq!(first(number - 1, 10), Err(Ask::Changed));
        }
    }
}
