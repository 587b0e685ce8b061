//! A server process in a directory of its own, which ends with the value that started it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Outcome;

/// Longest wait for a server to come up or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);

/// A process of ours.
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it, with what it prints in a file beside its data.
    pub fn start(name: &'static str, command: &mut Command, dir: &Path) -> Outcome<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { name, child, log })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        // One that has ended by itself is as dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until something says that it is there.
    pub async fn until<T, F: Future<Output = Option<T>>>(&mut self, ready: impl Fn() -> F) -> Outcome<T> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(there) = ready().await {
                return Ok(there);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > give_up {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("{} did not come up:\n{log}", self.name).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The quick way to end PostgreSQL, which the others take as the orderly one.
        let stop = if self.name == "postgres" { Signal::SIGQUIT } else { Signal::SIGTERM };
        let pid = i32::try_from(self.child.id()).unwrap_or(i32::MAX);
        // One that has ended by itself cannot be told to.
        let _ = kill(Pid::from_raw(pid), stop);
        let give_up = Instant::now() + PATIENCE;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < give_up {
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program of a Debian package is: in the path, or where Debian keeps what is not.
pub fn find(program: &str, elsewhere: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir(elsewhere).into_iter().flatten().flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    places.into_iter().map(|place| place.join(program)).find(|path| path.is_file())
}
