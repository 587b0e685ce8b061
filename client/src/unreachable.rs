//! A daemon that could not be reached: where it was looked for, why that failed, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hallpass_protocol::hello::Service;

/// No daemon could be reached, so nothing was done. Its text names every place that was tried, and what to do.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use hallpass_client::{Client, Error};
///
/// if let Err(Error::Unreachable(unreachable)) = Client::connect("/nowhere/hallpass.sock").await {
///     let places: Vec<_> = unreachable.places().iter().map(|place| place.path()).collect();
///     println!("{unreachable}; looked at {places:?}");
/// #   assert_eq!(places.len(), 1);
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Unreachable {
    service: Service,
    places: Vec<Place>,
}

/// A socket on which no daemon could be reached.
///
/// ```
/// use std::io::ErrorKind;
/// use hallpass_client::Place;
///
/// fn is_shut(place: &Place) -> bool {
///     println!("{}: {}", place.path().display(), place.error());
///     place.error().kind() == ErrorKind::PermissionDenied
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    error: Arc<io::Error>,
}

impl Place {
    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kept us from the daemon.
    #[must_use]
    pub fn error(&self) -> &io::Error {
        &self.error
    }
}

impl Unreachable {
    pub(crate) fn nowhere(service: Service) -> Self {
        Self { service, places: Vec::new() }
    }

    pub(crate) fn at(service: Service, path: &Path, error: io::Error) -> Self {
        Self { service, places: vec![Place { path: path.to_owned(), error: Arc::new(error) }] }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.places.extend(other.places);
        self
    }

    /// The sockets that were tried, in order.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    fn met(&self, kinds: &[io::ErrorKind]) -> bool {
        self.places.iter().any(|place| kinds.contains(&place.error.kind()))
    }

    /// What to do. A socket that is there and shut tells most, so it goes first.
    fn remedy(&self) -> &'static str {
        use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
        if self.met(&[PermissionDenied]) {
            return match self.service {
                Service::Auth => {
                    "add this user to the group hallpass-clients (`usermod -aG hallpass-clients USER`) and log in anew"
                }
                Service::Admin => "run this as root, or as the user that the daemon runs as",
            };
        }
        if self.places.is_empty() || self.met(&[NotFound, ConnectionRefused]) {
            return "the daemon is not running: start it with `systemctl start hallpassd`, \
                    or run `hallpassd` for a daemon of your own";
        }
        "look at `systemctl status hallpassd`"
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot reach the daemon")?;
        for (index, place) in self.places.iter().enumerate() {
            f.write_str(if index == 0 { " at " } else { ", nor at " })?;
            write!(f, "{} ({})", place.path.display(), Why(&place.error))?;
        }
        write!(f, "; {}", self.remedy())
    }
}

impl std::error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.places.first().map(|place| place.error() as _)
    }
}

/// An I/O error in the words of somebody who looks for a daemon.
struct Why<'a>(&'a io::Error);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use io::ErrorKind::{
            BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, PermissionDenied, TimedOut,
            UnexpectedEof,
        };
        f.write_str(match self.0.kind() {
            NotFound => "there is no socket",
            ConnectionRefused => "nobody listens on the socket",
            PermissionDenied => "permission denied",
            TimedOut => "no answer in time",
            ConnectionReset | BrokenPipe | UnexpectedEof => "the connection was closed before an answer",
            _ => return self.0.fmt(f),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{NotFound, PermissionDenied, TimedOut};

    fn at(service: Service, path: &str, kind: io::ErrorKind) -> Unreachable {
        Unreachable::at(service, Path::new(path), kind.into())
    }

    #[test]
    fn a_shut_socket_names_the_group_that_opens_it() {
        assert_eq!(
            at(Service::Auth, "/run/hallpass/hallpass.sock", PermissionDenied).to_string(),
            "cannot reach the daemon at /run/hallpass/hallpass.sock (permission denied); \
             add this user to the group hallpass-clients (`usermod -aG hallpass-clients USER`) and log in anew"
        );
    }

    #[test]
    fn the_administrators_socket_has_no_group_to_join() {
        let text = at(Service::Admin, "/run/hallpass/admin.sock", PermissionDenied).to_string();
        assert!(text.contains("run this as root") && !text.contains("hallpass-clients"), "{text}");
    }

    #[test]
    fn every_place_is_named_and_a_shut_one_decides_the_remedy() {
        let text =
            at(Service::Auth, "/a", PermissionDenied).and(at(Service::Auth, "/b", NotFound)).to_string();
        assert!(text.contains("at /a (permission denied), nor at /b (there is no socket); add"), "{text}");
    }

    #[test]
    fn a_silent_daemon_is_not_said_to_be_stopped() {
        let text = at(Service::Auth, "/a", TimedOut).to_string();
        assert!(text.contains("no answer in time") && text.contains("systemctl status"), "{text}");
        assert!(!text.contains("not running"), "{text}");
    }
}
