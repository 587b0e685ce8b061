//! The board: one small page of shared memory through which every process on the host sees what was taken back.
//!
//! The daemon owns a file, maps it and writes it; every client maps the same file read-only. A slot holds the newest stamp at which something that
//! maps to it has changed. What a client holds, an access token or an answer of the daemon, bears a stamp too: *has seen every change up to this*.
//! It stands as long as nothing newer is on the board. The board never lies, it only says *ask*: two identifiers that share a slot cost one
//! question, never a wrong answer.
//!
//! # Layout
//!
//! Words of eight bytes in the byte order of the machine, which is the same for everybody who can map the file.
//!
//! | byte | what | written |
//! |---|---|---|
//! | 0 | [`MAGIC`] | once |
//! | 8 | layout version, in the low half; number of slots, a power of two, in the high half | once |
//! | 16 | hash key, 32 bytes | once |
//! | 48 | database id, 16 bytes | once |
//! | 64 | boot id, 16 bytes | once |
//! | 128 | lease: until when the board may be believed, in nanoseconds of `CLOCK_MONOTONIC`; 0 when it is closed | every second |
//! | 136 | floor: whatever bears an older stamp is to be asked about | at a start, and when much was taken back at once |
//! | 144 | life: which start of the daemon writes it; an answer of another life does not belong to it | at a start |
//! | 192 | visible: the newest stamp whose changes are all on the board | after every commit |
//! | 200 | version of the key set that access tokens are signed with | when keys change |
//! | 208 | the daemon's time in milliseconds since 1970 | every second |
//! | 4096 | the slots | when what they stand for changes |
//!
//! The slot of a session or user is the first eight bytes of HMAC-SHA256(hash key, its 16 bytes), read as a number with the big end first, modulo
//! the number of slots.
//!
//! # Order
//!
//! The daemon raises slots after the commit is on disk, then `visible`, then it answers. Whoever reads, reads the lease first: what was written
//! before a lease is seen by everybody who sees the lease.

mod header;
mod mapping;
mod place;
mod read;
mod write;

pub use header::{BadHeader, Header, boot_id};
pub use mapping::{ReadMapping, WriteMapping};
pub use place::{Unusable, open};
pub use read::{Ask, Lease, Reader, Watched};
pub use write::Writer;

use std::sync::atomic::Ordering;
use std::time::Duration;

/// The first eight bytes of a board.
pub const MAGIC: [u8; 8] = *b"hallboar";
/// The version of this layout.
pub const LAYOUT: u32 = 1;
/// How far ahead a lease reaches. One that reaches further is none.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often a lease is extended.
pub const LEASE_EVERY: Duration = Duration::from_secs(1);
/// How many slots there may be: a power of two within these bounds.
pub const SLOTS: std::ops::RangeInclusive<u32> = 1024..=4_194_304;

/// Where each word lies, in words of eight bytes.
pub mod word {
    /// How many there are of what is fixed for the life of the file.
    pub const FIXED: usize = 16;
    /// The lease.
    pub const LEASE: usize = 16;
    /// The floor.
    pub const FLOOR: usize = 17;
    /// The life.
    pub const LIFE: usize = 18;
    /// The newest stamp that is visible.
    pub const VISIBLE: usize = 24;
    /// The version of the key set.
    pub const KEYS: usize = 25;
    /// The daemon's time.
    pub const TIME: usize = 26;
    /// The first slot.
    pub const SLOTS: usize = 512;
}

/// Size of a board with this many slots, in bytes.
#[must_use]
pub const fn bytes(slots: u32) -> usize {
    (word::SLOTS + slots as usize) * 8
}

/// Words that can be read while somebody else writes them.
pub trait Memory {
    /// The word at this place. Panics past the end, which nobody reaches who was given places by this module.
    fn load(&self, word: usize, order: Ordering) -> u64;
}

/// Words that this process alone writes.
pub trait MemoryMut: Memory {
    /// Writes the word at this place.
    fn store(&self, word: usize, value: u64, order: Ordering);
}
