//! A hallpassd of the bench's own, and sessions that are opened with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_client::admin::{AddUser, AdminClient};
use hallpass_client::{Client, Context, GrantedTokens, OpenSession, SessionId, SessionKind, UserRef};
use nix::unistd::geteuid;

use crate::server::Server;
use crate::{Outcome, repository};

/// Calls that are under way at once while sessions are opened.
const AT_ONCE: usize = 100;
/// What the bench may do as an app.
const RIGHTS: &str = "rights = [\"verify\", \"revoke\", \"vouch\"]\n";
/// Sessions of one user, where nothing else is wanted.
pub const PER_USER: usize = 50;

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

impl Daemon {
    /// Starts one with everything of its own in this directory, and with these settings.
    pub async fn start(dir: &Path, settings: &str) -> Outcome<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--quiet", "--bin", "hallpassd"]).current_dir(repository());
        if !build.status()?.success() {
            return Err("hallpassd does not build".into());
        }
        std::fs::create_dir_all(dir)?;
        let (uid, config) = (geteuid(), dir.join("hallpass.toml"));
        let who = format!("[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n{RIGHTS}");
        std::fs::write(&config, format!("{settings}\n{who}"))?;
        let (state, run) = (dir.join("state"), dir.join("run"));
        let mut command = Command::new(repository().join("target/release/hallpassd"));
        command.env("HALLPASS_LOG", "warn").arg("--config").arg(config);
        command.arg("--state-dir").arg(state).arg("--runtime-dir").arg(&run);
        let mut server = Server::start("hallpassd", &mut command, dir)?;
        let connect = || async { Client::connect(run.join("hallpass.sock")).await.ok() };
        let client = server.until(connect).await?;
        let admin = AdminClient::connect(run.join("admin.sock")).await?;
        Ok(Self { server, run, groups: AtomicUsize::new(0), client, admin })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// The apps' socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join("hallpass.sock")
    }

    /// Its board.
    pub fn board(&self) -> PathBuf {
        self.run.join("board")
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
