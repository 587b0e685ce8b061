//! A hallpassd of the bench's own: the one that is shipped, or the one that leaves out or moves what a measurement wants so. And sessions that are
//! opened with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_client::admin::{AddUser, AdminClient};
use hallpass_client::{Client, Context, GrantedTokens, OpenSession, SessionId, SessionKind, UserRef};
use nix::unistd::geteuid;

use crate::server::Server;
use crate::{Outcome, repository};

/// Longest wait for an answer: more than any that is measured takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Calls that are under way at once while sessions are opened.
const AT_ONCE: usize = 100;
/// What the bench may do as an app.
const RIGHTS: &str = r#"["login", "verify", "refresh", "revoke", "list", "vouch"]"#;
/// Sessions of one user, where nothing else is wanted.
pub const PER_USER: usize = 50;
/// A setting: the same sessions are exchanged as fast as that goes.
pub const EXCHANGED_AT_WILL: &str = "[refresh]\nper_minute = 0";

/// How a daemon is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Twist {
    /// Whether access tokens go without their signature.
    pub unsigned: bool,
    /// How far its clock is ahead.
    pub ahead: Duration,
}

/// A daemon, running.
pub struct Daemon {
    server: Server,
    run: PathBuf,
    /// How often users were added.
    groups: AtomicUsize,
    /// A connection to it.
    pub client: Client,
    /// A connection to its administrator's socket.
    pub admin: AdminClient,
}

/// A session that was opened.
pub struct Session {
    /// What it is verified with: its session token, or its first access token.
    pub token: String,
    /// What it is called.
    pub id: SessionId,
    /// The name of its user.
    pub user: String,
}

/// Where a daemon is that was built before, in this run: a start that is measured must not wait for cargo.
static SHIPPED: OnceLock<PathBuf> = OnceLock::new();
static TWISTED: OnceLock<PathBuf> = OnceLock::new();

/// The daemon that does this.
fn program(twist: Twist) -> Outcome<&'static Path> {
    let (known, name, features): (_, _, &[&str]) = match twist == Twist::default() {
        true => (&SHIPPED, "hallpassd", &[]),
        false => (&TWISTED, "measured-hallpassd", &["--features", "hallpassd/bench"]),
    };
    match known.get() {
        Some(path) => Ok(path),
        None => built(name, features).map(|path| known.get_or_init(|| path).as_path()),
    }
}

/// Builds a daemon, and says where it is.
fn built(program: &str, features: &[&str]) -> Outcome<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--bin", program]).args(features).current_dir(repository());
    if !build.status()?.success() {
        return Err(format!("{program} does not build").into());
    }
    Ok(repository().join("target/release").join(program))
}

impl Daemon {
    /// Starts one with its state, its sockets and its log below this directory.
    pub async fn start(name: &'static str, dir: &Path, settings: &str) -> Outcome<Self> {
        Self::start_on(&dir.join(name).join("state"), name, dir, settings, Twist::default()).await
    }

    /// Starts one on this state directory, with everything else below `dir`.
    pub async fn start_on(
        state: &Path,
        name: &'static str,
        dir: &Path,
        settings: &str,
        twist: Twist,
    ) -> Outcome<Self> {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let (uid, config, run) = (geteuid(), dir.join("hallpass.toml"), dir.join("run"));
        let who =
            format!("[admin]\nuids = [{uid}]\n[[app]]\nname = \"shop\"\nuids = [{uid}]\nrights = {RIGHTS}\n");
        std::fs::write(&config, format!("{settings}\n{who}"))?;
        let mut command = Command::new(program(twist)?);
        command.env("HALLPASS_LOG", "warn").arg("--config").arg(config).arg("--state-dir").arg(state);
        command.env("MEASURED_UNSIGNED", if twist.unsigned { "1" } else { "0" });
        command.env("MEASURED_AHEAD", twist.ahead.as_secs().to_string());
        command.arg("--runtime-dir").arg(&run);
        let mut server = Server::start(name, &mut command, &dir)?;
        let client = server.until(|| async { connected(&run).await.ok() }).await?;
        let admin = AdminClient::connect(run.join("admin.sock")).await?;
        Ok(Self { server, run, groups: AtomicUsize::new(0), client, admin })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// The apps' socket.
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.run)
    }

    /// Its board.
    pub fn board(&self) -> PathBuf {
        self.run.join("board")
    }

    /// One more connection to it.
    pub async fn connect(&self) -> Outcome<Client> {
        connected(&self.run).await
    }

    /// The control command, to be told what to do.
    pub fn control(&self, words: &[&str]) -> Outcome<Command> {
        let mut command = Command::new(built("hallpass", &[])?);
        command.arg("--socket").arg(self.socket()).args(words);
        Ok(command)
    }

    /// Ends it in order.
    pub fn stop(self) {
        drop(self);
    }

    /// Ends it as a crash would.
    pub fn kill(self) {
        self.server.kill();
    }

    /// Opens sessions of this kind for users of their own, so many each.
    pub async fn open(&self, kind: SessionKind, count: usize, per_user: usize) -> Outcome<Vec<Session>> {
        let group = self.groups.fetch_add(1, Ordering::Relaxed);
        let name = |number: usize| format!("user-{group}-{number}");
        let roles = ["editor".to_owned(), "billing".to_owned()];
        let add = |number| {
            self.admin.user_add(AddUser { name: name(number), password: None, roles: roles.to_vec() })
        };
        let users = stream::iter(0..count.div_ceil(per_user)).map(add).buffer_unordered(AT_ONCE);
        users.try_for_each(|_| async { Ok(()) }).await?;
        let open = |number| self.open_one(kind, name(number / per_user));
        stream::iter(0..count).map(open).buffered(AT_ONCE).try_collect().await
    }

    async fn open_one(&self, kind: SessionKind, user: String) -> Outcome<Session> {
        let open = OpenSession {
            user: UserRef::Name(user.clone()),
            kind,
            audience: None,
            amr: vec!["pwd".to_owned()],
            context: Context::default(),
        };
        let grant = self.client.open_session(open).await?;
        let token = match grant.tokens {
            GrantedTokens::Cookie { session_token } => session_token,
            GrantedTokens::Token { access_token, .. } => access_token,
        };
        Ok(Session { token: token.expose().to_owned(), id: grant.session_id, user })
    }
}

fn socket_in(run: &Path) -> PathBuf {
    run.join("hallpass.sock")
}

async fn connected(run: &Path) -> Outcome<Client> {
    Ok(Client::connect(socket_in(run)).await?.with_deadline(PATIENCE))
}
