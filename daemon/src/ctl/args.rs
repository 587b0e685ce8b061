//! What the control command understands. No argument here can hold a password or a token: `-` and `--password-stdin` say where one comes from.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::id::SessionId;

mod audit;
mod config;
mod doctor;
mod files;
mod keys;
mod moving;
mod sessions;
mod watching;

pub(super) use audit::{AuditVerb, ExportChainArgs, TailArgs, VerifyChainArgs, Which};
pub(super) use config::{CheckConfigArgs, ConfigVerb, ShowConfigArgs};
pub(super) use doctor::DoctorArgs;
pub(super) use files::{BackupArgs, CheckArgs, CompactArgs, RestoreArgs};
pub(super) use keys::{KeyVerb, ResealArgs, RetireArgs, RotateArgs};
pub(super) use moving::{ExportArgs, ImportArgs};
pub(super) use sessions::{EndArgs, SessionVerb};
pub(super) use watching::{BenchArgs, MetricsArgs, TopArgs};

use doctor::DOCTOR_NOTES;
use files::{BACKUP_NOTES, CHECK_NOTES, COMPACT_NOTES, RESTORE_NOTES};
use moving::{EXPORT_NOTES, IMPORT_EXAMPLES};
use sessions::session_id;
use watching::{BENCH_NOTES, METRICS_NOTES, TOP_NOTES};

/// What the exit codes mean, as in sysexits(3).
pub(super) const EXIT_CODES: &str =
    "Exit 0 ok, 1 refused, 2 usage, 69 unavailable, 70 internal, 77 denied, 78 config";

#[derive(Debug, Parser)]
#[command(
    name = "hallpass",
    bin_name = "hallpass",
    version,
    about = "Asks the Hallpass session daemon on this host. No secret is ever an argument.",
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Cli {
    /// Print JSON: one object, or one a line for a list
    #[arg(long, global = true, display_order = 900)]
    pub(super) json: bool,
    /// The apps' socket; the admin socket lies beside it
    #[arg(long, global = true, display_order = 901, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// See the whole story
    ///
    /// See the whole story on a daemon of its own
    Tour,
    /// Show how it is doing
    ///
    /// Show how the daemon is doing
    Status,
    /// Watch what it does
    ///
    /// Watch what the daemon does
    #[command(after_long_help = TOP_NOTES)]
    Top(TopArgs),
    /// Print counts for Prometheus
    ///
    /// Print what was counted, for Prometheus
    #[command(after_long_help = METRICS_NOTES)]
    Metrics(MetricsArgs),
    /// Measure this host
    ///
    /// Measure how fast this host is
    #[command(after_long_help = BENCH_NOTES)]
    Bench(BenchArgs),
    /// Say what is wrong
    ///
    /// Look whether all is well, and say what to do about what is not
    #[command(after_long_help = DOCTOR_NOTES)]
    Doctor(DoctorArgs),
    /// See to users
    ///
    /// Add, show, change and remove users
    #[command(subcommand)]
    User(UserVerb),
    /// Open a session
    ///
    /// Prove a password and open a session
    #[command(after_long_help = LOGIN_EXAMPLES)]
    Login(LoginArgs),
    /// Check a token
    ///
    /// Check a session or access token
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Exchange a refresh token
    ///
    /// Exchange a refresh token for the next one
    #[command(after_long_help = REFRESH_EXAMPLES)]
    Refresh(RefreshArgs),
    /// End sessions
    ///
    /// End sessions, or what a key has signed
    #[command(after_long_help = REVOKE_EXAMPLES, override_usage = REVOKE_USAGE)]
    Revoke(RevokeArgs),
    /// See to sessions
    ///
    /// List, show and end sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// List what was taken back
    ///
    /// List what was taken back lately
    #[command(subcommand)]
    Revocation(RevocationVerb),
    /// See to keys
    ///
    /// List, rotate and reseal keys, print the public ones
    #[command(subcommand)]
    Key(KeyVerb),
    /// Read the audit chain
    ///
    /// Read, export and verify the audit chain
    #[command(subcommand)]
    Audit(AuditVerb),
    /// See to the daemon's time
    #[command(subcommand)]
    Clock(ClockVerb),
    /// The same as `user export`
    #[command(hide = true, after_long_help = EXPORT_NOTES)]
    Export(ExportArgs),
    /// The same as `user import`
    #[command(hide = true, after_long_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Check or show settings
    ///
    /// Check a configuration, and show what holds under it
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Copy the database
    ///
    /// Copy the database while the daemon runs
    #[command(after_long_help = BACKUP_NOTES)]
    Backup(BackupArgs),
    /// Check a database file
    ///
    /// Check a database that no daemon has open
    #[command(after_long_help = CHECK_NOTES)]
    Check(CheckArgs),
    /// Shrink a database file
    ///
    /// Give back what is free inside a database that no daemon has open
    #[command(after_long_help = COMPACT_NOTES)]
    Compact(CompactArgs),
    /// Bring back a backup
    ///
    /// Put a backup in the place of the database; asks first
    #[command(after_long_help = RESTORE_NOTES)]
    Restore(RestoreArgs),
}

