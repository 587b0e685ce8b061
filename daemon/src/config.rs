//! The one configuration: every value is checked when it is read, an unknown key is an error, and nothing falls back on a default because it was wrong.

mod apps;
pub(crate) mod catalogue;
mod check;
mod effective;
pub(crate) mod examine;
#[cfg(test)]
mod guesses;
mod log;
mod reload;
mod sections;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use self::apps::{AdminConfig, AppConfig};
use self::examine::examine;
pub(crate) use self::log::{LogConfig, LogFormat};
pub(crate) use self::sections::{
    AuditConfig, BoardConfig, KeysConfig, LifetimesConfig, LimitsConfig, PasswordsConfig, RefreshConfig,
    SessionsConfig, ThrottleConfig,
};
use self::values::label;
use crate::domain::command::Policy;
use crate::domain::family::RotationPolicy;
use crate::domain::keyset::KeyPolicy;
use crate::domain::retention::AuditPolicy;
use crate::password::{Blocklist, PasswordPolicy, Pepper, Rules};

/// A configuration that cannot be used, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(message: String) -> Self {
        Self(message)
    }
}

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The `iss` of access tokens.
    #[serde(deserialize_with = "label")]
    pub(crate) issuer: String,
    /// Where the database lies.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the sockets lie.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// The file with the master key.
    pub(crate) master_key: Option<PathBuf>,
    /// How long things live.
    pub(crate) lifetimes: LifetimesConfig,
    /// How refresh tokens rotate.
    pub(crate) refresh: RefreshConfig,
    /// How many sessions there may be.
    pub(crate) sessions: SessionsConfig,
    /// How passwords are chosen and hashed.
    pub(crate) passwords: PasswordsConfig,
    /// What failed logins cost.
    pub(crate) throttle: ThrottleConfig,
    /// How long the audit chain is kept.
    pub(crate) audit: AuditConfig,
    /// How keys rotate by themselves.
    pub(crate) keys: KeysConfig,
    /// The page that verifications go by.
    pub(crate) board: BoardConfig,
    /// How much callers may take up.
    pub(crate) limits: LimitsConfig,
    /// How much is logged.
    pub(crate) log: LogConfig,
    /// Who administers.
    pub(crate) admin: AdminConfig,
    /// The apps.
    pub(crate) app: Vec<AppConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "hallpass".to_owned(),
            state_dir: None,
            runtime_dir: None,
            master_key: None,
            lifetimes: LifetimesConfig::default(),
            refresh: RefreshConfig::default(),
            sessions: SessionsConfig::default(),
            passwords: PasswordsConfig::default(),
            throttle: ThrottleConfig::default(),
            audit: AuditConfig::default(),
            keys: KeysConfig::default(),
            board: BoardConfig::default(),
            limits: LimitsConfig::default(),
            log: LogConfig::default(),
            admin: AdminConfig::default(),
            app: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("cannot read the configuration {}: {error}", path.display()))
        })?;
        examine(&text).usable(path)
    }

    /// The configuration that this text is.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::new(error.to_string()))?;
        let lifetimes = config.lifetimes.resolve();
        if lifetimes.idle > lifetimes.absolute {
            return Err(ConfigError::new(
                "lifetimes.idle is longer than lifetimes.absolute; a session cannot idle past its end".into(),
            ));
        }
        let mut names: Vec<_> = config.app.iter().map(|app| &app.name).collect();
        names.sort_unstable();
        let twice = |pair: &[&String]| matches!(pair, [one, next] if one == next).then(|| pair[0].clone());
        if let Some(twice) = names.windows(2).find_map(twice) {
            return Err(ConfigError::new(format!("there are two apps named {twice:?}; a name is one app")));
        }
        config.check()?;
        Ok(config)
    }

    /// The configuration of a daemon that serves one user: that user is the only app and the administrator.
    pub(crate) fn per_user(uid: u32) -> Self {
        Self { admin: AdminConfig { uids: vec![uid] }, app: vec![AppConfig::of_user(uid)], ..Self::default() }
    }

    /// The configuration that this text is, of a daemon that serves whoever runs a test where it names nobody.
    #[cfg(feature = "testing")]
    pub(crate) fn for_tests(text: &str) -> Result<Self, ConfigError> {
        let config = Self::parse(text)?;
        let Self { admin, app, .. } = Self::per_user(nix::unistd::geteuid().as_raw());
        Ok(Self {
            admin: if config.admin.uids.is_empty() { admin } else { config.admin },
            app: if config.app.is_empty() { app } else { config.app },
            ..config
        })
    }

    /// The files that it names, by the key that names them.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let passwords = &self.passwords;
        let named = [
            ("master_key", self.master_key.as_deref()),
            ("passwords.blocklist", passwords.blocklist.as_deref()),
            ("passwords.pepper.file", passwords.pepper.as_ref().map(|pepper| pepper.file.as_path())),
        ];
        named.into_iter().filter_map(|(key, path)| Some((key, path?)))
    }

    /// The settings that decisions depend on.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            lifetimes: self.lifetimes.resolve(),
            rotation: RotationPolicy {
                retry_window: self.refresh.retry_window.0,
                per_minute: self.refresh.per_minute,
                binding: self.refresh.device_binding,
            },
            max_sessions: self.sessions.max_per_user,
            when_full: self.sessions.when_full,
            keys: KeyPolicy { lead: self.keys.lead.0, rotate_every: self.keys.rotate_every.0 },
            throttle: self.throttle.policy(),
            audit: AuditPolicy {
                keep_for: self.audit.keep_for.0,
                keep_entries: self.audit.keep_entries as u64,
            },
        }
    }

    /// How passwords are chosen and hashed. Reads the files that this names.
    pub(crate) fn password_policy(&self) -> Result<PasswordPolicy, ConfigError> {
        let passwords = &self.passwords;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let parallel = if passwords.parallel_hashes == 0 {
            cores.saturating_sub(1).max(1)
        } else {
            passwords.parallel_hashes
        };
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let list = passwords.blocklist.as_ref().map(|path| Blocklist::read(path, passwords.min_length));
        let blocklist = list.transpose().map_err(ConfigError::new)?.unwrap_or_default();
        let pepper = passwords.pepper.as_ref().map(|pepper| Pepper::read(&pepper.id, &pepper.file));
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
        let words = host.into_iter().chain(["hallpass".to_owned()]).collect();
        Ok(PasswordPolicy {
            rules: Rules { min_length: passwords.min_length, blocklist, words },
            memory_kib: number(passwords.memory_kib),
            iterations: number(passwords.iterations),
            pepper: pepper.transpose().map_err(ConfigError::new)?,
            parallel,
        })
    }
}
