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
//! # Verifying without asking
//!
//! A [`Verifier`] answers inside this process, in tens of nanoseconds, from any thread and without a runtime, and still sees a revocation or a changed
//! role at once: the daemon says through a page of shared memory when it must be asked. Its documentation says how.
//!
//! # What is asked twice
//!
//! A call whose connection breaks is asked once more on a fresh one where that is harmless: everything but [`Client::login`] and
//! the changes an administrator makes. Those answer [`ErrorCode::Unknown`] once they may have reached the daemon, and
//! [`ErrorCode::Unavailable`] when they certainly have not.
//!
//! # Features
//!
//! `web` adds a layer for web apps built on `tower` and `http`, in the module `web`; `axum` adds what axum's handlers take from behind it. `blocking` adds a client
//! for programs without a runtime, in the module `blocking`. `admin` adds the
//! administrator's calls, in the module `admin`.

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
pub use hallpass_protocol::id::{BadId, DeviceId, SessionId, UserId};
pub use hallpass_protocol::request_id::{BadRequestId, RequestId};
pub use hallpass_protocol::secret::{AttemptId, Password, Token};
pub use hallpass_protocol::time::{Millis, Stamp};
pub use kept::{Kept, KeptSession};
pub use unreachable::{Place, Unreachable};
pub use verifier::{Bearer, Verdict, Verifier, VerifierBuilder, Way};
