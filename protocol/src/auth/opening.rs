//! What opens a session, and what it gives.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};
use crate::secret::{Password, Token};
use crate::time::Millis;

/// The two kinds of session.
///
/// ```
/// # use hallpass_protocol::auth::SessionKind;
/// fn kind_for(user_agent: Option<&str>) -> SessionKind {
///     let is_browser = user_agent.is_some_and(|agent| agent.starts_with("Mozilla/"));
///     if is_browser { SessionKind::Cookie } else { SessionKind::Token }
/// }
/// assert_eq!(kind_for(Some("Mozilla/5.0")).as_str(), "cookie");
/// ```
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
///
/// The address is what failed logins are counted by: of IPv6 its network of 64 bits. Where an app tells none, all its users come from one place, and
/// anybody's wrong guesses at a name make its owner wait.
///
/// ```
/// # use hallpass_protocol::auth::Context;
/// let context = Context {
///     ip: Some("192.0.2.7".parse()?),
///     user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
///     device_label: Some("Firefox on Linux".into()),
///     ..Context::default()
/// };
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
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
///
/// ```
/// # use hallpass_protocol::{auth::{Context, Login, SessionKind}, secret::{Password, Token}};
/// fn login(name: String, password: Password, device_cookie: Option<Token>, context: Context) -> Login {
///     Login { name, password, kind: SessionKind::Cookie, audience: None, device_token: device_cookie, context }
/// }
/// ```
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
///
/// ```
/// # use hallpass_protocol::{auth::{Context, OpenSession, SessionKind, UserRef}, id::UserId};
/// fn by_passkey(user: UserId, context: Context) -> OpenSession {
///     let amr = vec!["hwk".into(), "user".into()]; // a key in hardware, and the user was there
///     OpenSession { user: UserRef::Id(user), kind: SessionKind::Cookie, audience: None, amr, context }
/// }
/// ```
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
///
/// ```
/// # use hallpass_protocol::auth::UserRef;
/// let by_name = UserRef::Name("alice".into());
/// let for_ever = UserRef::Id("01J9ZQ3M8Y2V4X6T8S0R1P5N7K".parse()?);
/// # Ok::<(), hallpass_protocol::id::BadId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserRef {
    /// By what never changes.
    Id(UserId),
    /// By what they log in with.
    Name(String),
}

/// A request to prove a session's user again.
///
/// ```
/// # use hallpass_protocol::{auth::{Context, Reauthenticate}, secret::{Password, Token}};
/// fn proof(session_token: Token, typed: String, context: Context) -> Reauthenticate {
///     Reauthenticate { token: session_token, password: Password::new(typed), audience: None, context }
/// }
/// ```
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
///
/// ```
/// # use hallpass_protocol::{auth::{ChangePassword, Context, Reauthenticate}, secret::{Password, Token}};
/// fn change(session_token: Token, old: Password, new_password: Password, context: Context) -> ChangePassword {
///     let proof = Reauthenticate { token: session_token, password: old, audience: None, context };
///     ChangePassword { proof, new_password }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangePassword {
    /// The proof that it is the user who asks.
    pub proof: Reauthenticate,
    /// The password to set.
    pub new_password: Password,
}

/// A request to set a password with a code, which an administrator gets from `hallpass user code NAME`.
///
/// ```
/// # use hallpass_protocol::{auth::{Context, RedeemCode, SessionKind}, secret::{Password, Token}};
/// fn redeem(name: String, typed: String, new_password: Password, context: Context) -> RedeemCode {
///     let code = Token::new(typed.trim().into());
///     RedeemCode { name, code, new_password, kind: SessionKind::Cookie, audience: None, context }
/// }
/// ```
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
///
/// ```
/// # use hallpass_protocol::{auth::ServiceToken, time::Millis};
/// # use std::time::Duration;
/// fn is_worth_sending(service: &ServiceToken, now: Millis) -> bool {
///     service.expires.since(now) > Duration::from_secs(30)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct ServiceToken {
    /// The token: a JWS of its own type, which is never accepted as a user's.
    pub token: Token,
    /// When it ends.
    pub expires: Millis,
}

/// What a login or a refresh gives.
///
/// ```
/// # use hallpass_protocol::{auth::{Grant, GrantedTokens}, time::Millis};
/// fn cookie(grant: &Grant, now: Millis) -> Option<String> {
///     let GrantedTokens::Cookie { session_token } = &grant.tokens else { return None };
///     let (text, age) = (session_token.expose(), grant.absolute_deadline.since(now).as_secs());
///     Some(format!("__Host-shop-session={text}; Max-Age={age}; Path=/; Secure; HttpOnly; SameSite=Lax"))
/// }
/// ```
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
    /// Proves this device at the next login; given with every session that is opened, not by a refresh.
    pub device_token: Option<Token>,
}

/// The tokens of a grant, by the kind of session.
///
/// ```
/// # use hallpass_protocol::{auth::GrantedTokens, secret::Token};
/// fn shown_to_the_daemon(tokens: &GrantedTokens) -> &Token {
///     match tokens {
///         GrantedTokens::Cookie { session_token } => session_token,
///         GrantedTokens::Token { access_token, .. } => access_token,
///     }
/// }
/// ```
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
