//! Being told to end while something is half done.

use std::future::Future;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;

/// Does something until it is done or a signal breaks it off; what it holds is dropped then, so that nothing half done is left behind.
pub(super) async fn unless_ended<T>(act: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    tokio::select! {
        done = act => done,
        _ = interrupt.recv() => Err(Failure::Signal(Signal::SIGINT)),
        _ = terminate.recv() => Err(Failure::Signal(Signal::SIGTERM)),
    }
}
