//! Backups: a state of the database, held while somebody copies it.

use hallpass_protocol::admin::{Backup, BackupPage, BackupPlace, BackupTable};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{BACKUP_PAGE_BYTES, BACKUP_PAGE_ROWS};

use crate::domain::command::Command;
use crate::domain::policy::Permit;
use crate::shared::{Shared, unreadable};

impl Shared {
    /// Begins a copy, and writes down that somebody takes one: it holds every hash of a password.
    pub(crate) async fn backup_begin(&self, permit: Permit) -> Answer<Backup> {
        self.backup.refuse_a_second(self.clock.now())?;
        self.write(permit, Command::Backup).await?;
        let (id, copied) = (self.number()?, self.store.copied().map_err(unreadable)?);
        let table = |(name, rows): (&str, u64)| BackupTable { name: name.to_owned(), rows };
        let tables = copied.tables().map_err(unreadable)?.into_iter().map(table).collect();
        self.backup.hold(id, copied, self.clock.now())?;
        Ok(Backup { id, tables })
    }

    /// The next rows of a table.
    pub(crate) fn backup_page(&self, _: &Permit, place: &BackupPlace) -> Answer<BackupPage> {
        self.backup.read(place.id, self.clock.now(), |copied| {
            let table = usize::try_from(place.table).unwrap_or(usize::MAX);
            let page = copied.page(table, place.after.as_deref(), BACKUP_PAGE_BYTES, BACKUP_PAGE_ROWS);
            let (rows, last) = page.map_err(unreadable)?.ok_or_else(|| {
                Refusal::because(ErrorCode::InvalidRequest, "there is no table of this number to copy")
            })?;
            Ok(BackupPage { rows, last })
        })
    }

    /// Lets the state go.
    pub(crate) fn backup_end(&self, _: &Permit, id: u64) {
        self.backup.end(id);
    }

    /// A number that nobody guesses.
    pub(crate) fn number(&self) -> Answer<u64> {
        let random = self.entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        Ok(u64::from_le_bytes(random))
    }
}
