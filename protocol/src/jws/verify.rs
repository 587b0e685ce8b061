//! Reading access tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::de::DeserializeOwned;

use super::json::member_names;
use super::{ALGORITHM, AccessClaims, Header, JwksError, KeySet, MAX_TOKEN_SEEN, TYPE, stamp_of};

/// The most clock skew that a [`Verifier`] can be given, in seconds.
pub const MAX_SKEW: u64 = 60;

/// The last second of the year 9999. No date of ours lies past it, and arithmetic on dates cannot overflow.
pub(super) const LAST_DATE: u64 = 253_402_300_799;

/// The longest name or id in a token, in bytes.
const MAX_TEXT: usize = 128;

/// Checks access tokens of one issuer for one audience.
///
/// ```
/// use hallpass_protocol::jws::{Refused, Verifier};
///
/// let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k1",
///                         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let verifier = Verifier::from_jwks(jwks, "https://id.example", "orders")?;
/// assert_eq!(verifier.verify_at("not a token", 1_800_000_000), Err(Refused::Malformed));
/// # Ok::<(), hallpass_protocol::jws::JwksError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: KeySet,
    issuer: String,
    audience: String,
    skew: u64,
}

impl Verifier {
    /// A verifier that trusts these keys.
    #[must_use]
    pub fn new(keys: KeySet, issuer: &str, audience: &str) -> Verifier {
        Verifier { keys, issuer: issuer.to_owned(), audience: audience.to_owned(), skew: 0 }
    }

    /// A verifier that trusts the keys of a JWK set (RFC 7517), as published by the issuer.
    pub fn from_jwks(json: &str, issuer: &str, audience: &str) -> Result<Verifier, JwksError> {
        Ok(Verifier::new(KeySet::from_jwks(json)?, issuer, audience))
    }

    /// Accepts a token for this many seconds past its end, for a verifier whose clock is not the issuer's.
    ///
    /// It is 0 unless set, which is right on the issuer's own host. Anything over [`MAX_SKEW`] counts as
    /// [`MAX_SKEW`]: past that the clock wants mending, not the check.
    #[must_use]
    pub fn skew(self, seconds: u64) -> Verifier {
        Verifier { skew: seconds.min(MAX_SKEW), ..self }
    }

    /// The claims of a token that is good at this moment.
    pub fn verify_at(&self, token: &str, unix_seconds: u64) -> Result<AccessClaims, Refused> {
        // A token that ended `skew` seconds ago is one that had not ended when the clock was that far back.
        let now = unix_seconds.saturating_sub(self.skew);
        self.keys.verify_at(token, &self.issuer, |audience| audience == self.audience, now)
    }
}

impl KeySet {
    /// The claims of a token that is good at this moment, without any skew, for a caller with several
    /// audiences: `accepts` is asked whether the token's is one of them.
    pub fn verify_at(
        &self,
        token: &str,
        issuer: &str,
        accepts: impl FnOnce(&str) -> bool,
        unix_seconds: u64,
    ) -> Result<AccessClaims, Refused> {
        let claims = read_claims(&self.signed_payload(token, TYPE)?)?;
        if claims.iss != issuer {
            return Err(Refused::WrongIssuer);
        }
        if !accepts(&claims.aud) {
            return Err(Refused::WrongAudience);
        }
        // Judged last, so that "expired" is only said of a token that was good before.
        if claims.exp <= unix_seconds {
            return Err(Refused::Expired);
        }
        Ok(claims)
    }

    /// The payload of a token of this type that one of these keys has signed. What is in it is not looked at.
    pub(super) fn signed_payload(&self, token: &str, typ: &str) -> Result<Vec<u8>, Refused> {
        if token.len() > MAX_TOKEN_SEEN {
            return Err(Refused::Malformed);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Refused::Malformed)?;
        // A fourth part fails to decode, since a dot is no letter of base64.
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);

        let key = self.find(&read_header(&header, typ)?.kid).ok_or(Refused::UnknownKey)?;
        check_signature(key, signing_input.as_bytes(), &signature)?;
        Ok(payload)
    }
}

