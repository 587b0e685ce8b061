//! The one configuration: every value is checked when it is read, an unknown key is an error, and nothing falls back on a default because it was wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass_protocol::board;
use hallpass_protocol::limits::NAME_BYTES;
use serde::{Deserialize, Deserializer};

use crate::domain::command::{Lifetimes, Policy, WhenFull};
use crate::domain::family::{Binding, RotationPolicy};
use crate::domain::keyset::KeyPolicy;
use crate::domain::policy::Right;
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
#[derive(Debug, Clone, Deserialize)]
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
    /// How keys rotate by themselves.
    pub(crate) keys: KeysConfig,
    /// The page that verifications go by.
    pub(crate) board: BoardConfig,
    /// How much callers may take up.
    pub(crate) limits: LimitsConfig,
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
            keys: KeysConfig::default(),
            board: BoardConfig::default(),
            limits: LimitsConfig::default(),
            admin: AdminConfig::default(),
            app: Vec::new(),
        }
    }
}

/// Lifetimes, as a profile and what differs from it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LifetimesConfig {
    /// What holds where nothing else is said.
    pub(crate) profile: Profile,
    /// An access token, 1 minute to 1 hour.
    pub(crate) access: Option<Within<60, 3_600>>,
    /// A session that is not used, 1 minute to 400 days.
    pub(crate) idle: Option<Within<60, 34_560_000>>,
    /// A session in any case, 1 minute to 400 days.
    pub(crate) absolute: Option<Within<60, 34_560_000>>,
    /// A level that another proof has raised, 1 minute to 1 day.
    pub(crate) level: Option<Within<60, 86_400>>,
}

/// Sets of lifetimes that go together.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Profile {
    /// 10 minutes, 7 days, 30 days.
    #[default]
    Standard,
    /// 5 minutes, 15 minutes, 12 hours.
    Strict,
}

/// How refresh tokens rotate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RefreshConfig {
    /// How long the token before the current one gets the same answer again, 0 to 10 minutes.
    pub(crate) retry_window: Within<0, 600>,
    /// Rotations of one session a minute, 0 for no limit.
    pub(crate) per_minute: u16,
    /// Whether a contradicting fingerprint rules a retry out.
    pub(crate) device_binding: Binding,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self { retry_window: Within(Duration::from_secs(30)), per_minute: 5, device_binding: Binding::Off }
    }
}

/// How many sessions there may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionsConfig {
    /// Living sessions of one user, 1 to 1,000.
    #[serde(deserialize_with = "ranged::<1, 1_000, _>")]
    pub(crate) max_per_user: usize,
    /// What happens to one more.
    pub(crate) when_full: WhenFull,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { max_per_user: 100, when_full: WhenFull::EvictOldest }
    }
}

/// How passwords are chosen and hashed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PasswordsConfig {
    /// Fewest code points, 8 to 64.
    #[serde(deserialize_with = "ranged::<8, 64, _>")]
    pub(crate) min_length: usize,
    /// Argon2id's memory in KiB, no less than OWASP's floor.
    #[serde(deserialize_with = "ranged::<19_456, 262_144, _>")]
    pub(crate) memory_kib: usize,
    /// Argon2id's passes, 2 to 10.
    #[serde(deserialize_with = "ranged::<2, 10, _>")]
    pub(crate) iterations: usize,
    /// Hashes at once; 0 for all cores but one.
    #[serde(deserialize_with = "ranged::<0, 64, _>")]
    pub(crate) parallel_hashes: usize,
    /// A file of passwords that are refused, one a line.
    pub(crate) blocklist: Option<PathBuf>,
    /// A secret that goes into every hash.
    pub(crate) pepper: Option<PepperConfig>,
}

/// Where the pepper is, and what hashes made with it call it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PepperConfig {
    id: String,
    file: PathBuf,
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self {
            min_length: 15,
            memory_kib: 19_456,
            iterations: 2,
            parallel_hashes: 0,
            blocklist: None,
            pepper: None,
        }
    }
}

/// How keys rotate by themselves.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeysConfig {
    /// How long a signing key is published before it signs, 0 seconds to 7 days.
    pub(crate) lead: Within<0, 604_800>,
    /// How old an active key may get, 1 day to 400 days.
    pub(crate) rotate_every: Within<86_400, 34_560_000>,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { lead: Within(Duration::from_hours(1)), rotate_every: Within(Duration::from_hours(90 * 24)) }
    }
}

