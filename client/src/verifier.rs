//! Verification inside this process: by what is on hand while the board says that nothing has changed, by asking the daemon otherwise.

mod agent;
mod asking;
mod bearer;
mod cache;
mod clock;
mod entry;
mod judge;
mod near;
mod settings;
mod state;
mod tally;

pub use bearer::{Bearer, Verdict, Way};
pub use settings::VerifierBuilder;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hallpass_protocol::auth::{Context, Needs};
use hallpass_protocol::board::Ask;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::token::TokenKind;

use crate::error::Error;
use agent::Jobs;
use cache::{find, place};
use clock::monotonic;
use entry::{Entry, Question};
use judge::Judged;
use near::Owner;
use state::State;
use tally::Tally;

/// What is said while the daemon is silent.
const SILENT: &str = "the daemon does not answer and its lease has run out, so nobody can vouch for the token; start hallpassd, or look at why it hangs";
/// Verifies tokens inside this process.
///
/// A token that was verified before is verified again by a look into memory: at what was answered, and at the daemon's board, which says whether
/// anything has changed for its session or user since. An access token that was not seen before is checked here by its signature. Whatever
/// cannot be told here is asked. So a revocation, a logout or a changed role is seen by the very next verification on the host, and no
/// verification waits for the daemon without need.
///
/// Clones are cheap and share everything. No runtime is needed: a thread of the verifier's own asks the daemon. A process that forks makes its verifier
/// afterwards.
///
/// ```no_run
/// # fn check(cookie: &str) -> Result<(), hallpass_client::Error> {
/// use hallpass_client::{ErrorClass, Verifier};
///
/// let verifier = Verifier::connect_default()?; // once, when the app starts
/// match verifier.verify(cookie) {
///     Ok(verdict) => println!("{} with {:?}", verdict.user_id(), verdict.roles()),
///     Err(error) if error.class() == ErrorClass::Login => println!("clear the cookie and log in: {error}"),
///     Err(error) => return Err(error),
/// }
///
/// // For the app's own metrics:
/// println!("{:?}, {} bytes, {:?}", verifier.asked(), verifier.cached_bytes(), verifier.board_fault());
/// # Ok(()) }
/// ```
///
/// # Which of its ways
///
/// [`Verifier::verify_with`] is the fastest and [`Verifier::verify`] the shortest; both wait while the daemon is asked. In async code use
/// [`Verifier::verify_async`], which does not hold up the runtime. [`Verifier::try_verify`] never asks and never waits.
///
/// # When the daemon does not answer
///
/// The board is believed only while the daemon keeps its lease alive, for 5 s at the most. Without a lease every verification asks, and when
/// nobody answers it fails with [`ErrorCode::Unavailable`](crate::ErrorCode::Unavailable) or
/// [`ErrorCode::Unknown`](crate::ErrorCode::Unknown): closed, not open. Apps that prefer to stay up can say for how
/// long: see [`VerifierBuilder::serve_stale_for`].
#[derive(Clone)]
pub struct Verifier {
    state: Arc<State>,
    jobs: Jobs,
    owner: Owner,
    /// Where is counted how tokens were told to be good, if that is reported.
    tally: Option<Arc<Tally>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("bytes", &self.state.cache.bytes()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that asks the daemon behind this socket. Waits until the daemon has answered.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Verifier;
    ///
    /// let verifier = Verifier::connect("/run/hallpass/hallpass.sock")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::connect`](crate::Client::connect).
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        VerifierBuilder::default().connect(path)
    }

