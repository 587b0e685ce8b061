//! A daemon for the tests of an app: the real one, in this process, with a database of its own in a temporary directory and a clock that the test moves.
//!
//! So a test of expiry, of an idle session, of a step-up that has run out, takes no longer than any other. Nothing is simulated but the passing of time.
//!
//! ```
//! use std::time::Duration;
//! use hallpass_client::{Client, Context, ErrorClass, GrantedTokens, Login, Needs, Password, SessionKind};
//! use hallpassd::testing::TestDaemon;
//!
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let daemon = TestDaemon::start()?;
//! daemon.add_user("alice", "correct horse battery staple", &["editor"])?;
//!
//! let client = Client::connect(daemon.socket()).await?;
//! let login = Login {
//!     name: "alice".into(),
//!     password: Password::new("correct horse battery staple".into()),
//!     kind: SessionKind::Cookie,
//!     audience: None,
//!     device_token: None,
//!     context: Context::default(),
//! };
//! let GrantedTokens::Cookie { session_token } = client.login(login).await?.tokens else { unreachable!() };
//! assert!(client.verify(session_token.clone(), Needs::default()).await?.roles.contains(&"editor".into()));
//!
//! daemon.advance(Duration::from_hours(8 * 24));
//! let refused = client.verify(session_token, Needs::default()).await.unwrap_err();
//! assert_eq!(refused.class(), ErrorClass::Login);
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test()).unwrap();
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hallpass_client::admin::{AddUser, AdminClient, RevokeTarget};
use hallpass_protocol::paths::{ADMIN_SOCKET, AUTH_SOCKET};
use hallpass_protocol::secret::Password;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::clock::{SystemTime, TimeSource};
use crate::config::Config;
use crate::daemon::{Daemon, Parts};
use crate::entropy::SystemRandom;
use crate::passed::Passed;

/// Why a test has no daemon, or the daemon would not do what the test asked.
#[derive(Debug, thiserror::Error)]
#[error("the test daemon: {0}")]
pub struct TestDaemonError(String);

impl TestDaemonError {
    fn of(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// A daemon for tests. It stops, and its directory goes, when this is dropped.
#[derive(Debug)]
pub struct TestDaemon {
    dir: TempDir,
    config: String,
    time: Arc<MovedTime>,
    running: Option<Running>,
}

/// The thread that the daemon runs on.
#[derive(Debug)]
struct Running {
    orders: UnboundedSender<Order>,
    thread: JoinHandle<()>,
}

/// What a test asks of that thread.
#[derive(Debug)]
enum Order {
    /// Has the board tell the time that it is now.
    TellTime(Sender<()>),
}

/// The system's time, moved ahead.
#[derive(Debug, Default)]
struct MovedTime {
    micros: AtomicU64,
}

impl TimeSource for MovedTime {
    fn wall_micros(&self) -> u64 {
        SystemTime.wall_micros() + self.micros.load(Ordering::SeqCst)
    }

    fn steady_micros(&self) -> u64 {
        SystemTime.steady_micros() + self.micros.load(Ordering::SeqCst)
    }
}

impl TestDaemon {
    /// Starts one that serves the user who runs the test: as the app `local`, with every right, and as administrator.
    ///
    /// # Errors
    /// The daemon does not start, and says why.
    pub fn start() -> Result<Self, TestDaemonError> {
        Self::with_config("")
    }

    /// Starts one with this configuration, in the form of `hallpass.toml`. Where it names no app and no administrator, the user who runs the test is both.
    ///
    /// # Errors
    /// The configuration cannot be used, or the daemon does not start, and says why.
    pub fn with_config(config: &str) -> Result<Self, TestDaemonError> {
        let dir = TempDir::new().map_err(TestDaemonError::of)?;
        let mut daemon = Self { dir, config: config.to_owned(), time: Arc::default(), running: None };
        daemon.run()?;
        Ok(daemon)
    }

    /// The socket for apps.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir().join(AUTH_SOCKET)
    }

    /// The socket for administrators.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.runtime_dir().join(ADMIN_SOCKET)
    }

