//! Where the log goes, and how much of it: to the journal with its fields where stderr leads there, else to stderr as text or as JSON.

use std::sync::OnceLock;

use nix::sys::stat::fstat;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Goes before the level of the configuration.
const LEVEL_VARIABLE: &str = "HALLPASS_LOG";
/// What our fields are called in the journal: `HALLPASS_UID`, and so on.
const PREFIX: &str = "HALLPASS";

/// The level in force, which a reload may change.
static LEVEL: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Begins to log.
///
/// # Errors
/// A level in the environment that is none.
pub(crate) fn begin(config: &LogConfig) -> Result<(), ConfigError> {
    let (level, handle) = reload::Layer::new(filter(config)?);
    let journal =
        tracing_journald::layer().ok().filter(|_| config.format == LogFormat::Auto && leads_to_the_journal());
    let output = match journal {
        Some(journal) => journal.with_field_prefix(Some(PREFIX.to_owned())).boxed(),
        // Whoever reads this is a program or a file, which colours would only get in the way of.
        None if config.format == LogFormat::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
        None => fmt::layer().with_target(false).with_ansi(false).with_writer(std::io::stderr).boxed(),
    };
    // It fails where a log was begun before, which then goes on.
    if tracing_subscriber::registry().with(level).with(output).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// Logs as much as this says from now on.
pub(crate) fn set_level(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = filter(config)?;
    // Where there is no log there is no level.
    let _ = LEVEL.get().map(|level| level.reload(filter));
    Ok(())
}

/// Whether what this process says on stderr ends in the journal, as systemd has told it.
pub(crate) fn leads_to_the_journal() -> bool {
    let Ok(told) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(std::io::stderr()).is_ok_and(|found| told == format!("{}:{}", found.st_dev, found.st_ino))
}

/// What tarpc has to say of a request is the caller's doing, so it is left out unless the environment names it.
fn filter(config: &LogConfig) -> Result<EnvFilter, ConfigError> {
    let asked = std::env::var_os(LEVEL_VARIABLE).filter(|text| !text.is_empty());
    let Some(asked) = asked else {
        return Ok(EnvFilter::new(format!("tarpc=off,{}", config.level.as_str())));
    };
    let filter = asked.to_str().and_then(|text| EnvFilter::try_new(format!("tarpc=off,{text}")).ok());
    filter.ok_or_else(|| {
        ConfigError::new(format!(
            "{LEVEL_VARIABLE} is {:?}, which is no log filter; unset it or give a level such as info or debug",
            asked.to_string_lossy()
        ))
    })
}
