//! Refresh families: what a refresh token is worth, told by its counter alone.
//!
//! A family is one number in a session's hot row, not a row per token. The MAC has said that the token is genuine before anything here runs,
//! so a wrong counter is never garbage: it is an older token, or a store that was rolled back.

use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::Millis;

use super::account::User;
use super::command::{Case, RefreshCommand};
use super::effect::{AccessPlan, Decision, Effect, Event, GrantPlan, Outcome, Tokens};
use super::revocation::{Reason, ended};
use super::session::{Hot, Session, idle_deadline};
use super::time::Moment;

/// The truncated hash of a client's attempt id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttemptHash(pub(crate) [u8; 6]);

/// Sixteen bits that tell whether two requests came from the same address with the same user agent, most of the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ContextTag(pub(crate) u16);

/// The part of a minute's allowed rotations that is used up, in 65,535ths; it drains as time goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Debt(pub(crate) u16);

/// How rotation behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RotationPolicy {
    /// How long after a rotation the token before it gets the same answer again. It counts from the rotation and never slides.
    pub(crate) retry_window: Duration,
    /// Rotations of one session a minute; 0 for no limit. Retries do not count.
    pub(crate) per_minute: u16,
    /// Whether a contradicting device fingerprint rules a retry out.
    pub(crate) binding: Binding,
}

/// What the fingerprint of a device is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Binding {
    /// Nothing.
    Off,
    /// A retry from another device is no retry, and use from another device is an event.
    Record,
    /// And use from another device asks for the password again.
    Enforce,
}

/// How long the attempt that made a rotation may be repeated.
pub(crate) const ATTEMPT_WINDOW: Duration = Duration::from_mins(10);
/// How often one rotation is answered again.
pub(crate) const RETRIES: u8 = 128;

/// What a genuine refresh token of a living session is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is the current one.
    Current,
    /// It is the one before, and its answer may have been lost.
    Retry,
    /// It is the one before, and its answer was repeated too often.
    Exhausted,
    /// It was used before.
    Reuse,
    /// The store does not know it yet.
    Ahead,
}

/// The rotation table.
pub(crate) fn worth(
    session: &Session,
    command: &RefreshCommand,
    policy: &RotationPolicy,
    at: &Moment,
) -> Worth {
    let (hot, counter) = (&session.hot, command.counter);
    if counter == hot.counter {
        return Worth::Current;
    }
    if counter > hot.counter {
        return Worth::Ahead;
    }
    // Time in which nobody could have asked does not use the window up.
    let elapsed = at.outage.served_since(hot.rotated_at, at.now);
    let other_device = policy.binding != Binding::Off && session.contradicts(command.origin.fingerprint);
    let in_window = elapsed < policy.retry_window && !other_device;
    let same_attempt =
        command.attempt.is_some() && command.attempt == hot.attempt && elapsed < ATTEMPT_WINDOW;
    if counter + 1 != hot.counter || !(in_window || same_attempt) {
        return Worth::Reuse;
    }
    if hot.retries >= RETRIES { Worth::Exhausted } else { Worth::Retry }
}

/// Exchanges a refresh token. Whatever ends the family is an effect of this decision, so it is on disk before the refusal is spoken.
pub(crate) fn refresh(command: &RefreshCommand, case: &Case<'_>) -> Decision {
    // A genuine token whose row is gone belonged to a session that is over and swept away.
    let Some(session) = &case.facts.session else {
        return Decision::refused(Event::Refresh, ErrorCode::Expired);
    };
    let own = session.cold.app == case.permit.app();
    let user = match (case.is_alive(session), &case.facts.user) {
        (Ok(()), Some(user)) => user,
        (Err(dead), _) if own => {
            return Decision::refused(Event::Refresh, dead.code()).about_session(session);
        }
        // Another app learns nothing of the session, not even that it is over.
        _ => return Decision::refused(Event::Refresh, ErrorCode::InvalidToken).about_session(session),
    };
    if !own {
        return Decision::refused(Event::RefreshOtherApp, ErrorCode::InvalidToken)
            .about_session(session)
            .with(ended(session, Reason::OtherApp, case.at));
    }
    match worth(session, command, &case.policy.rotation, case.at) {
        Worth::Current => rotate(session, user, command, case),
        Worth::Retry => answer_again(session, user, command, case),
        Worth::Exhausted => {
            Decision::refused(Event::RefreshRetry, ErrorCode::RateLimited).about_session(session)
        }
        Worth::Reuse => {
            kill(session, command, Event::RefreshReuse, ErrorCode::Reused, Reason::Reuse, case.at)
        }
        Worth::Ahead => {
            kill(session, command, Event::RefreshRollback, ErrorCode::Revoked, Reason::Rollback, case.at)
        }
    }
}

