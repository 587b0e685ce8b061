//! The audit chain: every entry is hashed over the one before it, in the transaction that does what it tells of.

use sha2::{Digest, Sha256};

use super::records::{AuditRecord, Record};
use crate::domain::effect::{Audit, Decision};
use crate::domain::policy::Permit;
use crate::domain::time::Moment;

/// The end of the chain, to which the next entry is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the newest entry; 0 before the first.
    pub(super) number: u64,
    /// Its hash.
    hash: [u8; 32],
}

impl Head {
    /// The head after this newest entry.
    pub(super) fn after(newest: Option<(u64, AuditRecord)>) -> Self {
        newest.map_or_else(Self::default, |(number, record)| Self { number, hash: record.hash })
    }

    /// The entry that tells of a decision, linked to the chain.
    pub(super) fn link(
        &mut self,
        audit: Audit,
        decision: &Decision,
        permit: &Permit,
        at: &Moment,
    ) -> AuditRecord {
        let outcome = decision.outcome.as_ref().err().map_or("ok", |refusal| refusal.code.as_str());
        let mut record = AuditRecord {
            stamp: at.stamp,
            event: audit.event.as_str().to_owned(),
            outcome: outcome.to_owned(),
            uid: permit.principal().uid,
            pid: permit.principal().pid,
            app: permit.app().to_owned(),
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
}

/// The hash of an entry: over its number, the hash before it, and all of it but its own hash.
fn hash(number: u64, before: &[u8; 32], record: &AuditRecord) -> [u8; 32] {
    let unhashed = AuditRecord { hash: [0; 32], ..record.clone() };
    let mut hash = Sha256::new();
    hash.update(b"hallpass audit v1");
    hash.update(number.to_be_bytes());
    hash.update(before);
    hash.update(unhashed.to_bytes());
    hash.finalize().into()
}
