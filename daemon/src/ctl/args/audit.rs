//! What is understood of the audit chain.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hallpass_protocol::time::Millis;

use super::whole;
use crate::clock::{SystemTime, TimeSource};
use crate::daemon_main::Where;

const TAIL_NOTES: &str = "\
Examples:
  hallpass audit tail
  hallpass audit tail --event login --user alice --since 24h
  hallpass audit tail --event user --count 100 --json";

const EXPORT_NOTES: &str = "\
One JSON object a line, oldest first, whatever an entry holds. Keep the number of the last one and go on
behind it the next time.

Examples:
  hallpass audit export >audit.jsonl
  hallpass audit export --after 81234 >>audit.jsonl
  hallpass audit export --since 2026-11-01T00:00:00Z --event login";

const VERIFY_NOTES: &str = "\
Finds an entry that was removed, changed or moved, an end that was cut off, and a chain that was replaced.
Exit 1 if there is anything. The first two hold by themselves; an end or a whole chain is held against the
note that the daemon keeps beside its database, and with --against against checkpoints from its log, which
whoever changed the state directory cannot have changed too if the log lies elsewhere.

The running daemon is asked, without keeping anybody waiting. With FILE, or with places, it is a database
that no daemon has open; the master key of the places tells genuine checkpoints from forged ones.

Examples:
  hallpass audit verify
  journalctl -u hallpassd -o export | hallpass audit verify --against -
  hallpass audit verify --config /etc/hallpass/hallpass.toml
  hallpass audit verify /var/backups/hallpass-2026-11-20.redb";

#[derive(Debug, Subcommand)]
pub(in crate::ctl) enum AuditVerb {
    /// Print the newest entries, oldest first
    #[command(after_long_help = TAIL_NOTES)]
    Tail(TailArgs),
    /// Print all entries as JSON Lines, oldest first
    #[command(after_long_help = EXPORT_NOTES)]
    Export(ExportChainArgs),
    /// Find out whether anybody has changed the chain
    #[command(after_long_help = VERIFY_NOTES)]
    Verify(VerifyChainArgs),
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct TailArgs {
    /// How many
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<NonZeroU32>)]
    pub(in crate::ctl) count: NonZeroU32,
    /// Those that come after this number
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    pub(in crate::ctl) after: Option<u64>,
    #[command(flatten)]
    pub(in crate::ctl) which: Which,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct ExportChainArgs {
    /// Those that come after this number
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    pub(in crate::ctl) after: Option<u64>,
    #[command(flatten)]
    pub(in crate::ctl) which: Which,
}

/// Which entries.
#[derive(Debug, Args)]
pub(in crate::ctl) struct Which {
    /// Only those about this user, by name or user id
    #[arg(long, value_name = "NAME")]
    pub(in crate::ctl) user: Option<String>,
    /// Only those by this app
    #[arg(long, value_name = "APP")]
    pub(in crate::ctl) app: Option<String>,
    /// Only this event, such as `login.locked`, or all that begin with it and a dot
    #[arg(long, value_name = "EVENT")]
    pub(in crate::ctl) event: Option<String>,
    /// Only those since then: `2h` ago, or a time such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(in crate::ctl) since: Option<Millis>,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct VerifyChainArgs {
    /// A database or a backup, instead of that of the running daemon
    pub(in crate::ctl) file: Option<PathBuf>,
    /// Hold the chain against the checkpoints in this file, such as a log; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::ctl) against: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::ctl) places: Where,
}

fn since(text: &str) -> Result<Millis, &'static str> {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).ok().map(Millis::from_u64);
    let moment = if let Ok(ago) = humantime::parse_duration(text) {
        millis(std::time::Duration::from_micros(SystemTime.wall_micros()).saturating_sub(ago))
    } else {
        let at = humantime::parse_rfc3339_weak(text).ok();
        at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).and_then(millis)
    };
    moment.ok_or("a time is written 2026-11-01T00:00:00Z, or as how long ago: 2h, 7days")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        assert_eq!(since("2023-11-14T22:13:20Z"), Ok(Millis::from_u64(1_700_000_000_000)));
        let hour_ago = since("1h").unwrap();
        let now = Millis::from_u64(SystemTime.wall_micros() / 1000);
        assert!(now.since(hour_ago).as_secs().abs_diff(3600) < 5);
        for bad in ["", "yesterday", "-1h", "1970-01-01"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
