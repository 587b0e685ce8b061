//! The way in to Hallpass for apps on the same host.
//!
//! A [`Client`] speaks to the daemon over its Unix socket. Clone it freely: the clones share one connection, on which any number
//! of calls are under way at once, and which is made anew by itself when the daemon was restarted.
//!
//! ```no_run
//! # async fn serve(cookie: String) -> Result<(), hallpass_client::Error> {
//! use hallpass_client::{Client, ErrorClass, Needs, Token};
//!
//! let hallpass = Client::connect_default().await?;
//! match hallpass.verify(Token::new(cookie), Needs::default()).await {
//!     Ok(identity) => println!("welcome, {} with {:?}", identity.name, identity.roles),
//!     Err(error) if error.class() == ErrorClass::Login => println!("clear the cookie and log in: {error}"),
//!     Err(error) => return Err(error),
//! }
//! # Ok(()) }
//! ```
//!
//! # Which part of it
//!
//! | what you build | what to take |
//! |---|---|
//! | a web app | the module `web`: a layer that knows who each request comes from, checks CSRF tokens and keeps the cookies |
//! | a service that is shown tokens | [`Verifier`], in the process itself |
//! | a job, a gateway or a desktop program with a session of its own | [`KeptSession`] |
//! | anything else | [`Client`], or the module `blocking` without a runtime |
//!
//! # Verifying without asking
//!
//! A [`Verifier`] answers inside this process, in tens of nanoseconds, from any thread and without a runtime, and still sees a revocation or a changed
//! role at once: the daemon says through a page of shared memory when it must be asked. Its documentation says how.
//!
//! # Errors
//!
//! Every call fails with an [`Error`], whose [`ErrorClass`] says what to do and whose text says it to people. Only the class
//! [`Login`](ErrorClass::Login) says that a session is over: whoever clears a cookie for any other error logs users out when the daemon is restarted.
//!
//! # What is asked twice
//!
//! A call whose connection breaks is asked once more on a fresh one where that is harmless. That leaves out what opens a session ([`Client::login`],
//! [`Client::open_session`], [`Client::reauthenticate`], [`Client::change_password`], [`Client::redeem_code`]), a [`Client::refresh`] without an attempt
//! id, [`Client::report`], and most changes that an administrator makes: those answer [`ErrorCode::Unknown`] once they may have reached the daemon, and [`ErrorCode::Unavailable`] when they certainly have not.
//!
//! # Times
//!
//! Moments are [`Millis`], milliseconds since 1970 in UTC, by the daemon's clock. How long something takes or lasts is a
//! [`Duration`](std::time::Duration), but for [`Needs::max_auth_age`], which is in seconds, and [`Refusal::retry_after_ms`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `web` | the module `web`, for apps built on `tower` and `http` |
//! | `axum` | the same, with what axum's handlers take |
//! | `blocking` | the module `blocking`, for programs without a runtime |
//! | `admin` | the module `admin`, with the administrator's calls; apps have no use for them |
//!
//! None is on by default. For the tests of an app, `TestDaemon` of `hallpassd` (its feature `testing`) is the real daemon in the test's own process,
//! with a clock that the test moves.

#[cfg(feature = "admin")]
pub mod admin;
mod attempt;
mod attentive;
#[cfg(feature = "blocking")]
pub mod blocking;
mod calls;
mod client;
mod coalesce;
mod connection;
mod csrf;
mod desk;
mod dial;
mod dispatch;
mod error;
mod kept;
mod link;
mod unreachable;
mod verifier;
#[cfg(feature = "web")]
pub mod web;

pub use attempt::new_attempt;
pub use client::Client;
pub use csrf::CsrfKey;
pub use error::Error;
pub use hallpass_protocol::auth::{
    ChangePassword, Context, Grant, GrantedTokens, Hello, Identity, ListSessions, Login, Needs, OpenSession,
    PublishedKeys, Reauthenticate, RedeemCode, Refresh, Revoke, Revoked, ServiceToken, SessionInfo,
    SessionKind, SessionPage, UserRef, VerifierReport, Verify,
};
pub use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
pub use hallpass_protocol::id::{BadId, SessionId, UserId};
pub use hallpass_protocol::request_id::{BadRequestId, RequestId};
pub use hallpass_protocol::secret::{AttemptId, Password, Token};
pub use hallpass_protocol::time::{Millis, Stamp};
pub use kept::{Kept, KeptSession};
pub use unreachable::{Place, Unreachable};
pub use verifier::{Bearer, Verdict, Verifier, VerifierBuilder, Way};
