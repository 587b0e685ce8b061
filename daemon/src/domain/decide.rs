//! The heart: a permit, a command and the facts in, a decision out. A plain function.

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::time::Millis;

use super::command::{Case, Command};
use super::effect::{Decision, Effect, Event, Outcome};
use super::family::Binding;
use super::revocation::Target;
use super::session::{Session, touched};
use super::{account, family, login, revocation};

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
        Command::AddUser { name, password, roles } => account::add(name, password.as_ref(), roles, case),
        Command::ChangeUser(name, change) => account::change(name, change, case),
        Command::Sweep => sweep(case),
        Command::Start => Decision::done(Event::Start, Outcome::Done),
    }
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
                .with(Effect::PutHot(session.id, hot))
        }
        Some(hot) => decision.with(Effect::PutHot(session.id, hot)),
        None => decision,
    }
}

/// Looks at sessions whose place in the deadline index has come: one that was used since moves on, one that is over goes.
///
/// A session goes only when no token of it could mean anything any more. Until its absolute end the row of a killed family stays, so that its
/// tokens are told what happened; without the row they would be merely expired.
fn sweep(case: &Case<'_>) -> Decision {
    let (facts, at) = (case.facts, case.at);
    let mut decision = Decision::silent(Outcome::Swept(facts.sessions.len() as u64));
    decision.effects.extend(facts.sessions.iter().zip(&facts.due).map(|(session, due)| {
        let next = next_due(session);
        if next > at.now {
            Effect::MoveDeadline { session: session.id, from: *due, to: next }
        } else {
            Effect::RemoveSession { session: session.id, user: session.cold.user, due: *due }
        }
    }));
    decision.effects.extend(facts.old_revocations.iter().map(|listed| Effect::ForgetRevocation(*listed)));
    decision
}

/// When a session's rows may go.
fn next_due(session: &Session) -> Millis {
    let keeps_its_answer = session.hot.revoked.is_some() || session.cold.kind == SessionKind::Token;
    if keeps_its_answer { session.cold.absolute_deadline } else { session.hot.idle_deadline }
}

#[cfg(test)]
mod tests;
