//! What a check costs inside the app's own process: the least that any such check could cost, and what a bare signature check does.
//!
//! The in-process verifier is measured against these two; its rows belong here, beside the floors they are compared with.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ed25519_dalek::{Signature, Signer, SigningKey};
use hallpass_protocol::jws::{self, AccessClaims, Jwk, JwkSet, Verifier};
use nix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::report::{Measured, Row, Unit};

/// Tokens that are looked up.
const TOKENS: usize = 1000;
/// Looks in one round: some tens of milliseconds.
const LOOKS: usize = 1_000_000;
/// Checks of a signature in one round: the same.
const CHECKS: usize = 1000;
/// What the tokens are checked against.
const ISSUER: &str = "hallpass";
const AUDIENCE: &str = "shop";
const NOW: u64 = 1_795_224_000;

/// Measures what of it holds `only` in its name.
pub fn measure(rounds: usize, only: &str) -> Outcome<Vec<Row>> {
    let fixture = Fixture::new()?;
    let table = Table::of(&fixture.tokens);
    let rows: [(&str, &str, &dyn Fn() -> f64); 3] = [
        ("in process, floor of a hit", "lookup, comparison, clock, three loads", &|| {
            table.look(&fixture.tokens)
        }),
        ("in process, floor of a first sight", "verify_strict and parsing", &|| fixture.check_bare()),
        ("in process, first sight by the protocol crate", "jws::Verifier", &|| fixture.check()),
    ];
    let mut results = Vec::new();
    for (name, what, run) in rows.into_iter().filter(|(name, ..)| name.contains(only)) {
        run();
        let samples = (0..rounds).map(|_| run()).collect();
        let row = Row {
            name: name.to_owned(),
            unit: Unit::Nanos,
            measured: vec![Measured { name: what.to_owned(), samples }],
        };
        println!("{}", row.line());
        results.push(row);
    }
    Ok(results)
}

/// Tokens as the daemon makes them.
struct Fixture {
    key: SigningKey,
    verifier: Verifier,
    tokens: Vec<String>,
}

impl Fixture {
    fn new() -> Outcome<Self> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let jwk = Jwk::from_public_key(key.verifying_key().as_bytes());
        let kid = jwk.kid().to_owned();
        let set = serde_json::to_string(&JwkSet { keys: vec![jwk] })?;
        let verifier = Verifier::from_jwks(&set, ISSUER, AUDIENCE)?;
        let token = |number| {
            jws::encode(&claims(number), &kid, |input| key.sign(input).to_bytes())
                .map_err(|fault| format!("{fault:?}"))
        };
        let tokens = (0..TOKENS).map(token).collect::<Result<_, _>>()?;
        Ok(Self { key, verifier, tokens })
    }

    /// The signature, and the two JSON texts read into what they mean; nothing of what they say is checked.
    fn check_bare(&self) -> f64 {
        let public = self.key.verifying_key();
        nanos_each(CHECKS, |number| {
            let token = &self.tokens[number % TOKENS];
            let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
            let (header, claims) = signed.split_once('.').expect("a token has three parts");
            let signature = Signature::from_slice(&decode(signature)).expect("64 bytes");
            public.verify_strict(signed.as_bytes(), &signature).expect("it is genuine");
            let header: serde_json::Value = serde_json::from_slice(&decode(header)).expect("JSON");
            let claims: AccessClaims = serde_json::from_slice(&decode(claims)).expect("claims");
            black_box((header, claims));
        })
    }

    fn check(&self) -> f64 {
        nanos_each(CHECKS, |number| {
            black_box(self.verifier.verify_at(&self.tokens[number % TOKENS], NOW).expect("it is good"));
        })
    }
}

fn claims(number: usize) -> AccessClaims {
    AccessClaims {
        iss: ISSUER.to_owned(),
        sub: format!("01M7XW9SG2TC7K89{number:0>10}"),
        aud: AUDIENCE.to_owned(),
        client_id: AUDIENCE.to_owned(),
        exp: NOW + 600,
        iat: NOW,
        jti: jws::jti(NOW * 1_000_000, [9; 8]),
        sid: format!("01M7XW9SPVF29NKS{number:0>10}"),
        auth_time: NOW,
        amr: vec!["pwd".to_owned()],
        acr: "1".to_owned(),
        roles: vec!["editor".to_owned(), "billing".to_owned()],
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64ct::{Base64UrlUnpadded, Encoding};
    Base64UrlUnpadded::decode_vec(text).expect("base64url")
}

/// A table by some bytes of the token's own signature, and beside it what a board would be.
struct Table {
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    texts: Vec<String>,
    words: Vec<AtomicU64>,
}

/// The bytes of a signature are as good as a hash of it.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = tail(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

fn tail(text: &[u8]) -> u64 {
    // The last character of a signature says less than the others.
    let end = text.len().saturating_sub(1);
    text[..end].last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Table {
    fn of(tokens: &[String]) -> Self {
        let places = tokens.iter().enumerate().map(|(number, token)| (tail(token.as_bytes()), number));
        let words = (0..65_536).map(|_| AtomicU64::new(1)).collect();
        Self { places: places.collect(), texts: tokens.to_vec(), words }
    }

    fn look(&self, tokens: &[String]) -> f64 {
        nanos_each(LOOKS, |number| {
            let token = black_box(&tokens[number * 7 % TOKENS]);
            let place = self.places[&tail(token.as_bytes())];
            assert!(self.texts[place] == *token);
            let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("a clock");
            let word = |at: usize| self.words[at % self.words.len()].load(Ordering::Acquire);
            black_box((now.tv_sec(), word(0), word(place * 31), word(place * 17)));
        })
    }
}

fn nanos_each(count: usize, mut run: impl FnMut(usize)) -> f64 {
    let begun = Instant::now();
    for number in 0..count {
        run(number);
    }
    begun.elapsed().as_secs_f64() * 1e9 / count as f64
}
