//! How a verifier is set up.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Verifier;
use super::agent::{self, Reports};
use super::cache::Cache;
use super::near::Owner;
use super::state::State;
use super::tally::Tally;
use crate::client::{Client, DEFAULT_DEADLINE};
use crate::error::Error;

/// How often can be reported.
const REPORT_EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// Sets a [`Verifier`] up.
///
/// ```no_run
/// # fn f() -> Result<(), hallpass_client::Error> {
/// use std::time::Duration;
/// use hallpass_client::Verifier;
///
/// let verifier = Verifier::builder()
///     .entries(100_000)
///     .bytes(128 << 20)
///     .deadline(Duration::from_millis(500))
///     // Should the daemon die, whoever it knew a moment ago is let in for so long.
///     .serve_stale_for(Duration::from_secs(30))
///     .report_every(Duration::from_secs(5)) // for `hallpass metrics`
///     .connect_default()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifierBuilder {
    entries: usize,
    bytes: usize,
    deadline: Duration,
    stale_for: Duration,
    report_every: Option<Duration>,
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            entries: 32_768,
            bytes: 64 << 20,
            deadline: DEFAULT_DEADLINE,
            stale_for: Duration::ZERO,
            report_every: None,
        }
    }
}

impl VerifierBuilder {
    /// For how many tokens there is room, 32,768 by default. More than that push out what came first, which is then verified anew.
    pub fn entries(self, entries: usize) -> Self {
        Self { entries, ..self }
    }

    /// How much memory the tokens and what is known of them may take up, in bytes: 64 MiB by default. Each thread that verifies can keep up to 1,024 of
    /// them a while longer.
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// How long a question to the daemon may take: 10 s by default, 60 s at most.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Goes on accepting what was verified before, for so long after the daemon was last heard of, when it does not answer. Off by default: then nobody
    /// is let in whom the daemon does not vouch for.
    ///
    /// It counts from the end of the lease. What the daemon took back before it fell silent stays taken back; what expires expires; and a daemon
    /// that was stopped in order ends this at once. What it could not tell any more is missed: that is the price.
    pub fn serve_stale_for(self, longest: Duration) -> Self {
        Self { stale_for: longest, ..self }
    }

    /// Tells the daemon this often, from a second to an hour, how many tokens were found good here and in which [`Way`](super::Way): `hallpass metrics` and `hallpass
    /// top` show it. Off by default. Five seconds are as often as most want it, and each time is one small call.
    ///
    /// Each thread counts for itself, in a place that no other writes. It takes the right `verify`; without it nothing is told. What was counted since the last time is told when the last
    /// clone of the verifier is dropped, where the process goes on for that long.
    pub fn report_every(self, interval: Duration) -> Self {
        let (shortest, longest) = REPORT_EVERY.into_inner();
        Self { report_every: Some(interval.clamp(shortest, longest)), ..self }
    }

    /// A verifier that asks the daemon behind this socket. Waits until the daemon has answered.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Verifier;
    ///
    /// let verifier = Verifier::builder().entries(1_000).connect("/run/hallpass/hallpass.sock")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect`].
    pub fn connect(self, path: impl Into<PathBuf>) -> Result<Verifier, Error> {
        let path = path.into();
        let deadline = self.deadline;
        self.start(move || async move { Ok(Client::connect(path).await?.with_deadline(deadline)) })
    }

    /// A verifier that asks the daemon where it is by default.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Verifier;
    ///
    /// let verifier = Verifier::builder().entries(1_000).connect_default()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect_default`].
    pub fn connect_default(self) -> Result<Verifier, Error> {
        let deadline = self.deadline;
        self.start(move || async move { Ok(Client::connect_default().await?.with_deadline(deadline)) })
    }

    fn start<F>(self, connect: impl FnOnce() -> F + Send + 'static) -> Result<Verifier, Error>
    where
        F: Future<Output = Result<Client, Error>>,
    {
        let state = Arc::new(State::new(Cache::new(self.entries, self.bytes), self.stale_for, self.deadline));
        let owner = Owner::new();
        let reports = self.report_every.map(|every| Reports { tally: Arc::new(Tally::new(owner)), every });
        let tally = reports.as_ref().map(|reports| Arc::clone(&reports.tally));
        let jobs = agent::start(connect, Arc::clone(&state), reports)?;
        Ok(Verifier { state, jobs, owner, tally })
    }
}