const LOGIN_EXAMPLES: &str = "\
Examples:
  hallpass login alice
  printf '%s\\n' \"$PW\" | hallpass login alice --password-stdin --json
  printf '%s\\n' \"$PW\" | hallpass login alice --kind cookie --password-stdin";

const VERIFY_EXAMPLES: &str = "\
Examples:
  hallpass verify                                    # asks for the token
  printf '%s\\n' \"$T\" | hallpass verify - --json
  printf '%s\\n' \"$T\" | hallpass verify - --role editor --max-auth-age 300";

const REFRESH_EXAMPLES: &str = "\
The token that was shown is used up: keep the new one from the answer.

Examples:
  hallpass refresh                                   # asks for the token
  printf '%s\\n' \"$T\" | hallpass refresh - --json";

const REVOKE_USAGE: &str = "hallpass revoke [OPTIONS] <--token [-] | --session <ID> | --user <NAME> | --app <APP> | --key <KID> | --all>";

const REVOKE_EXAMPLES: &str = "\
When the command returns, no app on this host accepts the sessions any more.

Examples:
  printf '%s\\n' \"$T\" | hallpass revoke --token -
  hallpass revoke --user alice
  hallpass revoke --all --yes";

const ACCEPT_NOTES: &str = "\
A clock that jumps ahead by more than a day while the daemon runs is not followed: by mistake it
would end every session, and time never goes back. Look at `date` first. A restart follows too.";

