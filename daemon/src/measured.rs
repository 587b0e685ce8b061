//! The daemon as it is measured: the same one, with what a measurement wants to leave out or to move. Only feature `bench`
//! compiles this, and only `measured-hallpassd` calls it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::{SystemTime, TimeSource};
use crate::daemon_main::daemon_main_at;

/// Set to 1, access tokens end in zeros in the place of their signature. Nobody accepts them; all the rest of a grant is made as ever.
const UNSIGNED: &str = "MEASURED_UNSIGNED";
/// How many seconds the daemon's clock is ahead, so that what would end some day has ended.
const AHEAD: &str = "MEASURED_AHEAD";

static IS_UNSIGNED: AtomicBool = AtomicBool::new(false);

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn measured_main() -> ExitCode {
    let number =
        |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    IS_UNSIGNED.store(number(UNSIGNED) == 1, Ordering::Relaxed);
    daemon_main_at(Arc::new(Ahead(Duration::from_secs(number(AHEAD)))))
}

/// Whether signatures are left out.
pub(crate) fn is_unsigned() -> bool {
    IS_UNSIGNED.load(Ordering::Relaxed)
}

/// The system's clocks, the wall clock being ahead.
#[derive(Debug)]
struct Ahead(Duration);

impl TimeSource for Ahead {
    fn wall_micros(&self) -> u64 {
        let ahead = u64::try_from(self.0.as_micros()).unwrap_or_default();
        SystemTime.wall_micros().saturating_add(ahead)
    }

    fn steady_micros(&self) -> u64 {
        SystemTime.steady_micros()
    }
}
