//! Writing access tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::Serialize;

use super::{ALGORITHM, AccessClaims, Header, MAX_TOKEN_ISSUED, SERVICE_TYPE, ServiceClaims, TYPE};

/// Base64url of the 64 bytes of a signature, and the dot before it.
const SIGNATURE_LEN: usize = 1 + 86;

/// The claims would make a token that is longer than [`MAX_TOKEN_ISSUED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access token of {len} bytes is over the limit of {MAX_TOKEN_ISSUED}")]
pub struct TooLarge {
    /// The length that the token would have had, in bytes.
    pub len: usize,
}

/// Writes an access token. `sign` is given the bytes to sign, and only when the token will fit.
pub fn encode(
    claims: &AccessClaims,
    kid: &str,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<String, TooLarge> {
    write(signing_input(TYPE, claims, kid), sign)
}

/// Writes a token for an app itself, likewise.
pub fn encode_service(
    claims: &ServiceClaims,
    kid: &str,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<String, TooLarge> {
    write(signing_input(SERVICE_TYPE, claims, kid), sign)
}

fn write(mut token: String, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<String, TooLarge> {
    let len = token.len() + SIGNATURE_LEN;
    if len > MAX_TOKEN_ISSUED {
        return Err(TooLarge { len });
    }
    let signature = sign(token.as_bytes());
    token.push('.');
    token.push_str(&BASE64URL.encode(signature));
    Ok(token)
}

/// How long the token with these claims would be, in bytes: a role set that cannot fit is refused when it is
/// set and not when its owner logs in.
#[must_use]
pub fn encoded_len(claims: &AccessClaims, kid: &str) -> usize {
    signing_input(TYPE, claims, kid).len() + SIGNATURE_LEN
}

fn signing_input(typ: &str, claims: &impl Serialize, kid: &str) -> String {
    let header = Header { alg: ALGORITHM.into(), typ: typ.into(), kid: kid.into() };
    format!("{}.{}", json_part(&header), json_part(claims))
}

fn json_part(value: &impl Serialize) -> String {
    let json =
        serde_json::to_vec(value).expect("strings, lists of strings and integers always have a JSON form");
    BASE64URL.encode(json)
}
