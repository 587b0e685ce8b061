//! The rows: who asks how, and every peer measured in turn, round after round, so that what disturbs the machine disturbs all of them.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::peer::{BATCH, Connection, Peer, SESSIONS};
use crate::place::{Place, cores};
use crate::report::{Measured, Row, Unit};

/// How a peer is asked.
#[derive(Debug, Clone, Copy)]
struct Way {
    callers: usize,
    connections: usize,
    batch: bool,
    place: Place,
}

impl Way {
    fn name(&self) -> String {
        let callers = if self.callers == 1 { "1 caller".into() } else { format!("{} callers", self.callers) };
        let over = if self.connections == 1 { "1 connection" } else { "8 connections" };
        let what = if self.batch { format!("batches of {BATCH}, ") } else { String::new() };
        let place = if self.place == Place::Apart { "" } else { ", all on one core" };
        format!("{what}{callers}, {over}{place}")
    }

    /// One caller is measured by how long an answer takes, many by how many answers there are.
    fn unit(&self) -> Unit {
        if self.callers == 1 && !self.batch { Unit::Micros } else { Unit::PerSecond }
    }
}

fn ways() -> Outcome<Vec<Way>> {
    let alone = Way { callers: 1, connections: 1, batch: false, place: Place::Together };
    if cores()?.len() < 2 {
        println!(
            "There is one core only: callers and servers share it, and rows that need two are left out."
        );
        return Ok(vec![alone, Way { batch: true, ..alone }]);
    }
    let apart = Way { place: Place::Apart, ..alone };
    let mut ways = vec![apart, alone];
    for connections in [1, 8] {
        ways.extend([8, 64, 256].map(|callers| Way { callers, connections, ..apart }));
    }
    let batches = [(1, 1), (8, 1), (8, 8)];
    ways.extend(batches.map(|(callers, connections)| Way { callers, connections, batch: true, ..apart }));
    Ok(ways)
}

/// Measures every row whose name holds `only`.
pub async fn measure(peers: &[Peer], rounds: usize, length: Duration, only: &str) -> Outcome<Vec<Row>> {
    let ids: Vec<u32> = peers.iter().map(Peer::id).collect();
    let mut rows = Vec::new();
    for way in ways()?.into_iter().filter(|way| way.name().contains(only)) {
        let measured = |peer: &Peer| Measured::of(peer.name);
        let mut row =
            Row { name: way.name(), unit: way.unit(), measured: peers.iter().map(measured).collect() };
        let mut connections = Vec::new();
        for peer in peers {
            let mut own = Vec::new();
            for _ in 0..way.connections {
                own.push(peer.connect().await?);
            }
            connections.push(own);
        }
        way.place.take(&ids)?;
        for round in 0..=rounds {
            for (own, measured) in connections.iter().zip(&mut row.measured) {
                let sample = sample(way, own, length).await?;
                // The first round is for warming up.
                if round > 0 {
                    measured.samples.push(sample);
                }
            }
        }
        println!("{}", row.line());
        rows.push(row);
    }
    Ok(rows)
}

/// Median of one caller's round trips on this connection, in microseconds.
pub async fn round_trip(connection: &Connection, length: Duration) -> Outcome<f64> {
    let way = Way { callers: 1, connections: 1, batch: false, place: Place::Apart };
    sample(way, std::slice::from_ref(connection), length).await
}

/// What a caller has seen.
#[derive(Default)]
struct Seen {
    answers: usize,
    micros: Vec<f64>,
}

async fn sample(way: Way, connections: &[Connection], length: Duration) -> Outcome<f64> {
    let begun = Instant::now();
    let end = begun + length;
    let callers = (0..way.callers).map(|caller| {
        let connection = connections[caller % connections.len()].clone();
        tokio::spawn(call(way, connection, caller, end))
    });
    let (mut answers, mut micros) = (0, Vec::new());
    for caller in callers.collect::<Vec<_>>() {
        let seen = caller.await??;
        answers += seen.answers;
        micros.extend(seen.micros);
    }
    let took = begun.elapsed().as_secs_f64();
    Ok(match way.unit() {
        Unit::PerSecond => answers as f64 / took,
        _ => crate::report::median(&mut micros),
    })
}

async fn call(way: Way, mut connection: Connection, caller: usize, end: Instant) -> Outcome<Seen> {
    // Callers start at different sessions and walk through all of them.
    let (mut number, mut before, mut seen) = (caller * 31 % SESSIONS, Instant::now(), Seen::default());
    while before < end {
        if way.batch {
            connection.ask_batch(number).await?
        } else {
            connection.ask(number).await?
        }
        let after = Instant::now();
        seen.answers += if way.batch { BATCH } else { 1 };
        if way.callers == 1 {
            seen.micros.push((after - before).as_secs_f64() * 1e6);
        }
        before = after;
        number = (number + 7) % SESSIONS;
    }
    Ok(seen)
}
