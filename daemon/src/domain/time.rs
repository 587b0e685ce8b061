//! When a command is decided, as the writer sees it.

use std::time::Duration;

use hallpass_protocol::time::{Millis, Stamp};

/// The moment one command is decided at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The daemon's time, which never goes back.
    pub(crate) now: Millis,
    /// The command's place in the order of all changes.
    pub(crate) stamp: Stamp,
    /// The time before this start during which nobody could be answered.
    pub(crate) outage: Outage,
}

/// A time during which the daemon was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outage {
    /// The last moment the daemon is known to have been up.
    pub(crate) from: Millis,
    /// When it served again.
    pub(crate) to: Millis,
}

impl Outage {
    /// How long callers have been able to reach the daemon between `since` and `now`.
    pub(crate) fn served_since(&self, since: Millis, now: Millis) -> Duration {
        let down = self.to.min(now).since(self.from.max(since));
        now.since(since).saturating_sub(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_counts_only_where_it_overlaps() {
        let at = Millis::from_u64;
        let outage = Outage { from: at(100), to: at(200) };
        for (since, now, served) in [
            (0, 50, 50),
            (0, 150, 100),
            (0, 300, 200),
            (150, 300, 100),
            (200, 300, 100),
            (250, 300, 50),
            (300, 250, 0),
        ] {
            assert_eq!(
                outage.served_since(at(since), at(now)),
                Duration::from_millis(served),
                "{since}..{now}"
            );
        }
    }
}
