//! The view as JSON. The field names are a promise: one may be added, none may change. Times are seconds, rates are a second.

use std::collections::BTreeMap;

use hallpass_protocol::metrics::Histogram;
use serde::Serialize;

use super::sight::{LINES, Sight};
use crate::ctl::metrics::outcomes;

#[derive(Serialize)]
pub(super) struct TopView<'a> {
    interval_seconds: f64,
    window_seconds: f64,
    uptime_seconds: f64,
    per_second: BTreeMap<&'static str, f64>,
    operations: Vec<OperationView<'a>>,
    failures: BTreeMap<&'a str, u64>,
    apps: Vec<AppView<'a>>,
    verifiers_per_second: BTreeMap<&'static str, f64>,
    sessions_alive: u64,
    sessions_opened_per_second: f64,
    write_queue: u64,
    commits_per_second: f64,
    commit_seconds: TimesView,
    hashing: u64,
    hash_threads: u64,
    hash_queue: u64,
    hash_seconds: TimesView,
    board_raises_per_second: f64,
    connections: u64,
}

#[derive(Serialize)]
struct OperationView<'a> {
    operation: &'a str,
    per_second: f64,
    seconds: TimesView,
}

#[derive(Serialize)]
struct TimesView {
    p50: Option<f64>,
    p99: Option<f64>,
}

#[derive(Serialize)]
struct AppView<'a> {
    app: &'a str,
    requests_per_second: f64,
    refused_per_second: f64,
    verifications_per_second: f64,
}

impl From<&Histogram> for TimesView {
    fn from(times: &Histogram) -> Self {
        let seconds = |part| times.quantile(part).map(|nanos| nanos / 1e9);
        Self { p50: seconds(0.5), p99: seconds(0.99) }
    }
}

impl<'a> From<&'a Sight> for TopView<'a> {
    fn from(sight: &'a Sight) -> Self {
        let now = &sight.now;
        let operations = sight.operations.iter().map(|of| OperationView {
            operation: &of.name,
            per_second: of.rate,
            seconds: TimesView::from(&of.duration),
        });
        let apps = sight.apps.iter().map(|app| AppView {
            app: &app.name,
            requests_per_second: app.requests,
            refused_per_second: app.refused,
            verifications_per_second: app.verifications,
        });
        Self {
            interval_seconds: sight.seconds,
            window_seconds: sight.window,
            uptime_seconds: std::time::Duration::from_micros(now.uptime_micros).as_secs_f64(),
            per_second: LINES.map(|line| (line.title(), sight.rate(line))).into(),
            operations: operations.collect(),
            failures: outcomes(&sight.failures),
            apps: apps.collect(),
            verifiers_per_second: sight.verifiers().into(),
            sessions_alive: now.sessions.alive,
            sessions_opened_per_second: sight.opened,
            write_queue: now.writer.waiting,
            commits_per_second: sight.commits,
            commit_seconds: TimesView::from(&sight.commit),
            hashing: now.passwords.running,
            hash_threads: now.passwords.threads,
            hash_queue: now.passwords.waiting,
            hash_seconds: TimesView::from(&sight.hash),
            board_raises_per_second: sight.raises,
            connections: now.connections.open,
        }
    }
}
