//! Logging in, in two steps: the try is counted, the password is hashed outside the writer, and the result is settled.

use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::DeviceId;
use hallpass_protocol::time::Stamp;

use super::account::{PasswordHash, User};
use super::command::{Case, Login, Purpose, Redeem, Settle, Vouch};
use super::effect::{Attempt, Credential, Decision, Effect, Event, Outcome};
use super::opening::{NewSession, Proof, open};
use super::revocation::{Reason, ended};
use super::session::Session;
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
        match user.and_then(|user| Some((user.id, self.device_of(user)?))) {
            Some((owner, device)) => Budgets { source: ThrottleKey::Device(owner, device), credential: None },
            None => Budgets {
                source: ThrottleKey::Source(self.name.clone(), self.source.clone()),
                credential: Some(ThrottleKey::Credential(self.name.clone())),
            },
        }
    }

    /// The device this comes from, if it is known to this user.
    fn device_of(&self, user: &User) -> Option<DeviceId> {
        self.device.filter(|(owner, _)| *owner == user.id).map(|(_, device)| device)
    }
}

/// Counts a try. Whether it may go on, the caller learns only after the same work as any other.
pub(crate) fn attempt(login: &Login, case: &Case<'_>) -> Decision {
    let (facts, at) = (case.facts, case.at);
    let wait = facts.by_source.wait(at.now);
    let budgets = login.budgets(facts.user.as_ref());
    if !wait.is_zero() {
        // A try that is not looked at is not counted: else a stranger could prolong the owner's wait for ever.
        let attempt = Attempt { allowed: false, credential: None, retry_after: wait };
        return Decision::silent(Outcome::Attempt(attempt));
    }
    let by_source = facts.by_source.counted(at.now);
    // A locked credential opens nothing; a code, which nobody can guess, still does.
    let locked = budgets.credential.is_some() && facts.by_credential.exhausted();
    let user = facts.user.as_ref().filter(|user| !user.disabled && !locked);
    let credential = user.and_then(|user| {
        let hash = user.password.clone()?;
        Some(Credential { user: user.id, hash, version: user.credential_version })
    });
    let attempt = Attempt { allowed: true, credential, retry_after: by_source.wait(at.now) };
    let outcome = Outcome::Attempt(attempt);
    let by_credential = facts.by_credential.counted(at.now);
    let locks = budgets.credential.is_some() && !locked && by_credential.exhausted();
    let mut decision = match &facts.user {
        Some(user) if locks => Decision::done(Event::LoginLocked, outcome).about_user(user.id),
        _ => Decision::silent(outcome),
    };
    decision.effects.push(Effect::PutFailures(budgets.source, by_source));
    decision.effects.extend(budgets.credential.map(|key| Effect::PutFailures(key, by_credential)));
    decision
}

/// Does what a right password was proved for, if the account is still what it was checked against.
pub(crate) fn settle(settle: &Settle, case: &Case<'_>) -> Decision {
    let event = match settle.purpose {
        Purpose::Login => Event::Login,
        Purpose::Reauthenticate(_) => Event::Reauthenticate,
        Purpose::ChangePassword(..) => Event::PasswordChange,
    };
    let Some(user) = proved(settle, case.facts.user.as_ref()) else {
        return refused(event, settle.retry_after, case.facts.user.as_ref());
    };
    let user = match &settle.rehash {
        Some(stronger) => &User { password: Some(stronger.clone()), ..user.clone() },
        None => user,
    };
    let new = |user, proof| NewSession {
        user,
        proof,
        opening: &settle.opening,
        amr: vec!["pwd".to_owned()],
        device: settle.login.device_of(user),
    };
    let decision = match &settle.purpose {
        Purpose::Login => open(event, &new(user, Proof::First), case),
        Purpose::Reauthenticate(_) => match replaceable(user, case) {
            Err(refusal) => return Decision::refused(event, refusal).about_user(user.id),
            Ok(old) => open(event, &new(user, Proof::Again(old)), case).only_if_done(ended(
                old,
                Reason::Superseded,
                case.at,
            )),
        },
        Purpose::ChangePassword(_, password) => match replaceable(user, case) {
            Err(refusal) => return Decision::refused(event, refusal).about_user(user.id),
            Ok(old) => {
                let user = with_new_password(user, password, case);
                open(event, &new(&user, Proof::Again(old)), case).only_if_done(Effect::PutUser(user))
            }
        },
    };
    let decision = match (&settle.purpose, &settle.rehash) {
        (Purpose::ChangePassword(..), _) | (_, None) => decision,
        (_, Some(_)) => decision.only_if_done(Effect::PutUser(user.clone())),
    };
    forgiven(decision, &settle.login, user)
}

