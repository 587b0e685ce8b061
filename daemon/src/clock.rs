//! The daemon's time, which follows the wall clock forward and never back. Nothing else reads a system clock.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_protocol::time::Millis;
use nix::time::{ClockId, clock_gettime};

/// Where time comes from: the system, or a test.
pub(crate) trait TimeSource: Send + Sync + fmt::Debug {
    /// Microseconds since 1970 by the wall clock, which may be set in either direction.
    fn wall_micros(&self) -> u64;
    /// Microseconds since some moment, by a clock that nobody can set and that runs on while the machine sleeps.
    fn steady_micros(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemTime;

impl TimeSource for SystemTime {
    fn wall_micros(&self) -> u64 {
        read(ClockId::CLOCK_REALTIME)
    }

    fn steady_micros(&self) -> u64 {
        read(ClockId::CLOCK_BOOTTIME)
    }
}

/// A clock before 1970 reads as 1970: then the time that was stored last decides.
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| u64::try_from(Duration::from(time).as_micros()).unwrap_or(0))
}

/// Nanoseconds by the clock that a board's lease is counted in, which every process of this boot reads alike. It is not the daemon's time: a test that
/// sets that has real clients all the same.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
}

/// The daemon's time.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Arc<dyn TimeSource>,
    latest: Mutex<Latest>,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    time: u64,
    steady: u64,
}

impl Clock {
    /// A clock that starts no earlier than `floor` microseconds after 1970.
    pub(crate) fn starting_at(source: Arc<dyn TimeSource>, floor: u64) -> Self {
        let latest = Latest { time: floor.max(source.wall_micros()), steady: source.steady_micros() };
        Self { source, latest: Mutex::new(latest) }
    }

    /// Microseconds since 1970. While the wall clock is behind what was seen before, time goes on by the steady clock, so it never stands still.
    pub(crate) fn now_micros(&self) -> u64 {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, steady) = (self.source.wall_micros(), self.source.steady_micros());
        latest.time =
            if wall >= latest.time { wall } else { latest.time + steady.saturating_sub(latest.steady) };
        latest.steady = steady;
        latest.time
    }

    /// The same in milliseconds.
    pub(crate) fn now(&self) -> Millis {
        Millis::from_u64(self.now_micros() / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug, Default)]
    struct Manual {
        wall: AtomicU64,
        steady: AtomicU64,
    }

    impl TimeSource for Manual {
        fn wall_micros(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }

        fn steady_micros(&self) -> u64 {
            self.steady.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn g11_time_never_goes_back_and_never_stands_still() {
        let source = Arc::new(Manual::default());
        let set = |wall, steady| {
            source.wall.store(wall, Ordering::Relaxed);
            source.steady.store(steady, Ordering::Relaxed);
        };
        set(1_000, 10);
        let clock = Clock::starting_at(source.clone(), 5_000);
        assert_eq!(clock.now_micros(), 5_000, "the wall clock is behind what was stored");
        set(1_001, 110);
        assert_eq!(clock.now_micros(), 5_100);
        set(9_000, 210);
        assert_eq!(clock.now_micros(), 9_000, "the wall clock is ahead again and is followed");
        set(2_000, 310);
        assert_eq!(clock.now_micros(), 9_100, "stepped back");
        set(2_000, 300);
        assert_eq!(clock.now_micros(), 9_100);
    }
}
