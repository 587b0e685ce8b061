//! The thread that keeps the board's lease alive, whatever else the daemon is busy with.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use hallpass_protocol::board::LEASE_EVERY;

use super::Board;
use crate::clock::Clock;

/// The running thread. The lease ends by itself soon after it has stopped, if nobody closes the board.
#[derive(Debug)]
pub(crate) struct LeaseThread {
    thread: JoinHandle<()>,
    stop: SyncSender<()>,
}

impl LeaseThread {
    /// Starts to extend the lease.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(board: Arc<Board>, clock: Arc<Clock>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new().name("lease".into()).spawn(move || {
            while matches!(stopped.recv_timeout(LEASE_EVERY), Err(RecvTimeoutError::Timeout)) {
                board.tend(clock.now());
            }
        })?;
        Ok(Self { thread, stop })
    }

    /// Stops it and waits until it has.
    pub(crate) fn join(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the lease panicked; its message is above");
        }
    }
}
