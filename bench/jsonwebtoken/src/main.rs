//! Full checks of a JWT by jsonwebtoken: signature, issuer, audience and expiry. Prints nanoseconds for each round, by algorithm.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde::{Deserialize, Serialize};

/// Checks in one round.
const CHECKS: u32 = 500;

/// The claims of an access token.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    client_id: String,
    exp: u64,
    iat: u64,
    jti: String,
    sid: String,
    auth_time: u64,
    amr: Vec<String>,
    acr: String,
    roles: Vec<String>,
}

/// A token and what it takes to check it.
struct Case {
    name: &'static str,
    token: String,
    key: DecodingKey,
    validation: Validation,
}

impl Case {
    fn new(
        name: &'static str,
        algorithm: Algorithm,
        keys: (EncodingKey, DecodingKey),
    ) -> Result<Self, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims {
            iss: "hallpass".to_owned(),
            sub: "01M7XW9SG2TC7K891Q1MA55HQT".to_owned(),
            aud: "shop".to_owned(),
            client_id: "shop".to_owned(),
            exp: now + 3600,
            iat: now,
            jti: "AAZQ1l8vQAAJCQkJCQkJCQ".to_owned(),
            sid: "01M7XW9SPVF29NKSZ83JZ8DP7Z".to_owned(),
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            acr: "1".to_owned(),
            roles: vec!["editor".to_owned(), "billing".to_owned()],
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&["hallpass"]);
        validation.set_audience(&["shop"]);
        Ok(Self { name, token: encode(&Header::new(algorithm), &claims, &keys.0)?, key: keys.1, validation })
    }

    fn run(&self) -> Result<f64, Box<dyn Error>> {
        let begun = Instant::now();
        for _ in 0..CHECKS {
            black_box(decode::<Claims>(black_box(&self.token), &self.key, &self.validation)?);
        }
        Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS))
    }
}

fn cases() -> Result<Vec<Case>, Box<dyn Error>> {
    let mut random = rand::rngs::OsRng;
    let ed = ed25519_dalek::SigningKey::generate(&mut random);
    let ed_keys = (
        EncodingKey::from_ed_pem(ed.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?,
        DecodingKey::from_ed_pem(ed.verifying_key().to_public_key_pem(LineEnding::LF)?.as_bytes())?,
    );
    let ec = p256::SecretKey::random(&mut random);
    let ec_keys = (
        EncodingKey::from_ec_pem(ec.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?,
        DecodingKey::from_ec_pem(ec.public_key().to_public_key_pem(LineEnding::LF)?.as_bytes())?,
    );
    let rsa = rsa::RsaPrivateKey::new(&mut random, 2048)?;
    let rsa_keys = (
        EncodingKey::from_rsa_pem(rsa.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?,
        DecodingKey::from_rsa_pem(rsa.to_public_key().to_public_key_pem(LineEnding::LF)?.as_bytes())?,
    );
    let secret: [u8; 32] = rand::random();
    let secret_keys = (EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret));
    Ok(vec![
        Case::new("EdDSA", Algorithm::EdDSA, ed_keys)?,
        Case::new("ES256", Algorithm::ES256, ec_keys)?,
        Case::new("RS256", Algorithm::RS256, rsa_keys)?,
        Case::new("HS256", Algorithm::HS256, secret_keys)?,
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    let cases = cases()?;
    let mut results = BTreeMap::<&str, Vec<f64>>::new();
    for round in 0..=rounds {
        for case in &cases {
            let nanos = case.run()?;
            // The first round is for warming up.
            if round > 0 {
                results.entry(case.name).or_default().push(nanos);
            }
        }
    }
    println!("{}", serde_json::to_string(&results)?);
    Ok(())
}
