//! What was seen lately: answers to take differences of, and rates to draw lines of.

use std::collections::VecDeque;

use hallpass_client::admin::Metrics;

use super::sight::{LINES, Line, Sight};

/// Intervals that percentiles and failures are taken over, so that they do not jump about.
const WINDOW: usize = 10;
/// Rates that are kept for each line: as many as the widest terminal shows.
const KEPT: usize = 600;

/// What was seen lately.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The oldest first.
    seen: VecDeque<Metrics>,
    rates: [VecDeque<f64>; LINES.len()],
}

impl History {
    /// One more answer. One of another start of the daemon has nothing to do with those before it.
    pub(super) fn add(&mut self, metrics: Metrics) {
        if self
            .seen
            .back()
            .is_some_and(|last| last.started != metrics.started || last.uptime_micros > metrics.uptime_micros)
        {
            self.seen.clear();
        }
        self.seen.push_back(metrics);
        if self.seen.len() > WINDOW + 1 {
            self.seen.pop_front();
        }
        if self.has_interval()
            && let Some(sight) = self.sight()
        {
            self.note(LINES.map(|line| sight.rate(line)));
        }
    }

    /// There was no answer.
    pub(super) fn miss(&mut self) {
        self.note([0.0; LINES.len()]);
    }

    fn note(&mut self, rates: [f64; LINES.len()]) {
        for (kept, rate) in self.rates.iter_mut().zip(rates) {
            kept.push_back(rate);
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
    }

    /// Whether there are two answers to compare. With one alone everything is seen since the daemon's start.
    pub(super) fn has_interval(&self) -> bool {
        self.seen.len() > 1
    }

    /// What there is to see now.
    pub(super) fn sight(&self) -> Option<Sight> {
        let (now, before) = (self.seen.back()?, self.seen.iter().rev().nth(1));
        let oldest = self.seen.front().filter(|_| self.has_interval());
        Some(Sight::new(now, before, oldest))
    }

    /// The rates of a line, the newest last.
    pub(super) fn rates(&self, line: Line) -> impl DoubleEndedIterator<Item = f64> {
        let place = LINES.iter().position(|other| *other == line).unwrap_or_default();
        self.rates.get(place).into_iter().flatten().copied()
    }
}
