//! A day in the life of a database, and the day on which everything in it is over.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hallpass_client::{Client, Revoke, Token};

use super::report::Column;
use super::{ALL_OVER, traffic};
use crate::daemon::{Daemon, EXCHANGED_AT_WILL, Twist};
use crate::{Outcome, sessions};

/// Of so many sessions one ends in a day, and another is opened.
const TURNOVER: usize = 10;
/// Of so many sessions one is active, the newest ones.
const ACTIVE: usize = 50;
/// Rotations of an active session in a day: one every ten minutes.
const ROTATIONS: usize = 144;
const CALLERS: usize = 256;
const CONNECTIONS: usize = 8;

/// Goes through a day: a tenth of the sessions end, the oldest first, and as many are opened; each fiftieth is exchanged 144 times. Says how many the
/// database then knows.
pub async fn day(daemon: &Daemon, tokens: &mut [String], size: usize) -> Outcome<u64> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(daemon.connect().await?);
    }
    let ended: Vec<String> =
        tokens.iter().take(size / TURNOVER).filter(|token| !token.is_empty()).cloned().collect();
    each(ended.len(), &clients, async |client: &Client, at: usize| {
        client.revoke(Revoke::Token(Token::new(ended[at].clone()))).await?;
        Outcome::Ok(())
    })
    .await?;
    sessions::open(daemon, size.div_ceil(sessions::PER_USER), size / TURNOVER).await?;
    let active = size - size / ACTIVE..size;
    let active: Vec<_> = tokens[active]
        .iter()
        .filter(|token| !token.is_empty())
        .map(|token| Mutex::new(token.clone()))
        .collect();
    // Each caller has sessions of its own: a token that two of them show ends its session.
    let rotate = async |caller: usize| {
        let client = &clients[caller % CONNECTIONS];
        for _ in 0..ROTATIONS {
            for place in active.iter().skip(caller).step_by(CALLERS) {
                traffic::exchange(client, place).await?;
            }
        }
        Outcome::Ok(())
    };
    try_join_all((0..CALLERS).map(&rotate)).await?;
    Ok(daemon.admin.status().await?.sessions)
}

async fn each(
    count: usize,
    clients: &[Client],
    act: impl AsyncFn(&Client, usize) -> Outcome<()>,
) -> Outcome<()> {
    let next = AtomicUsize::new(0);
    let call = async |caller: usize| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Outcome::Ok(());
            }
            act(&clients[caller % clients.len()], at).await?;
        }
    };
    try_join_all((0..CALLERS).map(&call)).await.map(drop)
}

/// Starts on a day on which every session has ended, and watches how fast they go and how long verifications take meanwhile.
pub async fn sweep(state: &Path, dir: &Path, length: Duration, column: &mut Column) -> Outcome<()> {
    let twist = Twist { unsigned: false, ahead: ALL_OVER };
    let daemon = Daemon::start_on(state, "sweeping", dir, EXCHANGED_AT_WILL, twist).await?;
    let (client, admin) = (&daemon.client, &daemon.admin);
    // A daemon that does nothing sweeps less often.
    let (_, token) = sessions::open_one(client, 0, 1).await?;
    let before = admin.status().await?.sessions;
    let (_, _, access) = traffic::exchange(client, &Mutex::new(token)).await?;
    while admin.status().await?.sessions >= before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (begun, mut longest, mut left) = (Instant::now(), 0.0_f64, before);
    let mut took = Vec::new();
    while begun.elapsed() < length && left > 1 {
        let asked = Instant::now();
        client.verify(Token::new(access.clone()), hallpass_client::Needs::default()).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e6);
        longest = longest.max(asked.elapsed().as_secs_f64() * 1e3);
        left = admin.status().await?.sessions;
    }
    let rate = (before - left) as f64 / begun.elapsed().as_secs_f64();
    column.put("sweep: sessions a second", rate);
    column.put("verify during a sweep: µs", crate::report::median(&mut took));
    column.put("verify during a sweep, longest: ms", longest);
    Ok(())
}
