//! The sockets: bound where nobody else can interfere, and accepted from within bounds.

use std::collections::HashMap;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use tokio::net::{UnixListener, UnixStream};

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The place is not safe, or taken.
    #[error("{0}")]
    Place(String),
    /// The system refused.
    #[error("cannot listen on {path}: {source}")]
    System {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes the runtime directory, or makes sure that nobody else can put anything in it.
pub(crate) fn own_directory(dir: &Path) -> Result<(), ListenError> {
    let system = |source| ListenError::System { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(system)?;
    let found = dir.symlink_metadata().map_err(system)?;
    let own = found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o022 == 0;
    if own {
        return Ok(());
    }
    Err(ListenError::Place(format!(
        "the runtime directory {} must be a directory of the daemon's user that nobody else can write; `chown` it and `chmod 700` it",
        dir.display()
    )))
}

/// Binds a socket of this mode. The caller holds the lock of the state directory, so a socket left behind is nobody's.
///
/// The mode is right before the first connection can be made: it is set between bind and listen.
pub(crate) fn listen_at(path: &Path, mode: u32) -> Result<(UnixListener, Bound), ListenError> {
    let system = |source: io::Error| ListenError::System { path: path.to_owned(), source };
    clear(path)?;
    let address = UnixAddr::new(path).map_err(|_| {
        ListenError::Place(format!(
            "the socket path {} is too long: the system allows 107 bytes; choose a shorter --runtime-dir",
            path.display()
        ))
    })?;
    let fd = unbound().map_err(|error| system(error.into()))?;
    bind(fd.as_raw_fd(), &address).map_err(|error| system(error.into()))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(system)?;
    let bound = Bound { path: path.to_owned(), file: Some(file_at(path).map_err(system)?) };
    listen(&fd, Backlog::MAXCONN).map_err(|error| system(error.into()))?;
    Ok((UnixListener::from_std(fd.into()).map_err(system)?, bound))
}

/// A socket's file, as it was when it was bound.
#[derive(Debug)]
pub(crate) struct Bound {
    path: PathBuf,
    /// Which file it is, if it is this daemon's.
    file: Option<(u64, u64)>,
}

impl Bound {
    /// One that another program has bound and will go on with.
    pub(crate) fn by_another(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, unless it is somebody else's by now or gone already.
    pub(crate) fn remove(&self) {
        if file_at(&self.path).is_ok_and(|file| self.file == Some(file)) {
            // It is gone already, which is as it should be.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file is at this path: its device and its number there.
fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino()))
}

/// A socket that makes nobody wait.
fn unbound() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Whether nobody serves the socket at this path. Whoever has too many callers waiting serves it, too.
fn is_dead(path: &Path) -> nix::Result<bool> {
    let called = connect(unbound()?.as_raw_fd(), &UnixAddr::new(path)?);
    Ok(matches!(called, Err(Errno::ECONNREFUSED | Errno::ENOENT)))
}

/// Removes a socket that an earlier daemon left behind, and nothing else.
fn clear(path: &Path) -> Result<(), ListenError> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let refused = |fault: &str| {
        Err(ListenError::Place(format!("{} {fault}; find out what it is and remove it", path.display())))
    };
    if !found.file_type().is_socket() {
        return refused("is in the way and is not a socket");
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return refused("is a socket of another user");
    }
    if !is_dead(path).map_err(|error| ListenError::System { path: path.to_owned(), source: error.into() })? {
        return Err(ListenError::Place(format!(
            "{} is a socket that something else is serving; stop that daemon or choose another --runtime-dir",
            path.display()
        )));
    }
    std::fs::remove_file(path).map_err(|source| ListenError::System { path: path.to_owned(), source })
}

/// Waits for the next connection. An error, such as too few descriptors, is waited out rather than spun on.
pub(crate) async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again in a moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// How many connections there may be.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    total: usize,
    per_uid: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_uid: HashMap<u32, usize>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    uid: u32,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    /// This many places in all, and for each user.
    pub(crate) fn new(total: usize, per_uid: usize) -> Self {
        Self { total, per_uid, taken: Arc::default() }
    }

    /// A place for a connection of this user, if there is one.
    pub(crate) fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_uid.get(&uid).copied().unwrap_or_default();
        if taken.total >= self.total || own >= self.per_uid {
            return None;
        }
        taken.total += 1;
        taken.by_uid.insert(uid, own + 1);
        Some(Place { uid, taken: Arc::clone(&self.taken) })
    }

    /// Connections there are.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(own) = taken.by_uid.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.by_uid.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_places_are_bounded_and_come_back() {
        let places = Places::new(3, 2);
        let held = [places.take(1).unwrap(), places.take(1).unwrap()];
        assert!(places.take(1).is_none(), "this user has its share");
        let other = places.take(2).unwrap();
        assert!(places.take(3).is_none(), "all are taken");
        drop((held, other));
        assert_eq!(places.taken(), 0);
        assert!(places.take(3).is_some());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e14_only_a_dead_socket_of_our_own_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = listen_at(&path, 0o600).unwrap();
        assert!(listen_at(&path, 0o600).is_err(), "it is being served");
        drop(first);
        drop(listen_at(&path, 0o660).unwrap());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o660, "e15");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"x").unwrap();
        assert!(listen_at(&path, 0o600).is_err(), "a regular file");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(listen_at(&path, 0o600).is_err(), "a symlink");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_socket_with_no_room_for_callers_is_served_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let fd = unbound().unwrap();
        bind(fd.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&fd, Backlog::new(0).unwrap()).unwrap();
        let waiting = unbound().unwrap();
        connect(waiting.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        let error = listen_at(&path, 0o600).unwrap_err();
        assert!(error.to_string().contains("stop that daemon or choose another --runtime-dir"), "{error}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_the_file_that_was_bound_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (first, bound) = listen_at(&path, 0o600).unwrap();
        std::fs::rename(&path, dir.path().join("aside")).unwrap();
        let (_second, other) = listen_at(&path, 0o600).unwrap();
        bound.remove();
        assert!(path.exists(), "it is somebody else's");
        other.remove();
        assert!(!path.exists());
        drop(first);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e16_a_path_that_is_too_long_says_so() {
        let error = listen_at(&Path::new("/tmp").join("x".repeat(108)), 0o600).unwrap_err();
        assert!(error.to_string().contains("107 bytes"), "{error}");
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("run");
        own_directory(&inside).unwrap();
        assert_eq!(inside.metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&inside, Permissions::from_mode(0o770)).unwrap();
        assert!(own_directory(&inside).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(own_directory(&link).is_err());
    }
}
