//! Under which keys counts of failed logins lie.

use hallpass_protocol::time::Stamp;
use sha2::{Digest, Sha256};

use crate::domain::throttle::ThrottleKey;

/// The key of a count of failures: what it belongs to, and the rest hashed, so that a name somebody typed is neither stored nor of any length.
pub(super) fn failures_key(key: &ThrottleKey) -> [u8; 16] {
    let (kind, parts): (u8, [&[u8]; 3]) = match key {
        ThrottleKey::Name(name, source) => {
            (NAME_COUNT, [name.as_bytes(), source.app.as_bytes(), source.address.as_bytes()])
        }
        ThrottleKey::Credential(user) => (CREDENTIAL_COUNT, [user.as_bytes(), &[], &[]]),
        ThrottleKey::Nobody(place) => (3, [&place.to_be_bytes(), &[], &[]]),
        ThrottleKey::Device(user, device, credential) => {
            (4, [user.as_bytes(), device.as_bytes(), &credential.to_be_bytes()])
        }
        ThrottleKey::Session(user, session, credential) => {
            (5, [user.as_bytes(), session.as_bytes(), &credential.to_be_bytes()])
        }
        ThrottleKey::Source(source) => (6, [source.app.as_bytes(), source.address.as_bytes(), &[]]),
        ThrottleKey::Crowd(app, place) => (7, [app.as_bytes(), &place.to_be_bytes(), &[]]),
        ThrottleKey::App(app) => (8, [app.as_bytes(), &[], &[]]),
    };
    hashed(kind, &parts)
}

/// Counts of a name from a source: the one kind of which there can be very many.
const NAME_COUNT: u8 = 1;
/// Counts against a credential, which last until a success or a new password ends them.
const CREDENTIAL_COUNT: u8 = 2;
/// All kinds.
const COUNT_KINDS: u64 = 8;

/// Whether the count under this key lasts however old it is.
pub(super) fn lasts(key: &[u8]) -> bool {
    key.first() == Some(&CREDENTIAL_COUNT)
}

/// Any place among the counts of failures.
pub(super) fn some_failures_key(stamp: Stamp) -> [u8; 16] {
    let kind = if stamp.0.is_multiple_of(4) { 1 + stamp.0 / 4 % COUNT_KINDS } else { u64::from(NAME_COUNT) };
    hashed(u8::try_from(kind).unwrap_or(NAME_COUNT), &[&stamp.0.to_be_bytes()])
}

fn hashed(kind: u8, parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut key = [kind; 16];
    key[1..].copy_from_slice(&full[..15]);
    key
}

#[cfg(test)]
mod tests {
    use hallpass_protocol::id::UserId;

    use super::*;

    #[test]
    fn parts_of_a_throttle_key_cannot_be_mistaken_for_each_other() {
        let source = |app: &str, address: &str| crate::domain::throttle::Source {
            app: app.into(),
            address: address.into(),
        };
        let one = failures_key(&ThrottleKey::Name("ab".into(), source("c", "")));
        assert_ne!(one, failures_key(&ThrottleKey::Name("a".into(), source("bc", ""))));
        assert_ne!(one, failures_key(&ThrottleKey::Name("ab".into(), source("", "c"))));
        let from = failures_key(&ThrottleKey::Source(source("ab", "c")));
        assert_ne!(from, failures_key(&ThrottleKey::Source(source("abc", ""))));
        assert_ne!(from, failures_key(&ThrottleKey::App("ab".into())));
        let credential = failures_key(&ThrottleKey::Credential(UserId::from_bytes([1; 16])));
        assert!(lasts(&credential) && !lasts(&one) && !lasts(&from));
    }
}
