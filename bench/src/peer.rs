//! The three that are compared: each started, given the same number of sessions, and asked for one or sixteen of them.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::future::try_join_all;
use hallpass_client::{Client, Needs, SessionKind, Token, Verify};
use nix::unistd::{Uid, User};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::Outcome;
use crate::daemon::{Daemon, PER_USER};
use crate::report::OURS;
use crate::server::{Server, find};

/// Sessions that each peer holds.
pub const SESSIONS: usize = 1000;
/// What Redis is called in the results.
pub const REDIS: &str = "Redis";
/// What is asked for at once where a batch is measured.
pub const BATCH: usize = 16;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Debian keeps PostgreSQL's programs, by version.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// One of the three, running.
pub struct Peer {
    /// What it is called in the results.
    pub name: &'static str,
    id: u32,
    kind: Kind,
}

enum Kind {
    Hallpass { daemon: Box<Daemon>, tokens: Vec<String> },
    Redis { _server: Server, url: String },
    Postgres { _server: Server, dir: String },
}

/// A connection to one of the three. Clones share it.
#[derive(Clone)]
pub enum Connection {
    Hallpass(Client, std::sync::Arc<[String]>),
    Redis(MultiplexedConnection),
    Postgres(std::sync::Arc<(tokio_postgres::Client, tokio_postgres::Statement)>),
}

/// Starts those that are wanted and installed, and says which package is missing for the others.
pub async fn start_all(dir: &Path, wanted: &str) -> Outcome<Vec<Peer>> {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    let mut peers = Vec::new();
    for name in wanted.split(',') {
        match name {
            "hallpass" => peers.push(hallpass(dir).await?),
            "redis" => match find("redis-server", "/nowhere") {
                Some(program) => peers.push(redis(&program, dir).await?),
                None => println!("Redis is left out: its package redis-server is not installed."),
            },
            "postgresql" => match find("postgres", DEBIAN_POSTGRES).zip(find("initdb", DEBIAN_POSTGRES)) {
                Some((program, initdb)) => peers.push(postgres(&program, &initdb, dir).await?),
                None => println!("PostgreSQL is left out: its package postgresql is not installed."),
            },
            name => return Err(format!("{name:?} is none of hallpass, redis and postgresql").into()),
        }
    }
    Ok(peers)
}

async fn hallpass(dir: &Path) -> Outcome<Peer> {
    let daemon = Daemon::start("hallpass", dir, "").await?;
    let sessions = daemon.open(SessionKind::Cookie, SESSIONS, PER_USER).await?;
    let tokens = sessions.into_iter().map(|session| session.token).collect();
    Ok(Peer { name: OURS, id: daemon.id(), kind: Kind::Hallpass { daemon: Box::new(daemon), tokens } })
}

async fn redis(program: &Path, dir: &Path) -> Outcome<Peer> {
    let socket = dir.join("redis.sock");
    let mut command = Command::new(program);
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
    command.arg("--dir").arg(dir);
    let mut server = Server::start("redis-server", &mut command, dir)?;
    let url = format!("redis+unix://{}", socket.display());
    let client = redis::Client::open(url.as_str())?;
    let connect = || async { client.get_multiplexed_async_connection().await.ok() };
    let mut connection = server.until(connect).await?;
    for number in 0..SESSIONS {
        redis::cmd("SET").arg(key(number)).arg(record(number)).exec_async(&mut connection).await?;
    }
    Ok(Peer { name: REDIS, id: server.id(), kind: Kind::Redis { _server: server, url } })
}

