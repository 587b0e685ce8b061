//! A restore, in its one right order: both locks before anything is touched, then the board, and the database last.

use std::path::{Path, PathBuf};

use hallpass_protocol::time::Stamp;

use crate::board::Abandoned;
use crate::daemon::{DaemonError, Parts, STAMPS_AHEAD};
use crate::store::{Lost, Report, Restore, Restorer, Told};

/// A restore that waits for consent. No daemon can start meanwhile.
pub(crate) struct Restoring {
    parts: Parts,
    restore: Restore,
    board: Abandoned,
}

impl Restoring {
    /// Takes the locks.
    ///
    /// # Errors
    /// A daemon that runs, and a directory that belongs to somebody else.
    pub(crate) fn begin(parts: Parts, backup: &Path) -> Result<Self, DaemonError> {
        let restore = Restore::begin(&parts.state_dir, backup)?;
        let board = Abandoned::lock(&parts.runtime_dir, &parts.state_dir)?;
        Ok(Self { parts, restore, board })
    }

    /// Checks the backup.
    pub(crate) fn check(&self, progress: &mut Told<'_>) -> Result<Report, DaemonError> {
        Ok(self.restore.check(progress)?)
    }

    /// What the database that is to be replaced knows and the backup does not.
    pub(crate) fn lost(&self) -> Result<Lost, DaemonError> {
        Ok(self.restore.lost()?)
    }

    /// Does it, and gives the name under which the replaced database is kept, if there was one. When this returns, nobody believes the board of before.
    pub(crate) fn finish(
        mut self,
        lost: &Lost,
        progress: &mut Told<'_>,
    ) -> Result<Option<PathBuf>, DaemonError> {
        let wall = self.parts.time.wall_micros();
        let visible = self.board.close();
        let ahead = u64::try_from(STAMPS_AHEAD.as_micros()).unwrap_or(u64::MAX);
        // A stamp that far ahead is not one that was given out.
        let visible = if visible.0 > wall.saturating_add(ahead) { Stamp::default() } else { visible };
        std::thread::sleep(self.board.others_lease());
        let by = Restorer {
            uid: nix::unistd::geteuid().as_raw(),
            pid: nix::unistd::getpid().as_raw(),
            app: "admin",
            wall,
            visible,
        };
        Ok(self.restore.put(lost, &by, progress)?)
    }
}
