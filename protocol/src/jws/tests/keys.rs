//! Key sets: what is taken, what is passed over, what spoils the set.

use ed25519_dalek::VerifyingKey;

use super::*;

/// A key set with one key, made from the good one by replacing a piece of text.
fn jwks_with(from: &str, to: &str) -> String {
    assert!(jwks().contains(from), "{from} is not in the key set");
    jwks().replace(from, to)
}

#[track_caller]
fn spoils(json: &str, why: JwksError) {
    assert_eq!(KeySet::from_jwks(json).err(), Some(why), "{json:.300}");
}

fn set_of(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn key_with(kid: &str, x: &[u8]) -> String {
    let x = Base64UrlUnpadded::encode_string(x);
    format!(r#"{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"{kid}","x":"{x}"}}"#)
}

const RSA: &str = r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RS256","kid":"r"}"#;
const EC: &str = r#"{"kty":"EC","crv":"Ed25519"}"#;
const X25519: &str =
    r#"{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo","kid":"x"}"#;

#[test]
fn every_key_of_a_set_is_found_by_its_name() {
    let second = SigningKey::from_bytes(&[8; 32]);
    let set = JwkSet {
        keys: vec![
            Jwk::from_public_key(key().verifying_key().as_bytes()),
            Jwk::from_public_key(second.verifying_key().as_bytes()),
        ],
    };
    let json = serde_json::to_string(&set).unwrap();
    let verifier = Verifier::from_jwks(&json, ISSUER, AUDIENCE).unwrap();
    let by = |key: &SigningKey, kid: &str| encode(&claims(), kid, |text| key.sign(text).to_bytes()).unwrap();

    assert_eq!(verifier.verify_at(&by(&key(), set.keys[0].kid()), NOW), Ok(claims()));
    assert_eq!(verifier.verify_at(&by(&second, set.keys[1].kid()), NOW), Ok(claims()));
    let crossed = by(&key(), set.keys[1].kid());
    assert_eq!(verifier.verify_at(&crossed, NOW), Err(Refused::BadSignature));
}

#[test]
fn keys_of_other_kinds_are_passed_over() {
    let ours = key_with(&kid(), key().verifying_key().as_bytes());
    let json = set_of(&[RSA.into(), X25519.into(), r#"{"kty":"OKP"}"#.into(), EC.into(), ours]);
    let verifier = Verifier::from_jwks(&json, ISSUER, AUDIENCE).unwrap();
    assert_eq!(verifier.verify_at(&issue(&claims()), NOW), Ok(claims()));

    for none in [set_of(&[]), set_of(&[RSA.into()]), set_of(&[X25519.into()])] {
        spoils(&none, JwksError::NoUsableKey);
    }
}

#[test]
fn sets_that_are_not_plain_objects_are_refused() {
    let good = jwks();
    let key = &good[r#"{"keys":["#.len()..good.len() - 2];
    let cases = [
        String::new(),
        "[]".into(),
        "{}".into(),
        "null".into(),
        format!("[[{key}]]"),
        format!(r#"{{"keys":{key}}}"#),
        r#"{"keys":null}"#.into(),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[null]}"#.into(),
        r#"{"keys":[["OKP","Ed25519"]]}"#.into(),
        format!("{good}x"),
        format!(r#"{{"keys":[],"keys":[{key}]}}"#),
        format!(r#"{{"keys":[],"key\u0073":[{key}]}}"#),
        jwks_with(r#""kty""#, r#""kty":"RSA","kty""#),
        jwks_with(r#""kty""#, r#""x5c":[{"a":1,"a":1}],"kty""#),
    ];
    for json in cases {
        spoils(&json, JwksError::Malformed);
    }
    assert!(KeySet::from_jwks(&format!(r#"{{"version":7,"keys":[{key}]}}"#)).is_ok());
}

#[test]
fn ed25519_keys_with_a_fault_spoil_the_set() {
    let x = Base64UrlUnpadded::encode_string(key().verifying_key().as_bytes());
    let good_kid = kid();
    let cases = [
        (r#""kty":"OKP","#, "", "kty is missing"),
        (r#""kty":"OKP""#, r#""kty":1"#, "kty is missing"),
        (r#""alg":"EdDSA","#, "", "alg is not EdDSA"),
        ("EdDSA", "Ed25519", "alg is not EdDSA"),
        ("EdDSA", "HS256", "alg is not EdDSA"),
        (r#""EdDSA""#, "null", "alg is not EdDSA"),
        (r#""sig""#, r#""enc""#, "use is not sig"),
        (r#""sig""#, "null", "use is not sig"),
        (good_kid.as_str(), "", "kid is not 1 to 64 visible ASCII bytes"),
        (&good_kid, "a b", "kid is not 1 to 64 visible ASCII bytes"),
        (&good_kid, "a\\u0007", "kid is not 1 to 64 visible ASCII bytes"),
        (&good_kid, "é", "kid is not 1 to 64 visible ASCII bytes"),
        (&good_kid, &"k".repeat(65), "kid is not 1 to 64 visible ASCII bytes"),
        (r#""kid""#, r#""name""#, "kid is not 1 to 64 visible ASCII bytes"),
        (&x, "", "x is not the canonical form of a public key"),
        (&x, &x[..42], "x is not the canonical form of a public key"),
        (&x, &format!("{x}="), "x is not the canonical form of a public key"),
        (&x, &format!("{x}A"), "x is not the canonical form of a public key"),
        (r#""x""#, r#""y""#, "x is not the canonical form of a public key"),
    ];
    for (from, to, fault) in cases {
        spoils(&jwks_with(from, to), JwksError::BadKey { index: 0, fault });
    }
    let second = set_of(&[RSA.into(), key_with("", key().verifying_key().as_bytes())]);
    spoils(&second, JwksError::BadKey { index: 1, fault: "kid is not 1 to 64 visible ASCII bytes" });
    assert!(KeySet::from_jwks(&jwks_with(r#""use":"sig","#, "")).is_ok(), "use may be left out");
    assert!(KeySet::from_jwks(&jwks_with(&good_kid, &"~".repeat(64))).is_ok(), "64 bytes of kid");
}

#[test]
fn private_parts_spoil_the_set_whatever_the_kind() {
    spoils(
        &jwks_with(r#""kty""#, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","kty""#),
        JwksError::PrivateKey { index: 0 },
    );
    spoils(&jwks_with(r#""kty""#, r#""d":null,"kty""#), JwksError::PrivateKey { index: 0 });
    let rsa = RSA.replace(r#""n""#, r#""d":"AQAB","n""#);
    let ours = key_with("k", key().verifying_key().as_bytes());
    spoils(&set_of(&[ours, rsa]), JwksError::PrivateKey { index: 1 });
}

#[test]
fn names_of_keys_are_unique() {
    let second = SigningKey::from_bytes(&[8; 32]);
    let keys = [key(), second].map(|key| key_with("k", key.verifying_key().as_bytes()));
    spoils(&set_of(&keys), JwksError::DuplicateKid { index: 1 });
}

#[test]
fn weak_keys_are_refused() {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
    ];
    let negated = |mut point: [u8; 32]| {
        point[31] |= 0x80;
        point
    };
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut order_2 = [0xff; 32];
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    let order_4 = [0; 32];
    let weak = [
        neutral,
        order_2,
        order_4,
        negated(order_4),
        ORDER_8[0],
        ORDER_8[1],
        negated(ORDER_8[0]),
        negated(ORDER_8[1]),
    ];
    for point in weak {
        spoils(&set_of(&[key_with("k", &point)]), JwksError::WeakKey { index: 0 });
    }
}

/// The field's prime is 2^255 - 19, so 19 coordinates have a second spelling that fits 255 bits. The library
/// takes those that are on the curve; we take none.
#[test]
fn second_spellings_of_a_key_are_refused() {
    let fault = "x is not the canonical form of a public key";
    let mut taken_by_the_library = 0;
    for y in 0..19 {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (0xed + y, 0x7f);
        taken_by_the_library += u32::from(VerifyingKey::from_bytes(&point).is_ok_and(|key| !key.is_weak()));
        spoils(&set_of(&[key_with("k", &point)]), JwksError::BadKey { index: 0, fault });
    }
    assert!(taken_by_the_library > 0, "the check for second spellings is not needed any more");
}

#[test]
fn key_sets_are_bounded() {
    let point = key().verifying_key();
    let keys: Vec<String> = (0..65).map(|n| key_with(&format!("k{n}"), point.as_bytes())).collect();
    assert!(KeySet::from_jwks(&set_of(&keys[..64])).is_ok());
    spoils(&set_of(&keys), JwksError::TooLarge);

    let spaces = |len: usize| format!("{}{}", jwks(), " ".repeat(len - jwks().len()));
    assert!(KeySet::from_jwks(&spaces(64 * 1024)).is_ok());
    spoils(&spaces(64 * 1024 + 1), JwksError::TooLarge);
}
