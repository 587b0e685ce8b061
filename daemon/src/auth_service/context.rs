//! What an app says of a request, cut to size and hashed where only equality matters.

use hallpass_protocol::auth::{Answer, Context};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{DEVICE_FINGERPRINT_BYTES, DEVICE_LABEL_BYTES, USER_AGENT_BYTES};
use hallpass_protocol::secret::{AttemptId, Token};
use sha2::{Digest, Sha256};

use crate::domain::account::CodeHash;
use crate::domain::family::{AttemptHash, ContextTag};
use crate::domain::session::Origin;

/// What an app says of a request's origin, within bounds.
pub(super) fn origin(context: &Context) -> Answer<(Origin, ContextTag)> {
    let too_long = |text: &Option<String>, most: usize| text.as_ref().is_some_and(|text| text.len() > most);
    if too_long(&context.device_label, DEVICE_LABEL_BYTES) {
        return Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!("a device label has at most {DEVICE_LABEL_BYTES} bytes"),
        ));
    }
    if too_long(&context.device_fingerprint, DEVICE_FINGERPRINT_BYTES) {
        return Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!("a device fingerprint has at most {DEVICE_FINGERPRINT_BYTES} bytes"),
        ));
    }
    let user_agent = context
        .user_agent
        .as_ref()
        .map(|agent| agent[..agent.floor_char_boundary(USER_AGENT_BYTES)].to_owned());
    let address = context.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let tag: [u8; 2] = short_hash(&[
        b"hallpass context v1",
        address.as_bytes(),
        user_agent.as_deref().unwrap_or_default().as_bytes(),
    ]);
    let fingerprint = context
        .device_fingerprint
        .as_ref()
        .map(|text| short_hash(&[b"hallpass fingerprint v1", text.as_bytes()]));
    let origin =
        Origin { ip: context.ip, user_agent, device_label: context.device_label.clone(), fingerprint };
    Ok((origin, ContextTag(u16::from_be_bytes(tag))))
}

pub(super) fn attempt_hash(attempt: &AttemptId) -> AttemptHash {
    AttemptHash(short_hash(&[b"hallpass attempt v1", attempt.expose()]))
}

/// The first bytes of SHA-256 over parts that are kept apart.
fn short_hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut short = [0; N];
    short.copy_from_slice(&full[..N]);
    short
}

/// The hash that a code is known by.
pub(crate) fn code_hash(code: &Token) -> CodeHash {
    CodeHash(short_hash(&[b"hallpass code v1", code.expose().as_bytes()]))
}
