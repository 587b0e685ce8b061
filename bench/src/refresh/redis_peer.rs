//! Redis as a store of refresh families: what it acknowledges is on disk, and a script compares and rotates.

use std::path::{Path, PathBuf};
use std::process::Command;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::Outcome;
use crate::disk::Disk;
use crate::server::{Server, find};

/// Compares the counter that leads a session's record, puts the next one in its place and begins its time anew. One key is written, which is the least
/// that Redis can do for it.
const ROTATE: &str = "\
local record = redis.call('GET', KEYS[1])
if not record or record:sub(1, #ARGV[1]) ~= ARGV[1] then return false end
local next = ARGV[2] .. record:sub(#ARGV[1] + 1)
redis.call('SET', KEYS[1], next, 'PX', ARGV[3])
return next";
/// The longest that an idle session lives, in milliseconds.
const IDLE_MS: u64 = 7 * 24 * 3_600_000;
/// Records that are written at once where a database is filled.
const AT_ONCE: usize = 10_000;

/// Redis, running.
pub struct Redis {
    _server: Server,
    url: String,
    script: String,
}

/// Whether it is installed.
pub fn program() -> Option<PathBuf> {
    find("redis-server", "/nowhere")
}

impl Redis {
    /// Starts it on a copy of a database with so many sessions.
    pub async fn start(program: &Path, disk: &Disk, count: usize, dir: &Path) -> Outcome<Self> {
        let name = format!("redis-{count}");
        let fill = async |half: &Path| Self::open(program, half, dir, "no").await?.fill(count).await;
        let copy = disk.copy(&disk.filled(&name, fill).await?, &name)?;
        Self::open(program, &copy, dir, "always").await
    }

    async fn open(program: &Path, data: &Path, dir: &Path, fsync: &str) -> Outcome<Self> {
        let socket = dir.join("redis.sock");
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", fsync]);
        // To rewrite its log is work for another time, as it is for the others.
        command.args(["--auto-aof-rewrite-percentage", "0", "--unixsocket"]).arg(&socket);
        command.arg("--dir").arg(data);
        let mut server = Server::start("redis-server", &mut command, dir)?;
        let url = format!("redis+unix://{}", socket.display());
        let client = redis::Client::open(url.as_str())?;
        // Until it has read its log it refuses everything.
        let load = || async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("SCRIPT").arg("LOAD").arg(ROTATE).query_async(&mut connection).await.ok()
        };
        let script = server.until(load).await?;
        Ok(Self { _server: server, url, script })
    }

    async fn fill(&self, count: usize) -> Outcome<()> {
        let mut connection = self.connect().await?.connection;
        for first in (0..count).step_by(AT_ONCE) {
            let mut pipe = redis::pipe();
            for number in first..count.min(first + AT_ONCE) {
                pipe.cmd("SET").arg(key(number)).arg(record(number)).arg("PX").arg(IDLE_MS).ignore();
            }
            pipe.exec_async(&mut connection).await?;
        }
        Ok(())
    }

    /// Another connection.
    pub async fn connect(&self) -> Outcome<Connection> {
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(super::PATIENCE));
        let client = redis::Client::open(self.url.as_str())?;
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Connection { connection, script: self.script.clone() })
    }
}

/// A connection. Clones share it, and what they ask travels together.
#[derive(Clone)]
pub struct Connection {
    connection: MultiplexedConnection,
    script: String,
}

impl Connection {
    /// Exchanges the token of a session that has had so many.
    pub async fn rotate(&mut self, number: usize, counter: u32) -> Outcome<()> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(key(number));
        command.arg(counter_text(counter)).arg(counter_text(counter + 1)).arg(IDLE_MS);
        let rotated: Option<Vec<u8>> = command.query_async(&mut self.connection).await?;
        rotated.map(drop).ok_or_else(|| "Redis has lost a rotation".into())
    }
}

fn key(number: usize) -> String {
    format!("session:{number:0>26}")
}

/// A counter as it leads a record, always as long.
fn counter_text(counter: u32) -> String {
    format!("{counter:0>10}:")
}

/// What an app would keep of a session beside its counter.
fn record(number: usize) -> String {
    format!("{}01M7XW9SG2TC7K89{:0>10}:shop:pwd:1795224000000:1795828800000", counter_text(1), number / 10)
}