    /// A verifier that asks the daemon where it is by default, as [`Client::connect_default`](crate::Client::connect_default) finds it. Waits until
    /// it has answered: in async code, on a thread that may block.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use hallpass_client::Verifier;
    ///
    /// let verifier = tokio::task::spawn_blocking(Verifier::connect_default).await??;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn connect_default() -> Result<Self, Error> {
        VerifierBuilder::default().connect_default()
    }

    /// A verifier that is set up otherwise than usual: see [`VerifierBuilder`].
    ///
    /// ```no_run
    /// # fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Verifier;
    ///
    /// let verifier = Verifier::builder().entries(100_000).connect_default()?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Verifies a session or access token. Blocks while the daemon is asked; see [`Verifier::verify_async`] for where that may not be.
    ///
    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    #[doc = include_str!("doc/verifier.txt")]
    /// use hallpass_client::{ErrorClass, Revoke};
    ///
    /// assert_eq!(verifier.verify(cookie)?.name(), Some("alice"));
    /// # let client = hallpass;
    /// // Somebody logs her out, from whatever process of the host:
    /// client.revoke(Revoke::User { user: grant.user_id, except: None })?;
    /// assert_eq!(verifier.verify(cookie).unwrap_err().class(), ErrorClass::Login);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the daemon says or would say, or that it cannot be reached. Act on [`Error::class`].
    pub fn verify(&self, token: &str) -> Result<Verdict, Error> {
        self.verify_for(token, &Needs::default())
    }

    /// The same, for somebody who must meet these needs.
    ///
    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    #[doc = include_str!("doc/verifier.txt")]
    /// use hallpass_client::{ErrorClass, Needs};
    ///
    /// let admins = Needs { roles: vec!["admin".into()], ..Needs::default() };
    /// let refused = verifier.verify_for(cookie, &admins).unwrap_err();
    /// assert_eq!(refused.class(), ErrorClass::Forbidden); // the session goes on
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Verifier::verify`]; what is not met is told in the daemon's words.
    pub fn verify_for(&self, token: &str, needs: &Needs) -> Result<Verdict, Error> {
        self.verify_from(token, needs, None)
    }

    /// The same, saying where the request came from: where sessions are bound to devices, another device is asked to prove the user again, and once a
    /// minute the daemon is told of the session's use from there.
    ///
    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    #[doc = include_str!("doc/verifier.txt")]
    /// use hallpass_client::{Context, Needs};
    ///
    /// let context = Context { device_fingerprint: Some("installation 7f3a".into()), ..Context::default() };
    /// let verdict = verifier.verify_from(cookie, &Needs::default(), Some(&context))?;
    /// # assert_eq!(verdict.name(), Some("alice"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Verifier::verify_for`].
    pub fn verify_from(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
    ) -> Result<Verdict, Error> {
        self.known(token, needs, context).unwrap_or_else(|| self.wait(token, needs, context))
    }

    /// The same, looking at who it is where that lies: the fastest way, since what is held is not even counted as held.
    ///
    /// ```no_run
    /// # fn f(verifier: &hallpass_client::Verifier, token: &str) -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::Needs;
    ///
    /// let may_edit = verifier.verify_with(token, &Needs::default(), None, |bearer| bearer.has_role("editor"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Verifier::verify_for`].
    #[inline]
    pub fn verify_with<T>(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
        look: impl Fn(&Bearer) -> T,
    ) -> Result<T, Error> {
        if let Some(place) = place(token) {
            let see = |entry: &Arc<Entry>| {
                if !entry.is_of(token) {
                    return None;
                }
                let time = entry.check_calm(monotonic())?;
                (entry.meets(needs, time) && entry.is_from(context)).then(|| look(&entry.bearer))
            };
            let tag = self.owner.tag(place);
            if let Some(seen) = near::with(tag, see) {
                self.count(Way::Memory);
                return Ok(seen);
            }
            if let Some(entry) = self.state.cache.pin().get(&place) {
                near::hold(tag, entry);
                if let Some(seen) = see(entry) {
                    self.count(Way::Memory);
                    return Ok(seen);
                }
            }
        }
        self.verify_from(token, needs, context).map(|verdict| look(&verdict))
    }

    /// The same on any runtime, without blocking.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// # let verifier = hallpass_client::Verifier::connect(daemon.socket())?;
    /// use hallpass_client::Needs;
    ///
    /// let verdict = verifier.verify_async(session_token.expose(), &Needs::default(), None).await?;
    /// assert!(verdict.has_role("editor"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Verifier::verify_for`].
    pub async fn verify_async(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
    ) -> Result<Verdict, Error> {
        if let Some(known) = self.known(token, needs, context) {
            return known;
        }
        let (told, telling) = tokio::sync::oneshot::channel();
        self.ask(token, needs, context, move |answer| drop(told.send(answer)));
        let answer = telling.await.unwrap_or(Err(Error::NoAnswer));
        self.settle(token, needs, context, answer)
    }

    /// What can be told of a token without asking anybody; nothing, if the daemon must be asked.
    ///
    /// ```
    #[doc = include_str!("doc/blocking.txt")]
    #[doc = include_str!("doc/blocking_session.txt")]
    #[doc = include_str!("doc/verifier.txt")]
    /// use hallpass_client::{Needs, Way};
    ///
    /// assert!(verifier.try_verify(cookie, &Needs::default(), None).is_none(), "it was never seen");
    /// verifier.verify(cookie)?;
    /// let known = verifier.try_verify(cookie, &Needs::default(), None);
    /// assert_eq!(known.transpose()?.map(|verdict| verdict.way()), Some(Way::Memory));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn try_verify(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
    ) -> Option<Result<Verdict, Error>> {
        let monotonic = monotonic();
        let entries = self.state.cache.pin();
        let held = place(token).and_then(|place| find(&entries, place, token));
        let Some(entry) = held else { return self.judge(token, needs, context, monotonic) };
        match self.stands(entry, needs, context, monotonic) {
            Ok(()) => Some(Ok(self.verdict(Arc::clone(entry), Way::Memory))),
            Err(why) => {
                self.state.note(why);
                None
            }
        }
    }

    /// Whether what is held is good for this, or why the daemon is to be asked, if the board says so.
    #[inline]
    fn stands(
        &self,
        entry: &Arc<Entry>,
        needs: &Needs,
        context: Option<&Context>,
        monotonic: u64,
    ) -> Result<(), Option<Ask>> {
        let time = entry.check(monotonic)?;
        if !entry.meets(needs, time) || !entry.is_from(context) {
            return Err(None);
        }
        if entry.wants_touch(time) {
            self.touch(entry, needs, context);
        }
        Ok(())
    }

    /// What can be told without waiting. While the daemon is silent that is what is stale, where that is wanted, or that nobody answers.
    #[inline]
    fn known(&self, token: &str, needs: &Needs, context: Option<&Context>) -> Option<Result<Verdict, Error>> {
        let known = self.try_verify(token, needs, context);
        if known.is_some() || !self.state.is_silent(monotonic()) {
            return known;
        }
        // Somebody has to find out when the daemon is back, and one at a time is enough.
        if !self.state.probing.swap(true, Relaxed) {
            let shared = Arc::clone(&self.state);
            self.ask(token, needs, context, move |_| shared.probing.store(false, Relaxed));
        }
        let silent = || Error::Refused(Refusal::because(ErrorCode::Unavailable, SILENT));
        Some(self.stale(token, needs, context).ok_or_else(silent))
    }

    /// How often the daemon was asked since the start, by reason: `changed`, `floor`, `ahead`, `keys`, `no_lease`, `closed`, or `unseen` for what
    /// was never verified before or did not meet its needs. What was told without asking is not among them: see [`VerifierBuilder::report_every`].
    #[must_use]
    pub fn asked(&self) -> Vec<(&'static str, u64)> {
        self.state.asked().map(|(why, count)| (why.map_or("unseen", |why| why.as_str()), count)).collect()
    }

    /// About the memory that tokens verified before take up, in bytes.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.state.cache.bytes()
    }

    /// Why the board that the daemon has named cannot be used, if that is so. Everything is asked then.
    #[must_use]
    pub fn board_fault(&self) -> Option<String> {
        self.state.faults.load().as_ref().map(|fault| fault.as_ref().clone())
    }

    /// Judges a token that was not seen before.
    #[cold]
    fn judge(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
        monotonic: u64,
    ) -> Option<Result<Verdict, Error>> {
        let judge = self.state.judge.load();
        let judge = judge.as_ref().filter(|_| TokenKind::of(token) == TokenKind::Access);
        let Some(judge) = judge else {
            self.state.note(None);
            return None;
        };
        let question = Question { token, audience: judge.audience(needs), context };
        match judge.judge(&question, needs, monotonic) {
            Judged::Good(entry) => {
                let entry = Arc::<Entry>::from(entry);
                self.state.cache.insert(Arc::clone(&entry));
                Some(Ok(self.verdict(entry, Way::Signature)))
            }
            Judged::Refused(code) => Some(Err(Error::Refused(Refusal::new(code)))),
            Judged::Ask(why) => {
                self.state.note(why);
                None
            }
        }
    }

    /// What is held, if it was good when the daemon was last heard of and that is not too long ago.
    fn stale(&self, token: &str, needs: &Needs, context: Option<&Context>) -> Option<Verdict> {
        if self.state.stale_for.is_zero() {
            return None;
        }
        let judge = self.state.judge.load();
        let board = judge.as_ref()?.board.as_ref()?;
        let entries = self.state.cache.pin();
        let entry = find(&entries, place(token)?, token)?;
        let time = entry.check_stale(board, monotonic(), self.state.stale_for)?;
        let good = entry.meets(needs, time) && entry.is_from(context);
        good.then(|| self.verdict(Arc::clone(entry), Way::Stale))
    }

    #[inline]
    fn verdict(&self, entry: Arc<Entry>, way: Way) -> Verdict {
        self.count(way);
        Verdict::new(entry, way)
    }

    #[inline]
    fn count(&self, way: Way) {
        if let Some(tally) = &self.tally {
            tally.count(way);
        }
    }
}
