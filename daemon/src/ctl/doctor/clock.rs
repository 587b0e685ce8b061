//! The clock: whether the daemon's time is the wall clock's, and whether something keeps that right.

use std::path::Path;
use std::time::Duration;

use hallpass_protocol::time::Millis;

use super::board::Look;
use super::host::{asked, is_systemd};
use super::report::Finding;

/// What the daemon's time and the wall clock may differ by: the board says it once a second.
const ASTRAY: Duration = Duration::from_secs(3);
/// What systemd's time service leaves when it has set the clock.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// Whether the daemon's time is that of the wall clock.
pub(super) fn daemons(board: &Look, now: Millis) -> Finding {
    match board.time() {
        Some(time) => of_time(time, now),
        None => Finding::unknown("clock", "the daemon's time cannot be told while its board is not fresh"),
    }
}

fn of_time(daemon: Millis, wall: Millis) -> Finding {
    let apart =
        |length: Duration| humantime::format_duration(Duration::from_secs(length.as_secs())).to_string();
    if wall.since(daemon) > ASTRAY {
        let message = format!(
            "the wall clock is {} ahead of the daemon's time, which has not followed so far",
            apart(wall.since(daemon))
        );
        return Finding::problem("clock", message, "look at `date`; if it is right: hallpass clock accept");
    }
    if daemon.since(wall) > ASTRAY {
        let message = format!(
            "the wall clock was set back: the daemon's time is {} ahead of it, and goes on by itself",
            apart(daemon.since(wall))
        );
        return Finding::warning("clock", message, "look at `date`, and have a time service keep it right");
    }
    Finding::ok("clock", "the daemon's time is that of the wall clock")
}

/// Whether a time service keeps the wall clock right.
pub(super) fn kept_right() -> Finding {
    let asked = is_systemd()
        .then(|| asked("timedatectl", &["show", "--property=NTPSynchronized", "--value"]))
        .flatten();
    of_service(asked.as_deref().map(str::trim), Path::new(SYNCHRONIZED).exists())
}

fn of_service(synchronized: Option<&str>, has_left_a_mark: bool) -> Finding {
    match synchronized {
        Some("yes") => Finding::ok("time", "the clock is synchronised"),
        _ if has_left_a_mark => Finding::ok("time", "the clock was synchronised since the boot"),
        Some(_) => Finding::warning(
            "time",
            "nothing synchronises the clock of this host",
            "timedatectl set-ntp true",
        ),
        None => Finding::unknown("time", "whether something keeps the clock right cannot be told here"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_seen_in_either_direction() {
        let at = |seconds: u64| Millis::from_u64(1_700_000_000_000 + seconds * 1000);
        for (daemon, wall, state, word) in [
            (100, 100, State::Ok, "that of the wall clock"),
            (100, 102, State::Ok, "that of the wall clock"),
            (100, 90_100, State::Problem, "1day 1h ahead of the daemon's"),
            (3_700, 100, State::Warning, "set back"),
        ] {
            let finding = of_time(at(daemon), at(wall));
            assert!(finding.state == state && finding.message.contains(word), "{finding:?}");
        }
        assert!(of_time(at(0), at(90_000)).next.unwrap().contains("hallpass clock accept"));
    }

    #[test]
    fn a_clock_that_nothing_keeps_right_is_a_warning_and_no_answer_is_none() {
        for (said, mark, state) in [
            (Some("yes"), false, State::Ok),
            (None, true, State::Ok),
            (Some("no"), true, State::Ok),
            (Some("no"), false, State::Warning),
            (None, false, State::Unknown),
        ] {
            assert_eq!(of_service(said, mark).state, state, "{said:?} {mark}");
        }
    }
}
