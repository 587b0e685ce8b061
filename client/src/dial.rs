//! Connecting with patience: a daemon that is being restarted is back in a moment.

use std::io;
use std::path::Path;
use std::time::Duration;

use hallpass_protocol::hello::HelloError;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::calls::Calls;
use crate::connection::Connection;
use crate::error::Error;

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The pause between two looks at a full queue.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// Connects to the daemon at `path`, trying again for as long as `patience` while it looks as if it were being restarted.
pub(crate) async fn dial<C: Calls>(path: &Path, patience: Duration) -> Result<Connection<C>, Error> {
    let give_up = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match Connection::open(path).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let pausing = jittered(pause);
        if !may_pass(&error) || Instant::now() + pausing > give_up {
            return Err(Error::at_hello(C::SERVICE, path, error));
        }
        sleep(pausing).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects once there is a place in the daemon's queue. Somebody who connects as fast as they can keeps it full: whoever gives up is the one who does
/// not get in.
pub(crate) async fn reach(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_PAUSE).await,
            connected => return connected,
        }
    }
}

/// Whether a failure is what a daemon on its way down or up looks like: no socket, nobody behind it, or a hello cut short.
fn may_pass(error: &HelloError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    let HelloError::Io(error) = error else { return false };
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe | UnexpectedEof)
}

/// Between half of the pause and all of it, so that the apps of a host do not come back in step.
fn jittered(pause: Duration) -> Duration {
    // Without random bits the pause is as good, only in step.
    let share = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_within_their_half() {
        let pauses: Vec<_> = (0..64).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
