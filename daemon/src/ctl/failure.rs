//! A command that did not end well: what is said about it, and the exit status.

use std::io;

use hallpass_client::Error;
use hallpass_protocol::error::{ErrorCode, Refusal};
use nix::sys::signal::Signal;
use serde::Serialize;

use crate::config::ConfigError;

/// Exit statuses, after `sysexits.h` where it has one that fits.
pub(super) mod status {
    pub(in crate::ctl) const REFUSED: u8 = 1;
    pub(in crate::ctl) const USAGE: u8 = 2;
    pub(in crate::ctl) const UNAVAILABLE: u8 = 69;
    pub(in crate::ctl) const INTERNAL: u8 = 70;
    pub(in crate::ctl) const NOT_PERMITTED: u8 = 77;
    pub(in crate::ctl) const CONFIG: u8 = 78;
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon has said no, or could not be asked.
    #[error(transparent)]
    Call(#[from] Error),
    /// It was refused here, as the daemon would have.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller may not touch what it takes.
    #[error("{0}")]
    Denied(String),
    /// It was not asked for in a way that can be done.
    #[error("{0}")]
    Usage(String),
    /// A signal came while a question was open.
    #[error("ended by {0}")]
    Signal(Signal),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}; what was asked for is done")]
    Output(#[from] io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something is not as it must be.
    #[error("{0}")]
    Surprise(String),
    /// The answer itself has said what was refused.
    #[error("some were refused")]
    Reported,
    /// The answer itself has said what is wrong with a configuration.
    #[error("the configuration cannot be used")]
    Misconfigured,
    /// This process could not be set up.
    #[error("the command cannot start: {0}")]
    Start(io::Error),
}

/// What is said about a failure. The field names are a promise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) class: &'static str,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
}

impl Fault {
    /// What is said about arguments, stdin or a terminal that do not serve.
    pub(super) fn usage(message: String) -> Self {
        Self { code: "usage", class: "invalid", message, retry_after_ms: None }
    }

    fn of(code: ErrorCode, message: String, retry_after_ms: Option<u64>) -> Self {
        Self { code: code.as_str(), class: code.class().as_str(), message, retry_after_ms }
    }
}

impl Failure {
    pub(super) fn surprise(what: impl std::fmt::Display) -> Self {
        Self::Surprise(what.to_string())
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(super) fn fault(&self) -> Fault {
        let message = self.to_string();
        match self {
            Self::Call(error) => {
                let wait =
                    error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                Fault::of(error.code(), message, wait)
            }
            Self::Refused(refusal) => Fault::of(refusal.code, message, refusal.retry_after_ms),
            Self::Denied(_) => Fault::of(ErrorCode::Forbidden, message, None),
            Self::Usage(_) => Fault::usage(message),
            Self::Config(_) => Fault { code: "config", class: "invalid", message, retry_after_ms: None },
            Self::Signal(_)
            | Self::Output(_)
            | Self::Surprise(_)
            | Self::Reported
            | Self::Misconfigured
            | Self::Start(_) => Fault::of(ErrorCode::Internal, message, None),
        }
    }

    pub(super) fn exit_status(&self) -> u8 {
        match self {
            Self::Call(Error::Unreachable(unreachable)) => {
                let denied = |kind| kind == io::ErrorKind::PermissionDenied;
                let shut = unreachable.places().iter().any(|place| denied(place.error().kind()));
                if shut { status::NOT_PERMITTED } else { status::UNAVAILABLE }
            }
            // Sent away before the first call: another version or service is a matter of what is installed and configured.
            Self::Call(Error::SentAway { code, .. }) => match code {
                ErrorCode::Forbidden => status::NOT_PERMITTED,
                ErrorCode::InvalidRequest => status::CONFIG,
                code => of_code(*code),
            },
            Self::Call(error) => of_code(error.code()),
            Self::Refused(refusal) => of_code(refusal.code),
            Self::Reported => status::REFUSED,
            Self::Denied(_) => status::NOT_PERMITTED,
            Self::Usage(_) => status::USAGE,
            Self::Config(_) | Self::Misconfigured => status::CONFIG,
            Self::Signal(signal) => 128_u8.saturating_add(u8::try_from(*signal as i32).unwrap_or(0)),
            Self::Output(_) | Self::Surprise(_) | Self::Start(_) => status::INTERNAL,
        }
    }
}

fn of_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Unknown => status::UNAVAILABLE,
        ErrorCode::Internal => status::INTERNAL,
        _ => status::REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_code_has_its_exit_status() {
        for &code in ErrorCode::ALL {
            let wanted = match code.as_str() {
                "busy" | "unavailable" | "unknown" => 69,
                "internal" => 70,
                _ => 1,
            };
            assert_eq!(Failure::from(Refusal::new(code)).exit_status(), wanted, "{code}");
            assert_eq!(Failure::from(Error::from(Refusal::new(code))).exit_status(), wanted, "{code}");
        }
        assert_eq!(Failure::from(Error::NoAnswer).exit_status(), 69);
        assert_eq!(Failure::usage("no").exit_status(), 2);
        assert_eq!(Failure::Reported.exit_status(), 1);
        assert_eq!(Failure::Signal(Signal::SIGINT).exit_status(), 130);
        assert_eq!(Failure::from(io::Error::other("full")).exit_status(), 70);
    }

    #[test]
    fn who_is_sent_away_learns_whether_rights_or_versions_are_wrong() {
        for (code, wanted) in
            [(ErrorCode::Forbidden, 77), (ErrorCode::InvalidRequest, 78), (ErrorCode::Busy, 69)]
        {
            let error = Error::SentAway { path: "/s".into(), code, sentence: "go".into() };
            assert_eq!(Failure::from(error).exit_status(), wanted, "{code}");
        }
    }

    #[test]
    fn a_wait_reaches_the_fault() {
        let refusal = Refusal::new(ErrorCode::RateLimited).after(Duration::from_millis(1500));
        let fault = Failure::from(Error::from(refusal)).fault();
        assert_eq!((fault.code, fault.class, fault.retry_after_ms), ("rate_limited", "retry", Some(1500)));
    }
}
