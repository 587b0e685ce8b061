//! The daemon: the one that is shipped, and the one that leaves out or moves what a measurement wants so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass_client::Client;
use hallpass_client::admin::AdminClient;

use crate::server::Server;
use crate::{Outcome, repository};

/// How a daemon is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Twist {
    /// Whether access tokens go without their signature.
    pub unsigned: bool,
    /// How far its clock is ahead.
    pub ahead: Duration,
}

/// A daemon that runs.
pub struct Daemon {
    server: Server,
    run: PathBuf,
}

/// Builds a daemon, and says where it is.
fn built(program: &str, features: &[&str]) -> Outcome<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--bin", program]).args(features).current_dir(repository());
    if !build.status()?.success() {
        return Err(format!("{program} does not build").into());
    }
    Ok(repository().join("target/release").join(program))
}

impl Daemon {
    /// Starts one on this state directory, without a limit on rotations, with its sockets below `dir`.
    pub async fn start(name: &'static str, state: &Path, dir: &Path, twist: Twist) -> Outcome<Self> {
        let run = dir.join(name);
        std::fs::create_dir_all(&run)?;
        let config = run.join("hallpass.toml");
        let uid = nix::unistd::geteuid();
        let rights = r#"["login", "verify", "refresh", "revoke", "list", "vouch"]"#;
        std::fs::write(
            &config,
            format!(
                "[refresh]\nper_minute = 0\n[admin]\nuids = [{uid}]\n[[app]]\nname = \"shop\"\nuids = [{uid}]\nrights = {rights}\n"
            ),
        )?;
        let program = match twist == Twist::default() {
            true => built("hallpassd", &[])?,
            false => built("measured-hallpassd", &["--features", "hallpassd/bench"])?,
        };
        let mut command = Command::new(&program);
        command.env("HALLPASS_LOG", "warn").arg("--config").arg(config).arg("--state-dir").arg(state);
        command.env("MEASURED_UNSIGNED", if twist.unsigned { "1" } else { "0" });
        command.env("MEASURED_AHEAD", twist.ahead.as_secs().to_string());
        command.arg("--runtime-dir").arg(run.join("run"));
        let mut server = Server::start(name, &mut command, &run)?;
        let run = run.join("run");
        server.until(|| async { Client::connect(run.join("hallpass.sock")).await.ok() }).await?;
        Ok(Self { server, run })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// A connection to it, as an app.
    pub async fn client(&self) -> Outcome<Client> {
        Ok(Client::connect(self.run.join("hallpass.sock")).await?.with_deadline(PATIENCE))
    }

    /// A connection to it, as the administrator.
    pub async fn admin(&self) -> Outcome<AdminClient> {
        Ok(AdminClient::connect(self.run.join("admin.sock")).await?)
    }

    /// The control command, to be told what to do.
    pub fn control(&self, words: &[&str]) -> Outcome<Command> {
        let mut command = Command::new(built("hallpass", &[])?);
        command.arg("--socket").arg(self.run.join("hallpass.sock")).args(words);
        Ok(command)
    }

    /// Ends it in order.
    pub fn stop(self) {
        drop(self);
    }

    /// Ends it as a crash would.
    pub fn kill(self) {
        self.server.kill();
    }
}

/// Longest wait for an answer: more than any that is measured takes.
const PATIENCE: Duration = Duration::from_secs(60);
