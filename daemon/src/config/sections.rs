//! The tables of the configuration: what can be set in each, and what holds where nothing is.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::values::{Within, ranged, slots};
use crate::domain::command::{Lifetimes, WhenFull};
use crate::domain::family::Binding;
use crate::domain::throttle::ThrottlePolicy;

/// Lifetimes, as a profile and what differs from it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Profile {
    /// 10 minutes, 7 days, 30 days.
    #[default]
    Standard,
    /// 5 minutes, 15 minutes, 12 hours.
    Strict,
}

/// How refresh tokens rotate.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
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
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct PepperConfig {
    pub(super) id: String,
    pub(super) file: PathBuf,
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

/// What failed logins cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThrottleConfig {
    /// Failures in a row of one name from one source that cost nothing, 1 to 50.
    #[serde(deserialize_with = "ranged::<1, 50, _>")]
    pub(crate) free: usize,
    /// The longest wait between two tries of one name from one source, 1 minute to 1 day.
    pub(crate) longest: Within<60, 86_400>,
    /// Failures in a row against one user without a known device, 10 to 100.
    #[serde(deserialize_with = "ranged::<10, 100, _>")]
    pub(crate) in_a_row: usize,
    /// Failures an hour from one source, 10 to 100,000.
    #[serde(deserialize_with = "ranged::<10, 100_000, _>")]
    pub(crate) per_source: usize,
    /// Failures an hour through one app, 10 to 1,000,000.
    #[serde(deserialize_with = "ranged::<10, 1_000_000, _>")]
    pub(crate) per_app: usize,
    /// Counts that are kept at once, 1,024 to 16,777,216.
    #[serde(deserialize_with = "ranged::<1_024, 16_777_216, _>")]
    pub(crate) rows: usize,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            free: 10,
            longest: Within(Duration::from_mins(15)),
            in_a_row: 100,
            per_source: 100,
            per_app: 1000,
            rows: 262_144,
        }
    }
}

impl ThrottleConfig {
    pub(super) fn policy(&self) -> ThrottlePolicy {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        ThrottlePolicy {
            free: number(self.free),
            longest: self.longest.0,
            in_a_row: number(self.in_a_row),
            per_source: number(self.per_source),
            per_app: number(self.per_app),
            rows: self.rows as u64,
        }
    }
}

/// How long the audit chain is kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// An entry, 1 day to 10 years.
    pub(crate) keep_for: Within<86_400, 315_360_000>,
    /// Entries, 100,000 to 1,000,000,000.
    #[serde(deserialize_with = "ranged::<100_000, 1_000_000_000, _>")]
    pub(crate) keep_entries: usize,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_for: Within(Duration::from_hours(400 * 24)), keep_entries: 10_000_000 }
    }
}

/// How keys rotate by themselves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Connections in all, 8 to 8,192.
    #[serde(deserialize_with = "ranged::<8, 8_192, _>")]
    pub(crate) connections: usize,
    /// Connections of one user, 1 to 8,192.
    #[serde(deserialize_with = "ranged::<1, 8_192, _>")]
    pub(crate) connections_per_uid: usize,
    /// MiB that received frames may take up together, a quarter of it for each user: 1 to 4,096.
    #[serde(deserialize_with = "ranged::<1, 4_096, _>")]
    pub(crate) frame_memory_mib: usize,
    /// How long a connection may be idle, 1 second to 30 days.
    pub(crate) idle_connection: Within<1, 2_592_000>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_uid: 256,
            frame_memory_mib: 64,
            idle_connection: Within(Duration::from_hours(1)),
        }
    }
}

impl LifetimesConfig {
    /// The same with nothing left to the profile.
    pub(super) fn written_out(&self) -> Self {
        let Lifetimes { access, idle, absolute, level } = self.resolve();
        Self {
            profile: self.profile,
            access: Some(Within(access)),
            idle: Some(Within(idle)),
            absolute: Some(Within(absolute)),
            level: Some(Within(level)),
        }
    }

    pub(super) fn resolve(&self) -> Lifetimes {
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
