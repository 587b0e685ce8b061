//! What the writer does after the disk has failed: it opens the database again until it takes writes, and begins anew from what is there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::{Millis, Stamp};
use tokio::sync::oneshot;
use tracing::Span;

use super::{Job, State};
use crate::domain::command::{Command, Fresh};
use crate::domain::policy::admit_daemon;
use crate::domain::time::Outage;
use crate::store::handle::Found;
use crate::store::refusals::Refusals;
use crate::store::room::Room;
use crate::store::{StoreError, is_full};

/// How long between two tries to open or to write. The disks of the tests are well again when they have failed so many times, not after so long.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(1) };

/// What is said to whoever wants something changed meanwhile.
pub(super) fn ailing() -> Refusal {
    let message = "the disk under the database has failed or is full, so nothing was changed; make room or mend it, \
                   and try again: the daemon goes on by itself";
    Refusal::because(ErrorCode::Unavailable, message)
}

impl State {
    /// Tries until the disk is well again. Until then it can be read as far as that goes.
    ///
    /// # Errors
    /// The fault, if the daemon is to stop before that.
    pub(super) fn heal(&mut self, fault: StoreError) -> Result<(), StoreError> {
        tracing::error!(error = %fault, "the disk under the database failed; nothing is changed until it is well again");
        let since = self.parts.clock.now();
        let (mut readable, mut said) = (false, String::new());
        while let Err(error) = self.try_to_heal(since, &mut readable) {
            self.turn(2);
            let text = error.to_string();
            if text != said {
                tracing::warn!(
                    error = text,
                    "the database cannot be written yet; make room or mend the disk"
                );
                said = text;
            }
            if self.writer.queue.is_closed_within(PAUSE) {
                return Err(fault);
            }
        }
        self.writer.queue.resume();
        tracing::info!("the database can be written again");
        Ok(())
    }

    fn try_to_heal(&mut self, since: Millis, readable: &mut bool) -> Result<(), StoreError> {
        if !*readable {
            let found = self.parts.handle.reopen()?;
            self.begin_anew(&found)?;
            *readable = true;
        }
        match self.parts.handle.takes_writes() {
            // Nothing can be written beside the database, but in it there is room that is kept for this.
            Err(StoreError::File { source, .. })
                if is_full(&source) && Room::has_least(&self.parts.handle)? => {}
            tried => tried?,
        }
        // A write that fails takes the handle with it.
        *readable = false;
        let life = self.last;
        let now = self.parts.clock.now();
        self.parts.outage = Outage { from: since, to: now };
        // Everybody who asked was answered; this one asks for the daemon itself.
        let (answer, mut answered) = oneshot::channel();
        let fresh = Fresh { id: [0; 10], jti: [0; 8], device: [0; 16], jitter: 0 };
        let permit = admit_daemon(nix::unistd::geteuid().as_raw(), nix::unistd::getpid().as_raw());
        self.batch(vec![Job { permit, command: Command::Reopen, fresh, answer, span: Span::none() }])?;
        let outcome = answered.try_recv().unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Unknown)));
        outcome.map_err(|refusal| StoreError::Layout(refusal.to_string()))?;
        self.writer.life.store(life.0, Ordering::Release);
        self.parts.audience.healed(life, now);
        Ok(())
    }

    /// Takes everything that is held in memory from what is on disk. The floor lies above every stamp that anybody can hold, so what they hold is
    /// asked about, and above the mark, so the next commit writes another.
    fn begin_anew(&mut self, found: &Found) -> Result<(), StoreError> {
        (self.parts.head, self.parts.mark) = (found.head, found.mark);
        self.refusals = Refusals::default();
        self.room = Room::default();
        let known = found.mark.reserved.max(self.last).0.max(self.parts.clock.now_micros());
        self.last = Stamp(known + 1);
        self.parts.audience.read_again(&found.keys, self.last)
    }
}
