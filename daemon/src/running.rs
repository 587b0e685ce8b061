//! A daemon that serves, until it is told to stop; and what callers are told when it cannot even start.

use std::future::pending;
use std::io;
use std::time::Duration;

use hallpass_protocol::hello::{self, Status};
use hallpass_protocol::limits::HELLO_DEADLINE;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::clock::monotonic_nanos;
use crate::daemon::{Daemon, DaemonError};
use crate::listener::accept;
use crate::notify;
use crate::passed::{Listening, Passed};

/// How long callers are turned away by a daemon that cannot start. Whoever waits on a socket that systemd keeps open has it started again at once:
/// so this is also how long it takes at least until the next try.
const TURNING_AWAY: Duration = Duration::from_secs(1);
/// What they are told. Why is for the administrator, in the log.
const CANNOT_START: &str = "hallpassd cannot start, and its log says why: `journalctl -u hallpassd`";

/// The signals that a daemon goes by.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do nothing by themselves.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Serves until a signal says to stop, or the writer has failed.
pub(crate) async fn run(mut daemon: Daemon, signals: &mut Signals) -> Result<(), DaemonError> {
    notify::ready(&serving(&daemon));
    let mut watch = notify::watched().map(|limit| Watch::new(limit, monotonic_nanos()));
    let failed = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break false,
            _ = signals.interrupt.recv() => break false,
            () = daemon.failed() => break true,
            () = pause(watch.as_ref()) => {
                if watch.as_mut().is_some_and(|watch| watch.is_well(daemon.writers_turns(), monotonic_nanos())) {
                    notify::alive();
                }
            }
        }
    };
    tracing::info!(failed, "stopping");
    notify::stopping("giving the last answers");
    daemon.stop().await
}

fn serving(daemon: &Daemon) -> String {
    format!("serving on {}", daemon.auth_socket().display())
}

async fn pause(watch: Option<&Watch>) {
    match watch {
        Some(watch) => sleep(watch.limit / 4).await,
        None => pending().await,
    }
}

/// Tells the service manager that the daemon is well only as long as it is. That the loop which serves everybody still turns, whoever calls this shows;
/// that the writer gets on, its turns do.
struct Watch {
    limit: Duration,
    turns: u64,
    /// When the writer was last seen to get on, in nanoseconds of the monotonic clock.
    seen: u64,
}

impl Watch {
    /// The writer may take so many times as long as the loop: it waits for the disk.
    const WRITERS_LIMIT: u32 = 3;

    fn new(limit: Duration, now: u64) -> Self {
        Self { limit, turns: 0, seen: now }
    }

    fn is_well(&mut self, (turns, at_rest): (u64, bool), now: u64) -> bool {
        if at_rest || turns != self.turns {
            (self.turns, self.seen) = (turns, now);
        }
        let still = Duration::from_nanos(now.saturating_sub(self.seen));
        let well = still < self.limit * Self::WRITERS_LIMIT;
        if !well {
            tracing::error!(
                seconds = still.as_secs(),
                "the writer does not get on; waiting to be started again"
            );
        }
        well
    }
}

/// Says to whoever comes that nobody serves them, for a while.
pub(crate) async fn turn_away(passed: Passed) {
    let sockets = [passed.auth, passed.admin].into_iter().flatten();
    let away = sockets.map(|socket| timeout(TURNING_AWAY, turn_away_from(socket)));
    futures_util::future::join_all(away).await;
}

async fn turn_away_from(Listening { socket, path }: Listening) {
    let listener = match UnixListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!(%error, path = %path.display(), "callers cannot be told"),
    };
    loop {
        let mut stream = accept(&listener).await;
        // A caller who does not wait for the sentence does not need it.
        let _ =
            timeout(HELLO_DEADLINE, hello::send_away(&mut stream, Status::Unavailable, CANNOT_START)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_stands_still_with_work_is_not_well_and_one_without_is() {
        const SECOND: u64 = 1_000_000_000;
        let mut watch = Watch::new(Duration::from_secs(10), 0);
        let mut is_well = |turns, at_rest, seconds| watch.is_well((turns, at_rest), seconds * SECOND);
        assert!(is_well(0, true, 3600), "nothing was asked of it for an hour");
        assert!(is_well(1, false, 3605), "it has begun something");
        assert!(is_well(1, false, 3634), "a slow disk");
        assert!(!is_well(1, false, 3635));
        assert!(is_well(2, false, 3636), "it got on after all, and more waits");
        assert!(is_well(2, false, 3665));
        assert!(!is_well(2, false, 3666), "it took nothing of what waits");
        assert!(is_well(4, true, 3667));
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn whoever_comes_to_a_daemon_that_cannot_start_is_told_so_and_the_next_try_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut early = tokio::net::UnixStream::connect(&path).await.unwrap();
        let passed = Passed { auth: Some(Listening { socket, path }), admin: None };
        let begun = tokio::time::Instant::now();
        let (told, ()) = tokio::join!(hello::introduce(&mut early, hello::Service::Auth), turn_away(passed));
        let text = told.unwrap_err().to_string();
        assert!(text.contains("journalctl -u hallpassd"), "{text}");
        assert!(begun.elapsed() >= TURNING_AWAY);
    }
}
