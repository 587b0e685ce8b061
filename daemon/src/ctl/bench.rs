//! How fast this host is: each operation for a few seconds against a daemon of its own, of which nothing is left behind; or what can be measured of the
//! one that runs.

mod host;
mod measure;
mod report;
mod running;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::admin::AddUser;
use hallpass_client::admin::AdminClient;
use hallpass_client::{Client, Verifier};
use hallpass_protocol::secret::Password;

use super::args::BenchArgs;
use super::failure::Failure;
use super::private::{Home, Interrupts};
use super::progress::Progress;
use super::render::Out;
use crate::config::Config;
use crate::entropy::{Entropy, RandomSource, SystemRandom};
use host::Host;
use measure::{Bench, Measured};
use report::{Against, Report};

/// The one user there is.
const NAME: &str = "alice";
/// Callers at once, where there are many.
const MANY: usize = 64;
/// The same for what waits for the disk.
const SEVERAL: usize = 16;

/// Measures, and shows each result as soon as it is there.
pub(super) async fn run(
    args: &BenchArgs,
    socket: Option<&Path>,
    app: impl AsyncFnOnce() -> Result<Client, Failure>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    if args.running {
        return running::run(args, app, out).await;
    }
    if socket.is_some() {
        return Err(Failure::usage(
            "--socket names a daemon that runs, and without --running one is measured that is made for it; add --running, or leave --socket out",
        ));
    }
    let random: Arc<dyn RandomSource> = Arc::new(SystemRandom);
    let mut interrupts = Interrupts::hold().map_err(Failure::surprise)?;
    let entropy = Entropy::new(Arc::clone(&random));
    let home = Home::make("bench", &entropy)?;
    let mut config = Config::per_user(nix::unistd::geteuid().as_raw());
    // The same few sessions are exchanged as fast as that goes.
    config.refresh.per_minute = 0;
    let memory = u64::try_from(config.passwords.memory_kib).unwrap_or(u64::MAX) * 1024;
    let parts = home.parts(config, &random);
    let place = parts.state_dir.display().to_string();
    let report = Report { seconds: args.seconds, against: Against::Own { place, hash_memory: memory } };
    let host = Host::start(parts).await?;
    let measured = tokio::select! {
        measured = measure(&host, &entropy, &report, out) => measured,
        signal = interrupts.next() => Err(Failure::Signal(signal)),
    };
    host.stop().await?;
    measured
}

async fn measure(host: &Host, entropy: &Entropy, report: &Report, out: &mut Out<'_>) -> Result<(), Failure> {
    let password = Password::new(crate::hex::encode(&entropy.bytes::<16>().map_err(Failure::surprise)?));
    let admin = AdminClient::connect(&host.admin).await?;
    let roles = vec!["editor".to_owned()];
    admin.user_add(AddUser { name: NAME.into(), password: Some(password.clone()), roles }).await?;
    let place = host.auth.clone();
    // It waits for the daemon, which has a thread of its own.
    let verifier = Verifier::connect(place)?;
    let time = Duration::from_secs(report.seconds.into());
    let bench = Bench { client: Client::connect(&host.auth).await?, time };
    report.begin(out)?;
    let (access, _) = bench.open().await?;
    row("verifications in this process", bench.in_process(&verifier, &access), out).await?;
    for callers in [1, MANY] {
        let (access, _) = bench.open_each(callers).await?;
        row("verifications", bench.verify(access), out).await?;
    }
    for callers in [1, SEVERAL] {
        let (_, refresh) = bench.open_each(callers).await?;
        row("refreshes", bench.refresh(refresh), out).await?;
    }
    row("logins", bench.login(&password), out).await?;
    report.end(out)
}

/// Measures something, says on the terminal that it does, and shows the result.
async fn row(
    what: &str,
    measure: impl Future<Output = Result<Measured, Failure>>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let progress = Progress::of(format!("measuring {what}"), "", out);
    let measured = measure.await;
    drop(progress);
    Report::row(out, &measured?)
}

#[cfg(test)]
mod tests;
