//! Which daemon is looked at, and where its things lie.

use std::path::{Path, PathBuf};

use hallpass_protocol::paths::{ADMIN_SOCKET, AUTH_SOCKET, SYSTEM_RUNTIME_DIR, auth_sockets};

use super::answers::Answers;
use super::report::Finding;
use crate::config::examine::examine;
use crate::config::{Config, ConfigError};
use crate::daemon::Parts;
use crate::daemon_main::{SYSTEM_CONFIG, Where};

/// The daemon that is looked at.
pub(super) struct Subject {
    /// The apps' socket.
    pub(super) socket: PathBuf,
    /// The administrator's.
    pub(super) admin_socket: PathBuf,
    /// Whether it serves the whole host.
    pub(super) for_host: bool,
    /// Where its database lies, as far as is known.
    pub(super) state_dir: Option<PathBuf>,
    /// Where its board may lie.
    pub(super) boards: Vec<PathBuf>,
    /// With what it would be started, if that can be told.
    pub(super) parts: Result<Parts, ConfigError>,
    config: Option<PathBuf>,
}

impl Subject {
    /// The one that these places are of or, where none is told, that a command would speak to.
    pub(super) fn of(told: Where, socket: Option<&Path>) -> Self {
        let is_told = told.are_told();
        let host_socket = Path::new(SYSTEM_RUNTIME_DIR).join(AUTH_SOCKET);
        let places = auth_sockets();
        // Where nothing is, it is the host's if that is set up, and else the user's own, which is looked for last.
        let unfound = if Path::new(SYSTEM_CONFIG).exists() { places.first() } else { places.last() };
        let usual = places.iter().find(|path| is_there(path)).or(unfound).cloned().unwrap_or(host_socket);
        let named = socket.map(Path::to_owned);
        let found = named.clone().unwrap_or(usual);
        let is_hosts =
            found.starts_with(SYSTEM_RUNTIME_DIR) && (is_there(&found) || Path::new(SYSTEM_CONFIG).exists());
        let told = if is_told || !is_hosts {
            told
        } else {
            Where::told(Some(PathBuf::from(SYSTEM_CONFIG)), None, None)
        };
        let parts = told.parts();
        let runtime_dir = parts.as_ref().ok().map(|parts| parts.runtime_dir.clone());
        let socket = match (&named, &runtime_dir) {
            (None, Some(dir)) if is_told => dir.join(AUTH_SOCKET),
            _ => found,
        };
        let beside = socket.parent().unwrap_or(Path::new("/")).to_owned();
        // Under systemd the board has a directory of its own below that of the sockets.
        let dirs = [Some(beside.join("daemon")), Some(beside), runtime_dir];
        Self {
            admin_socket: socket.with_file_name(ADMIN_SOCKET),
            for_host: told.config_file().is_some(),
            state_dir: parts
                .as_ref()
                .ok()
                .filter(|_| is_told || named.is_none())
                .map(|parts| parts.state_dir.clone()),
            boards: dirs.into_iter().flatten().map(|dir| dir.join("board")).collect(),
            parts,
            config: told.config_file().map(Path::to_owned),
            socket,
        }
    }

    /// Takes over what the daemon itself says of where its things are.
    pub(super) fn learn(&mut self, answers: &Answers) {
        if let Some(status) = answers.status() {
            let state_dir = PathBuf::from(&status.state_dir);
            // It may have been started with another one than it would be by default.
            if let Ok(parts) = &mut self.parts {
                parts.state_dir.clone_from(&state_dir);
            }
            self.state_dir = Some(state_dir);
        }
        if let Some(board) = answers.board() {
            self.boards = vec![board.path.clone()];
        }
    }

    /// Its configuration, as far as it can be read.
    pub(super) fn settings(&self) -> Option<&Config> {
        self.parts.as_ref().ok().map(|parts| &parts.config)
    }

    /// How the configuration is.
    pub(super) fn configuration(&self) -> Finding {
        let Some(path) = &self.config else {
            return Finding::ok("config", "a daemon of one user, without a configuration");
        };
        let name = path.display();
        match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Finding::unknown("config", format!("{name} cannot be read by this user"))
            }
            Err(error) => Finding::problem(
                "config",
                format!("{name} cannot be read: {error}"),
                "put it back, or reinstall it: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss hallpass",
            ),
            Ok(text) => {
                let examined = examine(&text);
                match examined.faults.first() {
                    None => Finding::ok("config", format!("{name} can be used")),
                    Some(first) => {
                        let line = first.line.map_or_else(String::new, |line| format!(":{line}"));
                        let message = format!("{name}{line}: {first}");
                        Finding::problem("config", message, format!("hallpass config check {name}"))
                    }
                }
            }
        }
    }

    /// What starts it.
    pub(super) fn start(&self) -> &'static str {
        if self.for_host {
            "systemctl restart hallpassd.socket hallpassd-admin.socket hallpassd"
        } else {
            "hallpassd"
        }
    }

    /// What shows why it does not run.
    pub(super) fn log(&self) -> &'static str {
        if self.for_host {
            "journalctl -u hallpassd -n 20"
        } else {
            "start hallpassd in a terminal; it says why"
        }
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
