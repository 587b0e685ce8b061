//! What is understood of a look at everything.

use clap::Args;

use crate::daemon_main::Where;

pub(super) const DOCTOR_NOTES: &str = "\
Sockets and their modes, who may call, the configuration, versions, keys, disk, clock, master key, audit
chain, board, kernel and service: what is well, what is not, and what to do about it. It works while the
daemon is down. What this user may not see is said to be unknown; root sees most.

Exit 0 if there is no problem, 1 if there is one; warnings and what is unknown do not count.

Examples:
  hallpass doctor
  sudo hallpass doctor --json
  hallpass doctor --config ./hallpass.toml --state-dir /srv/hallpass --runtime-dir /srv/run";

#[derive(Debug, Args)]
pub(in crate::ctl) struct DoctorArgs {
    #[command(flatten)]
    pub(in crate::ctl) places: Where,
}
