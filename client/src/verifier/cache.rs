//! What was verified before: looked at where it lies, without a lock and without a count that threads would share.
//!
//! Only what was found good ever gets in, so a flood of bad tokens neither fills it nor pushes anything out. Nothing is written when something is
//! found, so nothing is known of how often it is: what came first goes first.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use papaya::{HashMap, HashMapRef, LocalGuard};

use super::entry::Entry;

/// What is taken of a token's text to find it: this many bytes, of the signature or MAC at its end.
const SAMPLE: usize = 8;
/// How far from its end they begin. The very last bytes of a signature are not quite random.
const SAMPLE_FROM_END: usize = 24;

/// How many more places are remembered than twice the entries that there may be.
const SPARE: usize = 64;

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
        if order.len() > self.most_entries.saturating_mul(2).saturating_add(SPARE) {
            // Places of tokens that were forgotten and came again are in it more than once.
            let mut seen = HashSet::new();
            order.retain(|place| entries.contains_key(place) && seen.insert(*place));
        }
        while entries.len() > self.most_entries || self.bytes.load(Relaxed) > self.most_bytes {
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
    entries.get(&place).filter(|entry| entry.is_of(token))
}

/// Where a token lies. A text too short to be a token lies nowhere.
#[inline]
pub(super) fn place(token: &str) -> Option<u64> {
    let begin = token.len().checked_sub(SAMPLE_FROM_END)?;
    let sample = token.as_bytes().get(begin..)?.first_chunk::<SAMPLE>()?;
    // The letters of base64 leave bits unused, which this spreads over all of them.
    Some(u64::from_ne_bytes(*sample).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hallpass_protocol::auth::{Identity, SessionKind, Verified};
    use hallpass_protocol::id::{SessionId, UserId};
    use hallpass_protocol::time::{Millis, Stamp};

    use super::super::entry::{Audience, Question};
    use super::*;

    /// A text whose number lies where tokens differ.
    fn token(number: usize) -> String {
        format!("hps_{:0>40}{number:0>8}{:0>16}", "", "")
    }

    fn entry(number: usize) -> Arc<Entry> {
        let identity = Identity {
            user_id: UserId::from_bytes([1; 16]),
            name: "ann".into(),
            roles: Vec::new(),
            attributes: BTreeMap::new(),
            session_id: SessionId::from_bytes([2; 16]),
            app: "test".into(),
            kind: SessionKind::Cookie,
            auth_time: Millis::default(),
            level: 1,
            amr: Vec::new(),
            expires_at: Millis::MAX,
        };
        let answer = Verified { identity, stamp: Stamp(1), life: Stamp(1), touch_after: Millis::MAX };
        let text = token(number);
        let question = Question { token: &text, audience: Audience::default(), context: None };
        Arc::new(Entry::answered(&question, answer, None))
    }

    fn holds(cache: &Cache, number: usize) -> bool {
        let (entries, token) = (cache.pin(), token(number));
        place(&token).and_then(|place| find(&entries, place, &token)).is_some()
    }

    #[test]
    fn what_came_first_makes_room_by_count_and_by_bytes() {
        let size = entry(0).bytes();
        for (entries, bytes) in [(10, usize::MAX), (usize::MAX >> 2, 10 * size)] {
            let cache = Cache::new(entries, bytes);
            for number in 0..100 {
                cache.insert(entry(number));
            }
            let held: Vec<_> = (0..100).filter(|number| holds(&cache, *number)).collect();
            assert_eq!(held, (90..100).collect::<Vec<_>>());
            assert_eq!(cache.bytes(), 10 * size);
        }
        let cache = Cache::new(10, size - 1);
        cache.insert(entry(1));
        assert!(!holds(&cache, 1), "larger than all there is");
    }

    #[test]
    fn one_that_comes_and_goes_pushes_nobody_out() {
        let cache = Cache::new(10, usize::MAX);
        for number in 0..9 {
            cache.insert(entry(number));
        }
        for _ in 0..1_000 {
            cache.insert(entry(50));
            cache.insert(entry(50));
            cache.remove(&token(50));
        }
        assert!((0..9).all(|number| holds(&cache, number)));
        assert!(cache.order.lock().unwrap().len() <= 2 * 10 + SPARE + 1);
        assert_eq!(cache.bytes(), 9 * entry(0).bytes());
        cache.retain(|entry| entry.token() == token(3));
        assert_eq!((holds(&cache, 3), holds(&cache, 4)), (true, false));
    }

    #[test]
    fn the_whole_text_decides() {
        let cache = Cache::new(10, usize::MAX);
        cache.insert(entry(7));
        // The same where it is looked for, and another token.
        let other = token(7).replacen('0', "1", 1);
        let entries = cache.pin();
        assert_eq!(place(&other), place(&token(7)));
        assert!(find(&entries, place(&other).unwrap(), &other).is_none());
        assert_eq!(place("short"), None);
    }
}