/// The page that verifications go by.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BoardConfig {
    /// Its slots, a power of two from 1,024 to 4,194,304.
    #[serde(deserialize_with = "slots")]
    pub(crate) slots: u32,
}

impl Default for BoardConfig {
    fn default() -> Self {
        Self { slots: 65_536 }
    }
}

/// How much callers may take up.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Connections in all, 8 to 8,192.
    #[serde(deserialize_with = "ranged::<8, 8_192, _>")]
    pub(crate) connections: usize,
    /// Connections of one user, 1 to 8,192.
    #[serde(deserialize_with = "ranged::<1, 8_192, _>")]
    pub(crate) connections_per_uid: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { connections: 1024, connections_per_uid: 256 }
    }
}

/// Who administers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminConfig {
    /// Their user ids.
    pub(crate) uids: Vec<u32>,
}

/// An app: which processes are it, and what it may do.
#[derive(Debug, Clone, Deserialize)]
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

#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct Audience(#[serde(deserialize_with = "label")] String);

impl AppConfig {
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

impl Config {
    /// Reads a configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("cannot read the configuration {}: {error}", path.display()))
        })?;
        let parsed = Self::parse(&text).and_then(Self::for_somebody);
        parsed.map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))
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
        let app = AppConfig {
            name: "local".to_owned(),
            users: Vec::new(),
            uids: vec![uid],
            groups: Vec::new(),
            gids: Vec::new(),
            rights: Some(Right::ALL.to_vec()),
            audiences: None,
        };
        Self { admin: AdminConfig { uids: vec![uid] }, app: vec![app], ..Self::default() }
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

impl LifetimesConfig {
    fn resolve(&self) -> Lifetimes {
        const MINUTE: Duration = Duration::from_mins(1);
        let (access, idle, absolute) = match self.profile {
            Profile::Standard => (10 * MINUTE, 7 * 24 * 60 * MINUTE, 30 * 24 * 60 * MINUTE),
            Profile::Strict => (5 * MINUTE, 15 * MINUTE, 12 * 60 * MINUTE),
        };
        Lifetimes {
            access: self.access.map_or(access, |set| set.0),
            idle: self.idle.map_or(idle, |set| set.0),
            absolute: self.absolute.map_or(absolute, |set| set.0),
            level: self.level.map_or(15 * MINUTE, |set| set.0),
        }
    }
}

/// A duration such as `"10m"`, between two numbers of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within<const FROM: u64, const TO: u64>(pub(crate) Duration);

impl<'de, const FROM: u64, const TO: u64> Deserialize<'de> for Within<FROM, TO> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = || {
            let show = |seconds| humantime::format_duration(Duration::from_secs(seconds));
            serde::de::Error::custom(format!(
                "a duration between {} and {} is wanted, such as \"10m\"",
                show(FROM),
                show(TO)
            ))
        };
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text).map_err(|_| allowed())?;
        let inside = (Duration::from_secs(FROM)..=Duration::from_secs(TO)).contains(&duration);
        if inside { Ok(Self(duration)) } else { Err(allowed()) }
    }
}

fn ranged<'de, const FROM: usize, const TO: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let number = usize::deserialize(deserializer)?;
    if (FROM..=TO).contains(&number) {
        Ok(number)
    } else {
        Err(serde::de::Error::custom(format!("a number between {FROM} and {TO} is wanted")))
    }
}

/// A number of slots that the board can have.
fn slots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if board::SLOTS.contains(&number) && number.is_power_of_two() {
        return Ok(number);
    }
    let (least, most) = (board::SLOTS.start(), board::SLOTS.end());
    Err(serde::de::Error::custom(format!("a power of two between {least} and {most} is wanted")))
}

/// An issuer or audience: it has to fit every access token.
fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if (1..=NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    {
        Ok(text)
    } else {
        Err(serde::de::Error::custom(format!(
            "1 to {NAME_BYTES} printable ASCII characters without spaces, quotes or backslashes are wanted"
        )))
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

mod check;
#[cfg(test)]
mod tests;
