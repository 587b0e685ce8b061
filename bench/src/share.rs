//! `bench-peers --suite revocations`: how often an app has to ask while others are taken back, beside what is computed.
//!
//! The ten minutes of an access token's life are modelled in less: what counts for a token is how much is taken back between two of its checks, and that is as it would be. Every
//! revocation is a call of its own, which is committed and on the board before the next second's checks; only the waiting in between is left
//! out. Real time would make it ask a little less often: an answer is fetched anew once a minute, to tell of the session's use.

use std::path::Path;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hallpass_client::{Revoke, SessionKind, Verifier, Way};

use crate::Outcome;
use crate::daemon::{Daemon, PER_USER, Session};
use crate::report::{Row, Unit};

/// Revocations in a second.
const RATE: usize = 100;
/// Slots of the board, as they are by default.
const SLOTS: f64 = 65_536.0;
/// Half of an access token's life, in seconds.
const HALF: usize = 300;
/// Seconds between two checks of what is checked every minute.
const MINUTE: usize = 60;
/// Tokens of each age that are checked every second.
const EVERY_SECOND: usize = 200;
/// Tokens of each age that are checked every minute.
const EVERY_MINUTE: usize = 1_000;

/// Measures it, and gives the rows.
pub async fn measure(dir: &Path) -> Outcome<Vec<Row>> {
    let daemon = Daemon::start("share", dir, "[lifetimes]\naccess = \"1h\"").await?;
    let mut doomed = daemon.open(SessionKind::Cookie, 2 * HALF * RATE, PER_USER).await?.into_iter();
    let half_way = Watched::issue(&daemon).await?;
    for _ in 0..HALF {
        revoke(&daemon, doomed.by_ref().take(RATE)).await?;
    }
    let just_issued = Watched::issue(&daemon).await?;
    let mut ages = [Age::of("just issued", 0, just_issued), Age::of("half-way", HALF, half_way)];
    for age in &mut ages {
        age.see_first(&daemon)?;
    }
    for second in 1..=HALF {
        revoke(&daemon, doomed.by_ref().take(RATE)).await?;
        for age in &mut ages {
            age.check(second)?;
        }
    }
    let rows: Vec<Row> = ages.into_iter().flat_map(Age::into_rows).collect();
    rows.iter().for_each(|row| println!("{}", row.line()));
    Ok(rows)
}

/// One second's revocations.
async fn revoke(daemon: &Daemon, sessions: impl Iterator<Item = Session>) -> Outcome<()> {
    let calls = sessions.map(|session| daemon.client.revoke(Revoke::Session(session.id)));
    stream::iter(calls).buffer_unordered(RATE).try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

/// The share of checks that ask, in percent, where so many seconds of revocations lie between two of them.
fn computed(seconds: usize) -> f64 {
    100.0 * (1.0 - (-2.0 * (RATE * seconds) as f64 / SLOTS).exp())
}

/// Access tokens that are checked every second, and others that are every minute. Each has a user of its own, as most have.
struct Watched {
    every_second: Vec<Session>,
    every_minute: Vec<Session>,
}

impl Watched {
    async fn issue(daemon: &Daemon) -> Outcome<Self> {
        let mut every_second = daemon.open(SessionKind::Token, EVERY_SECOND + EVERY_MINUTE, 1).await?;
        let every_minute = every_second.split_off(EVERY_SECOND);
        Ok(Self { every_second, every_minute })
    }
}

/// Tokens of one age, and what an app that begins to check them sees.
struct Age {
    watched: Watched,
    verifier: Option<Verifier>,
    /// How old they are at their first check, in seconds.
    seconds: usize,
    first: Row,
    every_second: Row,
    every_minute: Row,
    /// Checks of this minute that asked, of those that are made every second.
    asked: usize,
}

impl Age {
    fn of(name: &str, seconds: usize, watched: Watched) -> Self {
        let row = |how: &str| {
            Row::of(
                format!("asked at {RATE} revocations/s, {name}, {how}"),
                Unit::Percent,
                &["measured", "computed"],
            )
        };
        Self {
            watched,
            verifier: None,
            seconds,
            first: row("first check"),
            every_second: row("checked every second"),
            every_minute: row("checked every minute"),
            asked: 0,
        }
    }

    /// The first check of all, by a process that has seen none of them.
    fn see_first(&mut self, daemon: &Daemon) -> Outcome<()> {
        let verifier = Verifier::connect(daemon.socket())?;
        let all = self.watched.every_second.iter().chain(&self.watched.every_minute);
        let asked = asked(&verifier, all)? as f64 / (EVERY_SECOND + EVERY_MINUTE) as f64;
        self.verifier = Some(verifier);
        self.first.add(vec![100.0 * asked, computed(self.seconds)]);
        Ok(())
    }

    fn check(&mut self, second: usize) -> Outcome<()> {
        let verifier = self.verifier.as_ref().ok_or("they have not been seen")?;
        self.asked += asked(verifier, self.watched.every_second.iter())?;
        if second % MINUTE == 0 {
            let share = std::mem::take(&mut self.asked) as f64 / (EVERY_SECOND * MINUTE) as f64;
            self.every_second.add(vec![100.0 * share, computed(1)]);
            let share = asked(verifier, self.watched.every_minute.iter())? as f64 / EVERY_MINUTE as f64;
            self.every_minute.add(vec![100.0 * share, computed(MINUTE)]);
        }
        Ok(())
    }

    fn into_rows(self) -> [Row; 3] {
        [self.first, self.every_second, self.every_minute]
    }
}

/// How many of them the daemon was asked about.
fn asked<'a>(verifier: &Verifier, sessions: impl Iterator<Item = &'a Session>) -> Outcome<usize> {
    let mut asked = 0;
    for session in sessions {
        asked += usize::from(verifier.verify(&session.token)?.way() == Way::Daemon);
    }
    Ok(asked)
}
