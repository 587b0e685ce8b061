//! The daemon's time, which follows the wall clock forward and never back. Nothing else reads a system clock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Takes the time of something, in nanoseconds, by a clock that nobody sets. It has nothing to do with what time the daemon takes it to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(u64);

impl Stopwatch {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Self::now())
    }

    /// Nanoseconds since it was started.
    pub(crate) fn nanos(self) -> u64 {
        Self::now().saturating_sub(self.0)
    }

    /// Time since it was started.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    fn now() -> u64 {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        now.map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A jump ahead that is longer is not followed while the daemon runs: by mistake or by malice it would end every session for good.
const LEAP: u64 = 24 * 3_600 * 1_000_000;
/// What the wall clock may go astray between two looks without having been set, in microseconds: it is kept right in smaller pieces than this.
const ASTRAY: u64 = 1_000_000;
/// Most steps that are kept until somebody takes them.
const STEPS: usize = 16;

/// The daemon's time.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Arc<dyn TimeSource>,
    latest: Mutex<Latest>,
}

#[derive(Debug)]
struct Latest {
    time: u64,
    steady: u64,
    wall: u64,
    steps: Vec<Step>,
}

/// The wall clock was set, by something other than the time that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// What it would have shown, in microseconds since 1970.
    pub(crate) from: u64,
    /// What it showed.
    pub(crate) to: u64,
    /// What the daemon's time does then.
    pub(crate) then: Then,
}

/// What the daemon's time does when the wall clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It follows.
    Follows,
    /// It is later already, and goes on by itself.
    IsLater,
    /// It does not follow so far, unless somebody says so.
    IsLeft,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.to < self.from { "back" } else { "ahead" };
        let by = humantime::format_duration(Duration::from_secs(self.from.abs_diff(self.to) / 1_000_000));
        let then = match self.then {
            Then::Follows => "follows",
            Then::IsLater => "is later and goes on by itself",
            Then::IsLeft => "follows once `hallpass clock accept` says so, or at a restart",
        };
        write!(f, "the wall clock was set {way} by {by}, to {}; the daemon's time {then}", moment(self.to))
    }
}

