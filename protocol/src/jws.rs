//! Access tokens: what they say, how they are written, and the one strict way to read them.
//!
//! An access token is a compact JWS (RFC 7515) with a header of exactly `alg`, `typ` and `kid`, the claims of
//! [`AccessClaims`] and an Ed25519 signature. The issuer calls [`encode()`] and publishes a [`JwkSet`]; whoever
//! is shown a token holds a [`Verifier`], or a bare [`KeySet`] where several audiences are accepted.
//!
//! Reading is strict because every looseness of a token format has been somebody's way in: there is one
//! algorithm and it belongs to the key, nothing unsigned is acted on but the key's name, and any text that two
//! readers could understand in two ways is refused.

mod encode;
mod json;
mod keys;
mod service;
mod verify;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

pub use encode::{TooLarge, encode, encode_service, encoded_len};
pub use keys::{Jwk, JwkSet, JwksError, KeySet, thumbprint};
pub use service::{ServiceClaims, ServiceVerifier};
pub use verify::{MAX_SKEW, Refused, Verifier, claimed_stamp};

/// The longest token that is looked at, in bytes. Longer ones are refused before anything is decoded.
pub const MAX_TOKEN_SEEN: usize = 4096;

/// The longest token that is issued, in bytes: it has to fit a cookie or a header line with room to spare.
pub const MAX_TOKEN_ISSUED: usize = 1024;

const _: () = assert!(MAX_TOKEN_ISSUED <= MAX_TOKEN_SEEN);

/// What an access token says, in the order in which it is written.
///
/// Those that come out of a [`Verifier`] have been checked. Those that are built by hand have not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued the token.
    pub iss: String,
    /// The id of the user.
    pub sub: String,
    /// The one service the token is meant for.
    pub aud: String,
    /// The app that opened the session.
    pub client_id: String,
    /// The first second at which the token is no longer good, in Unix time.
    pub exp: u64,
    /// When the token was issued, in Unix seconds. It never makes a token refused.
    pub iat: u64,
    /// The token's own id, which carries its stamp: see [`jti`].
    pub jti: String,
    /// The id of the session.
    pub sid: String,
    /// When the user last proved a credential, in Unix seconds.
    pub auth_time: u64,
    /// How the user proved it (RFC 8176).
    pub amr: Vec<String>,
    /// The level that was reached.
    pub acr: String,
    /// The user's roles at the time of issue.
    pub roles: Vec<String>,
}

impl AccessClaims {
    /// The moment of issue in microseconds: the token has seen every change up to it.
    ///
    /// A `jti` that is not one of ours gives 0, which is older than every change, so that it can only lead to
    /// the daemon being asked.
    #[must_use]
    pub fn stamp(&self) -> u64 {
        stamp_of(&self.jti).unwrap_or(0)
    }
}

/// A token id: base64url of the stamp, big-endian, and 64 random bits. Always 22 characters.
#[must_use]
pub fn jti(stamp: u64, random: [u8; 8]) -> String {
    let mut id = [0; JTI_BYTES];
    id[..8].copy_from_slice(&stamp.to_be_bytes());
    id[8..].copy_from_slice(&random);
    BASE64URL.encode(id)
}

const JTI_BYTES: usize = 16;

/// The stamp inside a `jti`, or nothing unless the text is the one encoding of 16 bytes.
fn stamp_of(jti: &str) -> Option<u64> {
    // The decoder counts in whole groups of three bytes before it knows better.
    let mut id = [0; JTI_BYTES + 2];
    if BASE64URL.decode_slice(jti, &mut id).ok()? != JTI_BYTES {
        return None;
    }
    id.first_chunk().copied().map(u64::from_be_bytes)
}

/// The one signature algorithm (RFC 8037). RFC 9864 calls it `Ed25519`; one key answers to one name only.
const ALGORITHM: &str = "EdDSA";

/// The type of an access token (RFC 9068), which keeps every other kind of signed text from passing as one.
const TYPE: &str = "at+jwt";

/// The type of a token for an app itself. It is ours alone, so no other reader takes one for anything else.
const SERVICE_TYPE: &str = "service+jwt";

/// The header in the order in which it is written.
#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
}
