//! Asking the daemon what cannot be told here, and what becomes of its answer.

use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::auth::{Context, Needs, Verify};
use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
use hallpass_protocol::secret::Token;
use tokio::sync::mpsc::error::TrySendError;

use super::Verifier;
use super::agent::Job;
use super::bearer::{Verdict, Way};
use super::cache::{find, place};
use super::entry::Entry;
use crate::error::Error;

/// How much longer than its deadline an answer is waited for: the thread that asks keeps to the deadline itself.
const SLACK: Duration = Duration::from_secs(1);
/// What is said in a child of the process that made the verifier.
const FORKED: &str = "this process is a child of the one that made the verifier, whose thread it does not have; make a verifier after the fork";

impl Verifier {
    #[cold]
    pub(super) fn wait(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
    ) -> Result<Verdict, Error> {
        let (told, telling) = std::sync::mpsc::sync_channel(1);
        self.ask(token, needs, context, move |answer| drop(told.send(answer)));
        let answer = telling.recv_timeout(self.state.deadline + SLACK).unwrap_or(Err(Error::NoAnswer));
        self.settle(token, needs, context, answer)
    }

    /// Tells the daemon that a session was used, without making anybody wait; its answer takes the place of what is held.
    #[cold]
    pub(super) fn touch(&self, entry: &Arc<Entry>, needs: &Needs, context: Option<&Context>) {
        let held = Arc::clone(entry);
        self.ask(entry.token(), needs, context, move |answer| match answer {
            Ok(_) => {}
            Err(error) if ends(&error) => held.end(),
            Err(_) => held.untouched(),
        });
    }

    pub(super) fn ask(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
        told: impl FnOnce(Result<Arc<Entry>, Error>) + Send + 'static,
    ) {
        if self.state.process != std::process::id() {
            return told(Err(Error::Refused(Refusal::because(ErrorCode::Unavailable, FORKED))));
        }
        let token = Token::new(token.to_owned());
        let verify = Verify { token, needs: needs.clone(), context: context.cloned() };
        if let Err(TrySendError::Full(job)) = self.jobs.try_send(Job { verify, told: Box::new(told) }) {
            (job.told)(Err(Error::Refused(Refusal::new(ErrorCode::Busy))));
        }
    }

    /// What comes of an answer: a verdict, or a refusal, or what is held where nobody answers and that was asked for.
    #[cold]
    pub(super) fn settle(
        &self,
        token: &str,
        needs: &Needs,
        context: Option<&Context>,
        answer: Result<Arc<Entry>, Error>,
    ) -> Result<Verdict, Error> {
        match answer {
            Ok(entry) => Ok(self.verdict(entry, Way::Daemon)),
            Err(error) if error.is_answer() => {
                if ends(&error) {
                    self.forget(token);
                }
                Err(error)
            }
            Err(error) => self.stale(token, needs, context).ok_or(error),
        }
    }

    /// Ends what is held of a token, wherever that is.
    fn forget(&self, token: &str) {
        let entries = self.state.cache.pin();
        if let Some(entry) = place(token).and_then(|place| find(&entries, place, token)) {
            entry.end();
        }
        drop(entries);
        self.state.cache.remove(token);
    }
}

/// Whether a refusal says that the token is good no more. What else is refused says nothing of the token itself.
fn ends(error: &Error) -> bool {
    error.is_answer()
        && matches!(error.class(), ErrorClass::Login | ErrorClass::Refresh | ErrorClass::Invalid)
}
