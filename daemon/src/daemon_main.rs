//! The daemon's command line: where things lie, what to print, and when to stop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use hallpass_protocol::paths::{SYSTEM_RUNTIME_DIR, user_runtime_dir, user_state_dir};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use crate::caller::Callers;
use crate::clock::{SystemTime, TimeSource};
use crate::config::{Config, ConfigError};
use crate::daemon::{Daemon, DaemonError, Parts};
use crate::entropy::SystemRandom;
use crate::log;
use crate::passed::Passed;
use crate::running::{self, Signals};

/// The configuration of a daemon that serves the whole host, as the package has it.
pub(crate) const SYSTEM_CONFIG: &str = "/etc/hallpass/hallpass.toml";
/// The state directory of such a daemon.
const SYSTEM_STATE_DIR: &str = "/var/lib/hallpass";
/// The master key's name among the credentials of systemd.
const CREDENTIAL: &str = "hallpass.master-key";
/// Exit codes as in sysexits(3).
const EXIT_INTERNAL: u8 = 70;
const EXIT_CONFIG: u8 = 78;
/// What systemd says of a service whose credentials it could not open.
const EXIT_CREDENTIALS: &str = "243";
/// How long until systemd tries again then.
const UNTIL_NEXT_TRY: Duration = Duration::from_secs(10);

const UNDER_SYSTEMD: &str = "\
The package keeps the master key as a credential that only its host can decrypt. Keep a copy
apart from the host and from the database:
  systemd-creds decrypt --name=hallpass.master-key /etc/credstore.encrypted/hallpass.master-key COPY
To put one there, on this host or another:
  systemd-creds encrypt --with-key=host --name=hallpass.master-key COPY /etc/credstore.encrypted/hallpass.master-key

Its sockets are /run/hallpass/hallpass.sock, for the group hallpass-clients, and
/run/hallpass/admin.sock, for root. systemd keeps them open while the daemon is restarted.
SIGHUP, or systemctl reload hallpassd, has it read its configuration again.";

/// The Hallpass session daemon.
///
/// Without `--config` it serves the user who starts it: its state lies below `$XDG_STATE_HOME`, its sockets below `$XDG_RUNTIME_DIR`, and that user is
/// both the app and the administrator.
#[derive(Debug, Parser)]
#[command(name = "hallpassd", version, after_long_help = UNDER_SYSTEMD)]
struct Args {
    #[command(flatten)]
    places: Where,
    /// Check the configuration and have the daemon of this process id read it
    #[arg(long, value_name = "PID", help_heading = "For systemd")]
    reload: Option<i32>,
    /// Say what a start that systemd itself gave up means
    #[arg(long, conflicts_with = "reload", help_heading = "For systemd")]
    explain_exit: bool,
}

/// Where a daemon finds everything, as it can be told on a command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The configuration, for a daemon that serves the whole host
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database lies, if not where the configuration says
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the sockets go, if not where the configuration says
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
}

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn daemon_main() -> ExitCode {
    daemon_main_at(Arc::new(SystemTime))
}

/// The same, with time from this source.
pub(crate) fn daemon_main_at(time: Arc<dyn TimeSource>) -> ExitCode {
    let args = Args::parse();
    let outcome = match args.reload {
        Some(pid) => have_reloaded(&args.places, pid),
        None if args.explain_exit => {
            explain_exit();
            Ok(())
        }
        None => run(&args.places, time),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.lasts() { EXIT_CONFIG } else { EXIT_INTERNAL };
            complain(&error);
            ExitCode::from(code)
        }
    }
}

/// The command line, for its pages.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Says what is wrong. The journal is told that it is an error by what stands before it.
fn complain(error: &dyn std::fmt::Display) {
    let priority = if log::leads_to_the_journal() { "<3>" } else { "" };
    // With stderr closed there is nobody to tell; the exit code still says it.
    let _ = writeln!(std::io::stderr(), "{priority}hallpassd: {error}");
}

/// Has a running daemon read its configuration again, if that can be used.
fn have_reloaded(places: &Where, pid: i32) -> Result<(), DaemonError> {
    let config = places.parts()?.config;
    Callers::new(&config.app, &config.admin.uids)?;
    let asked = kill(Pid::from_raw(pid), Signal::SIGHUP);
    asked.map_err(|error| DaemonError::Other(format!("cannot reach the daemon, process {pid}: {error}")))
}

