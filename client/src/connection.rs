//! One open connection: calls go out and answers come back in any order, until it breaks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::hello::{HelloError, introduce};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::calls::Calls;
use crate::desk::Desk;
use crate::dispatch::Dispatch;

/// Longest time for a connect and its hello. A daemon that systemd starts on demand answers only when it is up.
const OPEN_DEADLINE: Duration = Duration::from_secs(5);

/// One open connection. Clones share it, and it closes when the last is gone.
pub(crate) struct Connection<C: Calls>(Arc<Open<C>>);

struct Open<C: Calls> {
    desk: Arc<Desk<C>>,
}

impl<C: Calls> Drop for Open<C> {
    fn drop(&mut self) {
        self.desk.leave();
    }
}

impl<C: Calls> Clone for Connection<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Calls> Connection<C> {
    /// Connects and introduces this caller, and leaves a task on the current runtime that reads and writes.
    pub(crate) async fn open(path: &Path) -> Result<Self, HelloError> {
        let opening = async {
            let mut stream = UnixStream::connect(path).await?;
            introduce(&mut stream, C::SERVICE).await?;
            Ok(stream)
        };
        let stream = timeout(OPEN_DEADLINE, opening)
            .await
            .unwrap_or_else(|_| Err(HelloError::Io(io::ErrorKind::TimedOut.into())))?;
        let desk = Desk::new();
        tokio::spawn(Dispatch::new(stream, Arc::clone(&desk)));
        Ok(Self(Arc::new(Open { desk })))
    }

    /// Whether the connection was still good when last looked at.
    pub(crate) fn is_alive(&self) -> bool {
        self.desk().is_served()
    }

    /// Where to put what is asked.
    pub(crate) fn desk(&self) -> &Arc<Desk<C>> {
        &self.0.desk
    }
}
