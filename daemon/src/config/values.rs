//! Values that cannot be wrong: each is checked as it is read, and what is wrong says what would be right.

use std::time::Duration;

use hallpass_protocol::board;
use hallpass_protocol::limits::NAME_BYTES;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration such as `"10m"`, between two numbers of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within<const FROM: u64, const TO: u64>(pub(crate) Duration);

impl<'de, const FROM: u64, const TO: u64> Deserialize<'de> for Within<FROM, TO> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = || {
            let show = |seconds| length(Duration::from_secs(seconds));
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

/// A length of time as somebody would write it: whole days are not split into months.
pub(super) fn length(time: Duration) -> String {
    match time.as_secs() {
        86_400 => "1day".to_owned(),
        seconds if seconds > 0 && seconds.is_multiple_of(86_400) => format!("{}days", seconds / 86_400),
        _ => humantime::format_duration(time).to_string(),
    }
}

impl<const FROM: u64, const TO: u64> Serialize for Within<FROM, TO> {
    /// As it is written, but always in the same units.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&length(self.0))
    }
}

pub(super) fn ranged<'de, const FROM: usize, const TO: usize, D: Deserializer<'de>>(
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
pub(super) fn slots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if board::SLOTS.contains(&number) && number.is_power_of_two() {
        return Ok(number);
    }
    let (least, most) = (board::SLOTS.start(), board::SLOTS.end());
    Err(serde::de::Error::custom(format!("a power of two between {least} and {most} is wanted")))
}

/// An issuer or audience: it has to fit every access token.
pub(super) fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
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
