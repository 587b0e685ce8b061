//! The heart: a permit, a command and the facts in, a decision out. A plain function.

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::time::Millis;

use super::command::{Case, Command, Refused};
use super::effect::{Decision, Effect, Event, Outcome};
use super::family::Binding;
use super::revocation::Target;
use super::session::{Session, touched};
use super::{account, family, keyset, login, reseal, revocation};

/// Decides one command on the facts of its own transaction.
pub(crate) fn decide(command: &Command, case: &Case<'_>) -> Decision {
    match command {
        Command::Attempt(login) => login::attempt(login, case),
        Command::Settle(settle) => login::settle(settle, case),
        Command::Refresh(refresh) => family::refresh(refresh, case),
        Command::Revoke(Target::Session(_)) => revocation::end_session(case),
        Command::Revoke(Target::UserOfApp { user, which }) => revocation::end_of_user(*user, which, case),
        Command::Revoke(Target::App(app)) => revocation::end_app(app, case),
        Command::Revoke(Target::User(name)) => revocation::end_user(name, case),
        Command::Revoke(Target::Everything) => revocation::end_everything(case),
        Command::Touch(_, fingerprint) => touch(*fingerprint, case),
        Command::Vouch(vouch) => login::vouch(vouch, case),
        Command::Redeem(redeem) => login::redeem(redeem, case),
        Command::AddUser(new) => account::add(new, case),
        Command::ChangeUser(name, change) => account::change(name, change, case),
        Command::Sweep => sweep(case),
        Command::RotateKey { new, under, emergency } => keyset::rotate(new, *under, *emergency, case),
        Command::RetireKey { kid, spare, under } => keyset::retire(kid, spare, *under, case),
        Command::TendKeys => keyset::tend(case),
        Command::BridgeMaster { under, bridge } => reseal::bridge(*under, bridge, case),
        Command::Reseal(resealed) => reseal::reseal(resealed, case),
        Command::Start => Decision::done(Event::Start, Outcome::Done),
        Command::Reopen => Decision::done(Event::Reopen, Outcome::Done),
        // Whatever an app was told, it may be told otherwise now.
        Command::Reload => Decision::done(Event::Reload, Outcome::Done).with(Effect::AskAnew),
        Command::Backup => Decision::done(Event::Backup, Outcome::Done),
        Command::Tell(event, detail) => Decision::done(*event, Outcome::Done).detail(detail.clone()),
        Command::NoteRefused(refused) => noted(refused),
    }
}

/// Nothing is decided: this is remembered.
fn noted(refused: &Refused) -> Decision {
    let asked = refused.operation.as_str();
    let detail = match refused.more {
        0 => asked.to_owned(),
        more => format!("{asked}: {more} more since the entry before"),
    };
    Decision::done(Event::CallRefused, Outcome::Done).detail(detail)
}

/// Once a minute at the most, which is what makes an event of another device bearable.
fn touch(fingerprint: Option<[u8; 16]>, case: &Case<'_>) -> Decision {
    let decision = Decision::silent(Outcome::Done);
    let living = case.facts.session.as_ref().filter(|session| case.is_alive(session).is_ok());
    let Some(session) = living else { return decision };
    match touched(session, case.policy.lifetimes.idle, case.at) {
        Some(hot) if case.policy.rotation.binding != Binding::Off && session.contradicts(fingerprint) => {
            Decision::done(Event::OtherDevice, Outcome::Done)
                .about_session(session)
                .with(Effect::of_use(session, hot))
        }
        Some(hot) => decision.with(Effect::of_use(session, hot)),
        None => decision,
    }
}

/// Looks at sessions whose place in the deadline index has come: one that was used since moves on, one that is over goes.
///
/// A session goes only when no token of it could mean anything any more. Until its absolute end the row of a killed family stays, so that its
/// tokens are told what happened; without the row they would be merely expired.
fn sweep(case: &Case<'_>) -> Decision {
    let facts = case.facts;
    let looked_at = facts.sessions.len().max(facts.old_revocations.len()).max(facts.old_failures.len());
    let looked_at = (looked_at as u64).max(facts.old_audit.map_or(0, |old| old.count()));
    let mut decision = Decision::silent(Outcome::Swept(looked_at));
    let due = facts.sessions.iter().zip(&facts.due);
    decision.effects.extend(due.flat_map(|(session, due)| swept(session, *due, case.at.now)));
    decision.effects.extend(facts.old_revocations.iter().map(|listed| Effect::ForgetRevocation(*listed)));
    decision.effects.extend(facts.old_failures.iter().map(|key| Effect::ForgetFailures(*key)));
    if let Some(old) = facts.old_audit {
        let (effect, audit) = old.removed();
        decision.effects.push(effect);
        decision.audit = Some(audit);
    }
    decision
}

fn swept(session: &Session, due: Millis, now: Millis) -> Vec<Effect> {
    let Session { id, cold, hot } = session;
    let moved = |to| Effect::MoveDeadline { session: *id, from: due, to };
    let over = hot.revoked.is_some() || now >= hot.idle_deadline;
    let keeps_its_answer = hot.revoked.is_some() || cold.kind == SessionKind::Token;
    if !over {
        vec![moved(hot.idle_deadline)]
    } else if keeps_its_answer && now < cold.absolute_deadline {
        vec![moved(cold.absolute_deadline), Effect::Unlist { session: *id, user: cold.user }]
    } else {
        vec![Effect::RemoveSession { session: *id, user: cold.user, due }]
    }
}

#[cfg(test)]
mod tests;