/// Says what nobody else can, and gives whoever has to act some time before the next try.
fn explain_exit() {
    if std::env::var("EXIT_STATUS").is_ok_and(|status| status == EXIT_CREDENTIALS) {
        complain(
            &"systemd could not open the master key, /etc/credstore.encrypted/hallpass.master-key, so the daemon was not started: the file \
              is damaged, or was encrypted on another host or before this one got a new identity; put back the right one, or encrypt your \
              copy of the key again as hallpassd(8) says. No new key was made",
        );
        std::thread::sleep(UNTIL_NEXT_TRY);
    }
}

/// No file of ours is readable by others, and no core file is written: it would hold keys and passwords.
fn keep_secrets_in_memory() -> nix::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    let limited = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let hidden = nix::sys::prctl::set_dumpable(false);
    limited.and(hidden)
}

/// After so many tasks that had something to do, it is looked whether others have by now, though some are still ready.
const LOOK_AGAIN: u32 = 8;

fn run(places: &Where, time: Arc<dyn TimeSource>) -> Result<(), DaemonError> {
    // Before anything else is opened, which could be given their numbers.
    let passed = Passed::take()?;
    let kept = keep_secrets_in_memory();
    // One thread serves every connection: calls are short, what blocks has threads of its own, and waking another thread costs more than most calls.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().event_interval(LOOK_AGAIN).build().map_err(other)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(other)?;
        let waiting = passed.again().map_err(other)?;
        let started = async {
            let parts = Parts { time, ..places.parts()? };
            log::begin(&parts.config.log)?;
            if let Err(error) = kept {
                tracing::warn!(%error, "core files could not be turned off");
            }
            let config = parts.config.clone();
            Ok((Daemon::start(parts, passed).await?, config))
        };
        let (daemon, config) = match started.await {
            Ok(started) => started,
            Err(error) => {
                running::turn_away(waiting).await;
                return Err(error);
            }
        };
        drop(waiting);
        announce(&daemon);
        running::run(daemon, &mut signals, &config, || places.parts().map(|parts| parts.config)).await
    })
}

fn other(error: std::io::Error) -> DaemonError {
    DaemonError::Other(error.to_string())
}

impl Where {
    /// Whether anything was told of where things lie.
    pub(crate) fn are_told(&self) -> bool {
        self.config.is_some() || self.state_dir.is_some() || self.runtime_dir.is_some()
    }

    /// These places, as if they had been told.
    pub(crate) fn told(
        config: Option<PathBuf>,
        state_dir: Option<PathBuf>,
        runtime_dir: Option<PathBuf>,
    ) -> Self {
        Self { config, state_dir, runtime_dir }
    }

    /// The file that was told.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The configuration that was told, or that of a daemon of the user's own.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        match &self.config {
            Some(path) => Config::read(path),
            None => Ok(Config::per_user(nix::unistd::geteuid().as_raw())),
        }
    }

    /// Where the database lies, and who says so: the command line, else the configuration, else systemd, else nobody.
    pub(crate) fn state_dir(&self, config: &Config) -> Option<(PathBuf, Source)> {
        let usual =
            if self.config.is_some() { Some(PathBuf::from(SYSTEM_STATE_DIR)) } else { user_state_dir() };
        first(self.state_dir.as_ref(), config.state_dir.as_ref(), from_systemd("STATE_DIRECTORY"), usual)
    }

    /// Where the board goes, and sockets that nobody passes, and who says so.
    pub(crate) fn runtime_dir(&self, config: &Config) -> Option<(PathBuf, Source)> {
        let usual =
            if self.config.is_some() { Some(PathBuf::from(SYSTEM_RUNTIME_DIR)) } else { user_runtime_dir() };
        first(
            self.runtime_dir.as_ref(),
            config.runtime_dir.as_ref(),
            from_systemd("RUNTIME_DIRECTORY"),
            usual,
        )
    }

    /// The master key's file, if it is not the daemon's own to make, and who says so.
    pub(crate) fn master_key(config: &Config) -> Option<(PathBuf, Source)> {
        let credential = from_systemd("CREDENTIALS_DIRECTORY").map(|dir| dir.join(CREDENTIAL));
        first(None, config.master_key.as_ref(), credential, None)
    }

    /// Where everything lies: as told on the command line, else as configured, else as systemd says, else in the usual place.
    pub(crate) fn parts(&self) -> Result<Parts, ConfigError> {
        let config = self.config()?;
        let homeless = || {
            ConfigError::new(
                "neither $XDG_STATE_HOME nor $HOME says where to keep state; pass --state-dir and --runtime-dir"
                    .into(),
            )
        };
        Ok(Parts {
            master_key: Self::master_key(&config).map(|(path, _)| path),
            state_dir: self.state_dir(&config).ok_or_else(homeless)?.0,
            runtime_dir: self.runtime_dir(&config).ok_or_else(homeless)?.0,
            auth_mode: if self.config.is_some() { 0o660 } else { 0o600 },
            config,
            time: Arc::new(SystemTime),
            random: Arc::new(SystemRandom),
        })
    }
}

