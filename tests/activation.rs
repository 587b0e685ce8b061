//! Sockets that are passed instead of bound, and what the service manager is told meanwhile: a test plays the part of systemd.

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hallpass_client::admin::AdminClient;
use hallpass_client::{Client, Needs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{PASSWORD, PATIENCE, POLL, add_user, clear_environment, cookie};
use tempfile::TempDir;

/// A service manager with one service: two sockets that it keeps, and a place to be told things.
struct Manager {
    dir: TempDir,
    auth: UnixListener,
    admin: UnixListener,
    told: UnixDatagram,
    child: Option<Child>,
}

impl Manager {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let bind = |name: &str| UnixListener::bind(dir.path().join(name)).expect("a socket");
        let (auth, admin) = (bind("hallpass.sock"), bind("admin.sock"));
        let told = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        told.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self { dir, auth, admin, told, child: None }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the service with these two descriptors under these names. Only a shell gives descriptors those numbers without unsafe code here.
    fn start_with(&mut self, names: &str, [first, second]: [OwnedFd; 2], watchdog: Duration, args: &[&str]) {
        let script =
            "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 WATCHDOG_PID=$$ exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        clear_environment(&mut command);
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_hallpassd")]).args(args);
        command.arg("--state-dir").arg(self.at("state")).arg("--runtime-dir").arg(self.at("run"));
        command.env("LISTEN_FDNAMES", names).env("NOTIFY_SOCKET", self.at("notify"));
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        let log = File::options().create(true).append(true).open(self.at("log")).expect("a log");
        command.stdin(Stdio::from(first)).stdout(Stdio::from(second)).stderr(log);
        self.child = Some(command.spawn().expect("a shell"));
    }

    fn start(&mut self) {
        let again = |socket: &UnixListener| OwnedFd::from(socket.try_clone().expect("a descriptor"));
        let sockets = [again(&self.admin), again(&self.auth)];
        self.start_with("admin:auth", sockets, Duration::from_secs(1), &[]);
    }

    /// Waits until it was told this, and gives all of that message.
    fn hears(&self, word: &str) -> String {
        let give_up = Instant::now() + PATIENCE;
        let mut message = [0; 4096];
        loop {
            let length = self.told.recv(&mut message).unwrap_or_default();
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.contains(word) {
                return text;
            }
            assert!(length > 0 && Instant::now() < give_up, "no {word}:\n{}", self.log());
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().expect("it was started").id();
        kill(Pid::from_raw(pid.try_into().expect("a pid")), signal).expect("it is ours");
    }

    fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was started");
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                return status;
            }
            if Instant::now() > give_up {
                child.kill().expect("it is ours to kill");
            }
            std::thread::sleep(POLL);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended by itself cannot be killed and need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn a_daemon_serves_on_the_sockets_it_was_passed_and_leaves_them_to_the_next() {
    let mut manager = Manager::new();
    // Whoever comes before the daemon waits on the socket.
    let socket = manager.at("hallpass.sock");
    let early = tokio::spawn(async move { Client::connect(socket).await });
    manager.start();
    assert!(manager.hears("READY=1").contains("STATUS=serving on"));
    let client = early.await.unwrap().expect("it was served in the end");
    let admin = AdminClient::connect(manager.at("admin.sock")).await.expect("each has its service");
    add_user(&admin, "alice", PASSWORD, &[]).await;
    let (token, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    manager.signal(Signal::SIGTERM);
    manager.hears("STOPPING=1");
    assert!(manager.ended().success());
    for name in ["hallpass.sock", "admin.sock"] {
        assert!(manager.at(name).exists(), "{name} is systemd's");
        assert!(!manager.at("run").join(name).exists(), "{name} was bound besides");
    }
    // Asked while nobody serves: it is answered by the next daemon, on the same socket.
    let asked = tokio::spawn(async move { client.verify(token, Needs::default()).await });
    manager.start();
    manager.hears("READY=1");
    assert_eq!(asked.await.unwrap().expect("she is still logged in").name, "alice");
}

#[tokio::test]
async fn e19_the_two_sockets_are_not_interchangeable() {
    let mut manager = Manager::new();
    manager.start();
    manager.hears("READY=1");
    let error = AdminClient::connect(manager.at("hallpass.sock")).await.expect_err("it is the apps'");
    assert!(error.to_string().contains("admin.sock"), "{error}");
    let error = Client::connect(manager.at("admin.sock")).await.expect_err("it is the administrator's");
    assert!(error.to_string().contains("hallpass.sock"), "{error}");
}

#[tokio::test]
async fn e19_a_socket_of_the_wrong_type_is_refused_with_a_sentence() {
    let mut manager = Manager::new();
    let wrong = UnixDatagram::bind(manager.at("datagram")).unwrap();
    let auth = manager.auth.try_clone().unwrap();
    manager.start_with("admin:auth", [wrong.into(), auth.into()], Duration::ZERO, &[]);
    assert_eq!(manager.ended().code(), Some(70));
    let log = manager.log();
    assert!(log.contains("what systemd passed as \"admin\" is not a listening Unix stream socket"), "{log}");
    assert!(!Path::new(&manager.at("state")).exists(), "nothing was begun");
}

#[tokio::test]
async fn a_daemon_that_cannot_start_tells_its_callers_and_leaves_the_sockets_open() {
    let mut manager = Manager::new();
    let config = manager.at("hallpass.toml");
    fs::write(&config, "isuer = \"x\"\n").unwrap();
    let sockets = [&manager.admin, &manager.auth].map(|socket| OwnedFd::from(socket.try_clone().unwrap()));
    let begun = Instant::now();
    manager.start_with("admin:auth", sockets, Duration::ZERO, &["--config", config.to_str().unwrap()]);
    let error = Client::connect(manager.at("hallpass.sock")).await.expect_err("nobody serves");
    assert!(error.to_string().contains("cannot start"), "{error}");
    assert_eq!(error.code(), hallpass_client::ErrorCode::Unavailable);
    assert_eq!(manager.ended().code(), Some(78));
    assert!(begun.elapsed() >= Duration::from_secs(1), "the next try would come too soon");
    assert!(manager.log().contains("isuer"), "{}", manager.log());
}

#[test]
fn a_daemon_that_stands_still_says_so_no_more() {
    let mut manager = Manager::new();
    manager.start();
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    manager.signal(Signal::SIGSTOP);
    // What was said before it stood still is read first.
    manager.told.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    let still =
        std::iter::repeat_with(|| manager.told.recv(&mut [0; 4096])).take(8).any(|told| told.is_err());
    assert!(still, "it says that it is well");
    manager.signal(Signal::SIGCONT);
    manager.hears("WATCHDOG=1");
}
