//! Why a call failed, in terms an app can act on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
use hallpass_protocol::hello::{HelloError, Service, Status};

use crate::unreachable::Unreachable;

/// Why a call failed. Act on [`Error::class`]; the text is for people and says what to do.
///
/// ```
/// use hallpass_client::{Error, ErrorClass};
///
/// fn act(error: &Error) -> String {
///     match error.class() {
///         ErrorClass::Retry => format!("ask again in {:?}", error.retry_after().unwrap_or_default()),
///         ErrorClass::Refresh => "fetch an access token with the refresh token".into(),
///         ErrorClass::Reauthenticate => "ask for the password again".into(),
///         ErrorClass::Login => "clear the cookie and show the login".into(),
///         ErrorClass::Forbidden | ErrorClass::Invalid => format!("tell the user: {error} ({})", error.code()),
///     }
/// }
/// # assert_eq!(act(&Error::NoAnswer), "ask again in 0ns");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The daemon has refused the call, and says why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The daemon could not be reached; nothing was done.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// What answers on the socket does not serve this caller: another version, another service, too many connections, or not Hallpass at all.
    #[error("{}: {sentence}", path.display())]
    SentAway {
        /// The socket.
        path: PathBuf,
        /// The reason as a code.
        code: ErrorCode,
        /// The reason in words.
        sentence: String,
    },
    /// The request is larger than the daemon reads; it was not sent.
    #[error("the request is larger than the {limit} bytes the daemon reads; shorten what is in it")]
    TooLarge {
        /// The largest request, in bytes.
        limit: usize,
    },
    /// The request was sent and no answer came in time: it may have been done.
    #[error(
        "the daemon gave no answer in time, so the outcome is not known: it may have been done; ask again"
    )]
    NoAnswer,
    /// The request was sent and the connection broke before the answer came: it may have been done.
    #[error("the connection to {} broke before the answer came, so the outcome is not known: it may have been done; ask again", path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
    },
}

impl Error {
    /// What an app does about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.code().class()
    }

    /// The stable code: `unavailable` where nothing was done, `unknown` where it may have been, else what the daemon said.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Unreachable(_) => ErrorCode::Unavailable,
            Self::SentAway { code, .. } => *code,
            Self::TooLarge { .. } => ErrorCode::InvalidRequest,
            Self::NoAnswer | Self::Lost { .. } => ErrorCode::Unknown,
        }
    }

    /// How long to wait before asking again is of any use, where the daemon has said so: to the millisecond.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }

    /// Whether the daemon has answered at all, whatever it said.
    pub(crate) fn is_answer(&self) -> bool {
        let cannot_start = matches!(self, Self::SentAway { code: ErrorCode::Unavailable, .. });
        !cannot_start && !matches!(self, Self::Unreachable(_) | Self::NoAnswer | Self::Lost { .. })
    }

    pub(crate) fn unreachable(service: Service, path: &Path, error: io::Error) -> Self {
        Self::Unreachable(Unreachable::at(service, path, error))
    }

    pub(crate) fn at_hello(service: Service, path: &Path, error: HelloError) -> Self {
        let (code, sentence) = match error {
            HelloError::Io(error) => return Self::unreachable(service, path, error),
            HelloError::NotHallpass => (ErrorCode::InvalidRequest, error.to_string()),
            HelloError::SentAway { status, sentence } => (code_of(status), sentence),
        };
        Self::SentAway { path: path.to_owned(), code, sentence }
    }
}

/// A status that a newer daemon has added says no more than that we were sent away.
fn code_of(status: u8) -> ErrorCode {
    match status {
        s if s == Status::Busy as u8 => ErrorCode::Busy,
        s if s == Status::Forbidden as u8 => ErrorCode::Forbidden,
        s if s == Status::Unavailable as u8 => ErrorCode::Unavailable,
        _ => ErrorCode::InvalidRequest,
    }
}
