//! How verifications were told, for whoever wants the daemon to know. Each thread counts for itself, in a place that no other writes, so counting costs
//! what adding to a number does; whoever reports adds up what all of them have.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_protocol::auth::VerifierReport;

use super::bearer::Way;
use super::near::Owner;

/// Places of threads before it is looked whether some of them are over.
const THREADS: usize = 64;

thread_local! {
    /// What this thread counts, for each verifier that it uses and that reports.
    static OWN: RefCell<Vec<(Owner, Arc<Counts>)>> = const { RefCell::new(Vec::new()) };
}

/// What one thread has counted for one verifier. It has two lines of the processor's cache for itself, since those are fetched in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    memory: AtomicU64,
    signature: AtomicU64,
    daemon: AtomicU64,
    stale: AtomicU64,
}

impl Counts {
    #[inline]
    fn add(&self, way: Way) {
        let count = match way {
            Way::Memory => &self.memory,
            Way::Signature => &self.signature,
            Way::Daemon => &self.daemon,
            Way::Stale => &self.stale,
        };
        // Nobody else writes it, so it need not be done in one step.
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn read(&self) -> VerifierReport {
        VerifierReport {
            memory: self.memory.load(Relaxed),
            signature: self.signature.load(Relaxed),
            daemon: self.daemon.load(Relaxed),
            stale: self.stale.load(Relaxed),
        }
    }
}

/// What all threads have counted for one verifier, and what of it was reported.
#[derive(Debug)]
pub(super) struct Tally {
    owner: Owner,
    added: Mutex<Added>,
}

#[derive(Debug, Default)]
struct Added {
    threads: Vec<Arc<Counts>>,
    /// At how many threads those that are over are looked for: then a thread for each request takes no memory until the next report.
    full_at: usize,
    /// What threads have counted that are over.
    over: VerifierReport,
    reported: VerifierReport,
}

impl Added {
    /// Lets go of what threads have counted that are over, but for its sum.
    fn fold(&mut self) {
        let over = &mut self.over;
        self.threads.retain_mut(|counts| {
            if let Some(last) = Arc::get_mut(counts) {
                // Its thread has let go of it and adds nothing more.
                *over = over.plus(last.read());
                return false;
            }
            true
        });
    }
}

impl Tally {
    /// Nothing was counted yet for this verifier.
    pub(super) fn new(owner: Owner) -> Self {
        Self { owner, added: Mutex::default() }
    }

    /// Counts one.
    #[inline]
    pub(super) fn count(&self, way: Way) {
        let add = |own: &RefCell<Vec<(Owner, Arc<Counts>)>>| {
            let known =
                own.borrow().iter().find(|(of, _)| *of == self.owner).map(|(_, counts)| counts.add(way));
            if known.is_none() {
                let counts = self.begin();
                counts.add(way);
                let mut own = own.borrow_mut();
                // Those of verifiers that are gone have nobody left who would read them.
                own.retain(|(_, counts)| Arc::strong_count(counts) > 1);
                own.push((self.owner, counts));
            }
        };
        // A thread that is ending counts nothing any more.
        let _ = OWN.try_with(add);
    }

    /// A place for one more thread.
    #[cold]
    fn begin(&self) -> Arc<Counts> {
        let counts = Arc::<Counts>::default();
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if added.threads.len() >= added.full_at {
            added.fold();
            added.full_at = (2 * added.threads.len()).max(THREADS);
        }
        added.threads.push(Arc::clone(&counts));
        counts
    }

    /// What was counted since the last time, which counts as reported from now on.
    pub(super) fn take(&self) -> VerifierReport {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.fold();
        let all = added.threads.iter().fold(added.over, |all, counts| all.plus(counts.read()));
        let unreported = all.since(added.reported);
        added.reported = added.reported.plus(unreported);
        unreported
    }

    /// What was taken has not arrived, and is to be taken again.
    pub(super) fn give_back(&self, taken: VerifierReport) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.reported = added.reported.since(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_counted_once_whether_it_goes_on_or_is_over() {
        let (tally, other) = (Tally::new(Owner::new()), Tally::new(Owner::new()));
        let count = || {
            (0..1_000).for_each(|_| tally.count(Way::Memory));
            tally.count(Way::Signature);
            other.count(Way::Stale);
        };
        count();
        std::thread::scope(|scope| {
            [scope.spawn(count), scope.spawn(count)].map(|thread| thread.join().unwrap())
        });
        let wanted = VerifierReport { memory: 3_000, signature: 3, ..VerifierReport::default() };
        assert_eq!(tally.take(), wanted);
        assert_eq!(tally.take(), VerifierReport::default(), "it was taken");
        assert_eq!(tally.added.lock().unwrap().threads.len(), 1, "nothing is kept of a thread that is over");
        assert_eq!(other.take().stale, 3, "each verifier has counts of its own");
        count();
        assert_eq!(tally.take().memory, 1_000);
    }

    #[test]
    fn a_thread_for_each_request_takes_no_memory_until_it_is_reported() {
        let tally = Tally::new(Owner::new());
        for _ in 0..10 * THREADS {
            std::thread::scope(|scope| scope.spawn(|| tally.count(Way::Memory)).join().unwrap());
        }
        assert!(tally.added.lock().unwrap().threads.len() <= THREADS);
        assert_eq!(tally.take().memory, 10 * THREADS as u64);
    }

    #[test]
    fn what_has_not_arrived_is_taken_again() {
        let tally = Tally::new(Owner::new());
        tally.count(Way::Daemon);
        let taken = tally.take();
        tally.count(Way::Daemon);
        tally.give_back(taken);
        assert_eq!(tally.take(), VerifierReport { daemon: 2, ..VerifierReport::default() });
    }

    #[test]
    fn a_thread_keeps_nothing_of_verifiers_that_are_gone() {
        for _ in 0..100 {
            Tally::new(Owner::new()).count(Way::Memory);
        }
        assert_eq!(OWN.with(|own| own.borrow().len()), 1);
    }
}
