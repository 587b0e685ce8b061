//! What the Hallpass daemon and its callers must agree on: service traits, types, error codes, limits, framing and token text.
//!
//! Apps do not use this crate directly: `hallpass-client` is the way in. The one part meant for general use is the
//! access token verifier in [`jws`], which needs nothing but a published key set.

pub mod admin;
pub mod auth;
pub mod board;
pub mod codec;
pub mod error;
pub mod hello;
pub mod id;
pub mod jws;
pub mod limits;
pub mod metrics;
pub mod paths;
pub mod request_id;
pub mod secret;
pub mod time;
pub mod token;
