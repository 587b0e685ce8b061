//! What is counted: calls by operation and outcome, what commits and hashes took, who came. Whoever counts adds to a number of its own, without
//! a lock and without taking memory.

mod histogram;
mod reported;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_protocol::auth::VerifierReport;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::metrics::{APPS_COUNTED, AppMetrics, Counted, OTHER_APPS, OperationMetrics};
use hallpass_protocol::time::Stamp;

pub(crate) use histogram::{BATCHES, DURATIONS, Histogram};
use reported::Reported;

use crate::domain::policy::Operation;
use crate::domain::raise::Raise;

/// A count that only rises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Counts so many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Counts one more, and says how many there were before.
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    /// How many there were.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What callers have asked.
#[derive(Debug)]
pub(crate) struct Requests {
    operations: [OfOperation; Operation::ALL.len()],
    verifications: Outcomes,
    /// Locked when a connection begins, and never by a call.
    apps: Mutex<BTreeMap<String, Arc<OfApp>>>,
    sent_away: [Count; Reason::ALL.len()],
    let_in: Count,
}

#[derive(Debug)]
struct OfOperation {
    outcomes: Outcomes,
    duration: Histogram,
}

/// What one app has asked.
#[derive(Debug, Default)]
pub(crate) struct OfApp {
    /// Calls that wait for something.
    waiting: Count,
    /// Those that do not.
    brief: Count,
    refused: Count,
    verifications: Count,
    verifier: Reported,
}

/// Of calls that wait for nothing, one in so many is timed.
const TIMED: u64 = 16;

impl OfApp {
    /// A call begins.
    pub(crate) fn begins(&self) {
        self.waiting.add(1);
    }

    /// A call begins that waits for nothing. Whether it is to be timed.
    pub(crate) fn begins_at_once(&self) -> bool {
        self.brief.next().is_multiple_of(TIMED)
    }

    /// Its verifiers say that they have told this.
    pub(crate) fn reports(&self, counted: VerifierReport) {
        self.verifier.add(counted);
    }

    fn requests(&self) -> u64 {
        self.waiting.read() + self.brief.read()
    }
}

/// How often something ended how.
#[derive(Debug)]
struct Outcomes {
    ok: Count,
    refused: [Count; ErrorCode::ALL.len()],
}

/// Why somebody was sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The configuration does not know them.
    Stranger,
    /// There are too many connections.
    Connections,
    /// There is no memory for what they may send.
    Memory,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Stranger, Self::Connections, Self::Memory];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Connections => "connections",
            Self::Memory => "memory",
        }
    }
}

impl Outcomes {
    const fn new() -> Self {
        Self {
            ok: Count(AtomicU64::new(0)),
            refused: [const { Count(AtomicU64::new(0)) }; ErrorCode::ALL.len()],
        }
    }

    fn add(&self, refused: Option<ErrorCode>, more: u64) {
        let count = match refused {
            None => &self.ok,
            Some(code) => self.refused.get(code as usize).unwrap_or(&self.ok),
        };
        count.add(more);
    }

    fn read(&self) -> Vec<Counted> {
        let refused = ErrorCode::ALL.iter().map(|code| code.as_str()).zip(&self.refused);
        let all = std::iter::once(("ok", &self.ok)).chain(refused);
        counted(all.map(|(word, count)| (word, count.read())))
    }
}

