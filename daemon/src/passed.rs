//! The sockets that systemd has made and hands over at the start, each known by its name and taken for nothing else.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::sockopt::{AcceptConn, SockType as TypeOf};
use nix::sys::socket::{AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt};

use crate::listener::{Bound, ListenError, listen_at};

/// What systemd calls the apps' socket: `FileDescriptorName=auth`.
const AUTH: &str = "auth";
/// What it calls the administrator's: `FileDescriptorName=admin`.
const ADMIN: &str = "admin";

/// The sockets that were passed. Where one was not, the daemon binds its own.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// The apps'.
    pub(crate) auth: Option<Listening>,
    /// The administrator's.
    pub(crate) admin: Option<Listening>,
}

/// A socket that listens already, and where.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The socket, which makes nobody wait.
    pub(crate) socket: UnixListener,
    /// Its path.
    pub(crate) path: PathBuf,
}

impl Passed {
    /// Takes what systemd has passed to this process, before anything else could be given those descriptors.
    ///
    /// # Errors
    /// A descriptor that is not one of the two sockets.
    pub(crate) fn take() -> Result<Self, ListenError> {
        let passed = sd_listen_fds::get().map_err(|error| {
            refused(format!(
                "LISTEN_PID, LISTEN_FDS or LISTEN_FDNAMES cannot be read ({error}); only systemd sets them"
            ))
        })?;
        Self::sorted(passed.into_iter().map(|(name, fd)| (name, fd.into_std())))
    }

    fn sorted(passed: impl Iterator<Item = (Option<String>, OwnedFd)>) -> Result<Self, ListenError> {
        let mut sorted = Self::default();
        for (name, fd) in passed {
            let name = name.unwrap_or_default();
            let place = match name.as_str() {
                AUTH => &mut sorted.auth,
                ADMIN => &mut sorted.admin,
                _ => {
                    return Err(refused(format!(
                        "systemd passed a descriptor named {name:?}; write FileDescriptorName={AUTH} in the unit of the apps' socket \
                         and FileDescriptorName={ADMIN} in that of the administrator's"
                    )));
                }
            };
            if place.is_some() {
                return Err(refused(format!(
                    "systemd passed two descriptors named {name:?}; give each socket unit one ListenStream= and a name of its own"
                )));
            }
            *place = Some(listening(&name, fd)?);
        }
        Ok(sorted)
    }

    /// The same sockets once more, for whoever has to answer there when nobody else does.
    pub(crate) fn again(&self) -> std::io::Result<Self> {
        let again = |known: &Option<Listening>| known.as_ref().map(Listening::again).transpose();
        Ok(Self { auth: again(&self.auth)?, admin: again(&self.admin)? })
    }
}

impl Listening {
    fn again(&self) -> std::io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, path: self.path.clone() })
    }
}

/// Takes the socket that was passed or, where none was, binds one here with this mode.
pub(crate) fn or_bound(
    passed: Option<Listening>,
    path: &Path,
    mode: u32,
) -> Result<(tokio::net::UnixListener, Bound), ListenError> {
    let Some(Listening { socket, path }) = passed else { return listen_at(path, mode) };
    let bound = Bound::by_another(path.clone());
    let socket = tokio::net::UnixListener::from_std(socket);
    Ok((socket.map_err(|source| ListenError::System { path, source })?, bound))
}

/// Makes sure that it is a stream socket of this machine that listens, and keeps it from programs that are started here.
fn listening(name: &str, fd: OwnedFd) -> Result<Listening, ListenError> {
    let is_one = || -> nix::Result<Option<PathBuf>> {
        let is_stream = getsockopt(&fd, TypeOf)? == SockType::Stream && getsockopt(&fd, AcceptConn)?;
        let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
        let is_unix = address.family() == Some(AddressFamily::Unix);
        let path = address.as_unix_addr().and_then(nix::sys::socket::UnixAddr::path).map(Path::to_owned);
        Ok(path.filter(|_| is_stream && is_unix))
    };
    let Ok(Some(path)) = is_one() else {
        return Err(refused(format!(
            "what systemd passed as {name:?} is not a listening Unix stream socket with a path; \
             its unit needs ListenStream=/run/hallpass/... and Accept=no"
        )));
    };
    let kept = fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(std::io::Error::from);
    let socket = UnixListener::from(fd);
    let ready = kept.and_then(|_| socket.set_nonblocking(true));
    ready.map_err(|source| ListenError::System { path: path.clone(), source })?;
    Ok(Listening { socket, path })
}

fn refused(sentence: String) -> ListenError {
    ListenError::Place(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use tempfile::TempDir;

    fn at(dir: &TempDir, name: &str) -> OwnedFd {
        UnixListener::bind(dir.path().join(name)).unwrap().into()
    }

    fn sorted<const N: usize>(passed: [(&str, OwnedFd); N]) -> Result<Passed, ListenError> {
        Passed::sorted(passed.into_iter().map(|(name, fd)| (Some(name.to_owned()), fd)))
    }

    #[test]
    fn each_socket_is_known_by_its_name_and_not_by_its_place() {
        let dir = TempDir::new().unwrap();
        let passed = sorted([("admin", at(&dir, "a")), ("auth", at(&dir, "b"))]).unwrap();
        let (auth, admin) = (passed.auth.unwrap(), passed.admin.unwrap());
        assert_eq!((auth.path, admin.path), (dir.path().join("b"), dir.path().join("a")));
        for socket in [auth.socket, admin.socket] {
            let flags = fcntl(socket.as_fd(), FcntlArg::F_GETFD).unwrap();
            assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
            assert_eq!(socket.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn one_socket_is_enough_and_none_is_too() {
        let dir = TempDir::new().unwrap();
        let passed = sorted([("auth", at(&dir, "a"))]).unwrap();
        assert!(passed.auth.is_some() && passed.admin.is_none());
        assert!(passed.again().unwrap().auth.is_some());
        assert!(Passed::take().unwrap().auth.is_none(), "nothing was passed to the tests");
    }

    #[test]
    fn e19_what_is_not_a_listening_unix_socket_is_refused_with_what_to_write() {
        let dir = TempDir::new().unwrap();
        let _open = UnixListener::bind(dir.path().join("s")).unwrap();
        let wrong: [OwnedFd; 5] = [
            UnixDatagram::bind(dir.path().join("d")).unwrap().into(),
            UnixStream::pair().unwrap().0.into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            std::fs::File::open("/dev/null").unwrap().into(),
            UnixStream::connect(dir.path().join("s")).unwrap().into(),
        ];
        for fd in wrong {
            let text = sorted([("auth", fd)]).unwrap_err().to_string();
            assert!(text.contains("\"auth\"") && text.contains("ListenStream="), "{text}");
        }
    }

    #[test]
    fn e19_a_socket_of_another_name_or_a_second_of_one_name_is_refused() {
        let dir = TempDir::new().unwrap();
        for name in ["", "unknown", "hallpassd.socket", "Auth"] {
            let text = sorted([(name, at(&dir, &format!("x{name}")))]).unwrap_err().to_string();
            assert!(text.contains("FileDescriptorName=auth"), "{text}");
        }
        let text = sorted([("admin", at(&dir, "a")), ("admin", at(&dir, "b"))]).unwrap_err().to_string();
        assert!(text.contains("two descriptors"), "{text}");
    }
}
