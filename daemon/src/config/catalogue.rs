//! Every setting there is, in one table: what it takes, what holds without it, whether a reload changes it, and what it is for. The shipped file, the
//! manual page, `hallpass config` and what is said of a bad value are made from it.

use std::fmt;
use std::time::Duration;

use hallpass_protocol::board;
use hallpass_protocol::limits::NAME_BYTES;

use super::values::length;

mod apps;
mod host;
mod logins;

/// A table of the file, or what stands before the first.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the shipped file and the page are made from it, which a test does")
)]
pub(crate) struct Section {
    /// Its name as keys begin with it; empty for what stands before the first.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) about: &'static str,
    /// What can be set in it.
    pub(crate) settings: &'static [Setting],
}

/// Something that can be set.
pub(crate) struct Setting {
    /// Its whole key, such as `lifetimes.access`; for one of an app it begins with `app`.
    pub(crate) key: &'static str,
    /// What can be written there.
    pub(crate) takes: Takes,
    /// What holds where nothing is.
    pub(crate) default: Fallback,
    /// When a change of it holds.
    pub(crate) changes: Changes,
    /// What it is for.
    pub(crate) words: &'static str,
}

/// When a change of a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    /// From the next `systemctl reload hallpassd` on.
    Reload,
    /// From the next start on.
    Restart,
}

impl Changes {
    /// What somebody who has changed it does.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }
}

/// What holds where nothing is set.
pub(crate) enum Fallback {
    /// This, as it would be written.
    Value(&'static str),
    /// What depends on something else, and an example of what could be written.
    Words {
        /// What holds then.
        words: &'static str,
        /// As it could be written.
        example: &'static str,
    },
    /// Something that the packaged file sets, and what holds without it.
    Packaged {
        /// What holds without it.
        words: &'static str,
        /// What the packaged file sets.
        value: &'static str,
    },
}

impl Fallback {
    /// What holds, in words.
    pub(crate) const fn words(&self) -> &'static str {
        match self {
            Self::Value(value) => value,
            Self::Words { words, .. } | Self::Packaged { words, .. } => words,
        }
    }

    /// As it is written, or could be.
    pub(crate) const fn example(&self) -> &'static str {
        match self {
            Self::Value(value) | Self::Packaged { value, .. } => value,
            Self::Words { example, .. } => example,
        }
    }
}

/// What can be written for a setting.
pub(crate) enum Takes {
    /// A whole number of something, from the first to the last.
    Whole(u64, u64, &'static str),
    /// A length of time between two numbers of seconds.
    Time(u64, u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A power of two between these.
    PowerOfTwo(u32, u32),
    /// A name that goes into access tokens.
    Label,
    /// The name of an app.
    AppName,
    /// The name of a pepper.
    PepperId,
    /// A file or directory, from `/` on.
    Path,
    /// Numbers of users or groups.
    Ids,
    /// Names of users or groups of this machine.
    Names,
    /// Some of these words.
    AnyOf(&'static [&'static str]),
    /// Names that go into access tokens, at least one.
    Labels,
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed =
            |words: &[&str]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let time = |seconds: u64| length(Duration::from_secs(seconds));
        match self {
            Self::Whole(from, to, unit) => write!(f, "a whole number of {unit}, {from} to {to}"),
            Self::Time(from, to) => {
                write!(f, "a time such as \"90s\" or \"2h 30m\", {} to {}", time(*from), time(*to))
            }
            Self::OneOf(words) => write!(f, "one of {}", listed(words)),
            Self::PowerOfTwo(from, to) => write!(f, "a power of two, {from} to {to}"),
            Self::Label => write!(
                f,
                "1 to {NAME_BYTES} printable ASCII characters without spaces, quotes or backslashes"
            ),
            Self::AppName => f.write_str("1 to 32 of a-z 0-9 -, but not \"admin\" or \"hallpassd\""),
            Self::PepperId => f.write_str("1 to 8 of a-z 0-9"),
            Self::Path => f.write_str("a path that begins with /"),
            Self::Ids => f.write_str("a list of numbers, such as [33, 1007]"),
            Self::Names => f.write_str("a list of names that this machine knows, such as [\"www-data\"]"),
            Self::AnyOf(words) => write!(f, "a list of any of {}", listed(words)),
            Self::Labels => {
                write!(f, "a list of names of 1 to {NAME_BYTES} printable ASCII characters, at least one")
            }
        }
    }
}

/// All of them, in the order in which the file has them.
pub(crate) const SECTIONS: &[Section] = &[
    host::TOP,
    logins::LIFETIMES,
    logins::REFRESH,
    logins::SESSIONS,
    logins::PASSWORDS,
    logins::THROTTLE,
    host::AUDIT,
    host::KEYS,
    host::BOARD,
    host::LIMITS,
    host::LOG,
    host::ADMIN,
    apps::APP,
];

const SLOTS: (u32, u32) = (*board::SLOTS.start(), *board::SLOTS.end());

/// Every setting, in the order of the file.
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// The setting of this key.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// Whether keys can stand below this one.
pub(crate) fn is_table(key: &str) -> bool {
    settings().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests;
