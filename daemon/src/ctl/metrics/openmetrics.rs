//! What was counted as `OpenMetrics` text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>). The names are a promise: one may be added,
//! none may change.

use std::fmt;

use hallpass_client::admin::Metrics;
use hallpass_protocol::metrics::{AppMetrics, Counted, Histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// What every name begins with.
const PREFIX: &str = "hallpass";
const NANOS: f64 = 1e9;

/// The text, to its `# EOF`.
pub(super) fn text(metrics: Metrics) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Snapshot(metrics)));
    let mut text = String::new();
    // Memory takes everything; what came before a failure would lack its end, which no parser takes.
    let _ = encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Snapshot(Metrics);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.process(&mut families)?;
        self.requests(&mut families)?;
        self.apps(&mut families)?;
        self.sessions(&mut families)?;
        self.writer(&mut families)?;
        self.passwords(&mut families)?;
        self.disk(&mut families)
    }
}

impl Snapshot {
    fn process(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauges(
            "build_info",
            "The daemon's version, in a label.",
            None,
            &[([("version", self.0.version.as_str())], 1.0)],
        )?;
        let started = number(self.0.started.as_u64()) / 1000.0;
        families.gauge(
            "start_time",
            "When the daemon began to serve, since 1970.",
            Some(&Unit::Seconds),
            started,
        )?;
        let connections = &self.0.connections;
        families.gauge("connections", "Connections that are open.", None, number(connections.open))?;
        families.counter("connections_accepted", "Connections that were let in.", connections.accepted)?;
        families.counters(
            "connections_refused",
            "Connections that were sent away, by reason.",
            &words("reason", &connections.refused),
        )
    }

    fn requests(&self, families: &mut Families<'_>) -> fmt::Result {
        let outcomes: Vec<_> = self
            .0
            .operations
            .iter()
            .flat_map(|of| {
                let labels = |counted: &Counted| {
                    [("operation", of.operation.clone()), ("outcome", counted.word.clone())]
                };
                of.outcomes.iter().map(move |counted| (labels(counted), counted.count))
            })
            .collect();
        families.counters(
            "requests",
            "Calls, by operation and outcome: ok or the code of a refusal.",
            &outcomes,
        )?;
        let durations: Vec<_> = self
            .0
            .operations
            .iter()
            .map(|of| ([("operation", of.operation.as_str())], &of.duration))
            .collect();
        families.histograms(
            "request_duration",
            "Time from reading a call to its answer, waiting included; of verifications only some are timed.",
            Some(&Unit::Seconds),
            &durations,
        )?;
        families.counters(
            "verifications",
            "Tokens that apps had looked at here, by outcome. A verifier inside an app that asks is among them; what it tells by itself is in verifier_verifications alone.",
            &words("outcome", &self.0.verifications),
        )
    }

    fn apps(&self, families: &mut Families<'_>) -> fmt::Result {
        let apps = &self.0.apps;
        let of = |count: fn(&AppMetrics) -> u64| -> Vec<_> {
            apps.iter().map(|app| ([("app", app.app.clone())], count(app))).collect()
        };
        families.counters("app_requests", "Calls, by app.", &of(|app| app.requests))?;
        families.counters(
            "app_requests_refused",
            "Calls that were refused, by app.",
            &of(|app| app.refused),
        )?;
        families.counters(
            "app_verifications",
            "Tokens that were looked at, by app.",
            &of(|app| app.verifications),
        )?;
        let told = |app: &AppMetrics| {
            let name = app.app.clone();
            app.verifier.ways().map(|(way, count)| ([("app", name.clone()), ("way", way.to_owned())], count))
        };
        // Most apps do not say, and four lines of nothing for each would say that nothing has come to it.
        let reporting = apps.iter().filter(|app| app.verifier.total() > 0);
        families.counters(
            "verifier_verifications",
            "Tokens found good inside an app, as it says itself: from memory, by their signature, by asking the daemon, or stale without it.",
            &reporting.flat_map(told).collect::<Vec<_>>(),
        )
    }

