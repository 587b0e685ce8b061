//! States that are held while somebody copies them, and the clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::secret::Password;
use crate::time::Millis;

/// One state of the database that is held for a copy.
///
/// ```
/// # use hallpass_protocol::admin::Backup;
/// fn rows(backup: &Backup) -> u64 {
///     backup.tables.iter().map(|table| table.rows).sum()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Names it in the calls that follow.
    pub id: u64,
    /// Every table there is, in the order in which [`BackupPlace::table`] counts them.
    pub tables: Vec<BackupTable>,
}

/// A table to copy.
///
/// ```
/// # use hallpass_protocol::admin::BackupTable;
/// fn line(table: &BackupTable) -> String {
///     format!("{}: {} rows", table.name, table.rows)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct BackupTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// One state of all users that is held for an export.
///
/// ```
/// # use hallpass_protocol::admin::{Export, ExportPlace};
/// fn first(export: Export) -> ExportPlace {
///     ExportPlace { id: export.id, after: None }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Names it in the calls that follow.
    pub id: u64,
    /// How many users there are.
    pub users: u64,
}

/// Which users to export next.
///
/// ```
/// # use hallpass_protocol::admin::{ExportPage, ExportPlace};
/// fn next(before: ExportPlace, page: &ExportPage) -> Option<ExportPlace> {
///     let after = page.users.last().map(|user| user.user_id);
///     (!page.last).then_some(ExportPlace { after, ..before })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPlace {
    /// The state that is held.
    pub id: u64,
    /// Users after this one; without it, from the first.
    pub after: Option<UserId>,
}

/// Users of an export, in the order of their identifiers, which is the order in which they were added.
///
/// ```
/// # use hallpass_protocol::admin::ExportPage;
/// fn names(page: &ExportPage) -> Vec<&str> {
///     page.users.iter().map(|user| user.name.as_str()).collect()
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ExportPage {
    /// The users.
    pub users: Vec<ExportedUser>,
    /// Whether there are no more.
    pub last: bool,
}

/// A user with all that an import takes.
///
/// ```
/// # use hallpass_protocol::admin::{ExportedUser, ImportUser};
/// fn moved_in(user: ExportedUser) -> ImportUser {
///     let ExportedUser { user_id, name, hash, roles, attributes, disabled, .. } = user;
///     ImportUser { name, hash, roles, attributes, disabled, user_id: Some(user_id), check_only: false }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ExportedUser {
    /// The user, for ever.
    pub user_id: UserId,
    /// The name they log in with.
    pub name: String,
    /// The hash of their password in PHC form, if it was asked for and they have one.
    pub hash: Option<Password>,
    /// Their roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
}

/// What became of a jump of the wall clock.
///
/// ```
/// # use hallpass_protocol::admin::ClockAccepted;
/// fn went_ahead(accepted: ClockAccepted) -> std::time::Duration {
///     accepted.now.since(accepted.before)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ClockAccepted {
    /// The daemon's time before.
    pub before: Millis,
    /// Its time from then on; the same where there was nothing to accept.
    pub now: Millis,
}

/// Which rows to copy next.
///
/// ```
/// # use hallpass_protocol::admin::{BackupPage, BackupPlace};
/// /// The next page of the table, or the first of the one behind it.
/// fn next(before: BackupPlace, page: &BackupPage) -> BackupPlace {
///     match page.rows.last() {
///         Some((key, _)) if !page.last => BackupPlace { after: Some(key.clone()), ..before },
///         _ => BackupPlace { table: before.table + 1, after: None, ..before },
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlace {
    /// The state that is held.
    pub id: u64,
    /// The table, counted from 0.
    pub table: u32,
    /// Rows after this key; without it, from the first.
    pub after: Option<Vec<u8>>,
}

/// Rows of one table, by key.
///
/// ```
/// # use hallpass_protocol::admin::BackupPage;
/// fn bytes(page: &BackupPage) -> usize {
///     page.rows.iter().map(|(key, value)| key.len() + value.len()).sum()
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct BackupPage {
    /// Keys and values as they are stored.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the table has no more.
    pub last: bool,
}

impl std::fmt::Debug for BackupPage {
    /// Rows hold hashes of passwords, so they are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupPage").field("rows", &self.rows.len()).field("last", &self.last).finish()
    }
}
