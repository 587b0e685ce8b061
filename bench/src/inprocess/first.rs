//! An access token that was never seen before: checked by its signature, in the app's own process.

use std::hint::black_box;
use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use hallpass_client::{SessionKind, Verifier, Way};
use hallpass_protocol::jws::AccessClaims;

use super::{Extent, FLOOR, PER_USER};
use crate::Outcome;
use crate::daemon::Daemon;
use crate::jwt::Checks;
use crate::report::{Measured, OURS, Row, Unit};

/// What its row is called.
pub const NAME: &str = "in process, an access token never seen before";
/// Tokens in one round: some tens of milliseconds.
const TOKENS: usize = 1000;

/// Measures it beside the signature and the two JSON texts alone.
pub async fn measure(daemon: &Daemon, extent: &Extent<'_>) -> Outcome<Row> {
    let sessions = daemon.open(SessionKind::Token, TOKENS, PER_USER / 2).await?;
    let set: serde_json::Value = serde_json::from_str(&daemon.client.jwks().await?.jwks)?;
    let key = set["keys"][0]["x"].as_str().and_then(bytes).ok_or("the daemon publishes no key")?;
    let key = VerifyingKey::from_bytes(&key)?;
    let jwt = Checks::build();
    let mut row = Row::of(NAME.to_owned(), Unit::Nanos, &[OURS, FLOOR]);
    for round in 0..=extent.rounds {
        // One that has seen none of them.
        let verifier = Verifier::connect(daemon.socket())?;
        let begun = Instant::now();
        for session in &sessions {
            if verifier.verify(black_box(&session.token))?.way() != Way::Signature {
                return Err("the daemon was asked about an access token".into());
            }
        }
        let ours = begun.elapsed();
        let begun = Instant::now();
        for session in &sessions {
            black_box(bare(&key, black_box(&session.token)).ok_or("a token is not genuine")?);
        }
        let floor = begun.elapsed();
        let mut samples = [ours, floor].map(|took| took.as_secs_f64() * 1e9 / TOKENS as f64).to_vec();
        let others = jwt.as_ref().map(Checks::round).transpose()?.unwrap_or_default();
        if row.measured.len() == samples.len() {
            row.measured.extend(others.keys().map(|name| Measured::of(&format!("jsonwebtoken {name}"))));
        }
        samples.extend(others.into_values());
        if round > 0 {
            row.add(samples);
        }
    }
    println!("{}", row.line());
    Ok(row)
}

/// The signature, and the two JSON texts read into what they mean; nothing of what they say is checked.
fn bare(key: &VerifyingKey, token: &str) -> Option<(serde_json::Value, AccessClaims)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    key.verify_strict(signed.as_bytes(), &Signature::from_slice(&decode(signature)?).ok()?).ok()?;
    Some((serde_json::from_slice(&decode(header)?).ok()?, serde_json::from_slice(&decode(claims)?).ok()?))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    decode(text)?.try_into().ok()
}