/// What has happened of what can.
fn counted(all: impl Iterator<Item = (&'static str, u64)>) -> Vec<Counted> {
    all.filter(|(_, count)| *count > 0)
        .map(|(word, count)| Counted { word: word.to_owned(), count })
        .collect()
}

impl Requests {
    /// Nothing was asked yet.
    pub(crate) fn new() -> Self {
        Self {
            operations: [const { OfOperation { outcomes: Outcomes::new(), duration: Histogram::new(&DURATIONS) } };
                Operation::ALL.len()],
            verifications: Outcomes::new(),
            apps: Mutex::default(),
            sent_away: Default::default(),
            let_in: Count::default(),
        }
    }

    /// Where calls of this app are counted. Beyond as many apps as are counted each by itself, all share one place.
    pub(crate) fn of_app(&self, app: &str) -> Arc<OfApp> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let known = apps.contains_key(app) || apps.len() < APPS_COUNTED - 1;
        Arc::clone(apps.entry(if known { app } else { OTHER_APPS }.to_owned()).or_default())
    }

    /// A call was answered, after so many nanoseconds if it was timed.
    pub(crate) fn answered(
        &self,
        app: &OfApp,
        operation: Operation,
        refused: Option<ErrorCode>,
        nanos: Option<u64>,
    ) {
        if refused.is_some() {
            app.refused.add(1);
        }
        if let Some(counts) = self.operations.get(operation as usize) {
            counts.outcomes.add(refused, 1);
            if let Some(nanos) = nanos {
                counts.duration.add(nanos);
            }
        }
    }

    /// Tokens were looked at, with these outcomes.
    pub(crate) fn verified(&self, app: &OfApp, outcomes: impl Iterator<Item = Option<ErrorCode>>) {
        let (mut all, mut good) = (0, 0);
        for refused in outcomes {
            all += 1;
            match refused {
                None => good += 1,
                Some(_) => self.verifications.add(refused, 1),
            }
        }
        self.verifications.add(None, good);
        app.verifications.add(all);
    }

    /// Somebody was let in.
    pub(crate) fn let_in(&self) {
        self.let_in.add(1);
    }

    /// Somebody was sent away.
    pub(crate) fn sent_away(&self, reason: Reason) {
        if let Some(count) = self.sent_away.get(reason as usize) {
            count.add(1);
        }
    }

    /// Calls so far, by operation.
    pub(crate) fn operations(&self) -> Vec<OperationMetrics> {
        let of = |(operation, counts): (&Operation, &OfOperation)| OperationMetrics {
            operation: operation.as_str().to_owned(),
            outcomes: counts.outcomes.read(),
            duration: counts.duration.read(),
        };
        // Nobody calls `connect`: whoever may not has no connection to call on.
        let called = Operation::ALL.iter().zip(&self.operations);
        called.filter(|(operation, _)| **operation != Operation::Connect).map(of).collect()
    }

    /// Tokens that were looked at so far, by outcome.
    pub(crate) fn verifications(&self) -> Vec<Counted> {
        self.verifications.read()
    }

    /// What each app has asked so far.
    pub(crate) fn apps(&self) -> Vec<AppMetrics> {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(app, counts): (&String, &Arc<OfApp>)| AppMetrics {
            app: app.clone(),
            requests: counts.requests(),
            refused: counts.refused.read(),
            verifications: counts.verifications.read(),
            verifier: counts.verifier.read(),
        };
        apps.iter().map(of).collect()
    }

    /// How many were let in so far, and sent away by reason.
    pub(crate) fn connections(&self) -> (u64, Vec<Counted>) {
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str()).zip(&self.sent_away);
        (self.let_in.read(), counted(reasons.map(|(word, count)| (word, count.read()))))
    }
}