/// Sets a password with a code and opens a session. Every way to fail is answered like a wrong password.
pub(crate) fn redeem(redeem: &Redeem, case: &Case<'_>) -> Decision {
    let now = case.at.now;
    let fits = |user: &&User| {
        let code = user.code.filter(|code| now < code.expires);
        !user.disabled && code.is_some() && code.map(|code| code.hash) == redeem.code
    };
    let Some(user) = case.facts.user.as_ref().filter(fits) else {
        return refused(Event::CodeRedeem, redeem.retry_after, case.facts.user.as_ref());
    };
    let user = with_new_password(user, &redeem.password, case);
    let new = NewSession {
        user: &user,
        proof: Proof::First,
        opening: &redeem.opening,
        amr: vec!["otp".to_owned()],
        device: redeem.login.device_of(&user),
    };
    let decision = open(Event::CodeRedeem, &new, case).only_if_done(Effect::PutUser(user.clone()));
    forgiven(decision, &redeem.login, &user)
}

/// Opens a session on the word of an app. A user who is not there and one who may not log in are one answer.
pub(crate) fn vouch(vouch: &Vouch, case: &Case<'_>) -> Decision {
    let Some(user) = case.facts.user.as_ref().filter(|user| !user.disabled) else {
        let refusal = Refusal::because(ErrorCode::NotFound, "there is no such user who may log in");
        return Decision::refused(Event::Vouch, refusal);
    };
    let new = NewSession {
        user,
        proof: Proof::First,
        opening: &vouch.opening,
        amr: vouch.amr.clone(),
        device: None,
    };
    open(Event::Vouch, &new, case)
}

/// The user whose password was right, unless the account has changed since it was looked at.
fn proved<'a>(settle: &Settle, user: Option<&'a User>) -> Option<&'a User> {
    let (proved, user) = settle.proved.as_ref().zip(user)?;
    let same = user.id == proved.user && user.credential_version == proved.version && !user.disabled;
    same.then_some(user)
}

/// The session that a new one is to replace: alive, of this user and app, and not replaced before.
fn replaceable<'a>(user: &User, case: &Case<'a>) -> Result<&'a Session, Refusal> {
    let own = |session: &&Session| session.cold.user == user.id && case.permit.reaches(&session.cold.app);
    let session = case.facts.session.as_ref().filter(own).ok_or(ErrorCode::InvalidToken)?;
    case.is_alive(session).map_err(|dead| Refusal::new(dead.code()))?;
    if session.hot.revoked.is_some() { Err(ErrorCode::Superseded.into()) } else { Ok(session) }
}

/// The user with another password. Every session opened before this very change is dead; the one it opens is not.
fn with_new_password(user: &User, password: &PasswordHash, case: &Case<'_>) -> User {
    User {
        password: Some(password.clone()),
        credential_version: user.credential_version.wrapping_add(1),
        not_before: Stamp(case.at.stamp.0 - 1),
        code: None,
        ..user.clone()
    }
}

/// A success forgets what was counted against it.
fn forgiven(decision: Decision, login: &Login, user: &User) -> Decision {
    let budgets = login.budgets(Some(user));
    let decision = decision.only_if_done(Effect::ClearFailures(budgets.source));
    match budgets.credential {
        Some(key) => decision.only_if_done(Effect::ClearFailures(key)),
        None => decision,
    }
}

/// Unknown, wrong, disabled and throttled are one answer.
fn refused(event: Event, retry_after: Duration, user: Option<&User>) -> Decision {
    let refusal = Refusal::new(ErrorCode::InvalidCredentials).after(retry_after);
    let decision = Decision::refused(event, refusal);
    match user {
        Some(user) => decision.about_user(user.id),
        None => decision,
    }
}

#[cfg(test)]
mod tests;
