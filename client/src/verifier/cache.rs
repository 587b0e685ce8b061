//! What was verified before: a table of fixed size that is read without a lock and without a count that threads would share.
//!
//! Nothing is written when something is found, so nothing is known of how often it is: what must make room is chosen blindly. Only what was found
//! good ever gets in, so a flood of bad tokens neither fills it nor pushes anything out.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwapOption, Guard};

use super::entry::Entry;

/// Entries that share a row. A row of tags is one line of the processor's cache.
const WAYS: usize = 8;
/// What is taken of a token's text to find it: this many bytes, of the signature or MAC at its end.
const SAMPLE: usize = 8;
/// How far from its end they begin. The very last bytes of a signature are not quite random.
const SAMPLE_FROM_END: usize = 24;

/// Leave to look at an entry, for as long as it is held.
pub(super) type Held = Guard<Option<Arc<Entry>>>;

/// What was verified before.
pub(super) struct Cache {
    tags: Box<[Tags]>,
    rows: Box<[Row]>,
    /// Keeps whoever chooses tokens from choosing their place.
    spread: u64,
    /// What all entries take up, in bytes, and what they may.
    bytes: AtomicUsize,
    most: usize,
    /// Held while the table is changed; holds the row that gives way next when entries take up too much.
    hand: Mutex<usize>,
}

#[derive(Default)]
#[repr(align(64))]
struct Tags([AtomicU64; WAYS]);

#[derive(Default)]
#[repr(align(64))]
struct Row([ArcSwapOption<Entry>; WAYS]);

impl Cache {
    /// An empty cache for this many entries, rounded up, that take up no more than `most` bytes.
    pub(super) fn new(entries: usize, most: usize, random: u64) -> Self {
        let rows = entries.div_ceil(WAYS).clamp(1, 1 << 24).next_power_of_two();
        Self {
            tags: (0..rows).map(|_| Tags::default()).collect(),
            rows: (0..rows).map(|_| Row::default()).collect(),
            spread: random | 1,
            bytes: AtomicUsize::new(0),
            most,
            hand: Mutex::new(0),
        }
    }

    /// The entry of exactly this token.
    #[inline]
    pub(super) fn find(&self, token: &str) -> Option<Held> {
        let (row, tag) = self.place(token)?;
        for (way, present) in self.tags[row].0.iter().enumerate() {
            if present.load(Relaxed) != tag {
                continue;
            }
            let held = self.rows[row].0[way].load();
            // The whole text decides: the tag is only where to look.
            if held.as_ref().is_some_and(|entry| entry.token() == token) {
                return Some(held);
            }
        }
        None
    }

    /// Takes an entry in, in place of one of the same token or of whichever must give way.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        let Some((row, tag)) = self.place(entry.token()) else { return };
        let size = entry.bytes();
        if size > self.most {
            return;
        }
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let way = self.way_for(row, tag, entry.token());
        self.put(row, way, tag, Some(entry));
        for _ in 0..self.rows.len() {
            if self.bytes.load(Relaxed) <= self.most {
                break;
            }
            *hand = (*hand + 1) & (self.rows.len() - 1);
            for other in 0..WAYS {
                if (*hand, other) != (row, way) {
                    self.put(*hand, other, 0, None);
                }
            }
        }
    }

    /// Forgets a token.
    pub(super) fn remove(&self, token: &str) {
        let Some((row, _)) = self.place(token) else { return };
        self.retain_in(row, |entry| entry.token() != token);
    }

    /// Forgets what is not worth keeping, a row at a time, so that nobody waits for the whole table.
    pub(super) fn retain(&self, keep: impl Fn(&Entry) -> bool) {
        for row in 0..self.rows.len() {
            self.retain_in(row, &keep);
        }
    }

    /// What all entries take up, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    fn retain_in(&self, row: usize, keep: impl Fn(&Entry) -> bool) {
        let _hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        for way in 0..WAYS {
            if self.rows[row].0[way].load().as_ref().is_some_and(|entry| !keep(entry)) {
                self.put(row, way, 0, None);
            }
        }
    }

    /// The way of this token, else an empty one, else any.
    fn way_for(&self, row: usize, tag: u64, token: &str) -> usize {
        let entry = |way: usize| self.rows[row].0[way].load();
        let same = |way: &usize| entry(*way).as_ref().is_some_and(|entry| entry.token() == token);
        let empty = |way: &usize| entry(*way).is_none();
        let any = usize::try_from(tag >> 32).unwrap_or(0) % WAYS;
        (0..WAYS).find(same).or_else(|| (0..WAYS).find(empty)).unwrap_or(any)
    }

    /// Exchanges one entry. Whoever looks meanwhile sees the old or the new one, or misses: the text is compared in any case.
    fn put(&self, row: usize, way: usize, tag: u64, entry: Option<Arc<Entry>>) {
        self.bytes.fetch_add(entry.as_ref().map_or(0, |entry| entry.bytes()), Relaxed);
        let old = self.rows[row].0[way].swap(entry);
        self.tags[row].0[way].store(tag, Relaxed);
        self.bytes.fetch_sub(old.map_or(0, |entry| entry.bytes()), Relaxed);
    }

    /// Row and tag of a token. A text too short to be a token has none.
    #[inline]
    fn place(&self, token: &str) -> Option<(usize, u64)> {
        let end = token.len().checked_sub(SAMPLE_FROM_END)?;
        let sample = token.as_bytes().get(end..)?.first_chunk::<SAMPLE>()?;
        let spread = u64::from_ne_bytes(*sample).wrapping_mul(self.spread);
        let mixed = spread ^ (spread >> 32);
        let row = usize::try_from(mixed).unwrap_or(0) & (self.rows.len() - 1);
        // Zero is the tag of an empty place.
        Some((row, spread | 1 << 63))
    }
}