macro_rules! revocation_kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal;)*) => {
        /// What was taken back: one session and why, or many at once.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum RevocationKind {
            $($(#[$doc])* $variant,)*
        }

        impl RevocationKind {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

revocation_kinds! {
    /// A session that somebody logged out of or ended.
    Revoked = "revoked";
    /// A session whose refresh token was used twice.
    Reuse = "reuse";
    /// A session that the store had lost changes of.
    Rollback = "rollback";
    /// A session whose refresh token another app has shown.
    OtherApp = "other_app";
    /// A session that made room for a newer one.
    Evicted = "evicted";
    /// A session in whose place a newer one is.
    Superseded = "superseded";
    /// All sessions of a user.
    User = "user";
    /// All sessions that an app opened.
    App = "app";
    /// All access tokens that a key has signed.
    Key = "key";
    /// Every session.
    Everything = "everything";
}

/// What a batch has changed that is counted, once it is on disk.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Sessions that were opened.
    pub(crate) opened: u64,
    /// Sessions that were removed for being over.
    pub(crate) swept: u64,
    /// What was taken back.
    pub(crate) revocations: Vec<RevocationKind>,
}

/// What the writer has done.
#[derive(Debug)]
pub(crate) struct Written {
    /// Nanoseconds that commits took.
    pub(crate) commits: Histogram,
    /// Changes that were committed together.
    pub(crate) batches: Histogram,
    /// Commits of which nobody knew whether they were done.
    pub(crate) failed: Count,
    /// Slots of the board that were raised.
    pub(crate) slots_raised: Count,
    /// How often its floor was.
    pub(crate) floors_raised: Count,
    /// Sessions that were opened.
    pub(crate) opened: Count,
    /// Sessions that were removed for being over.
    pub(crate) swept: Count,
    revocations: [Count; RevocationKind::ALL.len()],
}

impl Default for Written {
    fn default() -> Self {
        Self {
            commits: Histogram::new(&DURATIONS),
            batches: Histogram::new(&BATCHES),
            failed: Count::default(),
            slots_raised: Count::default(),
            floors_raised: Count::default(),
            opened: Count::default(),
            swept: Count::default(),
            revocations: Default::default(),
        }
    }
}

impl Written {
    /// What a batch has changed is on disk.
    pub(crate) fn add(&self, tally: &Tally) {
        self.opened.add(tally.opened);
        self.swept.add(tally.swept);
        for kind in &tally.revocations {
            if let Some(count) = self.revocations.get(*kind as usize) {
                count.add(1);
            }
        }
    }

    /// So many slots of the board were raised, and its floor so often.
    pub(crate) fn raised(&self, raises: &[(Raise, Stamp)]) {
        let floors = raises.iter().filter(|(raise, _)| *raise == Raise::Everything).count() as u64;
        self.floors_raised.add(floors);
        self.slots_raised.add(raises.len() as u64 - floors);
    }

    /// What was taken back so far.
    pub(crate) fn revocations(&self) -> Vec<Counted> {
        let all = RevocationKind::ALL.iter().map(|kind| kind.as_str()).zip(&self.revocations);
        counted(all.map(|(word, count)| (word, count.read())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::codec::encode;
    use hallpass_protocol::limits::ADMIN_FRAME;
    use hallpass_protocol::metrics::Metrics;

    fn word(counted: &[Counted], word: &str) -> u64 {
        counted.iter().find(|counted| counted.word == word).map_or(0, |counted| counted.count)
    }

    #[test]
    fn a_call_is_counted_for_its_operation_its_outcome_and_its_app() {
        let requests = Requests::new();
        let shop = requests.of_app("shop");
        shop.begins();
        assert!(shop.begins_at_once(), "the first is timed");
        assert!((2..=TIMED).all(|_| !requests.of_app("shop").begins_at_once()) && shop.begins_at_once());
        requests.answered(&shop, Operation::Login, None, Some(250));
        requests.answered(&shop, Operation::Login, Some(ErrorCode::Busy), Some(60_000_000_001));
        requests.answered(&requests.of_app("shop"), Operation::Login, None, None);
        let operations = requests.operations();
        let login = operations.iter().find(|of| of.operation == "login").unwrap();
        assert_eq!((word(&login.outcomes, "ok"), word(&login.outcomes, "busy")), (2, 1));
        assert_eq!((login.duration.count(), login.duration.counts[2], login.duration.counts[36]), (2, 1, 1));
        assert!(operations.iter().filter(|of| of.operation != "login").all(|of| of.duration.count() == 0));
        let counted =
            AppMetrics { app: "shop".into(), requests: TIMED + 2, refused: 1, ..AppMetrics::default() };
        assert_eq!(requests.apps(), [counted]);
    }

    #[test]
    fn every_token_of_a_call_is_counted() {
        let requests = Requests::new();
        let outcomes = [None, Some(ErrorCode::Expired), None, Some(ErrorCode::DiskFull)];
        requests.verified(&requests.of_app("shop"), outcomes.into_iter());
        let read = requests.verifications();
        assert_eq!([word(&read, "ok"), word(&read, "expired"), word(&read, "disk_full")], [2, 1, 1]);
        assert_eq!(requests.apps()[0].verifications, 4);
    }

    #[test]
    fn apps_beyond_the_bound_are_counted_together() {
        let requests = Requests::new();
        for number in 0..APPS_COUNTED + 5 {
            requests.of_app(&format!("app-{number}")).begins();
        }
        let apps = requests.apps();
        assert_eq!(apps.len(), APPS_COUNTED);
        let others = apps.iter().find(|app| app.app == OTHER_APPS).unwrap();
        assert_eq!(others.requests, 6);
        assert_eq!(requests.of_app("app-0").requests(), 1, "one that has its place keeps it");
    }

    #[test]
    fn whatever_is_revocations_or_sent_away_has_its_place() {
        let written = Written::default();
        let revocations = RevocationKind::ALL.to_vec();
        written.add(&Tally { opened: 2, swept: 3, revocations });
        assert_eq!(written.revocations().len(), RevocationKind::ALL.len());
        assert!(written.revocations().iter().all(|counted| counted.count == 1));
        let requests = Requests::new();
        for reason in Reason::ALL {
            requests.sent_away(reason);
        }
        assert_eq!(requests.connections().1.len(), 3);
    }

    #[test]
    fn the_largest_answer_fits_its_frame() {
        let requests = Requests::new();
        for number in 0..=APPS_COUNTED {
            let app = requests.of_app(&format!("{number:->32}"));
            for count in [&app.brief, &app.refused, &app.verifications] {
                count.add(u64::MAX);
            }
            let most = u64::MAX;
            app.reports(VerifierReport { memory: most, signature: most, daemon: most, stale: most });
        }
        let app = requests.of_app("x");
        for operation in &requests.operations {
            for code in ErrorCode::ALL {
                operation.outcomes.add(Some(*code), u64::MAX);
                requests.verified(&app, std::iter::once(Some(*code)));
            }
        }
        let mut metrics = Metrics {
            operations: requests.operations(),
            verifications: requests.verifications(),
            apps: requests.apps(),
            ..Metrics::default()
        };
        // Each count as wide as it can be.
        for of in &mut metrics.operations {
            of.duration.counts.iter_mut().for_each(|count| *count = u64::MAX);
            metrics.writer.commits = of.duration.clone();
            metrics.writer.batches = of.duration.clone();
            metrics.passwords.hashes = of.duration.clone();
        }
        let bytes = encode(&metrics).unwrap().len();
        assert!(bytes + 4096 < ADMIN_FRAME, "{bytes} bytes, and the rest has no more than 4096");
    }
}
