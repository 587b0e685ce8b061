//! The clocks that a board's lease and a token's end are judged by. They are coarse: to read them costs no call of the system.

use std::time::Duration;

use hallpass_protocol::time::Millis;
use nix::time::{ClockId, clock_gettime};

/// One look at both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Nanoseconds of `CLOCK_MONOTONIC`, which leases are counted in.
    pub(super) monotonic: u64,
    /// By the wall clock, which may be behind the daemon's.
    pub(super) wall: Millis,
}

impl Moment {
    /// Now, to a few milliseconds. A clock that cannot be read leaves no lease standing.
    #[inline]
    pub(super) fn now() -> Self {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)
            .map_or(u64::MAX, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX));
        let wall = clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
            .map_or(u64::MAX, |time| u64::try_from(Duration::from(time).as_millis()).unwrap_or(0));
        Self { monotonic, wall: Millis::from_u64(wall) }
    }
}
