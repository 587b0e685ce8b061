//! What was written down of everything that was done.

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};
use crate::time::{Millis, Stamp};

/// Which audit entries to show.
///
/// ```
/// # use hallpass_protocol::admin::{AuditEntry, AuditTail};
/// fn following(seen: &[AuditEntry]) -> AuditTail {
///     AuditTail { after: seen.last().map(|entry| entry.number), count: 50 }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTail {
    /// Only entries after this number; without it, the newest.
    pub after: Option<u64>,
    /// At most this many, and never more than a page.
    pub count: u32,
}

/// One entry of the audit chain.
///
/// ```
/// # use hallpass_protocol::admin::AuditEntry;
/// fn is_theft(entry: &AuditEntry) -> bool {
///     entry.event == "refresh.reuse"
/// }
///
/// fn seconds(entry: &AuditEntry) -> u64 {
///     entry.stamp.0 / 1_000_000
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct AuditEntry {
    /// Its number, counted from 1.
    pub number: u64,
    /// When it happened, in microseconds since 1970, and in which order.
    pub stamp: Stamp,
    /// What happened, as a stable word such as `session.revoke`.
    pub event: String,
    /// How it ended: `ok` or the code of the refusal.
    pub outcome: String,
    /// The user of the calling process.
    pub caller_uid: u32,
    /// The calling process as it was at connect; it proves nothing.
    pub caller_pid: i32,
    /// What the caller is known as.
    pub app: String,
    /// The user it was about.
    pub user_id: Option<UserId>,
    /// The session it was about.
    pub session_id: Option<SessionId>,
    /// What else there is to know, in words.
    pub detail: String,
    /// SHA-256 over this entry and the hash of the one before, as 64 hexadecimal digits.
    pub hash: String,
}

/// Where to look for audit entries, and in which direction.
///
/// ```
/// # use hallpass_protocol::admin::{AuditFrom, FoundAudit};
/// fn further_back(found: &FoundAudit) -> Option<AuditFrom> {
///     found.next.map(AuditFrom::Before)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditFrom {
    /// From the newest back.
    Newest,
    /// From the one before this number back.
    Before(u64),
    /// From the one after this number on.
    After(u64),
}

/// Which audit entries to find.
///
/// ```
/// # use hallpass_protocol::{admin::{AuditFrom, FindAudit}, id::UserId, time::Millis};
/// fn changes_to(user: UserId, since: Millis) -> FindAudit {
///     let event = Some("user".into()); // `user.add`, `user.disable` and so on
///     FindAudit { from: AuditFrom::Newest, count: 50, user: Some(user), app: None, event, since: Some(since) }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindAudit {
    /// Where to look.
    pub from: AuditFrom,
    /// At most this many, and never more than a page.
    pub count: u32,
    /// Only about this user.
    pub user: Option<UserId>,
    /// Only by this app.
    pub app: Option<String>,
    /// Only this event, or all whose names go on behind it with a dot.
    pub event: Option<String>,
    /// Only since this moment.
    pub since: Option<Millis>,
}

/// Audit entries that were found.
///
/// ```
/// # use hallpass_protocol::admin::FoundAudit;
/// fn is_all(found: &FoundAudit) -> bool {
///     found.next.is_none()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct FoundAudit {
    /// In the direction that was looked in. There can be none, and more behind.
    pub entries: Vec<AuditEntry>,
    /// Where to go on looking, in the same direction; none at the end.
    pub next: Option<u64>,
}

/// How far the audit chain was verified, and against what to hold its end.
///
/// ```
/// # use hallpass_protocol::admin::{AuditStretch, VerifyAudit};
/// fn first(checkpoints: Vec<String>) -> VerifyAudit {
///     VerifyAudit { place: Vec::new(), checkpoints }
/// }
///
/// fn next(before: VerifyAudit, stretch: AuditStretch) -> VerifyAudit {
///     VerifyAudit { place: stretch.place, ..before }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyAudit {
    /// What the call before has answered; empty for the first.
    pub place: Vec<u8>,
    /// Checkpoints as the daemon's log has them, which are looked at once the end is reached.
    pub checkpoints: Vec<String>,
}

/// What was found on a stretch of the audit chain.
///
/// ```
/// # use hallpass_protocol::admin::AuditStretch;
/// fn verdict(last: &AuditStretch) -> String {
///     match last.faults.first() {
///         None => format!("{} entries, as they were written", last.entries),
///         Some(fault) => format!("somebody has changed it: {fault}"),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "daemon"), non_exhaustive)]
pub struct AuditStretch {
    /// What to ask with for the next stretch.
    pub place: Vec<u8>,
    /// Entries that were looked at so far.
    pub entries: u64,
    /// What is wrong, in words.
    pub faults: Vec<String>,
    /// What the daemon found at a start and could not believe, which it wrote down.
    pub doubts: Vec<String>,
    /// What nobody can tell, or what somebody should know.
    pub notes: Vec<String>,
    /// Whether the end was reached.
    pub done: bool,
}
