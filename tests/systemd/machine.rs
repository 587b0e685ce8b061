//! A machine with a real systemd, as a test handles it. It is gone when the value is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything inside a machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks at something that is waited for.
const POLL: Duration = Duration::from_millis(50);

/// A machine that runs.
pub(crate) struct Machine {
    place: PathBuf,
    root: PathBuf,
    share: PathBuf,
}

/// Where `tests/systemd/run` has put what the tests need, if it calls them.
pub(crate) fn prepared() -> Option<PathBuf> {
    std::env::var_os("HALLPASS_SYSTEMD").map(PathBuf::from)
}

fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/systemd/machine"));
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Machine {
    /// Boots a new machine with the packages and this test at /mnt.
    pub(crate) fn boot(prepared: &Path, name: &str) -> Self {
        let place = prepared.join(format!("machine-{name}-{}", std::process::id()));
        let share = place.join("share");
        fs::create_dir_all(&share).expect("a directory");
        for package in ["hallpass-1.deb", "hallpass-2.deb"] {
            fs::copy(prepared.join("packages").join(package), share.join(package)).expect("a package");
        }
        fs::copy(std::env::current_exe().expect("a test"), share.join("app")).expect("a copy of this test");
        let machine = Self { place, root: prepared.join("root"), share };
        machine.up();
        machine
    }

    fn text(path: &Path) -> &str {
        path.to_str().expect("plain names")
    }

    fn up(&self) {
        let [place, root, share] = [&self.place, &self.root, &self.share].map(|path| Self::text(path));
        let up = script(&["up", place, root, share]).status().expect("a shell");
        assert!(up.success(), "the machine does not boot");
    }

    /// Stops it in order and boots it again.
    pub(crate) fn reboot(&self) {
        assert!(script(&["down", Self::text(&self.place)]).status().expect("a shell").success());
        self.up();
    }

    fn command(&self, words: &[&str]) -> Command {
        script(&[&["run", Self::text(&self.place)], words].concat())
    }

    /// What a shell script comes to inside.
    pub(crate) fn tries(&self, script: &str) -> Said {
        Said::of(self.command(&["sh", "-c", script]).output().expect("a shell"))
    }

    /// The same, which must succeed; gives what it says.
    pub(crate) fn does(&self, script: &str) -> String {
        let said = self.tries(script);
        assert_eq!(said.code, 0, "{script}\n{}", said.text);
        said.text
    }

    /// Waits until a shell script succeeds.
    pub(crate) fn comes_to(&self, script: &str) {
        let give_up = Instant::now() + PATIENCE;
        while self.tries(script).code != 0 {
            assert!(Instant::now() < give_up, "never: {script}\n{}", self.journal());
            std::thread::sleep(POLL);
        }
    }

    /// Installs the first package, with the app `shop` and its user.
    pub(crate) fn with_hallpass(self) -> Self {
        self.does("dpkg -i /mnt/hallpass-1.deb");
        self.does("useradd -M shop && usermod -aG hallpass-clients shop");
        self.does("printf '[[app]]\\nname = \"shop\"\\nusers = [\"shop\"]\\n' >>/etc/hallpass/hallpass.toml");
        self.does("printf 'correct horse battery staple\\n' | hallpass user add alice --role editor --password-stdin");
        self
    }

    /// Lets the app rotate as often as it likes.
    pub(crate) fn without_a_limit_on_rotations(self) -> Self {
        self.does("sed -i 's/^per_minute = 5/per_minute = 0/' /etc/hallpass/hallpass.toml && systemctl restart hallpassd");
        self
    }

    /// Starts the app, which asks until it is told to stop.
    pub(crate) fn starts_the_app(&self) -> Child {
        let words =
            ["setpriv", "--reuid=shop", "--regid=shop", "--init-groups", "env", "HALLPASS_APP=1", "/mnt/app"];
        let app = [&words[..], &["app::the_app_asks", "--exact", "--nocapture", "--test-threads=1"]].concat();
        let child = self.command(&app).stdout(Stdio::piped()).spawn().expect("a shell");
        self.comes_to("test -e /tmp/app-asks");
        child
    }

    /// Has the app stop, and gives what it has seen.
    pub(crate) fn stops_the_app(&self, app: Child) -> serde_json::Value {
        self.does("touch /tmp/app-stops");
        let said = Said::of(app.wait_with_output().expect("our child"));
        let line = said.text.lines().find_map(|line| line.find("{\"").map(|at| &line[at..]));
        let seen = line.and_then(|line| serde_json::from_str(line).ok());
        seen.unwrap_or_else(|| unreachable!("the app says nothing:\n{}\n{}", said.text, self.journal()))
    }

    /// A property of the daemon's unit.
    pub(crate) fn shows(&self, property: &str) -> String {
        self.does(&format!("systemctl show -P {property} hallpassd.service")).trim().to_owned()
    }

    /// Both sockets are there and listen.
    pub(crate) fn keeps_its_sockets(&self) {
        self.does("systemctl is-active hallpassd.socket hallpassd-admin.socket");
    }

    /// What the daemon's unit has to say, over this boot.
    pub(crate) fn journal(&self) -> String {
        self.tries("journalctl --no-pager -b -u hallpassd.service").text
    }

    /// How often systemd has begun to start the daemon since this boot.
    pub(crate) fn starts(&self) -> usize {
        self.journal().lines().filter(|line| line.contains("Starting hallpassd.service")).count()
    }

    /// The daemon's process, as it is called out here.
    pub(crate) fn daemon(&self) -> i32 {
        let name = self.place.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let mut of_groups = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let groups = of_groups.find(|line| line[2] == "cgroup2").expect("cgroup2")[1].to_owned();
        let list = format!("{groups}/hallpass-test-{name}/system.slice/hallpassd.service/cgroup.procs");
        let pids = fs::read_to_string(&list).unwrap_or_default();
        pids.lines().next().and_then(|pid| pid.parse().ok()).expect("the daemon runs")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The tests' output is where somebody looks first.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.journal().as_bytes());
        }
        let _ = script(&["down", Self::text(&self.place)]).status();
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// What a command has said on both its outputs, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self { code: output.status.code().unwrap_or(-1), text: String::from_utf8_lossy(&text).into_owned() }
    }
}
