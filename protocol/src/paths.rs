//! Where the daemon's files and sockets lie when nothing else is said. Both ends look here, so both find the same place.

use std::env;
use std::path::{Path, PathBuf};

/// Names the socket to use, before any default place.
pub const SOCKET_VARIABLE: &str = "HALLPASS_SOCKET";
/// The apps' socket, inside the runtime directory.
pub const AUTH_SOCKET: &str = "hallpass.sock";
/// The administrator's socket, beside the other.
pub const ADMIN_SOCKET: &str = "admin.sock";
/// The runtime directory of a daemon that serves the whole host.
pub const SYSTEM_RUNTIME_DIR: &str = "/run/hallpass";

/// The state directory of a daemon that serves one user: `$XDG_STATE_HOME/hallpass`, or `~/.local/state/hallpass`.
#[must_use]
pub fn user_state_dir() -> Option<PathBuf> {
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|base| base.join("hallpass"))
}

/// The runtime directory of such a daemon: `$XDG_RUNTIME_DIR/hallpass`, or `run` inside its state directory, which nobody else can squat.
#[must_use]
pub fn user_runtime_dir() -> Option<PathBuf> {
    absolute("XDG_RUNTIME_DIR")
        .map(|base| base.join("hallpass"))
        .or_else(|| user_state_dir().map(|state| state.join("run")))
}

/// Where a caller looks for the apps' socket, in this order: `$HALLPASS_SOCKET` alone if it is set, else the host's, else the user's.
#[must_use]
pub fn auth_sockets() -> Vec<PathBuf> {
    if let Some(named) = env::var_os(SOCKET_VARIABLE).filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(named)];
    }
    let system = Some(PathBuf::from(SYSTEM_RUNTIME_DIR));
    [system, user_runtime_dir()].into_iter().flatten().map(|dir| dir.join(AUTH_SOCKET)).collect()
}

/// The administrator's socket that goes with an apps' socket.
#[must_use]
pub fn admin_socket_beside(auth_socket: &Path) -> PathBuf {
    auth_socket.with_file_name(ADMIN_SOCKET)
}

/// A directory from the environment; a relative one is ignored, as the XDG specification asks.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
