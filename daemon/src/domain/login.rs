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
use super::throttle::{Counted, Crossed, OneMore};

/// Counts a try. Whether it may go on, the caller learns only after the same work as any other.
pub(crate) fn attempt(login: &Login, case: &Case<'_>) -> Decision {
    let (facts, policy, now) = (case.facts, &case.policy.throttle, case.at.now);
    let wait = facts.tried.wait(&login.source, policy, now);
    if !wait.is_zero() {
        // A try that is not looked at is not counted: else a stranger could prolong the owner's wait for ever. The counts are written as they
        // are, since a try that waits for no disk could be told by its time from one that does.
        let attempt = Attempt { allowed: false, credential: None, known: false, retry_after: wait };
        return Decision::silent(Outcome::Attempt(attempt)).with_all(written(facts.tried.unchanged()));
    }
    // A locked credential opens nothing; a code, which nobody can guess, still does.
    let locked = facts.tried.is_locked(policy);
    let user = facts.user.as_ref().filter(|user| !user.disabled && !locked);
    let credential = user.and_then(|user| {
        let hash = user.password.clone()?;
        Some(Credential { user: user.id, hash, version: user.credential_version })
    });
    let OneMore { counts, wait, crossed } = facts.tried.one_more(&login.source, policy, now);
    let outcome = Outcome::Attempt(Attempt {
        allowed: true,
        credential,
        known: facts.tried.strangers.is_none(),
        retry_after: wait,
    });
    let decision = match (crossed, &facts.user) {
        (Some(Crossed::Credential), Some(user)) => {
            let what = format!("{} failures in a row; set a password or make a code", policy.in_a_row);
            Decision::done(Event::LoginLocked, outcome).about_user(user.id).detail(what)
        }
        (Some(Crossed::Source), _) => {
            let from = Some(login.source.address.as_str()).filter(|address| !address.is_empty());
            Decision::done(Event::LoginSpray, outcome)
                .detail(format!("from {}", from.unwrap_or("an app without addresses")))
        }
        (Some(Crossed::App), _) => Decision::done(Event::LoginSpike, outcome)
            .detail(format!("{} failures an hour through this app", policy.per_app)),
        _ => Decision::silent(outcome),
    };
    decision.with_all(written(counts))
}

/// The counts as what the store is to have.
fn written(counts: Vec<Counted>) -> impl Iterator<Item = Effect> {
    counts.into_iter().map(|(key, count)| Effect::PutFailures(key, count))
}

/// Does what a right password was proved for, if the account is still what it was checked against.
pub(crate) fn settle(settle: &Settle, case: &Case<'_>) -> Decision {
    let event = match settle.purpose {
        Purpose::Login => Event::Login,
        Purpose::Reauthenticate(_) => Event::Reauthenticate,
        Purpose::ChangePassword(..) => Event::PasswordChange,
    };
    let Some(user) = proved(settle, case.facts.user.as_ref()) else {
        let user = case.facts.user.as_ref();
        return refused(event, settle.retry_after, why_not(settle.allowed, user, case), user);
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
        Purpose::Login => {
            on_device(open(event, &new(user, Proof::First), case), settle.login.device_of(user))
        }
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
    forgiven(decision, &settle.login, case)
}

/// Sets a password with a code and opens a session. Every way to fail is answered like a wrong password.
pub(crate) fn redeem(redeem: &Redeem, case: &Case<'_>) -> Decision {
    let now = case.at.now;
    let fits = |user: &&User| {
        let code = user.code.filter(|code| now < code.expires);
        !user.disabled && code.is_some() && code.map(|code| code.hash) == redeem.code
    };
    let Some(user) = case.facts.user.as_ref().filter(fits) else {
        let user = case.facts.user.as_ref();
        return refused(Event::CodeRedeem, redeem.retry_after, why_not(redeem.allowed, user, case), user);
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
    forgiven(decision, &redeem.login, case)
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

/// Says of a login that it was on a device that was not known before.
fn on_device(decision: Decision, known: Option<DeviceId>) -> Decision {
    let more = decision.audit.as_ref().map(|audit| audit.detail.clone()).filter(|detail| !detail.is_empty());
    match (known, more) {
        _ if decision.outcome.is_err() || known.is_some() => decision,
        (_, None) => decision.detail("new device".into()),
        (_, Some(more)) => decision.detail(format!("new device; {more}")),
    }
}

/// A success forgets what was counted against it.
fn forgiven(decision: Decision, login: &Login, case: &Case<'_>) -> Decision {
    if decision.outcome.is_ok() {
        let (clear, put) =
            case.facts.tried.clone().forgiven(&login.source, &case.policy.throttle, case.at.now);
        return decision.with_all(clear.into_iter().map(Effect::ClearFailures)).with_all(written(put));
    }
    decision
}

/// Unknown, wrong, disabled and throttled are one answer. The audit chain tells them apart.
fn refused(event: Event, retry_after: Duration, why: &str, user: Option<&User>) -> Decision {
    let refusal = Refusal::new(ErrorCode::InvalidCredentials).after(retry_after);
    let decision = Decision::refused(event, refusal).detail(why.to_owned());
    match user {
        Some(user) => decision.about_user(user.id),
        None => decision,
    }
}

/// Why a proof was not accepted, in stable words.
fn why_not(allowed: bool, user: Option<&User>, case: &Case<'_>) -> &'static str {
    match user {
        _ if !allowed => "too early",
        None => "no such user",
        Some(user) if user.disabled => "disabled",
        Some(_) if case.facts.tried.is_locked(&case.policy.throttle) => "locked",
        Some(_) => "wrong",
    }
}

#[cfg(test)]
mod tests;
