//! What was counted as JSON. The field names are a promise: one may be added, none may change.

use std::collections::BTreeMap;

use hallpass_client::admin::Metrics;
use hallpass_protocol::metrics::{AppMetrics, Counted, Histogram, OperationMetrics};
use serde::Serialize;

#[derive(Serialize)]
pub(in crate::ctl) struct MetricsView<'a> {
    version: &'a str,
    started: u64,
    uptime_seconds: f64,
    operations: Vec<OperationView<'a>>,
    verifications: BTreeMap<&'a str, u64>,
    apps: Vec<AppView<'a>>,
    connections: ConnectionsView<'a>,
    sessions: SessionsView<'a>,
    writer: WriterView,
    passwords: PasswordsView,
    disk: DiskView,
}

#[derive(Serialize)]
struct OperationView<'a> {
    operation: &'a str,
    outcomes: BTreeMap<&'a str, u64>,
    duration_seconds: SizesView,
}

#[derive(Serialize)]
struct AppView<'a> {
    app: &'a str,
    requests: u64,
    refused: u64,
    verifications: u64,
    verifier: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct ConnectionsView<'a> {
    open: u64,
    accepted: u64,
    refused: BTreeMap<&'a str, u64>,
}

#[derive(Serialize)]
struct SessionsView<'a> {
    alive: u64,
    stored: u64,
    opened: u64,
    swept: u64,
    revocations: BTreeMap<&'a str, u64>,
    users: u64,
}

#[derive(Serialize)]
struct WriterView {
    waiting: u64,
    commit_seconds: SizesView,
    batch_size: SizesView,
    failed: u64,
    slots_raised: u64,
    floors_raised: u64,
}

#[derive(Serialize)]
struct PasswordsView {
    threads: u64,
    running: u64,
    waiting: u64,
    hash_seconds: SizesView,
}

#[derive(Serialize)]
struct DiskView {
    database_bytes: u64,
    available_bytes: u64,
    full: bool,
    audit_entries: u64,
}

/// A histogram. `buckets` has how many are not larger than each bound, as Prometheus counts them.
#[derive(Serialize)]
struct SizesView {
    count: u64,
    sum: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    buckets: Vec<BucketView>,
}

#[derive(Serialize)]
struct BucketView {
    le: f64,
    count: u64,
}

impl SizesView {
    #[expect(clippy::cast_precision_loss, reason = "JSON's numbers are exact up to 2^53")]
    fn new(histogram: &Histogram, scale: f64) -> Self {
        let mut below = 0;
        let buckets = histogram.bounds.iter().zip(&histogram.counts).map(|(bound, count)| {
            below += count;
            BucketView { le: *bound as f64 / scale, count: below }
        });
        Self {
            buckets: buckets.collect(),
            count: histogram.count(),
            sum: histogram.sum as f64 / scale,
            p50: histogram.quantile(0.5).map(|size| size / scale),
            p99: histogram.quantile(0.99).map(|size| size / scale),
        }
    }

    fn seconds(histogram: &Histogram) -> Self {
        Self::new(histogram, 1e9)
    }
}

/// Counts by what they count.
pub(in crate::ctl) fn outcomes(all: &[Counted]) -> BTreeMap<&str, u64> {
    all.iter().map(|counted| (counted.word.as_str(), counted.count)).collect()
}

impl<'a> From<&'a Metrics> for MetricsView<'a> {
    fn from(metrics: &'a Metrics) -> Self {
        let Metrics { connections, sessions, writer, passwords, disk, .. } = metrics;
        let operation = |of: &'a OperationMetrics| OperationView {
            operation: &of.operation,
            outcomes: outcomes(&of.outcomes),
            duration_seconds: SizesView::seconds(&of.duration),
        };
        let app = |of: &'a AppMetrics| AppView {
            app: &of.app,
            requests: of.requests,
            refused: of.refused,
            verifications: of.verifications,
            verifier: of.verifier.ways().into(),
        };
        Self {
            version: &metrics.version,
            started: metrics.started.as_secs(),
            uptime_seconds: std::time::Duration::from_micros(metrics.uptime_micros).as_secs_f64(),
            operations: metrics.operations.iter().map(operation).collect(),
            verifications: outcomes(&metrics.verifications),
            apps: metrics.apps.iter().map(app).collect(),
            connections: ConnectionsView {
                open: connections.open,
                accepted: connections.accepted,
                refused: outcomes(&connections.refused),
            },
            sessions: SessionsView {
                alive: sessions.alive,
                stored: sessions.stored,
                opened: sessions.opened,
                swept: sessions.swept,
                revocations: outcomes(&sessions.revocations),
                users: sessions.users,
            },
            writer: WriterView {
                waiting: writer.waiting,
                commit_seconds: SizesView::seconds(&writer.commits),
                batch_size: SizesView::new(&writer.batches, 1.0),
                failed: writer.failed,
                slots_raised: writer.slots_raised,
                floors_raised: writer.floors_raised,
            },
            passwords: PasswordsView {
                threads: passwords.threads,
                running: passwords.running,
                waiting: passwords.waiting,
                hash_seconds: SizesView::seconds(&passwords.hashes),
            },
            disk: DiskView {
                database_bytes: disk.database_bytes,
                available_bytes: disk.available_bytes,
                full: disk.full,
                audit_entries: disk.audit_entries,
            },
        }
    }
}
