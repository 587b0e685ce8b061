//! Tokens and key sets: whatever is shown, nothing is believed but what was made with the keys.

use std::sync::{Arc, LazyLock};

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::jws::{
    self, AccessClaims, Jwk, JwkSet, KeySet, MAX_TOKEN_SEEN, ServiceClaims, ServiceVerifier, Verifier,
    claimed_stamp, jti,
};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::{Sealed, TokenKind};
use serde_json::Value;

use crate::entropy::{Entropy, NoEntropy, RandomSource};
use crate::keys::{KeyRing, MasterKey, Sealer, first_generation};

/// The moment at which tokens are shown, in Unix seconds.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "hallpass";
pub(super) const AUDIENCE: &str = "orders";

/// Gives out the same each time, so that what was genuine once is genuine for ever.
#[derive(Debug)]
struct Same;

impl RandomSource for Same {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        bytes.fill(7);
        Ok(())
    }
}

/// The keys of a daemon.
pub(super) fn ring() -> &'static KeyRing {
    static RING: LazyLock<KeyRing> = LazyLock::new(|| {
        let sealer = Sealer::new(MasterKey::from_bytes(&[1; 32]), [2; 16], Entropy::new(Arc::new(Same)));
        let keys = first_generation(&sealer, 1, Millis::default()).expect("keys");
        sealer.open(&keys, ISSUER, Stamp(1)).expect("keys that were just made")
    });
    &RING
}

/// The text of a session, refresh or device token.
///
/// # Panics
/// If a text that is taken apart is not the one spelling of what it says, or one passes for genuine that the keys have not made.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let kind = TokenKind::of(text);
    assert!(text.starts_with(kind.prefix()));
    let token = Token::new(text.to_owned());
    let _ = ring().why_not(&token);
    let opened = ring().unseal(&token);
    let Ok(sealed) = Sealed::parse(text) else {
        assert_eq!(opened, None);
        return;
    };
    assert_eq!(sealed.subject.kind(), kind);
    assert_eq!(sealed.to_token().expose(), text, "there are two spellings of one token");
    let made = ring().seal(sealed.subject, sealed.key);
    let genuine = made.is_ok_and(|made| made.expose() == text);
    assert_eq!(opened, genuine.then_some(sealed.subject), "a forged token passes, or a genuine one does not");
}

/// A key, and who believes it.
pub(super) struct Issuer {
    pub(super) key: SigningKey,
    pub(super) kid: String,
    pub(super) access: Verifier,
    pub(super) service: ServiceVerifier,
}

pub(super) fn issuer() -> &'static Issuer {
    static ISSUED: LazyLock<Issuer> = LazyLock::new(|| {
        let key = SigningKey::from_bytes(&[9; 32]);
        let jwk = Jwk::from_public_key(key.verifying_key().as_bytes());
        let kid = jwk.kid().to_owned();
        let jwks = serde_json::to_string(&JwkSet { keys: vec![jwk] }).expect("a set has a JSON form");
        let access = Verifier::from_jwks(&jwks, ISSUER, AUDIENCE).expect("our own set");
        let service = ServiceVerifier::from_jwks(&jwks, ISSUER, AUDIENCE).expect("our own set");
        Issuer { key, kid, access, service }
    });
    &ISSUED
}

impl Issuer {
    pub(super) fn sign(&self, input: &[u8]) -> [u8; 64] {
        self.key.sign(input).to_bytes()
    }

