//! What the service manager is told. Where there is none, nobody is.

use std::time::Duration;

use sd_notify::NotifyState;

/// How long a start may take after each word that it gets on.
const MORE_TIME: Duration = Duration::from_secs(30);

/// A database that was not closed in order is being repaired, which takes as long as it takes: as long as it gets on, nobody may take it for hung.
pub(crate) fn repairing(progress: f64) {
    let percent = progress * 100.0;
    let status = format!("repairing the database after a crash, {percent:.0} %");
    tell(&[NotifyState::Status(&status), NotifyState::ExtendTimeoutUsec(micros(MORE_TIME))]);
}

/// The daemon serves.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon stops.
pub(crate) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// The daemon is well.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How long the daemon may be silent before it is taken for hung, if anybody watches.
pub(crate) fn watched() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
