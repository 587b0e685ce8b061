//! Who calls: what the kernel says of the connecting process, looked up in the configuration. Nothing else makes a caller.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::config::{AppConfig, ConfigError};
use crate::domain::policy::{App, Permit, Principal, Role, admit_daemon};

/// Who is known, by the user and group of the calling process.
#[derive(Debug, Clone)]
pub(crate) struct Callers {
    by_uid: HashMap<u32, Arc<App>>,
    by_gid: HashMap<u32, Arc<App>>,
    admins: HashSet<u32>,
}

/// A process that has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    uid: u32,
    gid: u32,
    pid: i32,
}

impl Peer {
    /// The process that connected this socket, as it was then. A descriptor handed on later still speaks for the first process.
    pub(crate) fn of(stream: &impl AsFd) -> nix::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }

    /// The user of the process.
    pub(crate) fn uid(self) -> u32 {
        self.uid
    }
}

impl Callers {
    /// Reads the configuration once, names and all; nothing is looked up while somebody waits.
    pub(crate) fn new(apps: &[AppConfig], admins: &[u32]) -> Result<Self, ConfigError> {
        let mut callers =
            Self { by_uid: HashMap::new(), by_gid: HashMap::new(), admins: admins.iter().copied().collect() };
        for config in apps {
            let app = Arc::new(App {
                name: config.name.clone(),
                rights: config.rights(),
                audiences: config.audiences(),
            });
            for uid in config.uids()? {
                if let Some(other) =
                    callers.by_uid.insert(uid, Arc::clone(&app)).filter(|other| other.name != app.name)
                {
                    return Err(ConfigError::new(format!(
                        "apps {:?} and {:?} are both uid {uid}; a caller can be one app only",
                        other.name, app.name
                    )));
                }
            }
            for gid in config.gids()? {
                if let Some(other) =
                    callers.by_gid.insert(gid, Arc::clone(&app)).filter(|other| other.name != app.name)
                {
                    return Err(ConfigError::new(format!(
                        "apps {:?} and {:?} are both gid {gid}; a caller can be one app only",
                        other.name, app.name
                    )));
                }
            }
        }
        Ok(callers)
    }

    /// The app this process is: by its user first, else by its group.
    pub(crate) fn app(&self, peer: Peer) -> Option<Arc<Principal>> {
        let app = self.by_uid.get(&peer.uid).or_else(|| self.by_gid.get(&peer.gid))?;
        Some(Arc::new(Principal { uid: peer.uid, pid: peer.pid, role: Role::App(Arc::clone(app)) }))
    }

    /// This process as somebody who is known as nothing, to be remembered as such.
    pub(crate) fn stranger(peer: Peer) -> Arc<Principal> {
        Arc::new(Principal { uid: peer.uid, pid: peer.pid, role: Role::Stranger })
    }

    /// Whether the configuration has an app of this name.
    pub(crate) fn knows_app(&self, name: &str) -> bool {
        self.by_uid.values().chain(self.by_gid.values()).any(|app| app.name == name)
    }

    /// The administrator this process is.
    pub(crate) fn admin(&self, peer: Peer) -> Option<Arc<Principal>> {
        self.admins
            .contains(&peer.uid)
            .then(|| Arc::new(Principal { uid: peer.uid, pid: peer.pid, role: Role::Admin }))
    }
}

/// Leave for this process to look after its own store.
pub(crate) fn daemon_itself() -> Permit {
    admit_daemon(nix::unistd::geteuid().as_raw(), nix::unistd::getpid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn callers(toml: &str) -> Result<Callers, ConfigError> {
        let config = Config::parse(toml)?;
        Callers::new(&config.app, &config.admin.uids)
    }

    #[test]
    fn e1_e4_only_those_named_are_known_and_root_is_nobody_special() {
        let callers = callers(
            "admin.uids = [7]\n[[app]]\nname = \"shop\"\nuids = [33]\n[[app]]\nname = \"blog\"\ngids = [44]",
        )
        .unwrap();
        let app = |uid, gid| {
            callers.app(Peer { uid, gid, pid: 1 }).map(|principal| principal.known_as().to_owned())
        };
        assert_eq!(app(33, 44).as_deref(), Some("shop"), "the user goes before the group");
        assert_eq!(app(34, 44).as_deref(), Some("blog"));
        assert_eq!(app(34, 45), None);
        assert_eq!(app(0, 0), None);
        assert!(callers.admin(Peer { uid: 7, gid: 0, pid: 1 }).is_some());
        assert!(callers.admin(Peer { uid: 0, gid: 0, pid: 1 }).is_none());
    }

    #[test]
    fn one_user_is_one_app() {
        let error =
            callers("[[app]]\nname = \"a\"\nuids = [33]\n[[app]]\nname = \"b\"\nuids = [33]").unwrap_err();
        assert!(error.to_string().contains("both uid 33"), "{error}");
    }

    #[test]
    fn a_peer_is_what_the_kernel_says() {
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = Peer::of(&near).unwrap();
        assert_eq!(peer.uid(), nix::unistd::getuid().as_raw());
        assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
    }
}
