//! What the daemon has counted since it started, in one answer of bounded size.
//!
//! Counters only ever rise, and begin anew with each start: whoever wants rates takes two answers of the same start and the time between them.

use serde::{Deserialize, Serialize};

use crate::auth::VerifierReport;
use crate::time::Millis;

/// Most apps that are counted each by itself. Further ones are counted together, as [`OTHER_APPS`].
pub const APPS_COUNTED: usize = 64;
/// What stands for apps that are not counted each by itself. No app of the configuration can have this name.
pub const OTHER_APPS: &str = "(others)";
/// Most buckets of one histogram but the last, which has no bound.
pub const BOUNDS_AT_MOST: usize = 36;

/// What the daemon has counted since it started, and how things stand at this moment.
///
/// ```
/// # use hallpass_protocol::metrics::Metrics;
/// /// Sessions that are opened in a second, between two answers; none where the daemon was started again in between.
/// fn rate(before: &Metrics, now: &Metrics) -> Option<f64> {
///     let seconds = now.uptime_micros.checked_sub(before.uptime_micros)? as f64 / 1e6;
///     let opened = now.sessions.opened.checked_sub(before.sessions.opened)? as f64;
///     (before.started == now.started && seconds > 0.0).then(|| opened / seconds)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Metrics {
    /// The daemon's version.
    pub version: String,
    /// When it started to serve, from which on it counts.
    pub started: Millis,
    /// Microseconds since then, by a clock that nobody sets.
    pub uptime_micros: u64,
    /// What was asked, by operation.
    pub operations: Vec<OperationMetrics>,
    /// Tokens that were looked at, by outcome. One call can show many.
    pub verifications: Vec<Counted>,
    /// What each app has asked.
    pub apps: Vec<AppMetrics>,
    /// Who has come.
    pub connections: ConnectionMetrics,
    /// Users and sessions.
    pub sessions: SessionMetrics,
    /// What the thread does that writes.
    pub writer: WriterMetrics,
    /// What is hashed.
    pub passwords: PasswordMetrics,
    /// What lies on disk.
    pub disk: DiskMetrics,
}

/// How often something has happened that a stable word names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Counted {
    /// The word: `ok` or the code of a refusal where outcomes are counted.
    pub word: String,
    /// How often.
    pub count: u64,
}

/// What was asked of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct OperationMetrics {
    /// Which, as a stable word such as `refresh`.
    pub operation: String,
    /// How the calls ended. What has never happened is left out.
    pub outcomes: Vec<Counted>,
    /// Nanoseconds from the moment that a call was read to that of its answer, what it waited for included. Of calls that wait for nothing, verifications
    /// before all, not every one is timed: reading the clock would take as long as much of the work.
    pub duration: Histogram,
}

/// What one app has asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct AppMetrics {
    /// Its name in the configuration.
    pub app: String,
    /// Calls.
    pub requests: u64,
    /// Those of them that were refused as a whole.
    pub refused: u64,
    /// Tokens that it had looked at.
    pub verifications: u64,
    /// What its verifiers say that they have told inside its own processes. They say so where the app wants it.
    pub verifier: VerifierReport,
}

/// Who has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ConnectionMetrics {
    /// Those that are there.
    pub open: u64,
    /// Those that were let in.
    pub accepted: u64,
    /// Those that were sent away, by reason: `stranger`, `connections` or `memory`.
    pub refused: Vec<Counted>,
}

/// Users and sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct SessionMetrics {
    /// Sessions that are listed as alive. One whose time is over counts until it is swept, half a minute later at most.
    pub alive: u64,
    /// Sessions that have a row, ended ones included.
    pub stored: u64,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that were removed for being over.
    pub swept: u64,
    /// What was taken back: sessions by why they ended, and `user`, `app`, `key` and `everything`, each of which ends many at once.
    pub revocations: Vec<Counted>,
    /// Users there are.
    pub users: u64,
}

/// What the thread does that writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct WriterMetrics {
    /// Changes that wait for it.
    pub waiting: u64,
    /// Nanoseconds that commits took, until they were on disk.
    pub commits: Histogram,
    /// Changes that were committed together.
    pub batches: Histogram,
    /// Commits of which nobody knew whether they were done until the file was read again.
    pub failed: u64,
    /// Slots of the board that were raised.
    pub slots_raised: u64,
    /// How often its floor was, which has every answer that is held asked about again.
    pub floors_raised: u64,
}

/// What is hashed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct PasswordMetrics {
    /// Hashes that can run at once.
    pub threads: u64,
    /// Hashes that run.
    pub running: u64,
    /// Hashes that wait.
    pub waiting: u64,
    /// Nanoseconds that hashes took, without their waiting.
    pub hashes: Histogram,
}

/// What lies on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct DiskMetrics {
    /// Size of the database file in bytes.
    pub database_bytes: u64,
    /// Bytes that its disk has left.
    pub available_bytes: u64,
    /// Whether that is so little that nothing new is begun.
    pub full: bool,
    /// Audit entries there are.
    pub audit_entries: u64,
}

/// How often something was of which size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// The largest size in each bucket but the last, rising.
    pub bounds: Vec<u64>,
    /// How often: one for each bound, and one more for what is larger than all of them.
    pub counts: Vec<u64>,
    /// All sizes together.
    pub sum: u64,
}

impl Histogram {
    /// How often in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The size that this part of all is not larger than, such as 0.99 of them: as near as the buckets tell. Nothing where nothing was counted.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and sizes beyond 2^53 may lose a last digit in what is an estimate"
    )]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let all = self.count();
        let rank = part.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= rank {
                let from = place.checked_sub(1).and_then(|place| self.bounds.get(place)).copied();
                let from = from.unwrap_or(0) as f64;
                // Of what is larger than every bound nothing else is known.
                let Some(to) = self.bounds.get(place) else { return Some(from) };
                return Some(from + (*to as f64 - from) * ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        None
    }

    /// What was counted since an earlier answer of the same start.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        Self {
            bounds: self.bounds.clone(),
            counts: self.counts.iter().zip(before).map(|(now, then)| now.saturating_sub(then)).collect(),
            sum: self.sum.saturating_sub(earlier.sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: [u64; 4]) -> Histogram {
        Histogram { bounds: vec![10, 20, 50], counts: counts.to_vec(), sum: 0 }
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_that_its_rank_falls_into() {
        let even = histogram([10, 10, 0, 0]);
        assert_eq!(even.quantile(0.25), Some(5.0));
        assert_eq!(even.quantile(0.5), Some(10.0));
        assert_eq!(even.quantile(0.75), Some(15.0));
        assert_eq!(even.quantile(1.0), Some(20.0));
        assert_eq!(histogram([0, 0, 4, 0]).quantile(0.5), Some(35.0));
        assert_eq!(histogram([1, 0, 0, 99]).quantile(0.99), Some(50.0), "beyond the last bound");
        assert_eq!(histogram([0; 4]).quantile(0.5), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn what_was_counted_between_two_answers_is_their_difference() {
        let (then, now) = (histogram([1, 2, 3, 4]), Histogram { sum: 9, ..histogram([1, 3, 5, 4]) });
        assert_eq!(now.since(&then), Histogram { sum: 9, ..histogram([0, 1, 2, 0]) });
        assert_eq!(now.since(&Histogram::default()), now);
        assert_eq!(now.since(&then).count(), 3);
    }
}
