//! What this thread has verified lately: found without even saying to other threads that somebody is looking.
//!
//! These are the entries of the cache themselves, held a second time. Whether one still stands is told by its board like that of any other, so one that
//! was replaced elsewhere does no harm here but to be asked about. Few are held by each thread, and one gives way only now and then: a thread that
//! sees more tokens than there is room for would otherwise do nothing but exchange them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entry::Entry;

/// How many entries lie side by side, in one line of the processor's cache.
const WAYS: usize = 4;
/// How many lines a thread has at the most.
const SETS: usize = 512;
/// How many misses it takes for an entry to give way to another.
const MISSES: usize = 32;

thread_local! {
    static NEAR: RefCell<Near> = const { RefCell::new(Near { sets: Vec::new(), misses: 0 }) };
}

struct Near {
    /// None of them until the first is held.
    sets: Vec<Set>,
    misses: usize,
}

/// Entries and the tags that they are found by.
#[derive(Default)]
#[repr(align(64))]
struct Set([(Tag, Option<Arc<Entry>>); WAYS]);

/// Where a verifier's tokens are looked for. Two verifiers have different tags for one place, and so never find each other's entry for a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    #[inline]
    fn set(self) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(0) % SETS
    }
}

/// Tells the verifiers of a process apart: each has its own daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    /// One that there was not before.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Relaxed))
    }

    /// What is at this place for this one.
    #[inline]
    pub(super) fn tag(self, place: u64) -> Tag {
        Tag(place ^ self.0)
    }
}

/// Shows what this thread holds by a tag to somebody who knows whether it is what they want; what they make of it comes back.
#[inline]
pub(super) fn with<T>(tag: Tag, see: impl FnOnce(&Arc<Entry>) -> Option<T>) -> Option<T> {
    let look = |near: &RefCell<Near>| {
        // It is being changed only while an entry of it is dropped, which verifies nothing.
        let near = near.try_borrow().ok()?;
        let Set(ways) = near.sets.get(tag.set())?;
        let (_, entry) = ways.iter().find(|(of, _)| *of == tag)?;
        see(entry.as_ref()?)
    };
    // A thread that is ending holds nothing any more.
    NEAR.try_with(look).ok().flatten()
}

/// Has this thread hold an entry, if there is room or it is time for a change.
#[inline]
pub(super) fn hold(tag: Tag, entry: &Arc<Entry>) {
    let keep = |near: &RefCell<Near>| {
        // Somebody who looks at one verifies another: this one is not held then.
        let Ok(mut near) = near.try_borrow_mut() else { return };
        near.hold(tag, entry);
    };
    // A thread that is ending holds nothing any more.
    let _ = NEAR.try_with(keep);
}

impl Near {
    fn hold(&mut self, tag: Tag, entry: &Arc<Entry>) {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Set::default);
        }
        self.misses += 1;
        let Some(Set(ways)) = self.sets.get_mut(tag.set()) else { return };
        // One by the same tag has been replaced elsewhere, and is good for nothing any more.
        let free = |(of, held): &(Tag, Option<Arc<Entry>>)| *of == tag || held.is_none();
        let at = match ways.iter().position(free) {
            Some(free) => free,
            // Whichever it is: nothing is known of how often each is wanted.
            None if self.misses.is_multiple_of(MISSES) => self.misses / MISSES % WAYS,
            None => return,
        };
        if let Some(way) = ways.get_mut(at) {
            *way = (tag, Some(Arc::clone(entry)));
        }
    }
}
