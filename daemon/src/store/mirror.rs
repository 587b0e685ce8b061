//! Audit entries and checkpoints in the log, where whoever changes the database cannot change them too if the log lies elsewhere. A journal gets
//! each part as a field of its own; without one nothing is lost, since the chain lies in the database.

use super::records::AuditRecord;

/// Says an entry that is on disk.
pub(super) fn say(number: u64, record: &AuditRecord) {
    let AuditRecord { event, outcome, uid, pid, app, detail, hash, .. } = record;
    let user = record.user.map(|user| user.to_string());
    let session = record.session.map(|session| session.to_string());
    let (user, session) = (user.as_deref(), session.as_deref());
    let (event, outcome, app, detail) = (event.as_str(), outcome.as_str(), app.as_str(), detail.as_str());
    let hash = crate::hex::encode(hash);
    let hash = hash.as_str();
    tracing::info!(number, event, outcome, uid, pid, app, user, session, detail, hash, "audit");
}
