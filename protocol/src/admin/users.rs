//! Who the users are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::secret::Password;
use crate::time::Millis;

/// A user to add.
///
/// ```
/// # use hallpass_protocol::{admin::AddUser, secret::Password};
/// let alice = AddUser {
///     name: "alice".into(),
///     password: Some(Password::new("correct horse battery staple".into())),
///     roles: vec!["editor".into()],
/// };
/// let bob = AddUser { name: "bob".into(), password: None, roles: Vec::new() }; // and a code, for the first login
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddUser {
    /// The name to log in with.
    pub name: String,
    /// The password, if it is to be usable at once.
    pub password: Option<Password>,
    /// Roles.
    pub roles: Vec<String>,
}

/// A user of another program or daemon, to be added with the password they have there.
///
/// ```
/// # use hallpass_protocol::{admin::ImportUser, secret::Password};
/// let hash = "pbkdf2_sha256$1000000$salt$yy2c1s2ZNBSxCBuqsQfEbDMUMBlqZ1iEYaXeGYvXE8k=";
/// let alice = ImportUser { name: "alice".into(), hash: Some(Password::new(hash.into())), ..ImportUser::default() };
/// let first = ImportUser { check_only: true, ..alice.clone() };
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportUser {
    /// The name to log in with.
    pub name: String,
    /// The hash of their password: Argon2, bcrypt, scrypt or PBKDF2. It is as little anybody's to see as a password. Without one they have none.
    pub hash: Option<Password>,
    /// Roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
    /// Who they were in another daemon, and are to be here. Without it they are somebody new.
    pub user_id: Option<UserId>,
    /// Whether nothing is to be changed.
    pub check_only: bool,
}

/// What became of a user to import.
///
/// ```
/// # use hallpass_protocol::admin::ImportReport;
/// fn line(report: &ImportReport) -> String {
///     let name = report.user.as_ref().map_or("could be added", |user| user.name.as_str());
///     format!("{name}, with a password in the format {}", report.format)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ImportReport {
    /// The user that was added; none where that was only looked at.
    pub user: Option<UserInfo>,
    /// The format of the hash, as a stable word such as `bcrypt`; `none` without one. The first login replaces all but today's.
    pub format: String,
}

/// A user as an administrator sees them.
///
/// ```
/// # use hallpass_protocol::admin::UserInfo;
/// fn can_log_in(user: &UserInfo) -> bool {
///     user.has_password && !user.disabled
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct UserInfo {
    /// The user, for ever.
    pub user_id: UserId,
    /// The name they log in with.
    pub name: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// What else is kept of them.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are kept from logging in.
    pub disabled: bool,
    /// Whether they have a password.
    pub has_password: bool,
    /// When they were added.
    pub created: Millis,
}

/// One page of users, by name.
///
/// ```
/// # use hallpass_protocol::admin::UserPage;
/// fn disabled(page: &UserPage) -> Vec<&str> {
///     page.users.iter().filter(|user| user.disabled).map(|user| user.name.as_str()).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserInfo>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}
