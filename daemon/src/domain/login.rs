//! Logging in, in two steps: the try is counted, the password is hashed outside the writer, and the result is settled.

use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{DeviceId, SessionId};

use super::account::User;
use super::command::{Case, Login, Settle, WhenFull};
use super::effect::{AccessPlan, Attempt, Credential, Decision, Effect, Event, GrantPlan, Outcome, Tokens};
use super::family::{Debt, FIRST};
use super::revocation::{Reason, ended};
use super::session::{Cold, Hot, Session, idle_deadline};
use super::throttle::ThrottleKey;

/// The budgets that a try uses.
pub(crate) struct Budgets {
    /// The one of its source, or its own for a known device.
    pub(crate) source: ThrottleKey,
    /// The one of the credential itself, which a known device does not use: so others cannot lock the owner out.
    pub(crate) credential: Option<ThrottleKey>,
}

impl Login {
    /// The budgets that a try for this user uses. A device counts only for the user it is known to: with their own device token nobody gets more
    /// tries at somebody else's password.
    pub(crate) fn budgets(&self, user: Option<&User>) -> Budgets {
        match self.known_device(user) {
            Some(device) => Budgets { source: device, credential: None },
            None => Budgets {
                source: ThrottleKey::Source(self.name.clone(), self.source.clone()),
                credential: Some(ThrottleKey::Credential(self.name.clone())),
            },
        }
    }

    fn known_device(&self, user: Option<&User>) -> Option<ThrottleKey> {
        let (owner, device) = self.device?;
        (user?.id == owner).then_some(ThrottleKey::Device(owner, device))
    }
}

/// Counts a try. Whether it may go on, the caller learns only after the same work as any other.
pub(crate) fn attempt(login: &Login, case: &Case<'_>) -> Decision {
    let (facts, at) = (case.facts, case.at);
    let wait = facts.by_source.wait(at.now);
    let budgets = login.budgets(facts.user.as_ref());
    let locked = budgets.credential.is_some() && facts.by_credential.exhausted();
    if !wait.is_zero() || locked {
        // A try that is not looked at is not counted: else a stranger could prolong the owner's wait for ever.
        return Decision::silent(Outcome::Attempt(Attempt { credential: None, retry_after: wait }));
    }
    let by_source = facts.by_source.counted(at.now);
    let credential = facts.user.as_ref().filter(|user| !user.disabled).and_then(|user| {
        let hash = user.password.clone()?;
        Some(Credential { user: user.id, hash, version: user.credential_version })
    });
    let outcome = Outcome::Attempt(Attempt { credential, retry_after: by_source.wait(at.now) });
    let decision = Decision::silent(outcome).with(Effect::PutFailures(budgets.source, by_source));
    match budgets.credential {
        Some(key) => decision.with(Effect::PutFailures(key, facts.by_credential.counted(at.now))),
        None => decision,
    }
}

/// Opens the session if the password was right and the account is still what it was checked against.
pub(crate) fn settle(settle: &Settle, case: &Case<'_>) -> Decision {
    let Some(user) = proved(settle, case.facts.user.as_ref()) else {
        return refused(settle.retry_after, case.facts.user.as_ref());
    };
    let ready = case
        .permit
        .audience(settle.audience.as_deref())
        .and_then(|audience| Ok((audience, make_room(case)?)));
    let (audience, evicted) = match ready {
        Ok(ready) => ready,
        Err(refusal) => return Decision::refused(Event::Login, refusal).about_user(user.id),
    };
    let session = open(settle, user, case);
    let mut decision =
        Decision::done(Event::Login, granted(&session, settle, user, audience, case)).about_session(&session);
    if let Some(evicted) = evicted {
        let detail = format!("{} made room", evicted.id);
        decision = decision.detail(detail).with(ended(evicted, Reason::Evicted, case.at));
    }
    if let Some(rehash) = &settle.rehash {
        decision = decision.with(Effect::PutUser(User { password: Some(rehash.clone()), ..user.clone() }));
    }
    let budgets = settle.login.budgets(Some(user));
    decision.effects.push(Effect::OpenSession(Box::new(session)));
    decision.effects.push(Effect::ClearFailures(budgets.source));
    decision.effects.extend(budgets.credential.map(Effect::ClearFailures));
    decision
}

/// The user whose password was right, unless the account has changed since it was looked at.
fn proved<'a>(settle: &Settle, user: Option<&'a User>) -> Option<&'a User> {
    let (proved, user) = settle.proved.as_ref().zip(user)?;
    let same = user.id == proved.user && user.credential_version == proved.version && !user.disabled;
    same.then_some(user)
}

/// Unknown, wrong, disabled and throttled are one answer.
fn refused(retry_after: Duration, user: Option<&User>) -> Decision {
    let refusal = Refusal::new(ErrorCode::InvalidCredentials).after(retry_after);
    let decision = Decision::refused(Event::Login, refusal);
    match user {
        Some(user) => decision.about_user(user.id),
        None => decision,
    }
}

/// The session that has to go so that one more can be opened, if any.
fn make_room<'a>(case: &Case<'a>) -> Result<Option<&'a Session>, Refusal> {
    let living = || case.facts.sessions.iter().filter(|session| case.is_alive(session).is_ok());
    if living().count() < case.policy.max_sessions {
        return Ok(None);
    }
    match case.policy.when_full {
        WhenFull::EvictOldest => Ok(living().min_by_key(|session| session.cold.opened)),
        WhenFull::Refuse => Err(Refusal::new(ErrorCode::TooManySessions)),
    }
}

fn open(settle: &Settle, user: &User, case: &Case<'_>) -> Session {
    let (policy, at) = (case.policy, case.at);
    let absolute_deadline = at.now.plus(policy.lifetimes.absolute);
    Session {
        id: SessionId::new(at.now, case.fresh.id),
        cold: Cold {
            user: user.id,
            app: case.permit.app().to_owned(),
            kind: settle.kind,
            opened: at.stamp,
            absolute_deadline,
            amr: vec!["pwd".to_owned()],
            origin: settle.origin.clone(),
        },
        hot: Hot {
            last_seen: at.now,
            idle_deadline: idle_deadline(at.now, policy.lifetimes.idle, absolute_deadline),
            auth_time: at.now,
            level: 1,
            level_seconds: 0,
            counter: FIRST,
            rotated_at: at.now,
            mac_key: case.facts.keys.mac,
            attempt: None,
            retries: 0,
            tag: settle.tag,
            debt: Debt::default(),
            revoked: None,
        },
    }
}

fn granted(session: &Session, settle: &Settle, user: &User, audience: String, case: &Case<'_>) -> Outcome {
    let mac_key = case.facts.keys.mac;
    let tokens = match session.cold.kind {
        SessionKind::Cookie => Tokens::Cookie { mac_key },
        SessionKind::Token => Tokens::Token {
            access: Box::new(AccessPlan::new(user, session, &session.hot, audience, case)),
            counter: session.hot.counter,
            mac_key,
        },
    };
    let known = settle.login.device.filter(|(owner, _)| *owner == user.id);
    let device = known.map_or(DeviceId::from_bytes(case.fresh.device), |(_, device)| device);
    Outcome::Granted(Box::new(GrantPlan {
        user: user.id,
        session: session.id,
        idle_deadline: session.hot.idle_deadline,
        absolute_deadline: session.cold.absolute_deadline,
        tokens,
        device: Some((device, mac_key)),
    }))
}

#[cfg(test)]
mod tests;
