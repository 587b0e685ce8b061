//! What is understood of sessions.

use clap::{Args, Subcommand};
use hallpass_protocol::id::{BadId, SessionId};

const SHOW_NOTES: &str = "\
A session that is over is shown for as long as its rows are kept, with how it ended. What became of one
that was swept away is in the audit chain.

Examples:
  hallpass session show 01J9ZQ3M8Y2V4X6T8S0R1P5N7K
  hallpass session show 01J9ZQ3M8Y2V4X6T8S0R1P5N7K --json";

const REVOKE_NOTES: &str = "\
When the command returns, no app on this host accepts the sessions any more.

Examples:
  hallpass session revoke 01J9ZQ3M8Y2V4X6T8S0R1P5N7K
  hallpass session revoke --user alice
  hallpass session revoke --user alice --except 01J9ZQ3M8Y2V4X6T8S0R1P5N7K";

const REVOKE_USAGE: &str = "hallpass session revoke [OPTIONS] <ID | --user <NAME> [--except <ID>]>";

#[derive(Debug, Subcommand)]
pub(in crate::ctl) enum SessionVerb {
    /// List a user's living sessions
    List {
        /// Whose
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Show one session, alive or not
    #[command(after_long_help = SHOW_NOTES)]
    Show {
        /// The session
        #[arg(value_name = "ID", value_parser = session_id)]
        session: SessionId,
    },
    /// End one session, or those of a user
    #[command(after_long_help = REVOKE_NOTES, override_usage = REVOKE_USAGE)]
    Revoke(EndArgs),
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["session", "user"]))]
pub(in crate::ctl) struct EndArgs {
    /// This session, of any app
    #[arg(value_name = "ID", value_parser = session_id)]
    pub(in crate::ctl) session: Option<SessionId>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    pub(in crate::ctl) user: Option<String>,
    /// But for this one of theirs
    #[arg(long, value_name = "ID", value_parser = session_id, requires = "user", conflicts_with = "session")]
    pub(in crate::ctl) except: Option<SessionId>,
}

/// A session's identifier. What is wrong with it is said without repeating it.
pub(super) fn session_id(text: &str) -> Result<SessionId, BadId> {
    text.parse()
}
