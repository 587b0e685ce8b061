//! What this thread has verified lately: found without even saying to other threads that somebody is looking.
//!
//! These are the entries of the cache themselves, held a second time. Whether one still stands is told by its board like that of any other, so one that
//! was replaced elsewhere does no harm here but to be asked about. Few are held by each thread, and one gives way only now and then: a thread that
//! sees more tokens than there is room for would otherwise do nothing but exchange them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entry::Entry;

/// How many entries a thread holds at the most.
const ENTRIES: usize = 1024;
/// How many misses it takes for an entry to give way to another.
const MISSES: u32 = 32;

thread_local! {
    static NEAR: RefCell<Near> = const { RefCell::new(Near { slots: Vec::new(), misses: 0 }) };
}

struct Near {
    /// None of them until the first is held.
    slots: Vec<Option<(Owner, Arc<Entry>)>>,
    misses: u32,
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
}

/// Shows what this thread holds at a place to somebody who knows whether it is what they want; what they make of it comes back.
#[inline]
pub(super) fn with<T>(owner: Owner, place: u64, see: impl FnOnce(&Arc<Entry>) -> Option<T>) -> Option<T> {
    let look = |near: &RefCell<Near>| {
        // It is being changed only while an entry of it is dropped, which verifies nothing.
        let near = near.try_borrow().ok()?;
        match near.slots.get(slot(place))? {
            Some((of, entry)) if *of == owner => see(entry),
            _ => None,
        }
    };
    // A thread that is ending holds nothing any more.
    NEAR.try_with(look).ok().flatten()
}

/// Has this thread hold an entry, if there is room or it is time for a change.
#[inline]
pub(super) fn hold(owner: Owner, place: u64, entry: &Arc<Entry>) {
    let keep = |near: &RefCell<Near>| {
        // Somebody who looks at one verifies another: this one is not held then.
        let Ok(mut near) = near.try_borrow_mut() else { return };
        if near.slots.is_empty() {
            near.slots.resize_with(ENTRIES, || None);
        }
        near.misses += 1;
        let due = near.misses >= MISSES;
        let Some(slot) = near.slots.get_mut(slot(place)) else { return };
        // One of the same token has been replaced elsewhere, and is good for nothing any more.
        let gives_way =
            |(of, held): &(Owner, Arc<Entry>)| due || (*of == owner && held.token() == entry.token());
        if slot.as_ref().is_none_or(gives_way) {
            *slot = Some((owner, Arc::clone(entry)));
            near.misses = 0;
        }
    };
    // A thread that is ending holds nothing any more.
    let _ = NEAR.try_with(keep);
}

#[inline]
fn slot(place: u64) -> usize {
    usize::try_from(place >> 32).unwrap_or(0) % ENTRIES
}
