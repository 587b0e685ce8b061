//! Cases of the kind `tokens`: the text of session, refresh and device tokens, and verdicts on access tokens.

use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::jws::{Refused, Verifier};
use hallpass_protocol::secret::Token;
use hallpass_protocol::token::{MacKeyId, Sealed, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::scenario::bytes;
use crate::keys::KeyRing;
use crate::keys::tests::ring_of;

/// What all cases of a file start from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    root_hex: String,
    mac_key: u16,
    signing_seed_hex: String,
    issuer: String,
    audience: String,
    jwks: Value,
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Kind {
    /// What a token says, and its text.
    Sealed { says: Says, text: String },
    /// A text that is refused: `malformed` before its MAC is looked at, `not_genuine` by it.
    Refused { text: String, refused: String, because: String },
    /// An access token, a moment in Unix seconds, and `good` or the name of the refusal.
    Access {
        token: String,
        at: u64,
        #[serde(default)]
        skew: u64,
        verdict: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    Session { session: String },
    Refresh { session: String, counter: u32 },
    Device { user: String, device: String },
}

pub(super) fn run(given: &Value, case: Value) -> Result<(), String> {
    let given: Given = serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let ring =
        ring_of(given.mac_key, bytes(&given.root_hex)?, bytes(&given.signing_seed_hex)?, &given.issuer);
    match case.kind {
        Kind::Sealed { says, text } => sealed(&ring, MacKeyId(given.mac_key), &says, text),
        Kind::Refused { text, refused, because } => {
            let parsed = Sealed::parse(&text);
            let how = match (parsed, ring.unseal(&Token::new(text))) {
                (Err(_), None) => "malformed",
                (Ok(_), None) => "not_genuine",
                (_, Some(_)) => "accepted",
            };
            if how == refused {
                Ok(())
            } else {
                Err(format!("{how}, not {refused}, which it is because {because}"))
            }
        }
        Kind::Access { token, at, skew, verdict } => {
            let verifier = Verifier::from_jwks(&given.jwks.to_string(), &given.issuer, &given.audience);
            let verifier = verifier.map_err(|error| error.to_string())?.skew(skew);
            let got = verifier.verify_at(&token, at).map_or_else(Refused::as_str, |_| "good");
            // The daemon's own keys are those of the set, so it says the same.
            let own = ring.verify(
                &Token::new(token),
                |audience| audience == given.audience,
                at.saturating_sub(skew),
            );
            let own = own.map_or_else(Refused::as_str, |_| "good");
            if (got, own) == (verdict.as_str(), verdict.as_str()) {
                Ok(())
            } else {
                Err(format!("{got} here and {own} to the daemon, not {verdict}"))
            }
        }
    }
}

fn sealed(ring: &KeyRing, key: MacKeyId, says: &Says, text: String) -> Result<(), String> {
    let subject = match says {
        Says::Session { session } => Subject::Session(SessionId::from_bytes(bytes(session)?)),
        Says::Refresh { session, counter } => {
            Subject::Refresh(SessionId::from_bytes(bytes(session)?), *counter)
        }
        Says::Device { user, device } => {
            Subject::Device(UserId::from_bytes(bytes(user)?), DeviceId::from_bytes(bytes(device)?))
        }
    };
    let made = ring.seal(subject, key).map_err(|_| "there is no such key")?;
    if made.expose() != text {
        return Err(format!("the text is {}", made.expose()));
    }
    if ring.unseal(&Token::new(text)) == Some(subject) { Ok(()) } else { Err("is not read back".into()) }
}
