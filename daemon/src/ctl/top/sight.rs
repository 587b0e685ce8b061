//! What there is to see: the difference of two answers over the time between them.

use std::time::Duration;

use hallpass_client::VerifierReport;
use hallpass_client::admin::Metrics;
use hallpass_protocol::metrics::{AppMetrics, Counted, Histogram, OperationMetrics};

/// What has a line of its own, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Tokens that were looked at.
    Verifications,
    /// Logins, by password or code, good or not.
    Logins,
    /// Exchanges of refresh tokens.
    Refreshes,
    /// What was taken back.
    Revocations,
}

/// Every line.
pub(super) const LINES: [Line; 4] = [Line::Verifications, Line::Logins, Line::Refreshes, Line::Revocations];

impl Line {
    /// What it is called.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Verifications => "verifications",
            Self::Logins => "logins",
            Self::Refreshes => "refreshes",
            Self::Revocations => "revocations",
        }
    }

    /// The operation whose calls take this time.
    const fn operation(self) -> &'static str {
        match self {
            Self::Verifications => "verify",
            Self::Logins => "login",
            Self::Refreshes => "refresh",
            Self::Revocations => "revoke",
        }
    }
}

/// What one operation has come to.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) name: String,
    /// Calls a second in the last interval.
    pub(super) rate: f64,
    /// Nanoseconds, over the window.
    pub(super) duration: Histogram,
}

/// What one app has asked, a second.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) requests: f64,
    pub(super) refused: f64,
    pub(super) verifications: f64,
}

/// What there is to see.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// How things stand.
    pub(super) now: Metrics,
    /// Seconds that rates are taken over.
    pub(super) seconds: f64,
    /// Seconds that percentiles and failures are taken over.
    pub(super) window: f64,
    rates: [f64; LINES.len()],
    pub(super) operations: Vec<Operation>,
    /// Refusals over the window, the most frequent first.
    pub(super) failures: Vec<Counted>,
    /// The busiest first.
    pub(super) apps: Vec<App>,
    /// What verifiers inside apps have reported, over the window: they do so less often than once an interval.
    pub(super) reported: VerifierReport,
    /// Sessions opened a second.
    pub(super) opened: f64,
    /// Commits a second.
    pub(super) commits: f64,
    /// Nanoseconds, over the window.
    pub(super) commit: Histogram,
    /// Changes in one commit, over the window.
    pub(super) batch: Histogram,
    /// Nanoseconds, over the window.
    pub(super) hash: Histogram,
    /// Hashes a second.
    pub(super) hashes: f64,
    /// Slots of the board raised a second.
    pub(super) raises: f64,
}

impl Sight {
    /// What has happened since an answer before this one, and for what needs more of it since an older one; without them since the start.
    pub(super) fn new(now: &Metrics, before: Option<&Metrics>, oldest: Option<&Metrics>) -> Self {
        let none = Metrics::default();
        let (before, oldest) = (before.unwrap_or(&none), oldest.unwrap_or(&none));
        let (seconds, window) = (between(before, now), between(oldest, now));
        let rate = |count: fn(&Metrics) -> u64| per(count(now), count(before), seconds);
        let calls = |of: &Metrics, name: &str| operation(of, name).map_or(0, |found| sum(&found.outcomes));
        let logins = |of: &Metrics| calls(of, "login") + calls(of, "redeem_code") + calls(of, "open_session");
        Self {
            seconds,
            window,
            rates: [
                rate(|of| sum(&of.verifications)),
                per(logins(now), logins(before), seconds),
                per(calls(now, "refresh"), calls(before, "refresh"), seconds),
                rate(|of| sum(&of.sessions.revocations)),
            ],
            operations: operations(now, before, oldest, seconds),
            failures: failures(now, oldest),
            apps: apps(now, before, seconds),
            reported: reported(now, oldest),
            opened: rate(|of| of.sessions.opened),
            commits: rate(|of| of.writer.commits.count()),
            commit: now.writer.commits.since(&oldest.writer.commits),
            batch: now.writer.batches.since(&oldest.writer.batches),
            hash: now.passwords.hashes.since(&oldest.passwords.hashes),
            hashes: rate(|of| of.passwords.hashes.count()),
            raises: rate(|of| of.writer.slots_raised + of.writer.floors_raised),
            now: now.clone(),
        }
    }

