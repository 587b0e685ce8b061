//! Who the users are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::secret::Password;
use crate::time::Millis;

/// A user to add.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The user that was added; none where that was only looked at.
    pub user: Option<UserInfo>,
    /// The format of the hash, as a stable word such as `bcrypt`; `none` without one. The first login replaces all but today's.
    pub format: String,
}

/// A user as an administrator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserInfo>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}
