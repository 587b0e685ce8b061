//! What all clones of a verifier share with the thread that asks for them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hallpass_protocol::board::{Ask, Lease};
use tokio::sync::Notify;

use super::cache::Cache;
use super::judge::Judge;

/// What all clones of a verifier share with the thread that asks for them.
pub(super) struct State {
    pub(super) cache: Cache,
    pub(super) judge: ArcSwapOption<Judge>,
    /// Why there is no board, if there is none, in words.
    pub(super) faults: ArcSwapOption<String>,
    pub(super) stale_for: Duration,
    /// How long a question may take.
    pub(super) deadline: Duration,
    /// The process that the thread which asks is in: a child of it has a copy of this and no such thread.
    pub(super) process: u32,
    /// Whether the board or the keys on hand are not the present ones.
    pub(super) wants_renewal: AtomicBool,
    pub(super) renewal: Notify,
    /// When a question last went without an answer, in nanoseconds of the monotonic clock; 0 once one was answered.
    silent_at: AtomicU64,
    /// Whether somebody is finding out if the daemon is back.
    pub(super) probing: AtomicBool,
    asked: [AtomicU64; REASONS.len()],
}

/// How long one question without an answer speaks for the next.
const SILENT_NANOS: u64 = 1_000_000_000;

/// Every reason to ask, in the order in which they are counted; what was never seen comes last.
const REASONS: [Option<Ask>; 7] = [
    Some(Ask::Closed),
    Some(Ask::NoLease),
    Some(Ask::Floor),
    Some(Ask::Changed),
    Some(Ask::Ahead),
    Some(Ask::Keys),
    None,
];

impl State {
    /// Nothing is known yet.
    pub(super) fn new(cache: Cache, stale_for: Duration, deadline: Duration) -> Self {
        Self {
            cache,
            judge: ArcSwapOption::empty(),
            faults: ArcSwapOption::empty(),
            stale_for,
            deadline,
            process: std::process::id(),
            wants_renewal: AtomicBool::new(false),
            renewal: Notify::new(),
            silent_at: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            asked: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts a question, and sees to it that what is out of date is learned anew.
    pub(super) fn note(&self, why: Option<Ask>) {
        if let Some(count) =
            REASONS.iter().position(|reason| *reason == why).and_then(|at| self.asked.get(at))
        {
            count.fetch_add(1, Relaxed);
        }
        if matches!(why, Some(Ask::Closed | Ask::NoLease | Ask::Keys)) {
            self.wants_renewal.store(true, Relaxed);
        }
    }

    /// Notes whether a question was answered.
    pub(super) fn heard(&self, answered: bool, monotonic: u64) {
        self.silent_at.store(if answered { 0 } else { monotonic }, Relaxed);
    }

    /// Whether the daemon has fallen silent: its lease has run out, and the last question went without an answer just now. Then the next one need not
    /// be waited for.
    pub(super) fn is_silent(&self, monotonic: u64) -> bool {
        let at = self.silent_at.load(Relaxed);
        if at == 0 || monotonic.saturating_sub(at) >= SILENT_NANOS {
            return false;
        }
        let judge = self.judge.load();
        let board = judge.as_ref().and_then(|judge| judge.board.as_ref());
        board.is_some_and(|board| matches!(board.lease(monotonic), Lease::Over(_) | Lease::Closed))
    }

    /// How often the daemon was asked, by reason.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Option<Ask>, u64)> {
        REASONS.into_iter().zip(self.asked.iter().map(|count| count.load(Relaxed)))
    }
}
