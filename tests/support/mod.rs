//! A real `hallpassd` in directories of its own, and the few calls that most tests start with.
//!
//! Every wait is bounded, and a daemon never outlives the value that started it.

pub(crate) mod dice;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hallpass_client::admin::{AddUser, AdminClient, UserInfo};
use hallpass_client::{
    Client, Context, Error, Grant, GrantedTokens, Login, Password, Refresh, SessionId, SessionKind, Token,
    UserId,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// Longest wait for a daemon to answer after its start, and to be gone after it was told to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two looks at something that is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(2);
/// A password that the default policy allows.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A running daemon, or the directories of one that was stopped or killed and can be started again.
#[derive(Debug)]
pub(crate) struct Daemon {
    dir: TempDir,
    args: Vec<String>,
    log_level: Option<&'static str>,
    environment: Vec<(&'static str, String)>,
    prefix: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    /// Starts a daemon as one user would, without a configuration: the user of the test is app `local` and the administrator.
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"), Vec::new(), None).await
    }

    /// Starts a daemon as one user would, which logs from this level on.
    pub(crate) async fn with_log_level(level: &'static str) -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"), Vec::new(), Some(level)).await
    }

    /// Starts a daemon with these settings, written before the tables that make the user of the test app `local` and the administrator.
    pub(crate) async fn with_settings(settings: &str) -> Self {
        let uid = own_uid();
        let who = format!("\n[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n");
        Self::with_config(&format!("{settings}{who}")).await
    }

    /// Starts a daemon with exactly this configuration.
    pub(crate) async fn with_config(toml: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let config = dir.path().join("hallpass.toml");
        fs::write(&config, toml).expect("the configuration is written");
        let args = vec!["--config".to_owned(), text(&config)];
        Self::start_in(dir, args, None).await
    }

    /// Starts a daemon with exactly this configuration, which need not let the user of the test in.
    pub(crate) async fn for_others(toml: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let config = dir.path().join("hallpass.toml");
        fs::write(&config, toml).expect("the configuration is written");
        let mut daemon = Self::placed(dir, vec!["--config".to_owned(), text(&config)], None);
        daemon.spawn();
        let give_up = Instant::now() + PATIENCE;
        while !daemon.log().contains("serving") {
            daemon.is_still_there();
            assert!(Instant::now() < give_up, "hallpassd does not serve:\n{}", daemon.log());
            tokio::time::sleep(POLL).await;
        }
        daemon
    }

    /// Starts a daemon as one user would, which can have so many descriptors open.
    pub(crate) async fn with_descriptors(most: usize) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut daemon = Self::placed(dir, Vec::new(), None);
        daemon.prefix = vec!["prlimit".to_owned(), format!("--nofile={most}:{most}")];
        daemon.restart().await;
        daemon
    }

    async fn start_in(dir: TempDir, args: Vec<String>, log_level: Option<&'static str>) -> Self {
        let mut daemon = Self::placed(dir, args, log_level);
        daemon.restart().await;
        daemon
    }

    fn placed(dir: TempDir, mut args: Vec<String>, log_level: Option<&'static str>) -> Self {
        let under = |name: &str| text(&dir.path().join(name));
        args.extend(["--state-dir".to_owned(), under("state"), "--runtime-dir".to_owned(), under("run")]);
        Self { dir, args, log_level, environment: Vec::new(), prefix: Vec::new(), child: None }
    }

    /// Starts the daemon again on the same directories, and waits until both sockets answer.
    pub(crate) async fn restart(&mut self) {
        self.spawn();
        self.wait_until_it_answers().await;
    }

    /// Starts the daemon again from a process that has files made for everybody.
    pub(crate) async fn restart_without_umask(&mut self) {
        self.prefix = ["sh", "-c", "umask 0; exec \"$0\" \"$@\""].map(str::to_owned).to_vec();
        self.restart().await;
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "the daemon is running already");
        let output = |name: &str| {
            let path = self.dir.path().join(name);
            OpenOptions::new().create(true).append(true).open(path).expect("an output file")
        };
        // What stands before it becomes the daemon, so that its process is the daemon's.
        let mut words = self.prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_hallpassd")]);
        let mut command = Command::new(words.next().expect("at least the daemon's own"));
        command.args(words);
        clear_environment(&mut command);
        if let Some(level) = self.log_level {
            command.env("HALLPASS_LOG", level);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.args).stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr"));
        self.child = Some(command.spawn().expect("hallpassd starts"));
    }

    /// Starts the daemon from now on with this in its environment too.
    pub(crate) fn set(&mut self, name: &'static str, value: &Path) {
        self.environment.push((name, text(value)));
    }

    async fn wait_until_it_answers(&mut self) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            self.is_still_there();
            if self.answers().await.is_ok() {
                return;
            }
            assert!(Instant::now() < give_up, "hallpassd does not answer:\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    fn is_still_there(&mut self) {
        if let Some(status) = self.child().try_wait().expect("the daemon is our child") {
            let log = self.log();
            assert!(self.child.take().is_none(), "hallpassd ended at its start with {status}:\n{log}");
        }
    }

    async fn answers(&self) -> Result<(), Error> {
        Client::connect(self.socket()).await?.hello().await?;
        AdminClient::connect(self.admin_socket()).await?.status().await?;
        Ok(())
    }

    /// Kills the daemon so that it can do nothing more, and waits until it is gone. Its directories stay as they are.
    pub(crate) fn kill9(&mut self) {
        let mut child = self.child.take().expect("the daemon runs");
        child.kill().expect("the daemon is ours to kill");
        child.wait().expect("the daemon is our child");
    }

    /// Tells the daemon to stop and waits until it has, which must be with exit code 0.
    pub(crate) async fn stop(&mut self) {
        kill(self.raw_pid(), Signal::SIGTERM).expect("the daemon is ours to stop");
        let status = self.exit_status().await;
        assert_eq!(status.code(), Some(0), "hallpassd stopped with {status}:\n{}", self.log());
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) async fn exit_status(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child().try_wait().expect("the daemon is our child") {
                self.child = None;
                return status;
            }
            assert!(Instant::now() < give_up, "hallpassd does not stop:\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a daemon is gone that was killed.
    pub(crate) fn wait_for_its_end(&mut self) {
        self.child.take().expect("the daemon runs").wait().expect("the daemon is our child");
    }

    /// Has the daemon read its configuration again.
    pub(crate) fn reload(&self) {
        kill(self.raw_pid(), Signal::SIGHUP).expect("the daemon is ours to tell");
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the daemon runs")
    }

    /// The daemon's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").id()
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(self.pid().try_into().expect("a process id fits"))
    }

    /// The memory of the daemon that is resident, in bytes.
    pub(crate) fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most of the daemon's memory that was ever resident at once, in bytes.
    pub(crate) fn peak_rss(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("it has memory");
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB");
        kib * 1024
    }

    /// How many descriptors the daemon has open. It hides them from its own user; who is not root counts the ends of its sockets.
    pub(crate) fn descriptors(&self) -> usize {
        match fs::read_dir(format!("/proc/{}/fd", self.pid())) {
            Ok(open) => open.count(),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "the daemon runs");
                let sockets = fs::read_to_string("/proc/net/unix").expect("a list of sockets");
                let ours = text(&self.runtime_dir());
                sockets.lines().filter(|socket| socket.contains(&ours)).count()
            }
        }
    }

    /// A connection to the apps' socket.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.socket()).await.expect("the daemon answers")
    }

    /// What the user of the test is told on the apps' socket, who is none of them.
    pub(crate) async fn client_error(&self) -> String {
        Client::connect(self.socket()).await.expect_err("nobody is served who is no app").to_string()
    }

    /// A connection to the administrator's socket.
    pub(crate) async fn admin(&self) -> AdminClient {
        AdminClient::connect(self.admin_socket()).await.expect("the daemon answers")
    }

    /// The apps' socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime_dir().join("hallpass.sock")
    }

    /// The administrator's socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.runtime_dir().join("admin.sock")
    }

    /// The directory around everything of this daemon's.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where its database lies.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Where its sockets lie.
    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// What it has printed to standard output, over all its starts.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.dir.path().join("stdout")).unwrap_or_default()
    }

    /// The end of what it has written to its log, over all its starts.
    pub(crate) fn log(&self) -> String {
        tail(&self.dir.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // One that has ended by itself cannot be killed and need not be.
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the end of the daemon's log:\n{}", self.log());
        }
    }
}

