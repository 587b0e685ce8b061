//! Who may call: the apps, by the users and groups that they are, and the administrators.

use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;
use super::values::label;
use crate::domain::policy::Right;

/// Who administers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminConfig {
    /// Their user ids.
    pub(crate) uids: Vec<u32>,
}

/// An app: which processes are it, and what it may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppConfig {
    /// Its name, the `client_id` of its tokens: at most 32 bytes.
    #[serde(deserialize_with = "app_name")]
    pub(crate) name: String,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    uids: Vec<u32>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    gids: Vec<u32>,
    rights: Option<Vec<Right>>,
    audiences: Option<Vec<Audience>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Audience(#[serde(deserialize_with = "label")] String);

impl AppConfig {
    /// An app that is every process of one user, and may do everything.
    pub(super) fn of_user(uid: u32) -> Self {
        Self {
            name: "local".to_owned(),
            users: Vec::new(),
            uids: vec![uid],
            groups: Vec::new(),
            gids: Vec::new(),
            rights: Some(Right::ALL.to_vec()),
            audiences: None,
        }
    }

    /// Refuses an app that nobody could be, or that no token could be made for.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let name = &self.name;
        if self.uids.is_empty() && self.gids.is_empty() && self.users.is_empty() && self.groups.is_empty() {
            return Err(ConfigError::new(format!(
                "no process could be the app {name:?}; give it users, uids, groups or gids"
            )));
        }
        if self.audiences.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(format!(
                "the app {name:?} has no audience, so no token could be made for it; name one, or leave out audiences for its own name"
            )));
        }
        Ok(())
    }

    /// The same with nothing left open.
    pub(super) fn written_out(&self) -> Self {
        let audiences = self.audiences().into_iter().map(Audience).collect();
        Self { rights: Some(self.rights()), audiences: Some(audiences), ..self.clone() }
    }

    /// What the app may do: the usual, where nothing is said.
    pub(crate) fn rights(&self) -> Vec<Right> {
        self.rights.clone().unwrap_or_else(|| Right::USUAL.to_vec())
    }

    /// The audiences it may ask for: its own name, where nothing is said.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let named = self
            .audiences
            .as_ref()
            .map(|audiences| audiences.iter().map(|audience| audience.0.clone()).collect());
        named.unwrap_or_else(|| vec![self.name.clone()])
    }

    /// Its users, by number.
    pub(crate) fn uids(&self) -> Result<Vec<u32>, ConfigError> {
        let mut uids = self.uids.clone();
        for name in &self.users {
            let user = nix::unistd::User::from_name(name).ok().flatten();
            uids.push(user.ok_or_else(|| self.unknown("user", name))?.uid.as_raw());
        }
        for name in &self.groups {
            for member in self.group(name)?.mem {
                // A member that is no user here cannot call either.
                let user = nix::unistd::User::from_name(&member).ok().flatten();
                uids.extend(user.map(|user| user.uid.as_raw()));
            }
        }
        Ok(uids)
    }

    /// Its groups, by number.
    pub(crate) fn gids(&self) -> Result<Vec<u32>, ConfigError> {
        let mut gids = self.gids.clone();
        for name in &self.groups {
            gids.push(self.group(name)?.gid.as_raw());
        }
        Ok(gids)
    }

    fn group(&self, name: &str) -> Result<nix::unistd::Group, ConfigError> {
        nix::unistd::Group::from_name(name).ok().flatten().ok_or_else(|| self.unknown("group", name))
    }

    fn unknown(&self, what: &str, name: &str) -> ConfigError {
        ConfigError::new(format!(
            "app {:?} names the {what} {name:?}, which this machine does not have; add it or mend the name",
            self.name
        ))
    }
}

/// Longest name of an app in bytes.
const APP_NAME_BYTES: usize = 32;

fn app_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let reserved = ["admin", "hallpassd"].contains(&text.as_str());
    if (1..=APP_NAME_BYTES).contains(&text.len()) && text.bytes().all(fits) && !reserved {
        Ok(text)
    } else {
        Err(serde::de::Error::custom(format!(
            "an app's name has 1 to {APP_NAME_BYTES} of a-z 0-9 -, and is not \"admin\" or \"hallpassd\""
        )))
    }
}
