//! How long the audit chain is kept. What is removed from its beginning is told of at its end, so what is left can still be verified from where it
//! begins, and nobody can cut it there in silence.

use std::time::Duration;

use hallpass_protocol::time::{Millis, Stamp};

use super::effect::{Audit, Effect, Event};

/// How long the audit chain is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditPolicy {
    /// An entry, at least.
    pub(crate) keep_for: Duration,
    /// The newest so many entries, at most.
    pub(crate) keep_entries: u64,
}

/// Most entries that are removed at once, and fewest unless the oldest is due for a day: each time leaves an entry of its own.
pub(crate) const AT_ONCE: usize = 256;
/// How long few entries can be due before they go.
const PATIENCE: Duration = Duration::from_hours(24);

/// The oldest entries, which are not to be kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OldEntries {
    /// The first of them.
    pub(crate) first: u64,
    /// The last of them.
    pub(crate) last: u64,
    /// Its hash, which what is left goes on from.
    pub(crate) hash: [u8; 32],
}

impl AuditPolicy {
    /// Whether an entry is to go, of a chain whose newest has this number. The newest always stays.
    pub(crate) fn is_over(&self, number: u64, stamp: Stamp, newest: u64, now: Millis) -> bool {
        number < newest && (newest - number >= self.keep_entries || age(stamp, now) >= self.keep_for)
    }

    /// Whether even few entries are to go, if this is the oldest.
    pub(crate) fn is_long_over(&self, stamp: Stamp, now: Millis) -> bool {
        age(stamp, now) >= self.keep_for + PATIENCE
    }
}

fn age(stamp: Stamp, now: Millis) -> Duration {
    now.since(Millis::from_u64(stamp.0 / 1000))
}

impl OldEntries {
    /// How many they are.
    pub(crate) fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Their removal, and what is told of it.
    pub(crate) fn removed(self) -> (Effect, Audit) {
        let digits: Vec<_> = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let detail = format!("entries up to {} are gone, {}", self.last, digits.concat());
        (Effect::PruneAudit(self), Audit { detail, ..Audit::new(Event::AuditPrune) })
    }
}

/// The last entry that such an entry says is gone, and its hash.
pub(crate) fn gone_upto(detail: &str) -> Option<(u64, [u8; 32])> {
    let rest = detail.strip_prefix("entries up to ")?;
    let (number, hash) = rest.split_once(" are gone, ")?;
    let digits = (hash.len() == 64 && hash.is_ascii()).then_some(hash)?;
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some((number.parse().ok()?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_removal_can_be_read_again() {
        let old = OldEntries { first: 3, last: 258, hash: [7; 32] };
        let (_, audit) = old.removed();
        assert_eq!((gone_upto(&audit.detail), old.count()), (Some((258, [7; 32])), 256));
        assert_eq!(gone_upto("entries up to 258 are gone, xyz"), None);
    }

    #[test]
    fn entries_go_when_they_are_old_or_too_many_and_the_newest_never() {
        let policy = AuditPolicy { keep_for: Duration::from_hours(24), keep_entries: 10 };
        let at = |hours: u64| Stamp(hours * 3_600_000_000);
        let now = Millis::from_u64(48 * 3_600_000);
        assert!(policy.is_over(1, at(24), 5, now) && !policy.is_over(1, at(25), 5, now));
        assert!(policy.is_over(10, at(48), 20, now) && !policy.is_over(11, at(48), 20, now));
        assert!(!policy.is_over(5, at(0), 5, now), "the newest");
        assert!(policy.is_long_over(at(0), now) && !policy.is_long_over(at(1), now));
    }
}
