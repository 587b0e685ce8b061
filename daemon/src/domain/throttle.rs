//! Failed logins: what they cost the next try.
//!
//! Every try is counted before its password is looked at, so tries at the same time count as many as they are. A success forgets the count.

use std::time::Duration;

use hallpass_protocol::id::{DeviceId, UserId};
use hallpass_protocol::time::Millis;

/// Where a login comes from: what the app says, and which app says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// The app that vouches for the address.
    pub(crate) app: String,
    /// The address, where the app gave one.
    pub(crate) address: String,
}

/// What a count of failures belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ThrottleKey {
    /// A name tried from one source. The name need not exist: unknown ones are counted the same.
    Source(String, Source),
    /// A name tried from anywhere without a known device.
    Credential(String),
    /// A user on a device that an earlier login made known. Others cannot use this budget up.
    Device(UserId, DeviceId),
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How many.
    pub(crate) count: u32,
    /// When the last one was.
    pub(crate) last: Millis,
}

/// Failures that cost nothing. Tries are counted before they are known to fail, so a few processes of one app that log in with the same name at
/// the same time need this many.
const FREE: u32 = 10;
/// Longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(15);
/// After this long without a try a count is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(24);
/// Failures in a row without a known device after which a password must be set anew (NIST SP 800-63B, 3.2.2).
const CREDENTIAL_FAILURES: u32 = 100;

impl Failures {
    /// The wait after this many failures: nothing at first, then 1 s, doubling up to 15 minutes.
    fn delay(self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(10)).min(LONGEST),
        }
    }

    /// How long until the next try from this source is looked at.
    pub(crate) fn wait(self, now: Millis) -> Duration {
        self.current(now).delay().saturating_sub(now.since(self.last))
    }

    /// Whether so many have failed that only a new password helps.
    pub(crate) fn exhausted(self) -> bool {
        self.count >= CREDENTIAL_FAILURES
    }

    /// One more try.
    pub(crate) fn counted(self, now: Millis) -> Self {
        Self { count: self.current(now).count.saturating_add(1), last: now }
    }

    /// Whether the last one is so long ago that the count means nothing any more. A credential's count that has locked it is kept.
    pub(crate) fn is_forgotten(self, now: Millis) -> bool {
        now.since(self.last) >= FORGOTTEN && !self.exhausted()
    }

    fn current(self, now: Millis) -> Self {
        if self.is_forgotten(now) { Self::default() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_forgotten() {
        let start = Millis::from_u64(1_000_000);
        let mut failures = Failures::default();
        let mut waits = Vec::new();
        for _ in 0..22 {
            failures = failures.counted(start);
            waits.push(failures.wait(start).as_secs());
        }
        assert_eq!(waits, [vec![0; 9], vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]].concat());
        assert_eq!(failures.wait(start.plus(Duration::from_secs(899))), Duration::from_secs(1));
        assert_eq!(failures.wait(start.plus(LONGEST)), Duration::ZERO);
        assert_eq!(failures.counted(start.plus(FORGOTTEN)).count, 1);
    }

    #[test]
    fn a_hundred_failures_exhaust_a_credential() {
        let at = |count| Failures { count, last: Millis::from_u64(0) };
        assert!(
            !at(99).exhausted()
                && at(100).exhausted()
                && at(u32::MAX).counted(Millis::from_u64(1)).exhausted()
        );
    }
}