    /// How often a second.
    pub(super) fn rate(&self, line: Line) -> f64 {
        LINES.iter().zip(self.rates).find(|(other, _)| **other == line).map_or(0.0, |(_, rate)| rate)
    }

    /// Tokens found good inside apps a second, by way.
    pub(super) fn verifiers(&self) -> [(&'static str, f64); 4] {
        self.reported.ways().map(|(way, count)| (way, per(count, 0, self.window)))
    }

    /// Whether any app says what its verifiers tell.
    pub(super) fn has_reports(&self) -> bool {
        reported(&self.now, &Metrics::default()).total() > 0
    }

    /// What its calls took.
    pub(super) fn duration(&self, line: Line) -> Option<&Histogram> {
        self.operations.iter().find(|of| of.name == line.operation()).map(|of| &of.duration)
    }
}

fn between(before: &Metrics, now: &Metrics) -> f64 {
    Duration::from_micros(now.uptime_micros.saturating_sub(before.uptime_micros)).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown to a few digits")]
fn per(now: u64, before: u64, seconds: f64) -> f64 {
    let count = now.saturating_sub(before) as f64;
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

fn sum(all: &[Counted]) -> u64 {
    all.iter().map(|counted| counted.count).sum()
}

/// All that apps have said since. One that says as much as there are numbers hides only itself.
fn reported(now: &Metrics, oldest: &Metrics) -> VerifierReport {
    now.apps.iter().fold(VerifierReport::default(), |all, app| {
        let then = oldest.apps.iter().find(|then| then.app == app.app);
        all.plus(app.verifier.since(then.map(|then| then.verifier).unwrap_or_default()))
    })
}

fn operation<'a>(of: &'a Metrics, name: &str) -> Option<&'a OperationMetrics> {
    of.operations.iter().find(|found| found.operation == name)
}

fn operations(now: &Metrics, before: &Metrics, oldest: &Metrics, seconds: f64) -> Vec<Operation> {
    let of = |found: &OperationMetrics| {
        let calls = operation(before, &found.operation).map_or(0, |then| sum(&then.outcomes));
        let then = operation(oldest, &found.operation).map(|then| &then.duration);
        Operation {
            name: found.operation.clone(),
            rate: per(sum(&found.outcomes), calls, seconds),
            duration: found.duration.since(then.unwrap_or(&Histogram::default())),
        }
    };
    now.operations.iter().map(of).collect()
}

/// Refusals of calls and of single tokens, by code.
fn failures(now: &Metrics, oldest: &Metrics) -> Vec<Counted> {
    let mut all: Vec<Counted> = Vec::new();
    let mut add = |counted: &Counted, then: u64| {
        let count = counted.count.saturating_sub(then);
        if counted.word == "ok" || count == 0 {
            return;
        }
        match all.iter_mut().find(|known| known.word == counted.word) {
            Some(known) => known.count += count,
            None => all.push(Counted { word: counted.word.clone(), count }),
        }
    };
    let then =
        |of: &[Counted], word: &str| of.iter().find(|then| then.word == word).map_or(0, |then| then.count);
    for found in &now.operations {
        let before = operation(oldest, &found.operation).map_or(&[][..], |then| &then.outcomes);
        found.outcomes.iter().for_each(|counted| add(counted, then(before, &counted.word)));
    }
    now.verifications.iter().for_each(|counted| add(counted, then(&oldest.verifications, &counted.word)));
    all.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.word.cmp(&other.word)));
    all
}

fn apps(now: &Metrics, before: &Metrics, seconds: f64) -> Vec<App> {
    let none = AppMetrics::default();
    let of = |found: &AppMetrics| {
        let then = before.apps.iter().find(|then| then.app == found.app).unwrap_or(&none);
        App {
            name: found.app.clone(),
            requests: per(found.requests, then.requests, seconds),
            refused: per(found.refused, then.refused, seconds),
            verifications: per(found.verifications, then.verifications, seconds),
        }
    };
    let mut apps: Vec<_> = now.apps.iter().map(of).collect();
    let busy = |app: &App| app.requests + app.verifications;
    apps.sort_by(|one, other| busy(other).total_cmp(&busy(one)).then_with(|| one.name.cmp(&other.name)));
    apps
}
