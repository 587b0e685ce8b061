//! Every interleaving of those who write the board with those who read it, under the memory model of the language: the model checker `loom` runs the
//! code of both sides on words of its own, and each thread sees every value that it may see.
//!
//! What runs is what the daemon and its clients run: the reader and the writer of the protocol, [`put`](super::put), [`begin`](super::begin),
//! [`floor`](super::floor) and the orders in `store::order`. Told anew are the store (three words under a lock), the queue of the writer (one batch
//! after another), the lock that a commit and the lease's thread share, and the start of the daemon (claim, wait, commit, open), which is as long as
//! its calls.
//!
//! Each rule has a variant that breaks it, made of the same pieces, which the checker must find; so it is known to look where it should.
//!
//! The search is complete, but for one long story in which no thread is interrupted more than three times where it could go on.
//! `LOOM_MAX_PREEMPTIONS=4` looks further into that, and takes ten times as long; so does each more.

mod changes;
mod starts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What has come of looking at every interleaving.
#[derive(Debug)]
struct Search {
    interleavings: usize,
    /// What was wrong with the last of them, if anything was: that ends the search.
    fault: Option<String>,
}

impl Search {
    /// Nothing is wrong, and there was something to look at.
    fn holds(&self) {
        assert_eq!(self.fault, None, "after {} interleavings", self.interleavings);
        assert!(self.interleavings > 1, "nothing happens at once");
    }

    /// The variant is as bad as it was made.
    fn finds(&self, fault: &str) {
        assert_eq!(self.fault.as_deref(), Some(fault), "after {} interleavings", self.interleavings);
    }
}

const ACCEPTED: &str = "accepted what was taken back";
const REFUSED: &str = "in quiet, a fresh answer is refused";

/// How often threads are interrupted where they could go on, in the long story.
const PREEMPTIONS: usize = 3;

/// Runs this in every interleaving, until one is wrong.
fn search(scenario: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Search {
    search_with(None, scenario)
}

/// The same for a story that is too long for all of them.
fn search_long(scenario: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Search {
    let named = loom::model::Builder::new().preemption_bound;
    search_with(named.or(Some(PREEMPTIONS)), scenario)
}

fn search_with(
    preemptions: Option<usize>,
    scenario: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static,
) -> Search {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    // A thread of the model that panics ends the search, which is how the checker itself is told of a fault.
    let run = move || {
        counting.fetch_add(1, Relaxed);
        if let Err(fault) = scenario() {
            std::panic::resume_unwind(Box::new(fault));
        }
    };
    let ended = catch_unwind(AssertUnwindSafe(|| model.check(run)));
    let fault = ended.err().map(|panic| match panic.downcast::<&'static str>() {
        Ok(fault) => (*fault).to_owned(),
        Err(other) => std::panic::resume_unwind(other),
    });
    Search { interleavings: count.load(Relaxed), fault }
}
