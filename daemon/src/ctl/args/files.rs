//! What is understood of backups and of databases that no daemon has open.

use std::path::PathBuf;

use clap::Args;

use crate::daemon_main::Where;

pub(super) const RESTORE_NOTES: &str = "\
The daemon must not run, and this runs as its user. A backup does not know what was taken back
since, so every session ends, the next start makes new keys, and what the replaced database
knew of disabled or removed users, new passwords and lost roles is listed, for you to do again. The
replaced database is kept beside the new one. On another host the master key may be another.
Where a service is set up and you have no database of your own, say whose you mean: --config.

Examples:
  hallpass restore hallpass-2026-11-20.redb
  sudo -u hallpass hallpass restore --config /etc/hallpass/hallpass.toml FILE";

#[derive(Debug, Args)]
pub(in crate::ctl) struct RestoreArgs {
    /// A file that `hallpass backup` has made
    pub(in crate::ctl) file: PathBuf,
    #[command(flatten)]
    pub(in crate::ctl) places: Where,
    /// Do not ask
    #[arg(long)]
    pub(in crate::ctl) yes: bool,
}

pub(super) const CHECK_NOTES: &str = "\
The file is left as it is. Without FILE it is the database that a daemon of these places would open,
which must not run; exit 1 if anything is wrong with it.

Examples:
  hallpass check /var/backups/hallpass-2026-11-20.redb
  hallpass check --config /etc/hallpass/hallpass.toml";

#[derive(Debug, Args)]
pub(in crate::ctl) struct CheckArgs {
    /// A database or a backup
    #[arg(conflicts_with_all = ["config", "state_dir", "runtime_dir"])]
    pub(in crate::ctl) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::ctl) places: Where,
}

pub(super) const COMPACT_NOTES: &str = "\
The daemon must not run, and this runs as its user. The file is made as short as it gets; it grows
again as it is used, so this is for after much was removed. Whatever interrupts it, nothing is lost.

Examples:
  sudo -u hallpass hallpass compact --config /etc/hallpass/hallpass.toml";

#[derive(Debug, Args)]
pub(in crate::ctl) struct CompactArgs {
    #[command(flatten)]
    pub(in crate::ctl) places: Where,
}

pub(super) const BACKUP_NOTES: &str = "\
The copy is one consistent state, for you alone (0600). It gets its name once it is whole.
It holds the hashes of passwords, and keys that open with the master key only: keep it as safe as
the database, and apart from the master key.

Examples:
  hallpass backup /var/backups/hallpass-$(date +%F).redb";

#[derive(Debug, Args)]
pub(in crate::ctl) struct BackupArgs {
    /// The file to make
    pub(in crate::ctl) file: PathBuf,
}
