//! The clocks that a board's lease and a token's end are judged by. They are coarse: to read them costs no call of the system.

use std::time::Duration;

use hallpass_protocol::time::Millis;
use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, which leases are counted in, to a few milliseconds. A clock that cannot be read leaves no lease standing.
#[inline]
pub(super) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(u64::MAX, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(u64::MAX);
        seconds.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec().unsigned_abs())
    })
}

/// The wall clock, which may be behind the daemon's time. While the board has a lease that is what counts.
pub(super) fn wall() -> Millis {
    let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE);
    now.map_or(Millis::MAX, |time| {
        Millis::from_u64(u64::try_from(Duration::from(time).as_millis()).unwrap_or(0))
    })
}