async fn postgres(program: &Path, initdb: &Path, dir: &Path) -> Outcome<Peer> {
    let home = dir.join("postgres");
    std::fs::create_dir(&home)?;
    let (mut make, mut command) = (Command::new(initdb), Command::new(program));
    if Uid::effective().is_root() {
        // PostgreSQL refuses to run as root.
        let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.ok_or("PostgreSQL does not run as root, and there is no user postgres or nobody")?;
        chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        for command in [&mut make, &mut command] {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }
    let data = home.join("data");
    make.args(["--no-sync", "--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale", "-D"]);
    let made = make.arg(&data).current_dir(&home).output()?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c"]).current_dir(&home);
    command.arg(format!("unix_socket_directories={}", home.display()));
    let mut server = Server::start("postgres", &mut command, dir)?;
    let dir = home.to_string_lossy().into_owned();
    let client = server.until(|| async { connect_postgres(&dir).await.ok() }).await?;
    client.batch_execute("CREATE TABLE sessions (id text PRIMARY KEY, record bytea NOT NULL)").await?;
    for number in 0..SESSIONS {
        client.execute("INSERT INTO sessions VALUES ($1, $2)", &[&key(number), &record(number)]).await?;
    }
    client.batch_execute("VACUUM ANALYZE sessions").await?;
    Ok(Peer { name: "PostgreSQL", id: server.id(), kind: Kind::Postgres { _server: server, dir } })
}

async fn connect_postgres(dir: &str) -> Outcome<tokio_postgres::Client> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(dir).user("bench").dbname("postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn key(number: usize) -> String {
    format!("session:{number:0>26}")
}

/// What an app would keep of a session, about as long as what Hallpass answers.
fn record(number: usize) -> Vec<u8> {
    let user = number / PER_USER;
    format!(
        r#"{{"user_id":"01M7XW9SG2TC7K89{user:0>10}","name":"user-{user}","roles":["editor","billing"],"session_id":"01M7XW9SG2TC7K89{number:0>10}","app":"shop","auth_time":1795224000000,"expires_at":1795828800000}}"#
    )
    .into_bytes()
}

impl Peer {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Another connection to it.
    pub async fn connect(&self) -> Outcome<Connection> {
        Ok(match &self.kind {
            Kind::Hallpass { daemon, tokens } => {
                Connection::Hallpass(Client::connect(daemon.socket()).await?, tokens.clone().into())
            }
            Kind::Redis { url, .. } => {
                let client = redis::Client::open(url.as_str())?;
                // As patient as the others are, so that a busy machine slows a run down rather than ends it.
                let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
                Connection::Redis(client.get_multiplexed_async_connection_with_config(&patient).await?)
            }
            Kind::Postgres { dir, .. } => {
                let client = connect_postgres(dir).await?;
                let select = client.prepare("SELECT record FROM sessions WHERE id = $1").await?;
                Connection::Postgres(std::sync::Arc::new((client, select)))
            }
        })
    }
}

impl Connection {
    /// Asks for one session.
    pub async fn ask(&mut self, number: usize) -> Outcome<()> {
        match self {
            Self::Hallpass(client, tokens) => {
                client.verify(Token::new(tokens[number].clone()), Needs::default()).await?;
            }
            Self::Redis(connection) => {
                let found: Option<Vec<u8>> =
                    redis::cmd("GET").arg(key(number)).query_async(connection).await?;
                found.ok_or("Redis has lost a session")?;
            }
            Self::Postgres(connection) => {
                let (client, select) = connection.as_ref();
                client.query_one(select, &[&key(number)]).await?;
            }
        }
        Ok(())
    }

    /// Asks for a batch of sessions, as each peer's client does that best.
    pub async fn ask_batch(&mut self, first: usize) -> Outcome<()> {
        let numbers = (first..first + BATCH).map(|number| number % SESSIONS);
        match self {
            Self::Hallpass(client, tokens) => {
                let request = |number: usize| Verify {
                    token: Token::new(tokens[number].clone()),
                    needs: Needs::default(),
                    context: None,
                };
                for outcome in client.verify_many(numbers.map(request).collect()).await? {
                    outcome?;
                }
            }
            Self::Redis(connection) => {
                let mut pipeline = redis::pipe();
                for number in numbers {
                    pipeline.cmd("GET").arg(key(number));
                }
                let found: Vec<Vec<u8>> = pipeline.query_async(connection).await?;
                if found.len() != BATCH {
                    return Err("Redis has lost a session".into());
                }
            }
            Self::Postgres(connection) => {
                let (client, select) = connection.as_ref();
                try_join_all(
                    numbers.map(
                        |number| async move { client.query_one(select, &[&key(number)]).await.map(drop) },
                    ),
                )
                .await?;
            }
        }
        Ok(())
    }
}
