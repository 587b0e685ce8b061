//! What a check costs inside the app's own process: by the verifier, beside the least that any such check could cost and a round trip to Redis.

mod first;
mod floor;
mod latency;
mod requests;

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_client::{Bearer, Error, Needs, SessionKind, UserId, Verifier};

use crate::daemon::{Daemon, PER_USER, Session};
use crate::peer::{Connection, Peer, REDIS};
use crate::place::{Place, cores};
use crate::report::{Measured, OURS, Row, Unit};
use crate::{Outcome, place, rounds};
use floor::Floor;
use requests::{a_second, nanos_each, shuffled};

/// How many tokens an app holds.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Looks in one round: some tens of milliseconds.
const LOOKS: usize = 1_000_000;
/// Tokens that are asked about at once while the verifier sees them for the first time.
const AT_ONCE: usize = 100;
/// What the floor is called in the results.
pub const FLOOR: &str = "floor";

/// How much is measured.
pub struct Extent<'a> {
    pub rounds: usize,
    pub length: Duration,
    pub only: &'a str,
    /// The most tokens.
    pub tokens: usize,
}

impl Extent<'_> {
    fn wants(&self, name: &str) -> bool {
        name.contains(self.only)
    }
}

/// Measures what of it holds the wanted word in its name.
pub async fn measure(dir: &Path, peers: &[Peer], extent: &Extent<'_>) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let wanted = |row: &Wanted| extent.wants(&row.name()) || extent.wants(&row.name_of_two());
    let all: Vec<_> = Wanted::all().filter(|row| row.size <= extent.tokens && wanted(row)).collect();
    let (first, latency) = (extent.wants(first::NAME), extent.wants(latency::NAME));
    if all.is_empty() && !first && !latency {
        return Ok(rows);
    }
    // So long that no token ends while it is measured.
    let daemon = Daemon::start("inprocess", dir, "[lifetimes]\naccess = \"1h\"").await?;
    let redis = match peers.iter().find(|peer| peer.name == REDIS) {
        Some(redis) => Some(redis.connect().await?),
        None => None,
    };
    let mut servers: Vec<u32> = peers.iter().map(Peer::id).collect();
    servers.push(daemon.id());
    let two_cores = cores()?.len() > 1;
    for wanted in all {
        let sessions = daemon.open(wanted.kind, wanted.size, PER_USER).await?;
        let held = Held::of(&daemon, sessions).await?;
        if two_cores { Place::Apart } else { Place::Together }.take(&servers)?;
        if extent.wants(&wanted.name()) {
            rows.push(held.on_one_core(&wanted, extent, redis.clone()).await?);
        }
        place::everywhere()?;
        if wanted.size == SIZES[0] && two_cores && extent.wants(&wanted.name_of_two()) {
            rows.push(held.on_two_cores(&wanted, extent)?);
        }
    }
    if first {
        rows.push(first::measure(&daemon, extent).await?);
    }
    if latency && two_cores {
        rows.push(latency::measure(&daemon, extent).await?);
    }
    Ok(rows)
}

/// A kind of token, and among how many.
struct Wanted {
    kind: SessionKind,
    size: usize,
}

impl Wanted {
    fn all() -> impl Iterator<Item = Self> {
        let kinds = [SessionKind::Cookie, SessionKind::Token];
        kinds.into_iter().flat_map(|kind| SIZES.map(|size| Self { kind, size }))
    }

    fn token(&self) -> &'static str {
        match self.kind {
            SessionKind::Cookie => "session token",
            SessionKind::Token => "access token",
        }
    }

    fn name(&self) -> String {
        format!("in process, {}, one of {}", self.token(), self.size)
    }

    fn name_of_two(&self) -> String {
        format!("in process, two threads, {}", self.token())
    }
}

/// Tokens that a verifier and a floor both hold.
struct Held {
    sessions: Vec<Session>,
    verifier: Verifier,
    needs: Needs,
    floor: Floor,
}

impl Held {
    async fn of(daemon: &Daemon, sessions: Vec<Session>) -> Outcome<Self> {
        let room = sessions.len().max(1 << 15);
        let verifier = Verifier::builder().entries(room).bytes(room << 12).connect(daemon.socket())?;
        let needs = Needs::default();
        let see = |session: &Session| {
            let (verifier, needs, token) = (verifier.clone(), needs.clone(), session.token.clone());
            async move { verifier.verify_async(&token, &needs, None).await.map(drop) }
        };
        let seen = stream::iter(sessions.iter().map(see)).buffer_unordered(AT_ONCE);
        seen.try_for_each(|()| async { Ok(()) }).await?;
        let floor = Floor::of(sessions.iter().map(|session| session.token.as_str()));
        Ok(Self { sessions, verifier, needs, floor })
    }

    /// A check as an app makes it: is the token good, and whose is it?
    fn check(&self, token: &str) -> UserId {
        let seen: Result<UserId, Error> =
            self.verifier.verify_with(token, &self.needs, None, Bearer::user_id);
        // One that is refused would make all of them look faster than they are.
        seen.expect("the token is good")
    }

    fn tokens(&self) -> Vec<&str> {
        self.sessions.iter().map(|session| session.token.as_str()).collect()
    }

    async fn on_one_core(
        &self,
        wanted: &Wanted,
        extent: &Extent<'_>,
        mut redis: Option<Connection>,
    ) -> Outcome<Row> {
        let (tokens, order) = (self.tokens(), shuffled(wanted.size, 1));
        let mut row = Row::of(wanted.name(), Unit::Nanos, &[OURS, FLOOR]);
        row.measured.extend(redis.as_ref().map(|_| Measured::of(REDIS)));
        for round in 0..=extent.rounds {
            let mut samples = vec![
                nanos_each(&tokens, &order, LOOKS, |token| self.check(token)),
                nanos_each(&tokens, &order, LOOKS, |token| self.floor.look(token)),
            ];
            if let Some(redis) = &mut redis {
                samples.push(rounds::round_trip(redis, extent.length).await? * 1e3);
            }
            // The first round is for warming up.
            if round > 0 {
                row.add(samples);
            }
        }
        println!("{}", row.line());
        Ok(row)
    }

    fn on_two_cores(&self, wanted: &Wanted, extent: &Extent<'_>) -> Outcome<Row> {
        let (tokens, cores) = (self.tokens(), cores()?);
        let (one, two) = (&cores[..1], &cores[..2]);
        let one_thread = format!("{OURS} on one thread");
        let names = [OURS, &one_thread, "floor", "floor on one thread"];
        let mut row = Row::of(wanted.name_of_two(), Unit::PerSecond, &names);
        for round in 0..=extent.rounds {
            let ours = |cores| a_second(&tokens, cores, LOOKS, |token| self.check(token));
            let floor = |cores| a_second(&tokens, cores, LOOKS, |token| self.floor.look(token));
            let samples = vec![ours(two), ours(one), floor(two), floor(one)];
            if round > 0 {
                row.add(samples);
            }
        }
        println!("{}", row.line());
        Ok(row)
    }
}