    fn sessions(&self, families: &mut Families<'_>) -> fmt::Result {
        let sessions = &self.0.sessions;
        families.gauge("users", "Users there are.", None, number(sessions.users))?;
        families.gauge(
            "sessions_alive",
            "Sessions that are listed as alive.",
            None,
            number(sessions.alive),
        )?;
        families.gauge(
            "sessions_stored",
            "Sessions that have a row, ended ones included.",
            None,
            number(sessions.stored),
        )?;
        families.counter("sessions_opened", "Sessions that were opened.", sessions.opened)?;
        families.counter("sessions_swept", "Sessions that were removed for being over.", sessions.swept)?;
        families.counters(
            "revocations",
            "What was taken back: one session and why, or user, app, key and everything, which end many at once.",
            &words("kind", &sessions.revocations),
        )
    }

    fn writer(&self, families: &mut Families<'_>) -> fmt::Result {
        let writer = &self.0.writer;
        families.gauge(
            "write_queue_depth",
            "Changes that wait for the writer.",
            None,
            number(writer.waiting),
        )?;
        families.histogram(
            "commit_duration",
            "Time until a commit was on disk.",
            Some(&Unit::Seconds),
            &writer.commits,
        )?;
        families.histogram(
            "commit_batch_size",
            "Changes that were committed together.",
            None,
            &writer.batches,
        )?;
        families.counter("commits_failed", "Commits whose outcome was not known at first.", writer.failed)?;
        families.counters(
            "board_raises",
            "What was raised on the board: a slot has one session or user asked about again, the floor everything.",
            &[([("what", "slot")], writer.slots_raised), ([("what", "floor")], writer.floors_raised)],
        )
    }

    fn passwords(&self, families: &mut Families<'_>) -> fmt::Result {
        let passwords = &self.0.passwords;
        families.gauge(
            "password_hash_threads",
            "Hashes that can run at once.",
            None,
            number(passwords.threads),
        )?;
        families.gauge("password_hashes_running", "Hashes that run.", None, number(passwords.running))?;
        families.gauge("password_hashes_waiting", "Hashes that wait.", None, number(passwords.waiting))?;
        let help = "Time that hashes took, without their waiting.";
        families.histogram("password_hash_duration", help, Some(&Unit::Seconds), &passwords.hashes)
    }

    fn disk(&self, families: &mut Families<'_>) -> fmt::Result {
        let disk = &self.0.disk;
        let bytes = Some(&Unit::Bytes);
        families.gauge("database_size", "Size of the database file.", bytes, number(disk.database_bytes))?;
        families.gauge(
            "disk_available",
            "What the disk of the database has left.",
            bytes,
            number(disk.available_bytes),
        )?;
        let full = if disk.full { 1.0 } else { 0.0 };
        families.gauge("disk_full", "1 while the disk has too little left for anything new.", None, full)?;
        families.gauge("audit_entries", "Entries of the audit chain.", None, number(disk.audit_entries))
    }
}

/// Label and value of each word that was counted.
fn words<'a>(label: &'static str, all: &'a [Counted]) -> Vec<([(&'static str, &'a str); 1], u64)> {
    all.iter().map(|counted| ([(label, counted.word.as_str())], counted.count)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a float is what the format has, and exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Families of metrics, written one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

type Labels<K, V, const N: usize> = [(K, V); N];

impl Families<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        all: &[(Labels<&str, &str, N>, f64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        all.iter().try_for_each(|(labels, value)| family.encode_family(labels)?.encode_gauge(value))
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
    }

    fn counters<V: AsRef<str>, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        all: &[(Labels<&'static str, V, N>, u64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        all.iter().try_for_each(|(labels, count)| {
            let labels = labels.each_ref().map(|(label, value)| (*label, value.as_ref()));
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(count, None)
        })
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        histogram: &Histogram,
    ) -> fmt::Result {
        put(self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?, histogram, scale(unit))
    }

    fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        all: &[(Labels<&str, &str, N>, &Histogram)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        all.iter()
            .try_for_each(|(labels, histogram)| put(family.encode_family(labels)?, histogram, scale(unit)))
    }
}

/// Times are counted in nanoseconds, what has no unit as it is.
fn scale(unit: Option<&Unit>) -> f64 {
    if unit.is_some() { NANOS } else { 1.0 }
}

fn put(mut metric: MetricEncoder<'_>, histogram: &Histogram, scale: f64) -> fmt::Result {
    let bounds = histogram.bounds.iter().map(|bound| number(*bound) / scale).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(histogram.counts.iter().copied()).collect();
    metric.encode_histogram::<NoLabelSet>(number(histogram.sum) / scale, histogram.count(), &buckets, None)
}
