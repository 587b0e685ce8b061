//! Why a call was refused: stable codes, each in a class that an app can act on.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::MESSAGE_BYTES;

/// What an app does about a refusal.
///
/// ```
/// # use hallpass_protocol::error::{ErrorClass, ErrorCode};
/// fn clears_the_cookie(code: ErrorCode) -> bool {
///     code.class() == ErrorClass::Login
/// }
/// assert!(clears_the_cookie(ErrorCode::Revoked));
/// // A daemon that is being restarted logs nobody out.
/// assert!(!clears_the_cookie(ErrorCode::Unavailable));
/// assert_eq!(ErrorClass::Login.as_str(), "login");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Ask again, after `retry_after` where one is given.
    Retry,
    /// Fetch a new access token with the refresh token.
    Refresh,
    /// Ask the user to prove who they are again; the session goes on.
    Reauthenticate,
    /// The session is over: clear its cookies or tokens and send the user to the login. Only this class may clear anything.
    Login,
    /// The caller or the user may not do this.
    Forbidden,
    /// The request is wrong as it stands; asking again changes nothing.
    Invalid,
}

impl ErrorClass {
    /// The class as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Refresh => "refresh",
            Self::Reauthenticate => "reauthenticate",
            Self::Login => "login",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $class:ident, $message:literal;)*) => {
        /// The stable code of a refusal. New ones are only ever added at the end: the position is what crosses the wire.
        ///
        /// ```
        /// # use hallpass_protocol::error::{ErrorClass, ErrorCode};
        /// let code = ErrorCode::RoleMissing;
        /// assert_eq!((code.as_str(), code.class()), ("role_missing", ErrorClass::Forbidden));
        /// assert_eq!(code.message(), "the user does not have a role that this needs");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code there is, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as a stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What an app does about it.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self { $(Self::$variant => ErrorClass::$class,)* }
            }

            /// What happened and what to do next, for a person.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

error_codes! {
    /// Too much work is waiting.
    Busy = "busy", Retry, "the daemon has too much work waiting; nothing was done; ask again shortly";
    /// The daemon cannot do this now, and has certainly not done it.
    Unavailable = "unavailable", Retry, "the daemon cannot do this now and has not done it; ask again, and look at `hallpass status` if it lasts";
    /// The daemon cannot say whether it was done.
    Unknown = "unknown", Retry, "the outcome is not known: it may have been done; ask again";
    /// A newer session took this one's place after the user proved who they are again.
    Superseded = "superseded", Retry, "a newer session has taken this one's place; use the newer one";
    /// This was asked too often.
    RateLimited = "rate_limited", Retry, "this was asked too often; wait for the time given and ask again";
    /// Something is wrong inside the daemon.
    Internal = "internal", Retry, "something is wrong inside the daemon; its log says what; `hallpass status` shows its state";
    /// The access token is over.
    TokenExpired = "token_expired", Refresh, "the access token is over; refresh it";
    /// The proof of identity is older or weaker than this needs.
    Reauthenticate = "reauthenticate", Reauthenticate, "this needs a fresh proof of who the user is; ask for the password again";
    /// The session reached its idle or absolute end, or is no longer known.
    Expired = "expired", Login, "the session is over; log in again";
    /// The session was taken back.
    Revoked = "revoked", Login, "the session was revoked; log in again";
    /// A refresh token was used twice, so the session was ended.
    Reused = "reused", Login, "this refresh token was used before, so its session was ended; log in again";
    /// The caller lacks the right.
    Forbidden = "forbidden", Forbidden, "the calling app may not do this; its `rights` in hallpass.toml say what it may";
    /// The app may not ask for that audience.
    AudienceForbidden = "audience_forbidden", Forbidden, "the calling app may not use that audience; its `audiences` in hallpass.toml list those it may";
    /// The user lacks a role that the caller asked for.
    RoleMissing = "role_missing", Forbidden, "the user does not have a role that this needs";
    /// Not a token of this daemon, or not one for this caller.
    InvalidToken = "invalid_token", Invalid, "not a valid token here; log in to get one";
    /// Name or password is wrong, or the account cannot log in now.
    InvalidCredentials = "invalid_credentials", Invalid, "name or password is wrong, or logging in must wait; try again after the time given";
    /// The request breaks a rule that its message names.
    InvalidRequest = "invalid_request", Invalid, "the request breaks a rule";
    /// There is no such user or session.
    NotFound = "not_found", Invalid, "there is no such user or session";
    /// The name is taken.
    AlreadyExists = "already_exists", Invalid, "that name is taken; choose another or remove the user first";
    /// The password breaks the password policy.
    WeakPassword = "weak_password", Invalid, "the password does not meet the policy";
    /// The access token was signed with a key that is no longer accepted.
    TokenStale = "token_stale", Refresh, "the access token was signed with a key that is no longer accepted; refresh it";
    /// The user has as many sessions as the policy allows, and the policy refuses more.
    TooManySessions = "too_many_sessions", Forbidden, "the user has as many sessions as allowed; end one first";
    /// The disk under the database has too little room left for anything new.
    DiskFull = "disk_full", Retry, "the disk under the database is nearly full, so nothing new is begun and nothing was done; what ends sessions still works; \
        make room on that disk and ask again: the daemon goes on by itself";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call that was refused: the code, a sentence for a person, and how long to wait where waiting helps.
///
/// ```
/// # use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
/// # use std::time::Duration;
/// // As the daemon would say it, for a test of what an app does then:
/// let refusal = Refusal::new(ErrorCode::RateLimited).after(Duration::from_secs(2));
/// assert_eq!((refusal.class(), refusal.retry_after_ms), (ErrorClass::Retry, Some(2000)));
/// let refusal = Refusal::because(ErrorCode::WeakPassword, "the password is a common one");
/// assert_eq!(refusal.to_string(), "the password is a common one");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// What happened and what to do next.
    pub message: String,
    /// Milliseconds to wait before asking again is of any use.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal that says of itself what its code means.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self { code, message: code.message().to_owned(), retry_after_ms: None }
    }

    /// A refusal with a sentence of its own, cut to size.
    #[must_use]
    pub fn because(code: ErrorCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        Self { code, message, retry_after_ms: None }
    }

    /// The same, with the time to wait, rounded up to whole milliseconds.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        self
    }

    /// What an app does about it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.code.class()
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_only_three_may_clear_cookies() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        let clearing: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.class() == ErrorClass::Login).collect();
        assert_eq!(clearing, [&ErrorCode::Expired, &ErrorCode::Revoked, &ErrorCode::Reused]);
    }

    #[test]
    fn a_sentence_is_cut_where_a_character_ends() {
        let refusal = Refusal::because(ErrorCode::Busy, "ä".repeat(1000).replacen('ä', "x", 1));
        assert_eq!(refusal.message.len(), MESSAGE_BYTES - 1);
    }

    #[test]
    fn waits_round_up() {
        let refusal = Refusal::new(ErrorCode::Busy).after(Duration::from_nanos(1));
        assert_eq!(refusal.retry_after_ms, Some(1));
    }
}
