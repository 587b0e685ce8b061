//! Checks that change nothing: whether a token's session is alive and meets what the caller needs.

use std::time::Duration;

use hallpass_protocol::auth::{Needs, SessionKind};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::limits::{NAME_BYTES, ROLES};
use hallpass_protocol::time::{Millis, Stamp};

use super::account::User;
use super::family::Binding;
use super::policy::Permit;
use super::revocation::{CutOffs, Reason};
use super::session::{Dead, Session, is_alive};

/// What was shown, once it is known to be genuine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shown {
    /// A session token: good only for the app that opened the session.
    Session(SessionId),
    /// An access token for an audience of the caller's.
    Access {
        /// Its `sid`.
        session: SessionId,
        /// Its `sub`.
        user: UserId,
        /// Its `exp`.
        expires: Millis,
    },
}

impl Shown {
    /// The session it belongs to.
    pub(crate) const fn session(&self) -> SessionId {
        match self {
            Self::Session(session) | Self::Access { session, .. } => *session,
        }
    }
}

/// What the store knows of a token's session, all from one snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// The session, dead or alive.
    pub(crate) session: Option<Session>,
    /// Its user.
    pub(crate) user: Option<User>,
    /// Stamps that end many sessions at once.
    pub(crate) cut_offs: CutOffs,
}

/// A verification that somebody asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Leave to ask, and who asks.
    pub(crate) permit: &'a Permit,
    /// What was shown.
    pub(crate) shown: Shown,
    /// What the identity must meet.
    pub(crate) needs: &'a Needs,
    /// The device that the request says it comes from.
    pub(crate) fingerprint: Option<[u8; 16]>,
    /// What that is used for.
    pub(crate) binding: Binding,
    /// When.
    pub(crate) now: Millis,
}

/// When the answer itself ends, or why there is none.
pub(crate) fn verify(asked: &Asked<'_>, found: &Found) -> Result<Millis, Refusal> {
    let Asked { permit, shown, needs, now, .. } = asked;
    let now = *now;
    within_bounds(needs)?;
    let (session, user) = (found.session.as_ref().ok_or(ErrorCode::Expired)?, found.user.as_ref());
    let own = match shown {
        Shown::Session(_) => session.cold.app == permit.app() && session.cold.kind == SessionKind::Cookie,
        Shown::Access { user, .. } => session.cold.user == *user && session.cold.kind == SessionKind::Token,
    };
    if !own {
        return Err(Refusal::new(ErrorCode::InvalidToken));
    }
    is_alive(user, session, &found.cut_offs, now).map_err(|dead| Refusal::new(dead.code()))?;
    let user = user.ok_or(ErrorCode::Revoked)?;
    if asked.binding == Binding::Enforce && session.contradicts(asked.fingerprint) {
        return Err(Refusal::new(ErrorCode::Reauthenticate));
    }
    let level_end = level_end(session);
    let level = level(session, now);
    let auth_age_ends =
        needs.max_auth_age.map(|seconds| session.hot.auth_time.plus(Duration::from_secs(seconds)));
    if needs.level.is_some_and(|wanted| wanted > level) || auth_age_ends.is_some_and(|end| now > end) {
        return Err(Refusal::new(ErrorCode::Reauthenticate));
    }
    if let Some(missing) = needs.roles.iter().find(|role| !user.roles.contains(role)) {
        let plain = missing.bytes().all(|byte| byte.is_ascii_graphic());
        let named = if plain { format!("the role \"{missing}\"") } else { "a role".to_owned() };
        let sentence = format!("the user does not have {named}, which this needs");
        return Err(Refusal::because(ErrorCode::RoleMissing, sentence));
    }
    let token_end = match shown {
        Shown::Session(_) => Millis::MAX,
        Shown::Access { expires, .. } => *expires,
    };
    let raised_end = if level > 1 { level_end } else { Millis::MAX };
    Ok(token_end.min(session.hot.idle_deadline).min(session.end()).min(raised_end))
}

/// Nobody has so many roles or such long ones; what goes back to the caller must be as short as what users can have.
fn within_bounds(needs: &Needs) -> Result<(), Refusal> {
    let names = needs.roles.iter().chain(&needs.audience);
    if needs.roles.len() <= ROLES && names.map(String::len).all(|bytes| bytes <= NAME_BYTES) {
        return Ok(());
    }
    Err(Refusal::because(
        ErrorCode::InvalidRequest,
        format!(
            "an identity can be asked for at most {ROLES} roles, and a role or an audience has at most {NAME_BYTES} bytes"
        ),
    ))
}

/// The level a session has now, which falls back to 1 when its time is over.
pub(crate) fn level(session: &Session, now: Millis) -> u8 {
    if now < level_end(session) { session.hot.level } else { 1 }
}

/// When a level above 1 falls back to it.
pub(crate) fn level_end(session: &Session) -> Millis {
    session.hot.auth_time.plus(Duration::from_secs(session.hot.level_seconds.into()))
}

/// How a session ended, and when, as far as its rows tell; nothing while it is alive or where there is none.
///
/// Of all that would have ended it the first is what did. Of what ends many at once only the last time is known, so it may have been earlier.
pub(crate) fn end_of(found: &Found, now: Millis) -> Option<(Dead, Option<Millis>)> {
    let session = found.session.as_ref()?;
    let dead = is_alive(found.user.as_ref(), session, &found.cut_offs, now).err()?;
    let own = session.hot.revoked.map(|revoked| match revoked.reason {
        Reason::Superseded => (revoked.reason, session.end()),
        reason => (reason, time_of(revoked.stamp)),
    });
    // When a user went is written nowhere but in the audit chain, so nobody can say here what came before or after it.
    let of_many = found.user.as_ref().map_or_else(Vec::new, |user| {
        let of_app = found.cut_offs.apps.get(&session.cold.app).copied().unwrap_or_default();
        let cut_offs = [
            (Reason::User, user.not_before),
            (Reason::Everything, found.cut_offs.everything),
            (Reason::App, of_app),
        ];
        cut_offs.into_iter().filter(|(_, stamp)| session.cold.opened <= *stamp).collect()
    });
    let by_itself = session.hot.idle_deadline.min(session.cold.absolute_deadline);
    let first = std::iter::once((Dead::Expired, by_itself))
        .chain(own.map(|(reason, at)| (Dead::Revoked(reason), at)))
        .chain(of_many.into_iter().map(|(reason, stamp)| (Dead::Revoked(reason), time_of(stamp))))
        .filter(|(_, at)| *at <= now)
        .min_by_key(|(_, at)| *at);
    Some(first.map_or((dead, None), |(dead, at)| (dead, Some(at))))
}

fn time_of(stamp: Stamp) -> Millis {
    Millis::from_u64(stamp.0 / 1000)
}

#[cfg(test)]
mod tests;
