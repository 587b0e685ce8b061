//! A state of the database that is held while somebody reads it, a page for each call.
//!
//! What is held cannot be written over, so the file grows meanwhile. Therefore there is one at a time, and it is let go of when it takes too long, and
//! at once when the disk has little room left.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::Millis;

/// How long a state is held for whoever does not ask for its next page.
const IDLE: Duration = Duration::from_secs(30);
/// How long it is held at the most.
const LONGEST: Duration = Duration::from_mins(30);

/// The place of the one state that is held.
pub(crate) struct Place<T> {
    /// What it is held for, as a word such as `backup`.
    what: &'static str,
    held: Mutex<Option<Held<T>>>,
}

struct Held<T> {
    id: u64,
    state: T,
    begun: Millis,
    asked: Millis,
}

impl<T> Held<T> {
    fn is_over(&self, now: Millis) -> bool {
        now.since(self.asked) >= IDLE || now.since(self.begun) >= LONGEST
    }
}

impl<T> Place<T> {
    /// An empty place.
    pub(crate) const fn of(what: &'static str) -> Self {
        Self { what, held: Mutex::new(None) }
    }

    /// Refuses to begin as long as another goes on.
    pub(crate) fn refuse_a_second(&self, now: Millis) -> Result<(), Refusal> {
        self.let_go_of_old(now);
        match *self.held() {
            None => Ok(()),
            Some(_) => Err(self.is_taken()),
        }
    }

    /// Holds a state under this number, unless another is by now.
    pub(crate) fn hold(&self, id: u64, state: T, now: Millis) -> Result<(), Refusal> {
        self.let_go_of_old(now);
        let mut held = self.held();
        if held.is_some() {
            return Err(self.is_taken());
        }
        *held = Some(Held { id, state, begun: now, asked: now });
        Ok(())
    }

    /// Reads from the state of this number.
    pub(crate) fn read<R>(
        &self,
        id: u64,
        now: Millis,
        read: impl FnOnce(&T) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        self.let_go_of_old(now);
        let mut held = self.held();
        let Some(held) = held.as_mut().filter(|held| held.id == id) else {
            let what = self.what;
            let message = format!(
                "this {what} is not under way any more: nobody asked for its next page for too long, or the disk has little room left; begin it again"
            );
            return Err(Refusal::because(ErrorCode::NotFound, message));
        };
        held.asked = now;
        read(&held.state)
    }

    /// Lets go of a state, if it is the one that is held.
    pub(crate) fn end(&self, id: u64) {
        self.held().take_if(|held| held.id == id);
    }

    /// Lets go of any state: the disk has little room left.
    pub(crate) fn let_go(&self) {
        if self.held().take().is_some() {
            tracing::warn!(
                what = self.what,
                "what it holds takes room, and the disk has little left, so it is over; make room and begin it again"
            );
        }
    }

    /// Lets go of a state that nobody has read in time.
    pub(crate) fn let_go_of_old(&self, now: Millis) {
        if self.held().take_if(|held| held.is_over(now)).is_some() {
            tracing::warn!(what = self.what, "it was not taken in time, and is over");
        }
    }

    fn is_taken(&self) -> Refusal {
        let what = self.what;
        let message = format!(
            "another {what} is under way; wait until it is done, or for half a minute if it was broken off"
        );
        Refusal::because(ErrorCode::Busy, message)
    }

    /// A state is put here and taken away whole, so a poisoned lock holds nothing that is half done.
    fn held(&self) -> MutexGuard<'_, Option<Held<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
