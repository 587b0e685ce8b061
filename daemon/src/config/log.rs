//! How much is logged, and in which form.

use serde::{Deserialize, Serialize};

/// How much is logged, and in which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// From which level on.
    pub(crate) level: LogLevel,
    /// In which form.
    pub(crate) format: LogFormat,
}

/// A level, from the fewest lines to the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    /// What keeps the daemon from doing its work.
    Error,
    /// What somebody should look at.
    Warn,
    /// Starts, stops and changes of the configuration.
    #[default]
    Info,
    /// Connections that end because of what was on them.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level as a filter says it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// The journal's own where stderr leads to it, else text.
    #[default]
    Auto,
    /// Lines of text.
    Text,
    /// One JSON object a line.
    Json,
}
