//! What a daemon might have counted after so many seconds, for tests of what is shown of it.

use hallpass_protocol::auth::VerifierReport;
use hallpass_protocol::metrics::{
    AppMetrics, ConnectionMetrics, Counted, DiskMetrics, Histogram, Metrics, OperationMetrics,
    PasswordMetrics, SessionMetrics, WriterMetrics,
};
use hallpass_protocol::time::Millis;

use crate::metrics::{BATCHES, DURATIONS};

/// Everything has happened in proportion to the time.
pub(in crate::ctl) fn sample(seconds: u64) -> Metrics {
    let evil = "evil\u{1b}[2J-and-far-too-long-for-a-column";
    Metrics {
        version: "0.1.0".into(),
        started: Millis::from_u64(1_700_000_000_000),
        uptime_micros: seconds * 1_000_000,
        operations: [
            ("hello", 2_000, &[("ok", 1)][..]),
            ("login", 38_000_000, &[("ok", 3), ("invalid_credentials", 1)]),
            ("verify", 12_000, &[("ok", 1234), ("forbidden", 2)]),
            ("refresh", 900_000, &[("ok", 120), ("reused", 1), ("expired", 4)]),
            ("revoke", 1_100_000, &[("ok", 2)]),
            ("service_token", 80_000, &[]),
        ]
        .map(|(name, typical, outcomes)| operation(name, typical, words(outcomes, seconds)))
        .into(),
        verifications: words(&[("ok", 24_000), ("expired", 40), ("revoked", 3)], seconds),
        apps: [("shop", 900, 3), ("admin", 1, 0), (evil, 300, 2)].map(|of| app(of, seconds)).into(),
        connections: ConnectionMetrics {
            open: 12,
            accepted: 5 * seconds,
            refused: words(&[("stranger", 1)], seconds),
        },
        sessions: SessionMetrics {
            alive: 4321,
            stored: 5000,
            opened: 3 * seconds,
            swept: seconds,
            revocations: words(&[("revoked", 2), ("reuse", 1), ("everything", 0)], seconds),
            users: 56,
        },
        writer: writer(seconds),
        passwords: PasswordMetrics {
            threads: 3,
            running: 2,
            waiting: 1,
            hashes: times(&DURATIONS, 36_000_000, 4 * seconds),
        },
        disk: DiskMetrics {
            database_bytes: 1_589_248,
            available_bytes: 9_000_000_000,
            full: false,
            audit_entries: 321,
        },
    }
}

fn words(all: &[(&str, u64)], seconds: u64) -> Vec<Counted> {
    all.iter().map(|(word, count)| Counted { word: (*word).into(), count: count * seconds }).collect()
}

fn operation(name: &str, typical: u64, outcomes: Vec<Counted>) -> OperationMetrics {
    let calls = outcomes.iter().map(|counted| counted.count).sum();
    OperationMetrics { operation: name.into(), duration: times(&DURATIONS, typical, calls), outcomes }
}

fn app((name, requests, refused): (&str, u64, u64), seconds: u64) -> AppMetrics {
    AppMetrics {
        app: name.into(),
        requests: requests * seconds,
        refused: refused * seconds,
        verifications: requests * 20 * seconds,
        verifier: VerifierReport {
            memory: if name == "shop" { 98_700 * seconds } else { 0 },
            signature: if name == "shop" { 1_200 * seconds } else { 0 },
            daemon: if name == "shop" { 100 * seconds } else { 0 },
            stale: 0,
        },
    }
}

fn writer(seconds: u64) -> WriterMetrics {
    WriterMetrics {
        waiting: 7,
        commits: times(&DURATIONS, 800_000, 100 * seconds),
        batches: times(&BATCHES, 2, 100 * seconds),
        failed: 0,
        slots_raised: 14 * seconds,
        floors_raised: 0,
    }
}

/// Most of them are typical, and one in fifty takes the next bucket.
fn times(bounds: &[u64], typical: u64, count: u64) -> Histogram {
    let place = bounds.partition_point(|bound| *bound < typical);
    let mut counts = vec![0; bounds.len() + 1];
    (counts[place], counts[place + 1]) = (count - count / 50, count / 50);
    Histogram { bounds: bounds.to_vec(), counts, sum: typical * count }
}
