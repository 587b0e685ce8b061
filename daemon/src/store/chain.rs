//! The audit chain: every entry is hashed over the one before it, in the transaction that does what it tells of.

use sha2::{Digest, Sha256};

use super::records::{AuditRecord, Record};
use crate::domain::effect::Audit;
use crate::domain::time::Moment;
use hallpass_protocol::time::Stamp;

/// The end of the chain, to which the next entry is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the newest entry; 0 before the first.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: [u8; 32],
}

/// Whose call an entry tells of.
pub(super) struct Who<'a> {
    pub(super) uid: u32,
    pub(super) pid: i32,
    pub(super) app: &'a str,
}

impl Head {
    /// The head after this newest entry.
    pub(super) fn after(newest: Option<(u64, AuditRecord)>) -> Self {
        newest.map_or_else(Self::default, |(number, record)| Self { number, hash: record.hash })
    }

    /// The entry that tells of an event, linked to the chain.
    pub(super) fn link(&mut self, audit: Audit, outcome: &str, who: &Who<'_>, at: &Moment) -> AuditRecord {
        let mut record = AuditRecord {
            stamp: at.stamp,
            event: audit.event.as_str().to_owned(),
            outcome: outcome.to_owned(),
            uid: who.uid,
            pid: who.pid,
            app: who.app.to_owned(),
            user: audit.user,
            session: audit.session,
            detail: audit.detail,
            hash: [0; 32],
        };
        self.number += 1;
        record.hash = hash(self.number, &self.hash, &record);
        self.hash = record.hash;
        record
    }

    /// Goes on to an entry that is stored, and says what is wrong if it is not the next one of the chain.
    pub(super) fn follow(&mut self, number: u64, record: &AuditRecord) -> Option<String> {
        let (wanted, before) = (self.number + 1, self.hash);
        (self.number, self.hash) = (number, record.hash);
        if number != wanted {
            Some(format!(
                "after audit entry {} comes {number}: what was between them was removed",
                wanted - 1
            ))
        } else if record.hash != hash(number, &before, record) {
            Some(format!(
                "audit entry {number} does not follow from the one before it: one of the two was changed or moved"
            ))
        } else {
            None
        }
    }
}

/// When a stamp was given out, for people.
pub(super) fn time(stamp: Stamp) -> String {
    let at = std::time::Duration::from_secs(stamp.0 / 1_000_000);
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + at).to_string()
}

/// The hash of an entry: over its number, the hash before it, and all of it but its own hash.
pub(super) fn hash(number: u64, before: &[u8; 32], record: &AuditRecord) -> [u8; 32] {
    let unhashed = AuditRecord { hash: [0; 32], ..record.clone() };
    let mut hash = Sha256::new();
    hash.update(b"hallpass audit v1");
    hash.update(number.to_be_bytes());
    hash.update(before);
    hash.update(unhashed.to_bytes());
    hash.finalize().into()
}