/// The stamp that a token claims in its `jti`. Nothing says that the token is genuine: this is for telling what would be over if it were.
#[must_use]
pub fn claimed_stamp(token: &str) -> Option<u64> {
    if token.len() > MAX_TOKEN_SEEN {
        return None;
    }
    let payload = token.split('.').nth(1)?;
    stamp_of(&read_claims(&decode(payload).ok()?).ok()?.jti)
}

/// Why a token was refused. Nothing in it helps to make a better forgery, so it may be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Longer than [`MAX_TOKEN_SEEN`], or not three parts of canonical base64url with a JSON object in each of the first two.
    #[error("the token is malformed")]
    Malformed,
    /// The header does not say exactly what that of an access token says.
    #[error("the token's header is not that of an access token")]
    UnsupportedHeader,
    /// Signed with a key that is not in the set.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature is not that of the named key over this text.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// From another issuer.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// For another service.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Signed, yet a claim is missing, of the wrong type, out of bounds, or `nbf`.
    #[error("the token's claims are not those of an access token")]
    BadClaims,
}

impl Refused {
    /// A name that does not change, for logs and for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Refused::Malformed => "malformed",
            Refused::UnsupportedHeader => "unsupported_header",
            Refused::UnknownKey => "unknown_key",
            Refused::BadSignature => "bad_signature",
            Refused::Expired => "expired",
            Refused::WrongIssuer => "wrong_issuer",
            Refused::WrongAudience => "wrong_audience",
            Refused::BadClaims => "bad_claims",
        }
    }
}

/// Decodes base64url that is exactly as an encoder writes it. What is allocated is bounded by the length that
/// was checked before.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    BASE64URL.decode(part).map_err(|_| Refused::Malformed)
}

/// Reads a header with exactly our three members. One more may change what the token means (`crit` announces
/// that it does) or where the key comes from (`jwk`, `jku`, `x5u`), so none is passed over.
fn read_header<'a>(json: &'a [u8], typ: &str) -> Result<Header<'a>, Refused> {
    let names = member_names(json).ok_or(Refused::Malformed)?;
    if names != ["alg", "kid", "typ"] {
        return Err(Refused::UnsupportedHeader);
    }
    let header: Header<'_> = serde_json::from_slice(json).map_err(|_| Refused::UnsupportedHeader)?;
    if header.alg != ALGORITHM || header.typ != typ {
        return Err(Refused::UnsupportedHeader);
    }
    Ok(header)
}

/// Strict, so that there is one signature for a text: no `S` past the group order, no point of small order.
pub(super) fn check_signature(key: &VerifyingKey, text: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let signature = Signature::from_slice(signature).map_err(|_| Refused::BadSignature)?;
    key.verify_strict(text, &signature).map_err(|_| Refused::BadSignature)
}

/// Reads a signed payload. Claims that we do not know are passed over, so that an older client reads the
/// tokens of a newer daemon. `nbf` is not: to pass over it would be to take a token before its time.
pub(super) fn read_claims(json: &[u8]) -> Result<AccessClaims, Refused> {
    let claims: AccessClaims = read_known(json)?;
    let texts = [&claims.sub, &claims.sid, &claims.client_id, &claims.acr];
    let dates = [claims.exp, claims.iat, claims.auth_time];
    let sound = texts.into_iter().all(|text| is_plain(text))
        && dates.into_iter().all(|date| date <= LAST_DATE)
        && stamp_of(&claims.jti).is_some();
    if sound { Ok(claims) } else { Err(Refused::BadClaims) }
}

/// Reads the claims that a type of token has.
pub(super) fn read_known<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refused> {
    let names = member_names(json).ok_or(Refused::Malformed)?;
    if names.iter().any(|name| name == "nbf") {
        return Err(Refused::BadClaims);
    }
    serde_json::from_slice(json).map_err(|_| Refused::BadClaims)
}

/// Whether a text can be a name or an id: something, not too long, and safe to print.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}
