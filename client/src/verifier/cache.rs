//! What was verified before: looked at where it lies, without a lock and without a count that threads would share.
//!
//! Only what was found good ever gets in, so a flood of bad tokens neither fills it nor pushes anything out. Nothing is written when something is
//! found, so nothing is known of how often it is: what came first goes first.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use papaya::{HashMap, HashMapRef, LocalGuard};

use super::entry::Entry;

/// What is taken of a token's text to find it: this many bytes, of the signature or MAC at its end.
const SAMPLE: usize = 8;
/// How far from its end they begin. The very last bytes of a signature are not quite random.
const SAMPLE_FROM_END: usize = 24;

/// What was verified before.
pub(super) struct Cache {
    entries: HashMap<u64, Arc<Entry>, BuildHasherDefault<Spread>>,
    /// What all entries take up, in bytes.
    bytes: AtomicUsize,
    most_entries: usize,
    most_bytes: usize,
    /// The places of all entries, and of some that are gone, in the order in which they came.
    order: Mutex<VecDeque<u64>>,
}

/// Leave to look at entries for as long as it is held.
pub(super) type Pinned<'a> = HashMapRef<'a, u64, Arc<Entry>, BuildHasherDefault<Spread>, LocalGuard<'a>>;

/// A place is as good as a hash. Who could choose signatures could forge them.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    #[inline]
    fn write_u64(&mut self, sample: u64) {
        self.0 = sample;
    }
}

impl Cache {
    /// An empty cache for this many entries that take up no more than so many bytes.
    pub(super) fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self {
            entries: HashMap::default(),
            bytes: AtomicUsize::new(0),
            most_entries,
            most_bytes,
            order: Mutex::default(),
        }
    }

    /// Leave to look.
    #[inline]
    pub(super) fn pin(&self) -> Pinned<'_> {
        self.entries.pin()
    }

    /// Takes an entry in, in place of one of the same token; those that came first make room.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        let Some(place) = place(entry.token()) else { return };
        if entry.bytes() > self.most_bytes {
            return;
        }
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.pin();
        self.bytes.fetch_add(entry.bytes(), Relaxed);
        match entries.insert(place, entry) {
            Some(old) => drop(self.bytes.fetch_sub(old.bytes(), Relaxed)),
            None => order.push_back(place),
        }
        while order.len() > self.most_entries || self.bytes.load(Relaxed) > self.most_bytes {
            let Some(oldest) = order.pop_front() else { break };
            if let Some(old) = entries.remove(&oldest) {
                self.bytes.fetch_sub(old.bytes(), Relaxed);
            }
        }
    }

    /// Forgets a token.
    pub(super) fn remove(&self, token: &str) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.pin();
        let Some(place) = place(token).filter(|place| find(&entries, *place, token).is_some()) else {
            return;
        };
        if let Some(old) = entries.remove(&place) {
            self.bytes.fetch_sub(old.bytes(), Relaxed);
        }
    }

    /// Forgets what is not worth keeping.
    pub(super) fn retain(&self, keep: impl Fn(&Entry) -> bool) {
        let doomed: Vec<_> =
            self.pin().values().filter(|entry| !keep(entry)).map(|entry| entry.token().to_owned()).collect();
        for token in doomed {
            self.remove(&token);
        }
    }

    /// What all entries take up, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

/// The entry of exactly this token: its place is only where to look, and the whole text decides.
#[inline]
pub(super) fn find<'a>(entries: &'a Pinned<'_>, place: u64, token: &str) -> Option<&'a Arc<Entry>> {
    entries.get(&place).filter(|entry| entry.token() == token)
}

/// Where a token lies. A text too short to be a token lies nowhere.
#[inline]
pub(super) fn place(token: &str) -> Option<u64> {
    let begin = token.len().checked_sub(SAMPLE_FROM_END)?;
    let sample = token.as_bytes().get(begin..)?.first_chunk::<SAMPLE>()?;
    // The letters of base64 leave bits unused, which this spreads over all of them.
    Some(u64::from_ne_bytes(*sample).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
