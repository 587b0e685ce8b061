//! How often something was of which size: fixed buckets that any thread adds to, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hallpass_protocol::metrics::{self, BOUNDS_AT_MOST};

/// Nanoseconds, four to a decade: 100 ns to 50 s, and the longest that a call can wait.
pub(crate) const DURATIONS: [u64; BOUNDS_AT_MOST] = durations();
/// Changes in one commit, up to as many as there can be.
pub(crate) const BATCHES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const fn durations() -> [u64; BOUNDS_AT_MOST] {
    let steps = [1, 2, 3, 5];
    let (mut bounds, mut decade, mut place) = ([60_000_000_000; BOUNDS_AT_MOST], 100, 0);
    while place < bounds.len() - 1 && decade <= 10_000_000_000 {
        bounds[place] = steps[place % steps.len()] * decade;
        place += 1;
        if place % steps.len() == 0 {
            decade *= 10;
        }
    }
    bounds
}

/// How often something was of which size.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    counts: [AtomicU64; BOUNDS_AT_MOST + 1],
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one with these bounds, which rise.
    pub(crate) const fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: [const { AtomicU64::new(0) }; BOUNDS_AT_MOST + 1], sum: AtomicU64::new(0) }
    }

    /// Counts one more of this size.
    pub(crate) fn add(&self, size: u64) {
        let place = self.bounds.partition_point(|bound| *bound < size);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(size, Relaxed);
    }

    /// What was counted so far. What is counted meanwhile may be in it in part.
    pub(crate) fn read(&self) -> metrics::Histogram {
        let counts = self.counts.iter().take(self.bounds.len() + 1);
        metrics::Histogram {
            bounds: self.bounds.to_vec(),
            counts: counts.map(|count| count.load(Relaxed)).collect(),
            sum: self.sum.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise_and_reach_from_100_ns_to_a_minute() {
        for bounds in [&DURATIONS[..], &BATCHES] {
            assert!(bounds.is_sorted_by(|one, next| one < next), "{bounds:?}");
        }
        assert_eq!((DURATIONS[0], DURATIONS[4], DURATIONS[35]), (100, 1_000, 60_000_000_000));
    }

    #[test]
    fn a_size_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&BATCHES);
        for size in [1, 2, 3, 4, 256, 257] {
            histogram.add(size);
        }
        let read = histogram.read();
        assert_eq!(read.counts, [1, 1, 2, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((read.sum, read.bounds.len()), (523, 9));
    }
}
