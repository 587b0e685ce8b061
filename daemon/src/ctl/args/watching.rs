//! Commands that look at how much the daemon does, and how fast.

use std::path::PathBuf;

use clap::Args;

use super::Stdin;

pub(super) const METRICS_NOTES: &str = "\
OpenMetrics text, or JSON with --json. Counters begin anew with each start of the daemon.

For the node exporter's textfile collector, write a file from time to time. The package has a
timer for that, which is off until you switch it on:
  hallpass metrics --output /var/lib/prometheus/node-exporter/hallpass.prom
  systemctl enable --now hallpass-metrics.timer";

pub(super) const TOP_NOTES: &str = "\
q or ctrl-c ends it. Rates are those of the last interval, percentiles, failures and verifiers
those of the last ten. With --json and without --once it prints one object for each interval.

Examples:
  hallpass top
  hallpass top --once
  hallpass top --once --interval 0 --json            # averages since the daemon started";

pub(super) const BENCH_NOTES: &str = "\
It starts a daemon of its own in a temporary directory and leaves nothing behind; your own daemon,
if there is one, is not asked. What it measures is how fast this host is, not how fast a
network or a database would be. TMPDIR says on which disk.

With --running it asks the daemon that serves you, as fast as one app can, for what changes
nothing there but its counters: who it is and, with an access token, whose that is. A token that is
not for this app is refused, and the audit chain says so.

Examples:
  hallpass bench
  hallpass bench --running
  printf '%s\\n' \"$T\" | hallpass bench --running -    # T is an access token of `hallpass login`";

#[derive(Debug, Args)]
pub(in crate::ctl) struct MetricsArgs {
    /// Put it into this file in one step, readable for everybody, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(in crate::ctl) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct TopArgs {
    /// Print one snapshot and end: what happened in one interval
    #[arg(long)]
    pub(in crate::ctl) once: bool,
    /// How long to look at a time, 1 to 60; with --once also 0, for all since the daemon's start
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=60))]
    pub(in crate::ctl) interval: u8,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct BenchArgs {
    /// How long to measure each operation, 1 to 30
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=30))]
    pub(in crate::ctl) seconds: u8,
    /// Measure the daemon that runs, by calls that change nothing there
    #[arg(long)]
    pub(in crate::ctl) running: bool,
    /// Measure verifications of an access token too, from the first line of stdin
    #[arg(value_name = "-", value_parser = super::stdin, requires = "running")]
    pub(in crate::ctl) token: Option<Stdin>,
}