/// Stands for `-`: the token is the first line of stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stdin;

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Add a user
    Add(AddArgs),
    /// List all users
    List,
    /// Show one user
    Show(NameArg),
    /// Let a user log in again
    Enable(NameArg),
    /// End a user's sessions and let them log in no more
    Disable(NameArg),
    /// Remove a user with all their sessions
    Remove(RemoveArgs),
    /// Set a user's password and end their sessions
    Passwd(PasswdArgs),
    /// Replace a user's roles
    Roles(RolesArgs),
    /// Give a user another name
    Rename {
        /// The name they have
        name: String,
        /// The name to have from now on
        new_name: String,
    },
    /// Replace what is kept of a user besides their roles
    Set {
        /// The user's name
        name: String,
        /// Attributes to have from now on; none clears all
        #[arg(value_name = "KEY=VALUE", value_parser = attribute)]
        attributes: Vec<(String, String)>,
    },
    /// Make a code with which a user sets a password once
    Code(CodeArgs),
    /// Add the users of another program or daemon with their passwords
    #[command(after_long_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Write all users down, one a line, as `import` takes them
    #[command(after_long_help = EXPORT_NOTES)]
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct CodeArgs {
    /// The user's name
    pub(super) name: String,
    /// Write the code to this new file, for you alone, instead of the terminal
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct NameArg {
    /// The user's name
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The name to log in with
    pub(super) name: String,
    /// A role to give; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// Take the password from the first line of stdin
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// Add the user without a password: they cannot log in with one until it is set
    #[arg(long, conflicts_with = "password_stdin")]
    pub(super) no_password: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The user's name
    pub(super) name: String,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct PasswdArgs {
    /// The user's name
    pub(super) name: String,
    /// Take the password from the first line of stdin
    #[arg(long)]
    pub(super) password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct RolesArgs {
    /// The user's name
    pub(super) name: String,
    /// The roles to have from now on, with commas between; '' for none
    #[arg(long, value_name = "A,B", value_parser = roles)]
    pub(super) set: Roles,
}

/// Roles out of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roles(pub(super) Vec<String>);

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The user's name
    pub(super) name: String,
    /// Set a new password with a code: asks for both, or takes them from two lines of stdin
    #[arg(long)]
    pub(super) code: bool,
    /// The kind of session to open
    #[arg(long, value_enum, default_value_t = Kind::Token)]
    pub(super) kind: Kind,
    /// Take the password from the first line of stdin
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// Whom the access token is for
    #[arg(long)]
    pub(super) audience: Option<String>,
    /// A name for this device that its user will recognise
    #[arg(long, value_name = "LABEL")]
    pub(super) device_label: Option<String>,
}

/// The kinds of session, as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// An access and a refresh token
    Token,
    /// One session token, for a cookie
    Cookie,
}

impl From<Kind> for SessionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Token => Self::Token,
            Kind::Cookie => Self::Cookie,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Take the token from the first line of stdin; without it you are asked
    #[arg(value_name = "-", value_parser = stdin)]
    pub(super) token: Option<Stdin>,
    /// A role the user must have; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// Whom an access token must be for
    #[arg(long)]
    pub(super) audience: Option<String>,
    /// The longest time since the user last proved who they are
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u64>)]
    pub(super) max_auth_age: Option<u64>,
    /// The least level of that proof
    #[arg(long, value_name = "N", value_parser = whole::<u8>)]
    pub(super) level: Option<u8>,
}

#[derive(Debug, Args)]
pub(super) struct RefreshArgs {
    /// Take the token from the first line of stdin; without it you are asked
    #[arg(value_name = "-", value_parser = stdin)]
    pub(super) token: Option<Stdin>,
    /// Whom the access token is for
    #[arg(long)]
    pub(super) audience: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("target").required(true).args(["token", "session", "user", "app", "key", "all"]))]
pub(super) struct RevokeArgs {
    /// The session of a token: `-` takes it from the first line of stdin; without it you are asked
    #[arg(long, value_name = "-", value_parser = stdin, num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "left out, given bare and given `-` are three different things"
    )]
    pub(super) token: Option<Option<Stdin>>,
    /// This session, of any app
    #[arg(long, value_name = "ID", value_parser = session_id)]
    pub(super) session: Option<SessionId>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// All sessions that this app opened
    #[arg(long, value_name = "APP")]
    pub(super) app: Option<String>,
    /// Every access token that this key signed, by its KID; asks first
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    pub(super) key: Option<String>,
    /// Every session there is; asks first
    #[arg(long)]
    pub(super) all: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RevocationVerb {
    /// Print what access tokens may still be out for, oldest first
    List,
}

#[derive(Debug, Subcommand)]
pub(super) enum ClockVerb {
    /// Follow the system's clock after a jump ahead of more than a day; asks first
    #[command(after_long_help = ACCEPT_NOTES)]
    Accept {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

// The messages below never repeat the text: it may be a secret in the wrong place.

fn stdin(text: &str) -> Result<Stdin, &'static str> {
    let why = "a token is not taken from an argument; write `-` and give it as the first line of stdin";
    if text == "-" { Ok(Stdin) } else { Err(why) }
}

fn whole<N: std::str::FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "not a whole number in its range")
}

fn attribute(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("an attribute is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn roles(text: &str) -> Result<Roles, &'static str> {
    if text.is_empty() {
        return Ok(Roles(Vec::new()));
    }
    let roles: Vec<_> = text.split(',').map(|role| role.trim().to_owned()).collect();
    if roles.iter().any(String::is_empty) {
        return Err("a role between two commas is empty; write '' alone to clear all");
    }
    Ok(Roles(roles))
}
