//! All that is counted, in one answer.

use hallpass_protocol::auth::Answer;
use hallpass_protocol::metrics::{
    ConnectionMetrics, DiskMetrics, Metrics, PasswordMetrics, SessionMetrics, WriterMetrics,
};

use crate::domain::policy::Permit;
use crate::shared::{Shared, unreadable};

/// What was counted since the daemon started, and how things stand.
pub(super) fn metrics(shared: &Shared, _permit: &Permit) -> Answer<Metrics> {
    let stored = shared.snapshot()?.counts().map_err(unreadable)?;
    let (accepted, refused) = shared.requests.connections();
    let (written, hashed) = (shared.writer.written(), shared.hasher.hashed());
    Ok(Metrics {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: shared.started,
        uptime_micros: shared.up.nanos() / 1000,
        operations: shared.requests.operations(),
        verifications: shared.requests.verifications(),
        apps: shared.requests.apps(),
        connections: ConnectionMetrics { open: shared.places.taken() as u64, accepted, refused },
        sessions: SessionMetrics {
            alive: stored.alive,
            stored: stored.sessions,
            opened: written.opened.read(),
            swept: written.swept.read(),
            revocations: written.revocations(),
            users: stored.users,
        },
        writer: WriterMetrics {
            waiting: shared.writer.waiting() as u64,
            commits: written.commits.read(),
            batches: written.batches.read(),
            failed: written.failed.read(),
            slots_raised: written.slots_raised.read(),
            floors_raised: written.floors_raised.read(),
        },
        passwords: PasswordMetrics {
            threads: hashed.threads as u64,
            running: hashed.running(),
            waiting: (shared.hasher.queued() as u64).saturating_sub(hashed.running()),
            hashes: hashed.took.read(),
        },
        disk: DiskMetrics {
            database_bytes: shared.store.bytes().map_err(unreadable)?,
            available_bytes: shared.store.disk().map_err(unreadable)?.0,
            full: shared.writer.room_is_little(),
            audit_entries: stored.audit_entries,
        },
    })
}