/// Who says where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Whoever has started the daemon.
    CommandLine,
    /// Its configuration.
    Configuration,
    /// systemd.
    Environment,
    /// Nobody: it is the usual place.
    Default,
}

fn first(
    told: Option<&PathBuf>,
    configured: Option<&PathBuf>,
    systemd: Option<PathBuf>,
    usual: Option<PathBuf>,
) -> Option<(PathBuf, Source)> {
    told.map(|path| (path.clone(), Source::CommandLine))
        .or_else(|| configured.map(|path| (path.clone(), Source::Configuration)))
        .or_else(|| systemd.map(|path| (path, Source::Environment)))
        .or_else(|| usual.map(|path| (path, Source::Default)))
}

/// A directory that systemd has made for the service.
fn from_systemd(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Says where the daemon serves and what to type next.
fn announce(daemon: &Daemon) {
    let socket = daemon.auth_socket();
    tracing::info!(socket = %socket.display(), "serving");
    if log::leads_to_the_journal() {
        return;
    }
    let made_key = daemon.made_master_key().map_or_else(String::new, |key| {
        let key = key.display();
        format!(
            "\nA new master key lies in {key}.\n\
             It opens every key in the database: keep a copy apart from the database, and show it to nobody.\n"
        )
    });
    let version = env!("CARGO_PKG_VERSION");
    let hallpass = control_command(socket);
    let text = format!(
        "hallpassd {version} serves on {}\n\
         {made_key}\n\
         What to type next, in another terminal:\n\n    \
         {hallpass} tour                          # the whole story, on a daemon of its own\n    \
         {hallpass} user add alice --role editor  # asks for a password\n    \
         {hallpass} login alice                   # prints an access and a refresh token\n    \
         {hallpass} verify                        # asks for the access token\n    \
         {hallpass} refresh                       # asks for the refresh token\n    \
         {hallpass} revoke --user alice           # ends all her sessions\n",
        socket.display()
    );
    // With stdout closed there is nobody to tell.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// How to call the control command from here: by name where the shell finds it, by path where it was built, else through cargo.
fn control_command(socket: &Path) -> String {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("hallpass")));
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("hallpass").is_file()));
    let command = match beside {
        _ if found => "hallpass".to_owned(),
        Some(path) if path.is_file() => shell_word(&path),
        _ => "cargo run --release --quiet --bin hallpass --".to_owned(),
    };
    let usual = hallpass_protocol::paths::auth_sockets().iter().any(|usual| usual == socket);
    if usual { command } else { format!("{command} --socket {}", shell_word(socket)) }
}

/// A path as one word of a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_to_be_typed_is_one_word() {
        for (path, word) in [
            ("/run/hallpass/hallpass.sock", "/run/hallpass/hallpass.sock"),
            ("/home/a b/s.sock", "'/home/a b/s.sock'"),
            ("/home/it's/$HOME;", r"'/home/it'\''s/$HOME;'"),
            ("/home/zo\u{eb}/s", "'/home/zo\u{eb}/s'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
