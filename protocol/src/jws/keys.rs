//! Keys: JSON Web Keys as published, and the set that a verifier trusts.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::ALGORITHM;
use super::json::member_names;

const MAX_JWKS: usize = 64 * 1024;
const MAX_KEYS: usize = 64;
const MAX_KID: usize = 64;

const KEY_TYPE: &str = "OKP";
const CURVE: &str = "Ed25519";
const USE: &str = "sig";

/// The public keys whose signatures are believed, each under its own name.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<(String, VerifyingKey)>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517) of at most 64 KiB and 64 keys.
    ///
    /// Keys of another type or curve are passed over, as the RFC asks. An Ed25519 key with anything wrong about
    /// it spoils the whole set: to drop it would show up much later, as tokens refused for no visible reason.
    pub fn from_jwks(json: &str) -> Result<KeySet, JwksError> {
        if json.len() > MAX_JWKS {
            return Err(JwksError::TooLarge);
        }
        member_names(json.as_bytes()).ok_or(JwksError::Malformed)?;
        let document: Document = serde_json::from_str(json).map_err(|_| JwksError::Malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(JwksError::TooLarge);
        }
        let mut set = KeySet { keys: Vec::new() };
        for (index, members) in document.keys.iter().enumerate() {
            let Some((kid, key)) = read_key(index, members)? else { continue };
            if set.find(&kid).is_some() {
                return Err(JwksError::DuplicateKid { index });
            }
            set.keys.push((kid, key));
        }
        if set.keys.is_empty() {
            return Err(JwksError::NoUsableKey);
        }
        Ok(set)
    }

    pub(super) fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|(name, _)| name == kid).map(|(_, key)| key)
    }
}

/// Why a JWK set was not taken. `index` counts its keys from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The text or the number of keys is over the limit.
    #[error("the key set is over {MAX_JWKS} bytes or {MAX_KEYS} keys")]
    TooLarge,
    /// Not a JSON object with a list of objects named `keys`, or a member is named twice somewhere.
    #[error("the key set is malformed")]
    Malformed,
    /// A key came with its private part. It is no secret any more and has to be replaced.
    #[error("key {index} of the set is published with its private part")]
    PrivateKey {
        /// Which key.
        index: usize,
    },
    /// A key does not say what an Ed25519 signing key has to say.
    #[error("key {index} of the set: {fault}")]
    BadKey {
        /// Which key.
        index: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A key of small order, for which anyone can make signatures.
    #[error("key {index} of the set is weak: anyone can sign for it")]
    WeakKey {
        /// Which key.
        index: usize,
    },
    /// Two keys have the same `kid`.
    #[error("key {index} of the set has the kid of one before it")]
    DuplicateKid {
        /// The later of the two.
        index: usize,
    },
    /// None of the keys is an Ed25519 key.
    #[error("the key set holds no Ed25519 key")]
    NoUsableKey,
}

/// A set of public keys as the issuer publishes it. It becomes JSON through serde.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order in which they are written.
    pub keys: Vec<Jwk>,
}

/// A public signing key as it is published (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    alg: &'static str,
    r#use: &'static str,
    kid: String,
}

impl Jwk {
    /// The published form of an Ed25519 public key, named by its [`thumbprint`].
    #[must_use]
    pub fn from_public_key(public_key: &[u8; 32]) -> Jwk {
        Jwk {
            kty: KEY_TYPE,
            crv: CURVE,
            x: BASE64URL.encode(public_key),
            alg: ALGORITHM,
            r#use: USE,
            kid: thumbprint(public_key),
        }
    }

    /// The name by which tokens refer to this key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// The RFC 7638 thumbprint of an Ed25519 public key: a name that nobody has to hand out.
#[must_use]
pub fn thumbprint(public_key: &[u8; 32]) -> String {
    let x = BASE64URL.encode(public_key);
    let required_members = format!(r#"{{"crv":"{CURVE}","kty":"{KEY_TYPE}","x":"{x}"}}"#);
    BASE64URL.encode(Sha256::digest(required_members))
}

/// Each key stays a map, since serde would take an array for a struct.
#[derive(Deserialize)]
struct Document {
    keys: Vec<Map<String, Value>>,
}

/// Reads one key, or nothing if it is of a kind that we do not use.
fn read_key(index: usize, members: &Map<String, Value>) -> Result<Option<(String, VerifyingKey)>, JwksError> {
    let text = |name| members.get(name).and_then(Value::as_str);
    let bad = |fault| JwksError::BadKey { index, fault };

    // Before anything is passed over: an RSA key's `d` is as secret as ours.
    if members.contains_key("d") {
        return Err(JwksError::PrivateKey { index });
    }
    let kty = text("kty").ok_or(bad("kty is missing"))?;
    if kty != KEY_TYPE || text("crv") != Some(CURVE) {
        return Ok(None);
    }
    if text("alg") != Some(ALGORITHM) {
        return Err(bad("alg is not EdDSA"));
    }
    if members.contains_key("use") && text("use") != Some(USE) {
        return Err(bad("use is not sig"));
    }
    let kid = text("kid").filter(|kid| is_kid(kid)).ok_or(bad("kid is not 1 to 64 visible ASCII bytes"))?;
    let key = text("x").and_then(read_point).ok_or(bad("x is not the canonical form of a public key"))?;
    if key.is_weak() {
        return Err(JwksError::WeakKey { index });
    }
    Ok(Some((kid.to_owned(), key)))
}

fn is_kid(kid: &str) -> bool {
    (1..=MAX_KID).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads a public key of which there is no second spelling: neither in base64url, nor as a coordinate past the
/// field's prime, which the curve library would let through.
fn read_point(x: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = BASE64URL.decode(x).ok()?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (key.to_edwards().compress().to_bytes() == bytes).then_some(key)
}