/// A moment as RFC 3339 in UTC, to the second.
fn moment(micros: u64) -> String {
    // The end of what the format can show is far enough away to stand for all that comes later.
    let seconds = (micros / 1_000_000).min(253_402_300_799);
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

impl Clock {
    /// A clock that starts no earlier than `floor` microseconds after 1970.
    ///
    /// Where the wall clock is behind that, it starts as much later as time may have gone on before without being written down: no moment comes twice.
    pub(crate) fn starting_at(source: Arc<dyn TimeSource>, floor: u64, unwritten: Duration) -> Self {
        let (wall, steady) = (source.wall_micros(), source.steady_micros());
        let mut steps = Vec::new();
        let time = if wall < floor {
            steps.push(Step { from: floor, to: wall, then: Then::IsLater });
            floor.saturating_add(u64::try_from(unwritten.as_micros()).unwrap_or(u64::MAX))
        } else {
            wall
        };
        Self { source, latest: Mutex::new(Latest { time, steady, wall, steps }) }
    }

    /// Microseconds since 1970. While the wall clock is behind what was seen before, or has jumped ahead too far, time goes on by the steady clock, so it
    /// never stands still.
    pub(crate) fn now_micros(&self) -> u64 {
        let mut latest = self.lock();
        let (wall, steady) = (self.source.wall_micros(), self.source.steady_micros());
        let passed = steady.saturating_sub(latest.steady);
        let (gone_on, expected) = (latest.time.saturating_add(passed), latest.wall.saturating_add(passed));
        let then = if wall < latest.time {
            Then::IsLater
        } else if wall > gone_on.saturating_add(LEAP) {
            Then::IsLeft
        } else {
            Then::Follows
        };
        if expected.abs_diff(wall) >= ASTRAY && latest.steps.len() < STEPS {
            latest.steps.push(Step { from: expected, to: wall, then });
        }
        latest.time = if then == Then::Follows { wall } else { gone_on };
        (latest.steady, latest.wall) = (steady, wall);
        latest.time
    }

    /// The same in milliseconds.
    pub(crate) fn now(&self) -> Millis {
        Millis::from_u64(self.now_micros() / 1000)
    }

    /// Follows the wall clock however far it is ahead, and gives the time before and the time from now on.
    pub(crate) fn accept(&self) -> (Millis, Millis) {
        let before = self.now();
        let mut latest = self.lock();
        latest.time = latest.time.max(latest.wall);
        (before, Millis::from_u64(latest.time / 1000))
    }

    /// Takes the steps that were seen since this was last called; the first of them, where there were many.
    pub(crate) fn take_steps(&self) -> Vec<Step> {
        std::mem::take(&mut self.lock().steps)
    }

    /// No code that can fail runs under this lock, so a poisoned one still holds whole numbers.
    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that stands where a test puts it.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Manual {
    wall: std::sync::atomic::AtomicU64,
    steady: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl TimeSource for Manual {
    fn wall_micros(&self) -> u64 {
        self.wall.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn steady_micros(&self) -> u64 {
        self.steady.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Manual {
    /// A clock at this moment.
    pub(crate) fn at(wall: Millis) -> Self {
        Self { wall: (wall.as_u64() * 1000).into(), steady: 0.into() }
    }

    /// So many milliseconds go by.
    pub(crate) fn wait(&self, millis: u64) {
        self.set(i64::try_from(millis).unwrap());
        self.steady.fetch_add(millis * 1000, std::sync::atomic::Ordering::Relaxed);
    }

    /// The wall clock is set by so many milliseconds.
    pub(crate) fn set(&self, by: i64) {
        let wall = self.wall_micros().saturating_add_signed(by * 1000);
        self.wall.store(wall, std::sync::atomic::Ordering::Relaxed);
    }

    /// The wall clock, in milliseconds.
    pub(crate) fn wall(&self) -> u64 {
        self.wall_micros() / 1000
    }

    /// The steady clock, in milliseconds.
    pub(crate) fn steady(&self) -> u64 {
        self.steady_micros() / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn clock(floor: u64) -> (Arc<Manual>, Clock) {
        let source = Arc::new(Manual::at(Millis::from_u64(1_000)));
        let clock = Clock::starting_at(source.clone(), floor * 1000, Duration::from_secs(35));
        (source, clock)
    }

    #[test]
    fn g11_time_never_goes_back_and_never_stands_still() {
        let (source, clock) = clock(0);
        assert_eq!(clock.now().as_u64(), 1_000);
        source.wait(100);
        assert_eq!(clock.now().as_u64(), 1_100);
        source.set(8_000);
        assert_eq!(clock.now().as_u64(), 9_100, "the wall clock is ahead and is followed");
        source.set(-9_000);
        assert_eq!(clock.now().as_u64(), 9_100, "stepped back");
        source.wait(100);
        assert_eq!(clock.now().as_u64(), 9_200, "and time goes on");
        source.set(8_950);
        assert_eq!(clock.now().as_u64(), 9_200, "not quite there");
        source.wait(100);
        assert_eq!(clock.now().as_u64(), 9_250, "and is followed again once it is");
        let told: Vec<_> = clock.take_steps().iter().map(|step| (step.from / 1000, step.to / 1000)).collect();
        assert_eq!(told, [(1_100, 9_100), (9_100, 100), (200, 9_150)]);
        assert_eq!(clock.take_steps(), []);
    }

    #[test]
    fn g11_a_start_behind_what_was_stored_repeats_no_moment() {
        let (_, behind) = clock(5_000);
        assert_eq!(behind.now().as_u64(), 40_000, "what may have gone by unwritten is not lived again");
        assert_eq!(behind.take_steps().len(), 1);
        let (_, ahead) = clock(900);
        assert_eq!((ahead.now().as_u64(), ahead.take_steps().len()), (1_000, 0));
    }

    #[test]
    fn a_leap_of_more_than_a_day_is_followed_only_once_it_is_accepted() {
        let (source, clock) = clock(0);
        source.set(i64::try_from(24 * HOUR).unwrap());
        assert_eq!(clock.now().as_u64(), 1_000 + 24 * HOUR, "a day is followed");
        source.set(i64::try_from(24 * HOUR + 1).unwrap());
        source.wait(5_000);
        assert_eq!(clock.now().as_u64(), 6_000 + 24 * HOUR, "more is not, and time goes on");
        let steps = clock.take_steps();
        assert_eq!(steps.iter().map(|step| step.then).collect::<Vec<_>>(), [Then::Follows, Then::IsLeft]);
        assert!(steps[1].to_string().contains("ahead by 1day, to 1970-01-03T"), "{}", steps[1]);
        assert!(clock.take_steps().is_empty(), "it is told once");
        let (before, after) = clock.accept();
        assert_eq!((before.as_u64(), after.as_u64()), (6_000 + 24 * HOUR, 6_001 + 48 * HOUR));
        assert_eq!(clock.now(), after);
        assert_eq!(clock.accept(), (after, after), "there is nothing to accept");
        source.set(-i64::try_from(100 * HOUR / 3).unwrap());
        assert_eq!(clock.now(), after, "what was accepted is not taken back");
    }

    #[test]
    fn a_leap_that_is_taken_back_was_never_followed() {
        let (source, clock) = clock(0);
        source.set(i64::try_from(1_000 * HOUR).unwrap());
        clock.now();
        source.set(-i64::try_from(1_000 * HOUR).unwrap());
        source.wait(10);
        assert_eq!(clock.now().as_u64(), 1_010);
    }

    #[test]
    fn a_clock_that_is_set_all_the_time_fills_no_memory() {
        let (source, clock) = clock(0);
        for _ in 0..100 {
            source.set(2_000);
            clock.now();
        }
        assert_eq!(clock.take_steps().len(), STEPS);
    }
}
