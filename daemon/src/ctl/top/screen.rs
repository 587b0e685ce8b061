//! The view as lines of text, for a terminal of any size or for none.

use std::time::Duration;

use hallpass_protocol::metrics::Histogram;

use super::history::History;
use super::sight::{App, LINES, Line, Operation, Sight};
use crate::ctl::render::text::neutral;
use crate::ctl::render::units::{bytes, duration, grouped, often};

/// Columns of the names of lines.
const NAMES: usize = 15;
/// Columns of a number with its unit.
const NUMBER: usize = 10;
/// Columns of the list of failures.
const FAILURES: usize = 34;
/// Widest that anything is drawn: what is further apart is not read together.
const WIDEST: usize = 160;
/// Rows from which on operations have a table of their own.
const TALL: usize = 36;
/// Columns of a histogram of times beside its table.
const BUCKETS: usize = 36;
/// Rows of a list where there is no terminal to fill.
const LISTED: usize = 10;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// All that is shown.
pub(super) struct Screen<'a> {
    pub(super) sight: &'a Sight,
    pub(super) history: &'a History,
    /// Why the daemon does not answer, if it does not.
    pub(super) trouble: Option<&'a str>,
    /// The time of day.
    pub(super) clock: &'a str,
    pub(super) socket: &'a str,
}

impl Screen<'_> {
    /// Lines for a terminal of this size: exactly as many as it has rows.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut lines = self.head(width);
        if height >= TALL {
            lines.push(String::new());
            lines.extend(self.operations(width));
        }
        let left = height.saturating_sub(lines.len() + 4);
        if left > 0 {
            lines.push(String::new());
            lines.extend(self.lists(width, left));
        }
        lines.resize(height.saturating_sub(1), String::new());
        lines.push(self.foot());
        lines.truncate(height);
        lines.into_iter().map(|line| fit(&line, width)).collect()
    }

    /// Lines to be printed.
    pub(super) fn plain(&self, width: usize) -> Vec<String> {
        let mut lines = self.head(width);
        lines.push(String::new());
        lines.extend(self.operations(width));
        lines.push(String::new());
        lines.extend(self.lists(width, LISTED));
        lines.into_iter().map(|line| fit(&line, width)).collect()
    }

    fn head(&self, width: usize) -> Vec<String> {
        let now = &self.sight.now;
        let up = Duration::from_secs(now.uptime_micros / 1_000_000);
        let title = format!("hallpassd {}  up {}  {}", neutral(&now.version), span(up), neutral(self.socket));
        let room = width.saturating_sub(self.clock.chars().count() + 1);
        let title = fit(&title, room);
        let trouble = self.trouble.map(|why| format!("No answer, trying again: {}", neutral(why)));
        let mut lines = vec![format!("{title:<room$} {}", self.clock), trouble.unwrap_or_default()];
        let titles = format!("{:<NAMES$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}", "", "a second", "p50", "p99");
        lines.push(titles + &self.axis(width));
        lines.extend(LINES.map(|line| self.line(line, width)));
        lines.push(String::new());
        lines.extend(self.state());
        lines
    }

    /// How far back the lines of rates go.
    fn axis(&self, width: usize) -> String {
        let (room, seconds) = (room_for_rates(width), self.sight.seconds.round().max(1.0));
        if self.history.rates(Line::Verifications).next().is_none() || room < 16 {
            return String::new();
        }
        let from = format!("{} ago", span(Duration::from_secs_f64(seconds * float(room as u64))));
        format!("  {from}{:>rest$}", "now", rest = room.saturating_sub(from.chars().count()))
    }

    fn line(&self, line: Line, width: usize) -> String {
        let rate = often(self.sight.rate(line));
        let (p50, p99) = percentiles(self.sight.duration(line));
        let numbers = format!("{:<NAMES$}{rate:>NUMBER$}{p50:>NUMBER$}{p99:>NUMBER$}", line.title());
        let room = room_for_rates(width);
        let rates: Vec<_> = self.history.rates(line).rev().take(room).collect();
        let drawn: String = bars(rates.iter().rev().copied());
        if drawn.trim().is_empty() { numbers } else { format!("{numbers}  {drawn:>room$}") }
    }

    /// How things stand.
    fn state(&self) -> Vec<String> {
        let Sight { now, commit, hash, batch, .. } = self.sight;
        let (commit50, commit99) = percentiles(Some(commit));
        let (hash50, hash99) = percentiles(Some(hash));
        let failed = match now.writer.failed {
            0 => String::new(),
            failed => format!("  {} FAILED", grouped(failed)),
        };
        let full = if now.disk.full { ": FULL, nobody can log in" } else { "" };
        let mut lines = vec![
            format!(
                "{:<NAMES$}{} alive  {} opened/s  users {}",
                "sessions",
                grouped(now.sessions.alive),
                often(self.sight.opened),
                grouped(now.sessions.users)
            ),
            format!(
                "{:<NAMES$}{} waiting  {} commits/s of {} changes  p50 {commit50}  p99 {commit99}{failed}",
                "writer",
                grouped(now.writer.waiting),
                often(self.sight.commits),
                mean(batch)
            ),
            format!(
                "{:<NAMES$}{} of {} hashing  {} waiting  p50 {hash50}  p99 {hash99}",
                "passwords", now.passwords.running, now.passwords.threads, now.passwords.waiting
            ),
            format!(
                "{:<NAMES$}{} connections  {} raises/s  data {}  free {}{full}",
                "around",
                grouped(now.connections.open),
                often(self.sight.raises),
                bytes(now.disk.database_bytes),
                bytes(now.disk.available_bytes)
            ),
        ];
        if self.sight.has_reports() {
            lines.push(self.verifiers());
        }
        lines
    }

    /// What is told inside apps: how much, and in which way which part of it.
    fn verifiers(&self) -> String {
        let rates = self.sight.verifiers();
        let all: f64 = rates.iter().map(|(_, rate)| rate).sum();
        let part = |(way, rate): &(&str, f64)| format!("  {:.1}% {way}", 100.0 * rate / all);
        let parts: String = rates.iter().filter(|(_, rate)| *rate > 0.0).map(part).collect();
        format!("{:<NAMES$}{}/s{parts}", "verifiers", often(all))
    }

    /// Every operation that was called, with how long it took, and what it waited for.
    fn operations(&self, width: usize) -> Vec<String> {
        let drawn = width >= NAMES + 3 * NUMBER + 2 + BUCKETS;
        let axis = if drawn { "  100 ns  10 µs   1 ms    100 ms  10 s" } else { "" };
        let mut lines = vec![format!(
            "{:<NAMES$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}{axis}",
            "operation", "a second", "p50", "p99"
        )];
        let Sight { commits, commit, hashes, hash, .. } = self.sight;
        let within = |name: &str, rate, duration: &Histogram| Operation {
            name: name.to_owned(),
            rate,
            duration: duration.clone(),
        };
        let within = [within("commit", *commits, commit), within("password hash", *hashes, hash)];
        let called = self.sight.operations.iter().chain(&within).filter(|of| of.duration.count() > 0);
        lines.extend(called.map(|of| operation(of, drawn)));
        if lines.len() == 1 {
            lines.push("nothing was called".to_owned());
        }
        lines
    }

    /// Failures beside apps.
    fn lists(&self, width: usize, rows: usize) -> Vec<String> {
        let failures = self.sight.failures.iter().map(|of| {
            let count = grouped(of.count);
            let room = FAILURES.saturating_sub(count.len() + 1);
            format!("{:<room$} {count}", fit(&neutral(&of.word), room))
        });
        let wide = width.min(WIDEST).saturating_sub(FAILURES + 4 + 3 * NUMBER).clamp(8, 32);
        let apps = self.sight.apps.iter().map(|app| app_line(app, wide));
        let title =
            format!("failures in {}", span(Duration::from_secs_f64(self.sight.window.max(1.0).round())));
        let right =
            format!("{:<wide$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}", "app", "calls/s", "refused/s", "tokens/s");
        let (mut left, mut right) = (vec![title], vec![right]);
        left.extend(listed(failures.collect(), rows, "none"));
        right.extend(listed(apps.collect(), rows, "none yet"));
        let blank = String::new();
        (0..left.len().max(right.len()))
            .map(|row| {
                let (left, right) = (left.get(row).unwrap_or(&blank), right.get(row).unwrap_or(&blank));
                format!("{left:<FAILURES$}    {right}").trim_end().to_owned()
            })
            .collect()
    }

    fn foot(&self) -> String {
        let (seconds, window) = (self.sight.seconds.round(), self.sight.window.round());
        format!("q ends it.  Rates over {seconds:.0} s; percentiles, failures, verifiers over {window:.0} s.")
    }
}

