//! A state of the database that is held while somebody copies it, a page for each call.
//!
//! What is held cannot be written over, so the file grows meanwhile. Therefore there is one at a time, and it is let go of when it takes too long.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_protocol::admin::{Backup, BackupPage, BackupPlace, BackupTable};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{BACKUP_PAGE_BYTES, BACKUP_PAGE_ROWS};
use hallpass_protocol::time::Millis;

use crate::domain::command::Command;
use crate::domain::policy::Permit;
use crate::shared::{Shared, unreadable};
use crate::store::Copied;

/// How long a state is held for whoever does not ask for its next page.
const IDLE: Duration = Duration::from_secs(30);
/// How long it is held at the most.
const LONGEST: Duration = Duration::from_mins(30);

/// The state that is held.
pub(crate) struct Held {
    id: u64,
    copied: Copied,
    begun: Millis,
    asked: Millis,
}

impl Held {
    fn is_over(&self, now: Millis) -> bool {
        now.since(self.asked) >= IDLE || now.since(self.begun) >= LONGEST
    }
}

impl Shared {
    /// Begins a copy, and writes down that somebody takes one: it holds every hash of a password.
    pub(crate) async fn backup_begin(&self, permit: Permit) -> Answer<Backup> {
        self.refuse_a_second_backup()?;
        self.write(permit, Command::Backup).await?;
        let random = self.entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let (id, now) = (u64::from_le_bytes(random), self.clock.now());
        let copied = self.store.copied().map_err(unreadable)?;
        let table = |(name, rows): (&str, u64)| BackupTable { name: name.to_owned(), rows };
        let tables = copied.tables().map_err(unreadable)?.into_iter().map(table).collect();
        // Another may have begun while this one was written down.
        self.refuse_a_second_backup()?;
        *self.held() = Some(Held { id, copied, begun: now, asked: now });
        Ok(Backup { id, tables })
    }

    /// The next rows of a table.
    pub(crate) fn backup_page(&self, _: &Permit, place: &BackupPlace) -> Answer<BackupPage> {
        self.let_go_of_old_backups();
        let mut held = self.held();
        let Some(held) = held.as_mut().filter(|held| held.id == place.id) else {
            let message = "this backup is not under way any more: nobody asked for its next page for too long; begin it again";
            return Err(Refusal::because(ErrorCode::NotFound, message));
        };
        held.asked = self.clock.now();
        let table = usize::try_from(place.table).unwrap_or(usize::MAX);
        let page = held.copied.page(table, place.after.as_deref(), BACKUP_PAGE_BYTES, BACKUP_PAGE_ROWS);
        let (rows, last) = page.map_err(unreadable)?.ok_or_else(|| {
            Refusal::because(ErrorCode::InvalidRequest, "there is no table of this number to copy")
        })?;
        Ok(BackupPage { rows, last })
    }

    /// Lets go of a state, if it is the one that is held.
    pub(crate) fn backup_end(&self, _: &Permit, id: u64) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| held.id == id) {
            *held = None;
        }
    }

    /// Lets go of a state that nobody has copied in time.
    pub(crate) fn let_go_of_old_backups(&self) {
        let now = self.clock.now();
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| held.is_over(now)) {
            tracing::warn!("a backup was not taken in time, and is over");
            *held = None;
        }
    }

    fn refuse_a_second_backup(&self) -> Answer<()> {
        self.let_go_of_old_backups();
        if self.held().is_none() {
            return Ok(());
        }
        let message =
            "another backup is under way; wait until it is done, or for half a minute if it was broken off";
        Err(Refusal::because(ErrorCode::Busy, message))
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.backup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
