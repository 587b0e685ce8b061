//! A daemon of the control command's own, with a real store, of which nothing is left when it is over.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tokio::sync::oneshot;

use super::failure::Failure;
use crate::clock::SystemTime;
use crate::config::Config;
use crate::daemon::Parts;
use crate::entropy::{Entropy, RandomSource};

/// Keeps the signals that would end the process waiting, for as long as it lives, and tells of the first.
pub(super) struct Interrupts {
    before: SigSet,
    first: oneshot::Receiver<Signal>,
}

impl Interrupts {
    /// To be called before the first thread, and dropped last: a signal does what it does when nothing of the daemon is left.
    pub(super) fn hold() -> nix::Result<Self> {
        let held = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let (came, first) = oneshot::channel();
        // The thread ends with the process, at the latest.
        std::thread::spawn(move || held.wait().map(|signal| came.send(signal)));
        Ok(Self { before, first })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) -> Signal {
        match (&mut self.first).await {
            Ok(signal) => signal,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// A directory that only this user can enter, and that goes when it is dropped.
pub(super) struct Home(PathBuf);

impl Home {
    /// Makes one, for a purpose that its name says.
    pub(super) fn make(purpose: &str, entropy: &Entropy) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let unique = crate::hex::encode(&entropy.bytes::<6>().map_err(Failure::surprise)?);
        let path = std::env::temp_dir().join(format!("hallpass-{purpose}-{unique}"));
        // Never one that is there already: somebody else could have put it there.
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(Failure::Start)?;
        Ok(Self(path))
    }

    /// What a daemon is started with that lies there and goes by this configuration.
    pub(super) fn parts(&self, config: Config, random: &Arc<dyn RandomSource>) -> Parts {
        Parts {
            config,
            state_dir: self.0.join("state"),
            runtime_dir: self.0.join("run"),
            master_key: None,
            auth_mode: 0o600,
            time: Arc::new(SystemTime),
            random: Arc::clone(random),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let removed: io::Result<()> = std::fs::remove_dir_all(&self.0);
        if let Err(error) = removed {
            tracing::warn!(%error, path = %self.0.display(), "a directory for temporary files is still there; remove it");
        }
    }
}