fn kill(
    session: &Session,
    command: &RefreshCommand,
    event: Event,
    code: ErrorCode,
    reason: Reason,
    at: &Moment,
) -> Decision {
    Decision::refused(event, code)
        .about_session(session)
        .detail(format!("token {} of a family at {}", command.counter, session.hot.counter))
        .with(ended(session, reason, at))
}

fn rotate(session: &Session, user: &User, command: &RefreshCommand, case: &Case<'_>) -> Decision {
    let (hot, at) = (&session.hot, case.at);
    let refused = |refusal| Decision::refused(Event::Refresh, refusal).about_session(session);
    // A request that may not have what it asks for must not cost the caller its token.
    let audience = match case.permit.audience(command.audience.as_deref()) {
        Ok(audience) => audience,
        Err(refusal) => return refused(refusal),
    };
    if case.policy.rotation.binding == Binding::Enforce && session.contradicts(command.origin.fingerprint) {
        return refused(ErrorCode::Reauthenticate.into());
    }
    let debt = match hot.debt.one_more(hot.rotated_at, at.now, case.policy.rotation.per_minute) {
        Ok(debt) => debt,
        Err(wait) => return refused(Refusal::new(ErrorCode::RateLimited).after(wait)),
    };
    let Some(counter) = hot.counter.checked_add(1) else { return refused(ErrorCode::Expired.into()) };
    let next = Hot {
        last_seen: at.now,
        idle_deadline: idle_deadline(at.now, case.policy.lifetimes.idle, session.end()),
        counter,
        rotated_at: at.now,
        mac_key: case.facts.keys.mac,
        attempt: command.attempt,
        retries: 0,
        tag: command.tag,
        debt,
        ..hot.clone()
    };
    // A rotation writes one hot row and nothing else, so it leaves no audit row either.
    Decision::silent(granted(session, &next, user, audience, case)).with(Effect::of_use(session, next))
}

/// The same token again, without an advance: the family has one successor however often its answer is lost.
fn answer_again(session: &Session, user: &User, command: &RefreshCommand, case: &Case<'_>) -> Decision {
    let audience = match case.permit.audience(command.audience.as_deref()) {
        Ok(audience) => audience,
        Err(refusal) => return Decision::refused(Event::RefreshRetry, refusal).about_session(session),
    };
    let hot = Hot { retries: session.hot.retries.saturating_add(1), ..session.hot.clone() };
    let outcome = granted(session, &hot, user, audience, case);
    let decision = if command.tag != session.hot.tag {
        Decision::done(Event::RefreshRetry, outcome)
            .detail("from another address or user agent than the rotation".to_owned())
    } else if hot.retries == 1 {
        Decision::done(Event::RefreshRetry, outcome)
    } else {
        // The first retry of a rotation is one audit row; the hot row counts the rest.
        Decision::silent(outcome)
    };
    decision.about_session(session).with(Effect::of_use(session, hot))
}

fn granted(session: &Session, hot: &Hot, user: &User, audience: String, case: &Case<'_>) -> Outcome {
    Outcome::Granted(Box::new(GrantPlan {
        user: user.id,
        session: session.id,
        idle_deadline: hot.idle_deadline,
        absolute_deadline: session.end(),
        tokens: Tokens::Token {
            access: Box::new(AccessPlan::new(user, session, hot, audience, case)),
            counter: hot.counter,
            mac_key: hot.mac_key,
        },
        device: None,
    }))
}

impl Debt {
    const FULL: u64 = u16::MAX as u64;
    const MINUTE_MS: u64 = 60_000;

    /// The debt after one more rotation, or how long until there is room for it.
    fn one_more(self, last: Millis, now: Millis, per_minute: u16) -> Result<Self, Duration> {
        if per_minute == 0 {
            return Ok(Self(0));
        }
        let elapsed = now.as_u64().saturating_sub(last.as_u64()).min(Self::MINUTE_MS);
        let left = u64::from(self.0).saturating_sub(elapsed * Self::FULL / Self::MINUTE_MS);
        let after = left + Self::FULL / u64::from(per_minute);
        match u16::try_from(after) {
            Ok(debt) => Ok(Self(debt)),
            Err(_) => {
                Err(Duration::from_millis(((after - Self::FULL) * Self::MINUTE_MS).div_ceil(Self::FULL)))
            }
        }
    }
}

/// The refresh token a session starts with.
pub(crate) const FIRST: u32 = 1;

#[cfg(test)]
mod tests;
