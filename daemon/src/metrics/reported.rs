//! What apps say of the verifications inside their own processes. It is their word, so it is added to what they have said before and to nothing else, and
//! whatever they say stays a number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hallpass_protocol::auth::VerifierReport;

/// All that one app has said.
#[derive(Debug, Default)]
pub(super) struct Reported {
    memory: Claimed,
    signature: Claimed,
    daemon: Claimed,
    stale: Claimed,
}

/// A count that somebody else adds to. It stays at the largest there is.
#[derive(Debug, Default)]
struct Claimed(AtomicU64);

impl Claimed {
    fn add(&self, more: u64) {
        // There always is another value, so it is always taken.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_add(more)));
    }

    fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Reported {
    /// The app says that this has come to it.
    pub(super) fn add(&self, counted: VerifierReport) {
        let VerifierReport { memory, signature, daemon, stale } = counted;
        self.memory.add(memory);
        self.signature.add(signature);
        self.daemon.add(daemon);
        self.stale.add(stale);
    }

    /// What it has said so far.
    pub(super) fn read(&self) -> VerifierReport {
        VerifierReport {
            memory: self.memory.read(),
            signature: self.signature.read(),
            daemon: self.daemon.read(),
            stale: self.stale.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_added_up_and_ends_at_the_largest_number() {
        let reported = Reported::default();
        for _ in 0..2 {
            reported.add(VerifierReport { memory: 5, signature: 2, daemon: 1, stale: 0 });
        }
        assert_eq!(reported.read(), VerifierReport { memory: 10, signature: 4, daemon: 2, stale: 0 });
        for most in [u64::MAX, u64::MAX] {
            reported.add(VerifierReport { memory: most, ..VerifierReport::default() });
        }
        let all = reported.read();
        assert_eq!((all.memory, all.signature), (u64::MAX, 4));
        assert_eq!(all.total(), u64::MAX);
        assert_eq!(all.plus(all), VerifierReport { memory: u64::MAX, signature: 8, daemon: 4, stale: 0 });
    }
}