/// The user that the tests run as.
pub(crate) fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// Takes everything out of a command's environment that would tell a daemon or a client where things lie.
pub(crate) fn clear_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if ["XDG_", "HALLPASS_"].iter().any(|prefix| known.starts_with(prefix))
            || ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"].contains(&&*known)
        {
            command.env_remove(&name);
        }
    }
    // More than this is in the way of the tests; `HALLPASS_TEST_LOG=debug` gives it where it is wanted.
    let level = std::env::var_os("HALLPASS_TEST_LOG").unwrap_or_else(|| "info".into());
    command.env("HALLPASS_LOG", level);
}

/// The control command with nothing in its environment but where temporary files go.
pub(crate) fn bare_hallpass(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(arguments).env_clear().env("TMPDIR", temporary);
    command
}

/// What a command prints that must succeed.
pub(crate) fn printed_by(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Adds a user with a password and roles.
pub(crate) async fn add_user(admin: &AdminClient, name: &str, password: &str, roles: &[&str]) -> UserInfo {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    let password = Some(Password::new(password.to_owned()));
    admin.user_add(AddUser { name: name.to_owned(), password, roles }).await.expect("the user is added")
}

/// A plain request to log in.
pub(crate) fn login(name: &str, password: &str, kind: SessionKind) -> Login {
    let password = Password::new(password.to_owned());
    let context = Context::default();
    Login { name: name.to_owned(), password, kind, audience: None, device_token: None, context }
}

/// A plain request to exchange a refresh token.
pub(crate) fn refresh(token: &Token) -> Refresh {
    Refresh { token: token.clone(), attempt: None, audience: None, context: Context::default() }
}

/// The tokens of a session of kind token, as a grant gave them.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// Whose session it is.
    pub(crate) user: UserId,
    /// The session.
    pub(crate) session: SessionId,
    /// The access token.
    pub(crate) access: Token,
    /// The refresh token.
    pub(crate) refresh: Token,
    /// Which refresh token of the session it is.
    pub(crate) generation: u32,
}

impl From<Grant> for Tokens {
    fn from(grant: Grant) -> Self {
        match grant.tokens {
            GrantedTokens::Token { access_token, refresh_token, generation, .. } => Self {
                user: grant.user_id,
                session: grant.session_id,
                access: access_token,
                refresh: refresh_token,
                generation,
            },
            GrantedTokens::Cookie { .. } => unreachable!("a cookie was granted where tokens were asked for"),
        }
    }
}

/// Logs in and gives the tokens.
pub(crate) async fn tokens(client: &Client, name: &str, password: &str) -> Result<Tokens, Error> {
    client.login(login(name, password, SessionKind::Token)).await.map(Tokens::from)
}

/// Logs in and gives the session token of a cookie, and its session.
pub(crate) async fn cookie(client: &Client, name: &str, password: &str) -> Result<(Token, SessionId), Error> {
    let grant = client.login(login(name, password, SessionKind::Cookie)).await?;
    match grant.tokens {
        GrantedTokens::Cookie { session_token } => Ok((session_token, grant.session_id)),
        GrantedTokens::Token { .. } => unreachable!("tokens were granted where a cookie was asked for"),
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("temporary directories have plain names").to_owned()
}

/// The last 8 KiB of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(8 * 1024);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
