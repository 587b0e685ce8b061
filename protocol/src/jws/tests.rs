//! What every test of tokens starts from: one key, one issuer, one good token.
//!
//! Cases are named as in the list of abuse cases where they have a number there (A1, A8, ...).

mod claims;
mod header;
mod keys;
mod mutation;
mod signature;
mod text;
mod writing;

use ed25519_dalek::{Signer, SigningKey};

use base64ct::{Base64UrlUnpadded, Encoding};

use super::*;

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "orders";
const NOW: u64 = 1_800_000_000;
const EXP: u64 = NOW + 600;
const STAMP: u64 = NOW * 1_000_000 + 7;

const PAYLOAD: &str = concat!(
    r#"{"iss":"https://id.example","sub":"u1","aud":"orders","client_id":"shop","exp":1800000600,"#,
    r#""iat":1800000000,"jti":"AAZlFyiYgAcBAgMEBQYHCA","sid":"s1","auth_time":1799999990,"#,
    r#""amr":["pwd"],"acr":"1","roles":["editor","viewer"]}"#
);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn kid() -> String {
    thumbprint(key().verifying_key().as_bytes())
}

fn claims() -> AccessClaims {
    AccessClaims {
        iss: ISSUER.into(),
        sub: "u1".into(),
        aud: AUDIENCE.into(),
        client_id: "shop".into(),
        exp: EXP,
        iat: NOW,
        jti: jti(STAMP, [1, 2, 3, 4, 5, 6, 7, 8]),
        sid: "s1".into(),
        auth_time: NOW - 10,
        amr: vec!["pwd".into()],
        acr: "1".into(),
        roles: vec!["editor".into(), "viewer".into()],
    }
}

fn jwks() -> String {
    let set = JwkSet { keys: vec![Jwk::from_public_key(key().verifying_key().as_bytes())] };
    serde_json::to_string(&set).unwrap()
}

fn verifier() -> Verifier {
    Verifier::from_jwks(&jwks(), ISSUER, AUDIENCE).unwrap()
}

fn issue(claims: &AccessClaims) -> String {
    encode(claims, &kid(), |text| key().sign(text).to_bytes()).unwrap()
}

fn good_header() -> String {
    format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, kid())
}

/// A genuine signature over any two texts, so that only the texts are to blame for a refusal.
fn signed(header: &str, payload: &str) -> String {
    let parts = [header, payload].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
    signed_parts(&parts[0], &parts[1])
}

fn signed_parts(header: &str, payload: &str) -> String {
    let text = format!("{header}.{payload}");
    let signature = Base64UrlUnpadded::encode_string(&key().sign(text.as_bytes()).to_bytes());
    format!("{text}.{signature}")
}

/// The good payload with one piece of text replaced. The piece must be there.
fn payload_with(from: &str, to: &str) -> String {
    assert!(PAYLOAD.contains(from), "{from} is not in the payload");
    PAYLOAD.replace(from, to)
}

#[track_caller]
fn refuses(name: &str, token: &str, why: Refused) {
    assert_eq!(verifier().verify_at(token, NOW), Err(why), "{name}");
}
