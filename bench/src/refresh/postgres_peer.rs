//! PostgreSQL as a store of refresh families: one UPDATE ... RETURNING for each rotation, committed before it is answered.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nix::unistd::{Uid, User};
use tokio_postgres::{Client, Statement};

use crate::Outcome;
use crate::disk::Disk;
use crate::server::{Server, find};

/// Where Debian keeps PostgreSQL's programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Connections that it takes: one for each caller, for only commits of different connections share a sync.
const CONNECTIONS: usize = 300;

const SCHEMA: &str = "CREATE TABLE sessions (id bytea PRIMARY KEY, user_id bigint NOT NULL, app text NOT NULL, counter int NOT NULL, \
     opened timestamptz NOT NULL, rotated timestamptz NOT NULL, idle_deadline timestamptz NOT NULL, revoked timestamptz)";
const ROTATE: &str = "UPDATE sessions SET counter = counter + 1, rotated = now(), idle_deadline = now() + interval '7 days' \
     WHERE id = $1 AND counter = $2 AND revoked IS NULL AND idle_deadline > now() RETURNING user_id, counter";

/// PostgreSQL, running.
pub struct Postgres {
    _server: Server,
    home: String,
}

/// Whether it is installed: the server, and what makes a database for it.
pub fn programs() -> Option<(PathBuf, PathBuf)> {
    find("postgres", DEBIAN).zip(find("initdb", DEBIAN))
}

/// Who PostgreSQL runs as: it refuses to run as root.
fn user() -> Outcome<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
    Ok(Some(user.ok_or("PostgreSQL does not run as root, and there is no user postgres or nobody")?))
}

/// A command as that user.
fn command(program: &Path, dir: &Path) -> Outcome<Command> {
    let mut command = Command::new(program);
    command.current_dir(dir);
    if let Some(user) = user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Ok(command)
}

impl Postgres {
    /// Starts it on a copy of a database with so many sessions.
    pub async fn start(
        programs: &(PathBuf, PathBuf),
        disk: &Disk,
        count: usize,
        dir: &Path,
    ) -> Outcome<Self> {
        let (program, initdb) = programs;
        let name = format!("postgresql-{count}");
        let kept = disk.filled(&name, async |half: &Path| fill(program, initdb, half, count, dir).await);
        let copy = disk.copy(&kept.await?, &name)?;
        Self::open(program, &copy.join("data"), dir).await
    }

    async fn open(program: &Path, data: &Path, dir: &Path) -> Outcome<Self> {
        let home = dir.join("postgresql");
        std::fs::create_dir_all(&home)?;
        if let Some(user) = user()? {
            chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let mut command = command(program, &home)?;
        command.arg("-D").arg(data).args(["-c", "listen_addresses=", "-c"]);
        command.arg(format!("max_connections={CONNECTIONS}")).arg("-c");
        command.arg(format!("unix_socket_directories={}", home.display()));
        let mut server = Server::start("postgres", &mut command, dir)?;
        let home = home.to_string_lossy().into_owned();
        server.until(|| async { connect(&home).await.ok() }).await?;
        Ok(Self { _server: server, home })
    }

    /// Another connection.
    pub async fn connect(&self) -> Outcome<Connection> {
        let client = connect(&self.home).await?;
        let rotate = client.prepare(ROTATE).await?;
        Ok(Connection(Arc::new((client, rotate))))
    }
}

async fn fill(program: &Path, initdb: &Path, half: &Path, count: usize, dir: &Path) -> Outcome<()> {
    if let Some(user) = user()? {
        chown(half, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let data = half.join("data");
    let mut make = command(initdb, half)?;
    make.args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale", "-D"]).arg(&data);
    let made = make.output()?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let postgres = Postgres::open(program, &data, dir).await?;
    let client = connect(&postgres.home).await?;
    client.batch_execute(SCHEMA).await?;
    let fill = format!(
        "INSERT INTO sessions SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), n / 10, 'shop', 1, now(), now(), now() + interval '7 days', NULL \
         FROM generate_series(0, {count} - 1) AS n"
    );
    client.batch_execute(&fill).await?;
    client.batch_execute("VACUUM ANALYZE sessions").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}

async fn connect(home: &str) -> Outcome<Client> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(home).user("bench").dbname("postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Connection(Arc<(Client, Statement)>);

impl Connection {
    /// Exchanges the token of a session that has had so many.
    pub async fn rotate(&self, number: usize, counter: u32) -> Outcome<()> {
        let id = (number as u128).to_be_bytes().to_vec();
        let counter = i32::try_from(counter)?;
        let rotated = self.0.0.query_opt(&self.0.1, &[&id, &counter]).await?;
        rotated.map(drop).ok_or_else(|| "PostgreSQL has lost a rotation".into())
    }
}