    /// Lets so much time pass at once. When this returns, the daemon and every verifier that goes by its board judge by the time that it is then.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.time.micros.fetch_add(by, Ordering::SeqCst);
        let (told, telling) = channel();
        if let Some(running) = &self.running
            && running.orders.send(Order::TellTime(told)).is_ok()
        {
            // A daemon that has ended tells nobody the time.
            let _ = telling.recv();
        }
    }

    /// Stops the daemon and starts it again on the same database. Sessions live on, as they do in production.
    ///
    /// # Errors
    /// It does not start again, and says why.
    pub fn restart(&mut self) -> Result<(), TestDaemonError> {
        self.stop();
        self.run()
    }

    /// Stops the daemon: for tests of what an app does without it. [`TestDaemon::restart`] starts it again.
    pub fn stop(&mut self) {
        if let Some(Running { orders, thread }) = self.running.take() {
            drop(orders);
            // A panic of the daemon has been printed already.
            let _ = thread.join();
        }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// What the daemon says of it: the name is taken, or the password is shorter than 15 characters.
    pub fn add_user(&self, name: &str, password: &str, roles: &[&str]) -> Result<(), TestDaemonError> {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        let user =
            AddUser { name: name.to_owned(), password: Some(Password::new(password.to_owned())), roles };
        self.administer(async |admin| admin.user_add(user).await.map(drop))
    }

    /// Gives a user these roles instead of those they have.
    ///
    /// # Errors
    /// What the daemon says of it.
    pub fn set_roles(&self, name: &str, roles: &[&str]) -> Result<(), TestDaemonError> {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        self.administer(async |admin| admin.user_set_roles(name, roles).await.map(drop))
    }

    /// Ends all sessions of a user, as `hallpass revoke --user` does.
    ///
    /// # Errors
    /// What the daemon says of it.
    pub fn revoke_user(&self, name: &str) -> Result<(), TestDaemonError> {
        self.administer(async |admin| admin.revoke(RevokeTarget::User(name.to_owned())).await.map(drop))
    }

    /// Does what the administrator's client can. It runs on a thread of its own, so that a test with a runtime may call it as well.
    fn administer<F>(&self, what: F) -> Result<(), TestDaemonError>
    where
        F: AsyncFnOnce(AdminClient) -> Result<(), hallpass_client::Error> + Send,
    {
        let socket = self.admin_socket();
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                runtime()?.block_on(async {
                    let admin = AdminClient::connect(socket).await.map_err(TestDaemonError::of)?;
                    what(admin).await.map_err(TestDaemonError::of)
                })
            });
            done.join().unwrap_or_else(|_| Err(TestDaemonError::of("a call to it panicked")))
        })
    }

    fn runtime_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn run(&mut self) -> Result<(), TestDaemonError> {
        let parts = self.parts()?;
        let (orders, mut ordered) = unbounded_channel();
        let (started, starting) = channel();
        let thread = std::thread::spawn(move || {
            let served = runtime().and_then(|runtime| {
                runtime.block_on(async {
                    let mut daemon =
                        Daemon::start(parts, Passed::default()).await.map_err(TestDaemonError::of)?;
                    let _ = started.send(Ok(()));
                    loop {
                        tokio::select! {
                            () = daemon.failed() => break,
                            order = ordered.recv() => match order {
                                Some(Order::TellTime(told)) => {
                                    daemon.tell_time();
                                    let _ = told.send(());
                                }
                                None => break,
                            },
                        }
                    }
                    daemon.stop().await.map_err(TestDaemonError::of)
                })
            });
            if let Err(error) = served {
                let _ = started.send(Err(error));
            }
        });
        let ended = || Err(TestDaemonError::of("it ended before it served"));
        starting.recv().unwrap_or_else(|_| ended())?;
        self.running = Some(Running { orders, thread });
        Ok(())
    }

    fn parts(&self) -> Result<Parts, TestDaemonError> {
        let config = Config::for_tests(&self.config).map_err(TestDaemonError::of)?;
        Ok(Parts {
            config,
            state_dir: self.dir.path().join("state"),
            runtime_dir: self.runtime_dir(),
            master_key: None,
            auth_mode: 0o660,
            time: Arc::clone(&self.time) as Arc<dyn TimeSource>,
            random: Arc::new(SystemRandom),
        })
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn runtime() -> Result<Runtime, TestDaemonError> {
    Builder::new_current_thread().enable_all().build().map_err(TestDaemonError::of)
}
