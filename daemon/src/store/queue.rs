//! Work that waits for the writer: per caller, taken round robin, so that one caller who floods waits behind themselves.
//!
//! Revocations and administration have a lane of their own that goes first. Each lane and each caller's share of it is bounded.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::turns::{NoRoom, Turns};

/// Most jobs that wait in one lane.
pub(super) const LANE: usize = 4096;
/// Most of them that belong to one caller.
pub(super) const SHARE: usize = LANE / 4;

/// The part of a batch that is for work without hurry, where some waits: one in so many.
const NORMAL_SHARE: usize = 4;

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many wait.
    Busy,
    /// The writer takes none until the disk under it is well again.
    Paused,
    /// The writer takes no more.
    Closed,
}

/// Jobs that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue<J> {
    lanes: Mutex<Lanes<J>>,
    ready: Condvar,
}

#[derive(Debug)]
struct Lanes<J> {
    urgent: Turns<J>,
    normal: Turns<J>,
    closed: bool,
    paused: bool,
    /// Whether the writer waits for work. To wake one that does not costs as much as to decide a command.
    awaited: bool,
}

impl<J> Queue<J> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        let lane = || Turns::new(LANE, SHARE);
        Self {
            lanes: Mutex::new(Lanes {
                urgent: lane(),
                normal: lane(),
                closed: false,
                paused: false,
                awaited: false,
            }),
            ready: Condvar::new(),
        }
    }

    /// Adds a job of this caller.
    pub(super) fn push(&self, caller: &str, urgent: bool, job: J) -> Result<(), Full> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(Full::Closed);
        }
        if lanes.paused {
            return Err(Full::Paused);
        }
        let lane = if urgent { &mut lanes.urgent } else { &mut lanes.normal };
        lane.push(caller, job).map_err(|NoRoom| Full::Busy)?;
        let awaited = std::mem::take(&mut lanes.awaited);
        // What is woken needs the lock.
        drop(lanes);
        if awaited {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for work and takes up to `most` jobs; nothing once the queue is closed and empty.
    pub(super) fn take(&self, most: usize) -> Vec<J> {
        let mut lanes = self.lock();
        loop {
            let mut jobs = Vec::new();
            // A flood of urgent work goes first and still leaves room for the rest: revocations are an app's to ask for as well.
            let urgent = most - most / NORMAL_SHARE;
            jobs.extend(std::iter::from_fn(|| lanes.urgent.pop()).take(urgent));
            while jobs.len() < most {
                let Some(job) = lanes.normal.pop().or_else(|| lanes.urgent.pop()) else { break };
                jobs.push(job);
            }
            if !jobs.is_empty() || lanes.closed {
                return jobs;
            }
            lanes.awaited = true;
            lanes = self.ready.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no jobs until it is resumed, and gives back those that wait.
    pub(super) fn pause(&self) -> Vec<J> {
        let mut lanes = self.lock();
        lanes.paused = true;
        let Lanes { urgent, normal, .. } = &mut *lanes;
        std::iter::from_fn(|| urgent.pop().or_else(|| normal.pop())).collect()
    }

    /// Takes jobs again.
    pub(super) fn resume(&self) {
        self.lock().paused = false;
    }

    /// Whether it takes no jobs for now.
    #[cfg(test)]
    pub(super) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Waits for so long, and says whether the queue was closed meanwhile.
    pub(super) fn is_closed_within(&self, pause: Duration) -> bool {
        let lanes = self.lock();
        let waited = self.ready.wait_timeout_while(lanes, pause, |lanes| !lanes.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Takes no more jobs; those that wait are still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        let lanes = self.lock();
        lanes.urgent.len() + lanes.normal.len()
    }

    /// No code of a caller runs under this lock, so a poisoned one still holds whole queues.
    fn lock(&self) -> MutexGuard<'_, Lanes<J>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_take_turns_and_the_urgent_go_first() {
        let queue = Queue::new();
        for (caller, job) in [("a", 1), ("a", 2), ("a", 3), ("b", 4)] {
            queue.push(caller, false, job).unwrap();
        }
        queue.push("admin", true, 9).unwrap();
        assert_eq!(queue.len(), 5);
        assert_eq!(queue.take(3), [9, 1, 4]);
        assert_eq!(queue.take(10), [2, 3]);
    }

    #[test]
    fn a_flooding_caller_fills_only_its_share() {
        let queue = Queue::new();
        for job in 0..SHARE {
            queue.push("flood", false, job).unwrap();
        }
        assert_eq!(queue.push("flood", false, 0), Err(Full::Busy));
        assert_eq!(queue.push("other", false, 0), Ok(()));
        assert_eq!(queue.push("flood", true, 0), Ok(()), "its revocations have another lane");
    }

    #[test]
    fn a_flood_of_one_caller_delays_nobody_else_by_more_than_a_batch() {
        const BATCH: usize = 256;
        let queue = Queue::new();
        for urgent in [false, true] {
            for job in 0..SHARE {
                queue.push("flood", urgent, job).unwrap();
            }
        }
        queue.push("admin", true, 7_000).unwrap();
        queue.push("other", false, 8_000).unwrap();
        let batch = queue.take(BATCH);
        assert_eq!(batch.len(), BATCH);
        assert!(batch.contains(&7_000) && batch.contains(&8_000), "{batch:?}");
        assert_eq!(batch[1], 7_000, "what is urgent goes first");
        // Whatever the flood adds meanwhile, whoever comes next is in the next batch.
        for urgent in [false, true] {
            while queue.push("flood", urgent, 0).is_ok() {}
        }
        queue.push("third", false, 9_000).unwrap();
        assert!(queue.take(BATCH).contains(&9_000));
    }

    #[test]
    fn a_paused_queue_gives_back_what_waits_and_takes_no_more_until_it_is_resumed() {
        let queue = Queue::new();
        queue.push("a", false, 1).unwrap();
        queue.push("a", true, 2).unwrap();
        assert_eq!(queue.pause(), [2, 1]);
        assert_eq!(queue.push("a", true, 3), Err(Full::Paused));
        assert!(!queue.is_closed_within(Duration::ZERO));
        queue.resume();
        assert_eq!(queue.push("a", false, 4), Ok(()));
        queue.close();
        assert!(queue.is_closed_within(Duration::MAX));
    }

    #[test]
    fn a_closed_queue_gives_out_what_waits_and_takes_no_more() {
        let queue = Queue::new();
        queue.push("a", false, 1).unwrap();
        queue.close();
        assert_eq!(queue.push("a", false, 2), Err(Full::Closed));
        assert_eq!(queue.take(10), [1]);
        assert_eq!(queue.take(10), [0; 0]);
    }
}
