//! What opens a session, and what it gives.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};
use crate::secret::{Password, Token};
use crate::time::Millis;

/// The two kinds of session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// One session token, for a browser's cookie.
    Cookie,
    /// A short access token and a refresh token, for everything else.
    Token,
}

impl SessionKind {
    /// The kind as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Token => "token",
        }
    }
}

/// What an app says about where a request came from. Recorded as the app's word, never trusted as proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The address the request came from.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header; cut to 256 bytes.
    pub user_agent: Option<String>,
    /// A name for the device that its user will recognise, at most 64 bytes.
    pub device_label: Option<String>,
    /// Anything that stays the same on one device, at most 256 bytes. Only its hash is kept.
    pub device_fingerprint: Option<String>,
}

/// A request to log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// Their password.
    pub password: Password,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// The device token of an earlier login on this device.
    pub device_token: Option<Token>,
    /// Where the request came from.
    pub context: Context,
}

/// A request to open a session for a user whom the app has authenticated itself, by a passkey or another provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The user.
    pub user: UserRef,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// How the user proved who they are (RFC 8176): one to three words of at most eight small letters.
    pub amr: Vec<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A user, by either of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserRef {
    /// By what never changes.
    Id(UserId),
    /// By what they log in with.
    Name(String),
}

/// A request to prove a session's user again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reauthenticate {
    /// The session token or an access token of the session.
    pub token: Token,
    /// The user's password.
    pub password: Password,
    /// The audience of the access token; the app's first when none is named. Also that of an access token that is shown.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A request to change the password of a session's user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangePassword {
    /// The proof that it is the user who asks.
    pub proof: Reauthenticate,
    /// The password to set.
    pub new_password: Password,
}

/// A request to set a password with a code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RedeemCode {
    /// The user's name.
    pub name: String,
    /// The code, as it was handed out.
    pub code: Token,
    /// The password to set.
    pub new_password: Password,
    /// The kind of session to open.
    pub kind: SessionKind,
    /// The audience of the access token; the app's first when none is named.
    pub audience: Option<String>,
    /// Where the request came from.
    pub context: Context,
}

/// A token that says which app its bearer is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ServiceToken {
    /// The token: a JWS of its own type, which is never accepted as a user's.
    pub token: Token,
    /// When it ends.
    pub expires: Millis,
}

/// What a login or a refresh gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct Grant {
    /// Whose session it is.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The tokens.
    pub tokens: GrantedTokens,
    /// When the session ends unless it is used.
    pub idle_deadline: Millis,
    /// When the session ends in any case.
    pub absolute_deadline: Millis,
    /// Proves this device at the next login; given by a login, not by a refresh.
    pub device_token: Option<Token>,
}

/// The tokens of a grant, by the kind of session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum GrantedTokens {
    /// For a cookie session.
    Cookie {
        /// The session token.
        session_token: Token,
    },
    /// For a token session.
    Token {
        /// The access token.
        access_token: Token,
        /// When the access token ends.
        access_expires: Millis,
        /// The refresh token that replaces the one that was shown.
        refresh_token: Token,
        /// Which refresh token of the session it is; a client never goes back to a smaller number.
        generation: u32,
    },
}
