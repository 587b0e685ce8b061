//! What is understood of the configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const CHECK_NOTES: &str = "\
Every key is looked at, so all that is wrong is named at once, with its line and what would be right.
No daemon is needed. Exit 78 if a daemon could not use the file.

Examples:
  hallpass config check && systemctl reload hallpassd
  hallpass config check ./hallpass.toml --json";

pub(super) const SHOW_NOTES: &str = "\
What a daemon would go by that is started now, and where each value comes from: the line of the file,
the command line, the environment, the profile, or nowhere, which is the default. A daemon that runs
goes by what it has read: see `systemctl reload hallpassd`. hallpass.toml(5) says what each key means.

Without FILE it is /etc/hallpass/hallpass.toml or, where there is none, what a daemon of your own has.

Examples:
  hallpass config show
  hallpass config show --set
  hallpass config show ./hallpass.toml --json";

#[derive(Debug, Subcommand)]
pub(in crate::ctl) enum ConfigVerb {
    /// Check a configuration, and say what is wrong with it
    #[command(after_long_help = CHECK_NOTES)]
    Check(CheckConfigArgs),
    /// Show every setting, its value and where that comes from
    #[command(after_long_help = SHOW_NOTES)]
    Show(ShowConfigArgs),
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct CheckConfigArgs {
    /// The file; without it, /etc/hallpass/hallpass.toml
    pub(in crate::ctl) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::ctl) struct ShowConfigArgs {
    /// The file; without it, that of the daemon of this host, if it has one
    pub(in crate::ctl) file: Option<PathBuf>,
    /// Show only what is set somewhere
    #[arg(long)]
    pub(in crate::ctl) set: bool,
    /// Where the database would lie, as told to the daemon
    #[arg(long, value_name = "DIR")]
    pub(in crate::ctl) state_dir: Option<PathBuf>,
    /// Where the sockets would go, as told to the daemon
    #[arg(long, value_name = "DIR")]
    pub(in crate::ctl) runtime_dir: Option<PathBuf>,
}