fn room_for_rates(width: usize) -> usize {
    width.min(WIDEST).saturating_sub(NAMES + 3 * NUMBER + 2)
}

fn operation(of: &Operation, drawn: bool) -> String {
    let (p50, p99) = percentiles(Some(&of.duration));
    let rate = often(of.rate);
    let picture = if drawn {
        bars(of.duration.counts.iter().take(BUCKETS).map(|count| float(*count)))
    } else {
        String::new()
    };
    format!("{:<NAMES$}{rate:>NUMBER$}{p50:>NUMBER$}{p99:>NUMBER$}  {picture}", neutral(&of.name))
        .trim_end()
        .to_owned()
}

fn app_line(app: &App, wide: usize) -> String {
    let (calls, refused, tokens) = (often(app.requests), often(app.refused), often(app.verifications));
    format!("{:<wide$}{calls:>NUMBER$}{refused:>NUMBER$}{tokens:>NUMBER$}", fit(&neutral(&app.name), wide))
}

/// As many as there is room for, and how many more there are.
fn listed(mut all: Vec<String>, rows: usize, none: &str) -> Vec<String> {
    if all.is_empty() {
        return vec![none.to_owned()];
    }
    if all.len() > rows {
        let more = all.len() - rows.saturating_sub(1);
        all.truncate(rows.saturating_sub(1));
        all.push(format!("{more} more"));
    }
    all
}

/// Bars as high as these are in proportion to the highest. What is nothing has none.
fn bars(sizes: impl Iterator<Item = f64> + Clone) -> String {
    let most = sizes.clone().fold(0.0, f64::max);
    let bar = |size: f64| {
        let eighths = size / most * 8.0;
        let place = (1..BARS.len()).take_while(|place| float(*place as u64) < eighths).count();
        if size > 0.0 { BARS.get(place).copied().unwrap_or('█') } else { ' ' }
    };
    sizes.map(bar).collect()
}

fn percentiles(times: Option<&Histogram>) -> (String, String) {
    let of = |part| times.and_then(|times| times.quantile(part)).map_or_else(|| "-".to_owned(), duration);
    (of(0.5), of(0.99))
}

fn mean(sizes: &Histogram) -> String {
    match sizes.count() {
        0 => "-".to_owned(),
        count => often(float(sizes.sum) / float(count)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is drawn or rounded needs no more")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A length of time in its two largest units.
fn span(length: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(length.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The text, cut where the width ends.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect()
}
