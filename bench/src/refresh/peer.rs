//! Who exchanges refresh tokens, and the state of every family as its holders know it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_client::{Client, Context, GrantedTokens, Refresh, Token};

use super::postgres_peer::{self, Postgres};
use super::redis_peer::{self, Redis};
use crate::daemon::{Daemon, EXCHANGED_AT_WILL, Twist};
use crate::disk::Disk;
use crate::report::OURS;
use crate::{Outcome, sessions};

/// The daemon that makes all of a grant but the signature.
pub const UNSIGNED: &str = "without the signature";

/// One of those who are compared, running on a database of its own.
pub struct Peer {
    /// What it is called in the results.
    pub name: &'static str,
    kind: Kind,
    families: Families,
}

enum Kind {
    Hallpass(Daemon),
    Redis(Redis),
    Postgres(Postgres),
}

/// What shows that a token is the current one of its family.
enum Families {
    Tokens(Vec<Mutex<String>>),
    Counters(Vec<AtomicU32>),
}

/// A connection to one of them.
#[derive(Clone)]
pub enum Connection {
    Hallpass(Client),
    Redis(redis_peer::Connection),
    Postgres(postgres_peer::Connection),
}

/// Starts those that are wanted and installed on databases with so many sessions.
pub async fn start_all(disk: &Disk, dir: &Path, wanted: &str, count: usize) -> Outcome<Vec<Peer>> {
    let mut peers = Vec::new();
    let counters = || Families::Counters((0..count).map(|_| AtomicU32::new(1)).collect());
    for name in wanted.split(',') {
        match name {
            "hallpass" => peers.push(hallpass(disk, dir, count, OURS, false).await?),
            "unsigned" => peers.push(hallpass(disk, dir, count, UNSIGNED, true).await?),
            "redis" => match redis_peer::program() {
                Some(program) => {
                    let redis = Redis::start(&program, disk, count, dir).await?;
                    peers.push(Peer { name: "Redis", kind: Kind::Redis(redis), families: counters() });
                }
                None => println!("Redis is left out: its package redis-server is not installed."),
            },
            "postgresql" => match postgres_peer::programs() {
                Some(programs) => {
                    let postgres = Postgres::start(&programs, disk, count, dir).await?;
                    peers.push(Peer {
                        name: "PostgreSQL",
                        kind: Kind::Postgres(postgres),
                        families: counters(),
                    });
                }
                None => println!("PostgreSQL is left out: its package postgresql is not installed."),
            },
            name => {
                return Err(format!("{name:?} is none of hallpass, unsigned, redis and postgresql").into());
            }
        }
    }
    Ok(peers)
}

async fn hallpass(
    disk: &Disk,
    dir: &Path,
    count: usize,
    name: &'static str,
    unsigned: bool,
) -> Outcome<Peer> {
    let filled = sessions::filled(disk, count, dir).await?;
    let word = if unsigned { "unsigned" } else { "hallpassd" };
    let copy = disk.copy(&filled, &format!("{word}-{count}"))?;
    let twist = Twist { unsigned, ahead: Duration::ZERO };
    let daemon = Daemon::start_on(&sessions::state(&copy), word, dir, EXCHANGED_AT_WILL, twist).await?;
    let tokens = sessions::tokens(&filled)?.into_iter().map(Mutex::new).collect();
    Ok(Peer { name, kind: Kind::Hallpass(daemon), families: Families::Tokens(tokens) })
}

impl Peer {
    /// Connections for so many callers, each peer's as suit it best: callers share those that can carry many questions at once.
    pub async fn connections(&self, callers: usize) -> Outcome<Vec<Connection>> {
        let count = match &self.kind {
            Kind::Postgres(_) => callers,
            _ => callers.min(8),
        };
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(match &self.kind {
                Kind::Hallpass(daemon) => Connection::Hallpass(daemon.connect().await?),
                Kind::Redis(redis) => Connection::Redis(redis.connect().await?),
                Kind::Postgres(postgres) => Connection::Postgres(postgres.connect().await?),
            });
        }
        Ok(connections)
    }

    /// Exchanges the current token of a session for the next.
    pub async fn rotate(&self, connection: &mut Connection, number: usize) -> Outcome<()> {
        match (&self.families, connection) {
            (Families::Tokens(tokens), Connection::Hallpass(client)) => rotate(client, &tokens[number]).await,
            (Families::Counters(counters), Connection::Redis(redis)) => {
                redis.rotate(number, counters[number].fetch_add(1, Ordering::Relaxed)).await
            }
            (Families::Counters(counters), Connection::Postgres(postgres)) => {
                postgres.rotate(number, counters[number].fetch_add(1, Ordering::Relaxed)).await
            }
            _ => Err("a connection to another peer".into()),
        }
    }
}

async fn rotate(client: &Client, place: &Mutex<String>) -> Outcome<()> {
    let token = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let refresh =
        Refresh { token: Token::new(token), attempt: None, audience: None, context: Context::default() };
    let GrantedTokens::Token { refresh_token, .. } = client.refresh(refresh).await?.tokens else {
        return Err("a grant of another kind".into());
    };
    refresh_token.expose().clone_into(&mut place.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(())
}
