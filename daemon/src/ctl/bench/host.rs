//! The daemon that is measured, on a thread of its own as any daemon has one.

use std::path::PathBuf;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::ctl::failure::Failure;
use crate::daemon::{Daemon, Parts};
use crate::passed::Passed;

/// A daemon on a thread of its own.
pub(super) struct Host {
    pub(super) auth: PathBuf,
    pub(super) admin: PathBuf,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Host {
    /// Starts it, and waits until it serves.
    pub(super) async fn start(parts: Parts) -> Result<Self, Failure> {
        let (ready, is_ready) = oneshot::channel();
        let (stop, told_to) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("daemon".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(|error| error.to_string())?.block_on(serve(parts, ready, told_to))
            })
            .map_err(Failure::Start)?;
        match is_ready.await {
            Ok([auth, admin]) => Ok(Self { auth, admin, stop, thread }),
            Err(_) => Err(ended(thread.join())
                .err()
                .unwrap_or_else(|| Failure::surprise("the daemon did not start"))),
        }
    }

    /// Stops it, and waits until it has.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let Self { stop, thread, .. } = self;
        // One that has ended already does not hear of it.
        let _ = stop.send(());
        tokio::task::spawn_blocking(|| ended(thread.join())).await.map_err(Failure::surprise)?
    }
}

async fn serve(
    parts: Parts,
    ready: oneshot::Sender<[PathBuf; 2]>,
    told_to_stop: oneshot::Receiver<()>,
) -> Result<(), String> {
    let daemon = Daemon::start(parts, Passed::default()).await.map_err(|error| error.to_string())?;
    let sockets = [daemon.auth_socket().to_owned(), daemon.admin_socket().to_owned()];
    // Whoever has gone meanwhile wants it stopped.
    let _ = ready.send(sockets);
    let _ = told_to_stop.await;
    daemon.stop().await.map_err(|error| error.to_string())
}

fn ended(joined: std::thread::Result<Result<(), String>>) -> Result<(), Failure> {
    joined.unwrap_or_else(|_| Err("its thread has failed".to_owned())).map_err(Failure::surprise)
}
