//! The administrator's calls about the audit chain. Each looks at a bounded part of it, from a state that no write can change.

use std::sync::Arc;

use hallpass_protocol::admin::{
    AuditEntry, AuditFrom, AuditStretch, AuditTail, FindAudit, FoundAudit, VerifyAudit,
};
use hallpass_protocol::auth::Answer;
use hallpass_protocol::codec;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::{AUDIT_LOOKED_AT, AUDIT_PER_PAGE, AUDIT_PER_STRETCH, CHECKPOINTS_PER_CALL};

use crate::domain::policy::Permit;
use crate::keys::Checkpoint;
use crate::shared::{Shared, unreadable};
use crate::store::{AuditRecord, Stretch, Walk, Wanted};

/// The newest entries, or those after a number.
pub(super) fn tail(shared: &Shared, _: &Permit, request: &AuditTail) -> Answer<Vec<AuditEntry>> {
    let count = page(request.count);
    let snapshot = shared.snapshot()?;
    let after = match request.after {
        Some(number) => number,
        None => snapshot.last_audit().map_err(unreadable)?.saturating_sub(count as u64),
    };
    Ok(shown(snapshot.audit_after(after, count).map_err(unreadable)?))
}

/// Entries that fit.
pub(super) fn find(shared: &Shared, _: &Permit, request: FindAudit) -> Answer<FoundAudit> {
    let FindAudit { from, count, user, app, event, since } = request;
    let (wanted, most) = (Wanted { user, app, event }, page(count));
    let snapshot = shared.snapshot()?;
    let floor = since.map_or(Ok(0), |since| snapshot.audit_before(since)).map_err(unreadable)?;
    let found = match from {
        AuditFrom::After(number) => snapshot.audit_on(number.max(floor), AUDIT_LOOKED_AT, most, &wanted),
        AuditFrom::Before(number) => snapshot.audit_back(number, floor, AUDIT_LOOKED_AT, most, &wanted),
        AuditFrom::Newest => {
            let behind = snapshot.last_audit().map_err(unreadable)?.saturating_add(1);
            snapshot.audit_back(behind, floor, AUDIT_LOOKED_AT, most, &wanted)
        }
    };
    let (entries, next) = found.map_err(unreadable)?;
    Ok(FoundAudit { entries: shown(entries), next })
}

/// A stretch of the chain, on a thread of its own: hashing takes longer than others should wait.
pub(super) async fn verify(shared: Arc<Shared>, _: &Permit, request: VerifyAudit) -> Answer<AuditStretch> {
    let VerifyAudit { place, checkpoints } = request;
    let place = if place.is_empty() { Ok(Walk::default()) } else { codec::decode(&place) };
    let unknown = |what| Refusal::because(ErrorCode::InvalidRequest, what);
    let mut walk: Walk = place.map_err(|_| unknown("the place is none that a call before has answered"))?;
    if checkpoints.len() > CHECKPOINTS_PER_CALL {
        return Err(unknown("these are more checkpoints than one call may have"));
    }
    let kept: Vec<_> = checkpoints.iter().filter_map(|text| Checkpoint::find(text)).collect();
    if kept.len() != checkpoints.len() {
        return Err(unknown("one of the checkpoints is none; give the lines as the log has them"));
    }
    let work = tokio::task::spawn_blocking(move || {
        // The note is written after a commit, so what it says is in a state that is read later.
        let note = shared.store.noted();
        let (snapshot, key) = (shared.snapshot()?, shared.keys.sealer().checkpoints());
        let mut stretch = snapshot.walk(&mut walk, AUDIT_PER_STRETCH).map_err(unreadable)?;
        if stretch.done {
            snapshot.hold_against(&walk, &note, &kept, &key, &mut stretch).map_err(unreadable)?;
        }
        let place = codec::encode(&walk).map_err(|_| Refusal::new(ErrorCode::Internal))?;
        let Stretch { faults, doubts, notes, done } = stretch;
        Ok(AuditStretch { place, entries: walk.entries, faults, doubts, notes, done })
    });
    work.await.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal)))
}

fn page(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).clamp(1, AUDIT_PER_PAGE)
}

fn shown(entries: Vec<(u64, AuditRecord)>) -> Vec<AuditEntry> {
    entries.into_iter().map(|(number, record)| audit_entry(number, record)).collect()
}

fn audit_entry(number: u64, record: AuditRecord) -> AuditEntry {
    AuditEntry {
        number,
        stamp: record.stamp,
        event: record.event,
        outcome: record.outcome,
        caller_uid: record.uid,
        caller_pid: record.pid,
        app: record.app,
        user_id: record.user,
        session_id: record.session,
        detail: record.detail,
        hash: crate::hex::encode(&record.hash),
    }
}