    /// A token of any header and payload with a signature that is right.
    fn signed(&self, header: &[u8], payload: &[u8]) -> String {
        let part = Base64UrlUnpadded::encode_string;
        let input = format!("{}.{}", part(header), part(payload));
        let signature = part(&self.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

pub(super) fn claims() -> AccessClaims {
    AccessClaims {
        iss: ISSUER.into(),
        sub: UserId::from_bytes([4; 16]).to_string(),
        aud: AUDIENCE.into(),
        client_id: "shop".into(),
        exp: NOW + 600,
        iat: NOW,
        jti: jti(NOW * 1_000_000, [5; 8]),
        sid: SessionId::from_bytes([3; 16]).to_string(),
        auth_time: NOW,
        amr: vec!["pwd".into()],
        acr: "1".into(),
        roles: vec!["editor".into()],
    }
}

pub(super) fn service_claims() -> ServiceClaims {
    ServiceClaims {
        iss: ISSUER.into(),
        sub: "app:shop".into(),
        aud: AUDIENCE.into(),
        client_id: "shop".into(),
        exp: NOW + 600,
        iat: NOW,
        jti: jti(NOW * 1_000_000, [5; 8]),
    }
}

/// The genuine tokens: one for a user and one for an app.
pub(super) fn genuine() -> &'static [String; 2] {
    static GENUINE: LazyLock<[String; 2]> = LazyLock::new(|| {
        let issuer = issuer();
        let access = jws::encode(&claims(), &issuer.kid, |input| issuer.sign(input));
        let service = jws::encode_service(&service_claims(), &issuer.kid, |input| issuer.sign(input));
        [access.expect("it fits"), service.expect("it fits")]
    });
    &GENUINE
}

/// An access or service token. What follows the first byte is the whole token, a payload that is signed, or a header that is signed with it.
///
/// # Panics
/// If a token passes that the key has not signed, one of a kind passes as the other, or claims do not survive being written again.
pub fn jws(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    let issuer = issuer();
    match which % 3 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            let [access, service] = genuine();
            assert_eq!(issuer.access.verify_at(text, NOW).is_ok(), text == access, "{text}");
            assert_eq!(issuer.service.verify_at(text, NOW).is_ok(), text == service, "{text}");
            let _ = claimed_stamp(text);
        }
        1 => {
            let kid = &issuer.kid;
            let access =
                issuer.signed(format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#).as_bytes(), rest);
            let service = issuer
                .signed(format!(r#"{{"alg":"EdDSA","typ":"service+jwt","kid":"{kid}"}}"#).as_bytes(), rest);
            payload(issuer, &access, &service);
        }
        _ => {
            let token = issuer.signed(rest, &serde_json::to_vec(&claims()).expect("claims have a JSON form"));
            if issuer.access.verify_at(&token, NOW).is_ok() {
                let header: Value = serde_json::from_slice(rest).expect("a header that passed is JSON");
                let right = serde_json::json!({"alg": "EdDSA", "typ": "at+jwt", "kid": issuer.kid});
                assert_eq!(header, right, "another header passes");
            }
        }
    }
}

/// Any payload, with signatures that are right.
fn payload(issuer: &Issuer, access: &str, service: &str) {
    assert!(issuer.access.verify_at(service, NOW).is_err(), "an app passes as a user");
    assert!(issuer.service.verify_at(access, NOW).is_err(), "a user passes as an app");
    if let Ok(claims) = issuer.access.verify_at(access, NOW) {
        assert!(access.len() <= MAX_TOKEN_SEEN && claims.exp > NOW);
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (ISSUER, AUDIENCE));
        assert_eq!(claimed_stamp(access), Some(claims.stamp()));
        if let Ok(again) = jws::encode(&claims, &issuer.kid, |input| issuer.sign(input)) {
            assert_eq!(issuer.access.verify_at(&again, NOW), Ok(claims.clone()));
        }
        assert!(issuer.access.verify_at(access, claims.exp).is_err(), "it does not end");
    }
    if let Ok(claims) = issuer.service.verify_at(service, NOW) {
        assert!(claims.exp > NOW && claims.sub == format!("app:{}", claims.client_id));
        if let Ok(again) = jws::encode_service(&claims, &issuer.kid, |input| issuer.sign(input)) {
            assert_eq!(issuer.service.verify_at(&again, NOW), Ok(claims));
        }
    }
}

/// A JWK set, as somebody may publish it.
///
/// # Panics
/// If a set is taken that holds a private key, two keys of one name or none that can be used, or if a token is believed whose key is not in it.
pub fn jwks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(_) = KeySet::from_jwks(text) else { return };
    let document: Value = serde_json::from_str(text).expect("a set that is taken is JSON");
    let keys = document["keys"].as_array().expect("a set that is taken has keys");
    assert!(text.len() <= 64 * 1024 && keys.len() <= 64);
    assert!(keys.iter().all(|key| key.get("d").is_none()), "a private key is published");
    let usable = |key: &&Value| key["kty"] == "OKP" && key["crv"] == "Ed25519";
    let mut names: Vec<_> =
        keys.iter().filter(usable).map(|key| key["kid"].as_str().expect("a name")).collect();
    assert!(!names.is_empty());
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two keys of one name");
    let (issuer, verifier) = (issuer(), Verifier::from_jwks(text, ISSUER, AUDIENCE).expect("it was taken"));
    let ours = Base64UrlUnpadded::encode_string(issuer.key.verifying_key().as_bytes());
    let is_ours = |key: &Value| key["kid"] == issuer.kid.as_str() && key["x"] == ours.as_str();
    let believed = verifier.verify_at(&genuine()[0], NOW).is_ok();
    assert_eq!(
        believed,
        keys.iter().filter(usable).any(is_ours),
        "a key that is not ours, or ours is not one"
    );
}
