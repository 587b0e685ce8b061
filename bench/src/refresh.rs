//! Refresh tokens exchanged, durably, beside what an app would build for it on Redis or on PostgreSQL.
//!
//! All of them run at once, each on a database of its own on the same disk, and are measured in turn, round after round. Each of them and the callers
//! may use every core.

mod peer;
mod postgres_peer;
mod redis_peer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::disk::Disk;
use crate::report::{Measured, Row, Unit};
use peer::{Connection, Peer};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Callers at once.
const CALLERS: [usize; 4] = [1, 8, 64, 256];
/// Where a few sessions are active, so many of the newest are.
const ACTIVE: usize = 20_000;
/// From so many sessions on it makes a difference whether a few of them are active or all.
const LARGE: usize = 1_000_000;

/// What is measured.
pub struct Plan<'a> {
    /// Sizes of the databases.
    pub sizes: &'a [usize],
    /// How often everything is measured.
    pub rounds: usize,
    /// For how long.
    pub length: Duration,
    /// Only rows whose name holds this.
    pub only: &'a str,
    /// Who is compared.
    pub peers: &'a str,
}

/// Measures every row of a plan.
pub async fn measure(disk: &Disk, dir: &Path, plan: &Plan<'_>) -> Outcome<Vec<Row>> {
    println!("Databases lie in {}.", disk.describe()?);
    let mut rows = Vec::new();
    for &size in plan.sizes {
        let peers: Vec<Arc<Peer>> =
            peer::start_all(disk, dir, plan.peers, size).await?.into_iter().map(Arc::new).collect();
        let orders = [(size >= LARGE).then_some(ACTIVE), Some(size)].into_iter().flatten();
        for active in orders {
            let order = Arc::new(order(size, active));
            for callers in CALLERS {
                let name = name(size, active, callers);
                if name.contains(plan.only) {
                    let row = row(&peers, &order, callers, name, plan).await?;
                    println!("{}", row.line());
                    rows.push(row);
                }
            }
        }
    }
    Ok(rows)
}

fn name(size: usize, active: usize, callers: usize) -> String {
    let which = if active < size { format!("newest {active} active") } else { "any of them".to_owned() };
    format!("{size} sessions, {which}, {callers} caller{}", if callers == 1 { "" } else { "s" })
}

/// The newest sessions in an order that has nothing to do with their age.
fn order(size: usize, active: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (size - active.min(size)..size).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for place in (1..order.len()).rev() {
        // xorshift: any order will do, the same in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(place, (state % (place as u64 + 1)) as usize);
    }
    order
}

async fn row(
    peers: &[Arc<Peer>],
    order: &Arc<Vec<usize>>,
    callers: usize,
    name: String,
    plan: &Plan<'_>,
) -> Outcome<Row> {
    let mut measured = Vec::new();
    let mut connections = Vec::new();
    for peer in peers {
        measured.push(Measured { name: peer.name.to_owned(), samples: Vec::new() });
        connections.push(peer.connections(callers).await?);
    }
    let cursors: Vec<_> = peers.iter().map(|_| Arc::new(AtomicUsize::new(0))).collect();
    // The first round is for warming up.
    for round in 0..=plan.rounds {
        for (at, peer) in peers.iter().enumerate() {
            let walk =
                Walk { peer: Arc::clone(peer), order: Arc::clone(order), cursor: Arc::clone(&cursors[at]) };
            let sample = sample(&walk, &connections[at], callers, plan.length).await?;
            if round > 0 {
                measured[at].samples.push(sample);
            }
        }
    }
    Ok(Row { name, unit: Unit::PerSecond, measured })
}

/// A way through the sessions of one peer that all of its callers share, so that no two of them hold the same token.
#[derive(Clone)]
struct Walk {
    peer: Arc<Peer>,
    order: Arc<Vec<usize>>,
    cursor: Arc<AtomicUsize>,
}

async fn sample(walk: &Walk, connections: &[Connection], callers: usize, length: Duration) -> Outcome<f64> {
    let begun = Instant::now();
    let call = |caller: usize| {
        let (walk, mut connection) = (walk.clone(), connections[caller % connections.len()].clone());
        tokio::spawn(async move {
            let mut answers = 0_usize;
            while begun.elapsed() < length {
                let place = walk.cursor.fetch_add(1, Ordering::Relaxed) % walk.order.len();
                walk.peer.rotate(&mut connection, walk.order[place]).await?;
                answers += 1;
            }
            Outcome::Ok(answers)
        })
    };
    let mut answers = 0;
    for caller in (0..callers).map(call).collect::<Vec<_>>() {
        answers += caller.await??;
    }
    Ok(answers as f64 / begun.elapsed().as_secs_f64())
}
