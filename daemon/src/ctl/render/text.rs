//! Texts of others and moments, made fit for a terminal.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_protocol::time::{Millis, Stamp};

/// What moves the cursor, changes the direction of writing or is not seen at all, beyond the control characters: a name made with
/// these can pass for another, or hide what follows it.
const UNSEEN: [std::ops::RangeInclusive<char>; 15] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{115f}'..='\u{1160}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

fn harms(c: char) -> bool {
    c.is_control() || UNSEEN.iter().any(|range| range.contains(&c))
}

/// The text with whatever could harm a terminal or mislead its reader written as `\u{..}`.
pub(in crate::ctl) fn neutral(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if harms(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// JSON with the same characters written as JSON escapes: the same value to a parser, and harmless to a terminal.
pub(in crate::ctl) fn neutral_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Below U+0020 stands nothing inside a JSON string, and outside of one it is layout.
        if c >= ' ' && harms(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A moment as RFC 3339 in UTC, to the second.
pub(in crate::ctl) fn moment(at: Millis) -> String {
    let at = Duration::from_secs(at.as_secs());
    if at > LAST { LATER.into() } else { humantime::format_rfc3339_seconds(UNIX_EPOCH + at).to_string() }
}

/// A stamp as RFC 3339 in UTC, to the microsecond.
pub(super) fn stamp(at: Stamp) -> String {
    let at = Duration::from_micros(at.0);
    if at > LAST { LATER.into() } else { humantime::format_rfc3339_micros(UNIX_EPOCH + at).to_string() }
}

/// The last second that RFC 3339 can write, that of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);
const LATER: &str = "after 9999";

/// How far a moment lies from now, in its largest whole unit.
pub(in crate::ctl) fn distance(at: Millis, now: Millis) -> String {
    if at > now { format!("in {}", unit(at.since(now))) } else { format!("{} ago", unit(now.since(at))) }
}

fn unit(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_unseen_characters_are_written_out() {
        for (text, safe) in [
            ("alice", "alice"),
            ("Zoë \u{1F600} 東京", "Zoë \u{1F600} 東京"),
            ("red\u{1b}[31m", "red\\u{1b}[31m"),
            ("a\nb\tc\r\0\u{7f}", "a\\u{a}b\\u{9}c\\u{d}\\u{0}\\u{7f}"),
            ("c1\u{9b}2J", "c1\\u{9b}2J"),
            ("\u{202e}ecila\u{200b}", "\\u{202e}ecila\\u{200b}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(neutral(text), safe);
        }
    }

    #[test]
    fn neutral_json_is_the_same_value() {
        let text = "\u{1b}\u{9b}\u{202e}\u{e0041}\u{1F600}\"\\";
        let json = neutral_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""\u001b\u009b\u202e\udb40\udc41😀\"\\""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn moments_have_one_form_and_never_fail() {
        assert_eq!(moment(Millis::from_u64(1_700_000_000_999)), "2023-11-14T22:13:20Z");
        assert_eq!(stamp(Stamp(1_700_000_000_000_001)), "2023-11-14T22:13:20.000001Z");
        assert_eq!(moment(Millis::from_u64(253_402_300_799_000)), "9999-12-31T23:59:59Z");
        assert_eq!((moment(Millis::MAX), stamp(Stamp(u64::MAX))), (LATER.into(), LATER.into()));
    }

    #[test]
    fn distances_round_down_to_their_largest_unit() {
        let now = Millis::from_u64(1_000_000_000_000);
        for (millis, text) in [
            (1_000_000_000_000, "0s ago"),
            (999_999_941_000, "59s ago"),
            (999_999_940_000, "1m ago"),
            (1_000_003_600_000, "in 1h"),
            (1_000_086_399_999, "in 23h"),
            (1_000_086_400_000, "in 1d"),
        ] {
            assert_eq!(distance(Millis::from_u64(millis), now), text);
        }
    }
}
