//! Sessions, and the one rule that says whether a session is alive.

use std::net::IpAddr;
use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::MacKeyId;

use super::account::User;
use super::family::{AttemptHash, ContextTag, Debt};
use super::revocation::{CutOffs, Reason, Revocation};
use super::time::Moment;

/// A session as stored: what never changes, and what does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The `sid` of every token of it.
    pub(crate) id: SessionId,
    /// Written once.
    pub(crate) cold: Cold,
    /// Written by every rotation.
    pub(crate) hot: Hot,
}

/// The part of a session that is written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cold {
    /// Whose it is.
    pub(crate) user: UserId,
    /// The app that opened it.
    pub(crate) app: String,
    /// How it is carried.
    pub(crate) kind: SessionKind,
    /// When it was opened, in the order of all changes.
    pub(crate) opened: Stamp,
    /// When it ends in any case.
    pub(crate) absolute_deadline: Millis,
    /// How the user proved who they are (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// Where it was opened from.
    pub(crate) origin: Origin,
}

/// Where a request came from, as the app said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The address.
    pub(crate) ip: Option<IpAddr>,
    /// The user agent, cut to size.
    pub(crate) user_agent: Option<String>,
    /// A name for the device.
    pub(crate) device_label: Option<String>,
    /// The truncated hash of what the app says stays the same on one device.
    pub(crate) fingerprint: Option<[u8; 16]>,
}

/// The part of a session that rotations and use change: 55 bytes as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hot {
    /// When it was last used, to the minute.
    pub(crate) last_seen: Millis,
    /// When it ends if it is not used.
    pub(crate) idle_deadline: Millis,
    /// When the user last proved who they are.
    pub(crate) auth_time: Millis,
    /// The level of that proof.
    pub(crate) level: u8,
    /// Seconds after `auth_time` that a level above 1 lasts.
    pub(crate) level_seconds: u32,
    /// Which refresh token is the current one. The family is this number, not a row per token.
    pub(crate) counter: u32,
    /// When that token was made.
    pub(crate) rotated_at: Millis,
    /// The MAC key it was made with, so that a retry gets the very same token.
    pub(crate) mac_key: MacKeyId,
    /// The attempt that made it.
    pub(crate) attempt: Option<AttemptHash>,
    /// How often it was handed out again.
    pub(crate) retries: u8,
    /// Where its rotation came from.
    pub(crate) tag: ContextTag,
    /// What of the allowed rate is used up.
    pub(crate) debt: Debt,
    /// Whether it was taken back.
    pub(crate) revoked: Option<Revocation>,
}

/// How long a session goes on after a newer one took its place, for requests that are under way.
const TAIL: Duration = Duration::from_secs(30);

impl Session {
    /// When it ends in any case.
    pub(crate) fn end(&self) -> Millis {
        self.superseded_end().unwrap_or(Millis::MAX).min(self.cold.absolute_deadline)
    }

    fn superseded_end(&self) -> Option<Millis> {
        let superseded = self.hot.revoked.filter(|revocation| revocation.reason == Reason::Superseded)?;
        Some(Millis::from_u64(superseded.stamp.0 / 1000).plus(TAIL))
    }

    /// Whether it was opened on one device and this request says it comes from another.
    pub(crate) fn contradicts(&self, fingerprint: Option<[u8; 16]>) -> bool {
        self.cold.origin.fingerprint.zip(fingerprint).is_some_and(|(then, now)| then != now)
    }
}

/// How often the use of a session is written down, in milliseconds.
pub(crate) const TOUCH_EVERY_MS: u64 = 60_000;

/// A session that is not alive, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dead {
    /// It reached its idle or absolute end.
    Expired,
    /// It was taken back.
    Revoked(Reason),
}

impl Dead {
    /// The code that its user is answered with.
    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::Expired,
            Self::Revoked(Reason::Reuse) => ErrorCode::Reused,
            Self::Revoked(Reason::Superseded) => ErrorCode::Superseded,
            Self::Revoked(_) => ErrorCode::Revoked,
        }
    }

    /// Why, as a stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked(reason) => reason.as_str(),
        }
    }
}

/// Whether a session is alive. Verify, refresh and list all ask this, and nothing else decides it.
///
/// Absence fails closed: without its user's row no session is alive.
pub(crate) fn is_alive(
    user: Option<&User>,
    session: &Session,
    cut_offs: &CutOffs,
    now: Millis,
) -> Result<(), Dead> {
    if let Some(revocation) = session.hot.revoked.filter(|revocation| revocation.reason != Reason::Superseded)
    {
        return Err(Dead::Revoked(revocation.reason));
    }
    let Some(user) = user.filter(|user| user.id == session.cold.user) else {
        return Err(Dead::Revoked(Reason::UserRemoved));
    };
    if user.disabled || session.cold.opened <= user.not_before {
        return Err(Dead::Revoked(Reason::User));
    }
    if session.cold.opened <= cut_offs.everything {
        return Err(Dead::Revoked(Reason::Everything));
    }
    if cut_offs.apps.get(&session.cold.app).is_some_and(|stamp| session.cold.opened <= *stamp) {
        return Err(Dead::Revoked(Reason::App));
    }
    if session.superseded_end().is_some_and(|end| now >= end) {
        return Err(Dead::Revoked(Reason::Superseded));
    }
    if now >= session.hot.idle_deadline || now >= session.cold.absolute_deadline {
        return Err(Dead::Expired);
    }
    Ok(())
}

/// Moves the idle end along with use, at most once a minute and never past the absolute end.
pub(crate) fn touched(session: &Session, idle: Duration, at: &Moment) -> Option<Hot> {
    if !wants_touch(session, at.now) {
        return None;
    }
    Some(Hot {
        last_seen: at.now,
        idle_deadline: idle_deadline(at.now, idle, session.end()),
        ..session.hot.clone()
    })
}

/// Whether the session's use is worth writing down again.
pub(crate) fn wants_touch(session: &Session, now: Millis) -> bool {
    session.cold.kind == SessionKind::Cookie
        && now.as_u64() >= session.hot.last_seen.as_u64().saturating_add(TOUCH_EVERY_MS)
}

/// When its use is worth writing down the next time, if it is used now.
pub(crate) fn next_touch(session: &Session, now: Millis) -> Millis {
    match session.cold.kind {
        SessionKind::Cookie if wants_touch(session, now) => now.plus(Duration::from_millis(TOUCH_EVERY_MS)),
        SessionKind::Cookie => session.hot.last_seen.plus(Duration::from_millis(TOUCH_EVERY_MS)),
        // Its use is a rotation, which is written down as one.
        SessionKind::Token => Millis::MAX,
    }
}

/// The idle end of a session used now.
pub(crate) fn idle_deadline(now: Millis, idle: Duration, absolute: Millis) -> Millis {
    now.plus(idle).min(absolute)
}
