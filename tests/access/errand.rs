//! A process of another user that calls the daemon: this very program again, told by its environment what to do.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::support::clear_environment;

const ERRAND: &str = "HALLPASS_ACCESS_ERRAND";

/// What a process is to do, and with what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) task: Task,
    pub(crate) socket: PathBuf,
    pub(crate) admin_socket: PathBuf,
    /// Who is logged in, and whose tokens are shown.
    pub(crate) user: String,
    pub(crate) shown: Shown,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Opens a session of either kind and says their tokens.
    Open,
    /// Makes every call there is once and says how each ended.
    CallEverything,
    /// Does what can be done to the other apps until it is killed.
    DoItsWorst,
}

/// What somebody has who calls.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) user_id: String,
    pub(crate) session_id: String,
    pub(crate) session_token: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) code: String,
}

/// This program, where every user of the host can start it.
pub(crate) struct Program {
    dir: TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let copy = dir.path().join("caller");
        fs::copy(std::env::current_exe().expect("this program"), &copy).expect("a copy of it");
        for path in [dir.path(), &copy] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
        }
        Self { dir }
    }

    /// Starts it as this user, in this group and in no other.
    pub(crate) fn start(&self, uid: u32, gid: u32, errand: &Errand) -> Child {
        let mut command = Command::new(self.dir.path().join("caller"));
        clear_environment(&mut command);
        command.env(ERRAND, serde_json::to_string(errand).expect("an errand can be written down"));
        command.args(["--exact", "matrix::runs_its_errand", "--nocapture"]).current_dir("/");
        // Whoever is root is rid of its other groups by taking another uid.
        command.uid(uid).gid(gid);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts")
    }

    /// Has it done, and gives what was said.
    pub(crate) fn run(&self, uid: u32, gid: u32, errand: &Errand) -> Vec<(String, String)> {
        let output = self.start(uid, gid, errand).wait_with_output().expect("it is our child");
        let text = String::from_utf8(output.stdout).expect("words");
        assert!(output.status.success(), "uid {uid}: {text}");
        let said = |line: &str| {
            let (what, how) = line.split_once("says ")?.1.split_once(' ')?;
            Some((what.to_owned(), how.to_owned()))
        };
        text.lines().filter_map(said).collect()
    }
}

/// What this process is to do, if it was started for that.
pub(crate) fn own() -> Option<Errand> {
    let errand = std::env::var(ERRAND).ok()?;
    Some(serde_json::from_str(&errand).expect("an errand"))
}

/// Tells whoever has started this process.
pub(crate) fn say(what: &str, how: &str) {
    writeln!(std::io::stdout(), "says {what} {how}").expect("whoever asked reads");
}

/// Lets other users come as far as the sockets, which decide by themselves.
pub(crate) fn open_the_way_to(dir: &Path) {
    fs::set_permissions(dir, Permissions::from_mode(0o755)).expect("it is ours");
}
