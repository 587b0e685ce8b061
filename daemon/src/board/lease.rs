//! The thread that keeps the board's lease alive, whatever else the daemon is busy with.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use hallpass_protocol::board::LEASE_EVERY;

use super::Board;
use crate::clock::Clock;

/// The running thread. Whoever lets go of it, in order or not, leaves a closed board behind.
#[derive(Debug)]
pub(crate) struct LeaseThread {
    board: Arc<Board>,
    /// Both are there until it is stopped.
    running: Option<(JoinHandle<()>, SyncSender<()>)>,
}

impl LeaseThread {
    /// Starts to extend the lease.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(board: Arc<Board>, clock: Arc<Clock>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let tended = Arc::clone(&board);
        let thread = std::thread::Builder::new().name("lease".into()).spawn(move || {
            while matches!(stopped.recv_timeout(LEASE_EVERY), Err(RecvTimeoutError::Timeout)) {
                tended.tend(clock.now());
            }
        });
        let thread = thread.inspect_err(|_| board.close())?;
        Ok(Self { board, running: Some((thread, stop)) })
    }

    /// Stops it, waits until it has, and closes the board.
    pub(crate) fn join(self) {
        drop(self);
    }
}

impl Drop for LeaseThread {
    /// The thread first: it would begin the lease anew.
    fn drop(&mut self) {
        if let Some((thread, stop)) = self.running.take() {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("the thread of the lease panicked; its message is above");
            }
        }
        self.board.close();
    }
}
