//! Opening a session, whoever asks for it: the audience, the room for it, its rows and its first tokens.

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{DeviceId, SessionId};

use super::account::User;
use super::command::{Case, Opening, WhenFull};
use super::effect::{AccessPlan, Decision, Effect, Event, GrantPlan, Outcome, Tokens};
use super::family::{Debt, FIRST};
use super::revocation::{Reason, ended};
use super::session::{Cold, Hot, Session, idle_deadline};

/// A session to be opened, once it is settled that it may be.
pub(crate) struct NewSession<'a> {
    /// Whose, as they will be when it is open.
    pub(crate) user: &'a User,
    /// What it rests on.
    pub(crate) proof: Proof<'a>,
    /// How it is to be opened.
    pub(crate) opening: &'a Opening,
    /// How the user proved who they are.
    pub(crate) amr: Vec<String>,
    /// The known device it is opened on.
    pub(crate) device: Option<DeviceId>,
}

/// What a new session rests on.
pub(crate) enum Proof<'a> {
    /// A proof of its own.
    First,
    /// Another proof by the user of this session, which it replaces: it ends when that would have, and has a raised level for a while.
    Again(&'a Session),
}

/// The level after a login, and after another proof.
const LEVELS: [u8; 2] = [1, 2];

/// Opens a session, or says why there can be none. A session that is always new is what makes fixation impossible.
pub(crate) fn open(event: Event, new: &NewSession<'_>, case: &Case<'_>) -> Decision {
    let ready = case
        .permit
        .audience(new.opening.audience.as_deref())
        .and_then(|audience| Ok((audience, make_room(new, case)?)));
    let (audience, evicted) = match ready {
        Ok(ready) => ready,
        Err(refusal) => return Decision::refused(event, refusal).about_user(new.user.id),
    };
    let session = rows(new, case);
    let mut decision = Decision::done(event, granted(&session, new, audience, case)).about_session(&session);
    decision.effects.push(Effect::OpenSession(Box::new(session)));
    if let Some(evicted) = evicted {
        let detail = format!("{} made room", evicted.id);
        decision = decision.detail(detail).with(ended(evicted, Reason::Evicted, case.at));
    }
    decision
}

/// The session that has to go so that one more can be opened, if any. One that takes another's place needs no room.
fn make_room<'a>(new: &NewSession<'_>, case: &Case<'a>) -> Result<Option<&'a Session>, Refusal> {
    let stays =
        |session: &&Session| case.is_alive(session).is_ok() && session.cold.opened > new.user.not_before;
    let living = || case.facts.sessions.iter().filter(stays);
    if matches!(new.proof, Proof::Again(_)) || living().count() < case.policy.max_sessions {
        return Ok(None);
    }
    match case.policy.when_full {
        WhenFull::EvictOldest => Ok(living().min_by_key(|session| session.cold.opened)),
        WhenFull::Refuse => Err(Refusal::new(ErrorCode::TooManySessions)),
    }
}

fn rows(new: &NewSession<'_>, case: &Case<'_>) -> Session {
    let (lifetimes, at) = (&case.policy.lifetimes, case.at);
    let (kind, absolute_deadline, level, level_seconds) = match new.proof {
        Proof::First => (new.opening.kind, at.now.plus(lifetimes.absolute), LEVELS[0], 0),
        Proof::Again(old) => {
            let seconds = u32::try_from(lifetimes.level.as_secs()).unwrap_or(u32::MAX);
            (old.cold.kind, old.cold.absolute_deadline, LEVELS[1], seconds)
        }
    };
    Session {
        id: SessionId::new(at.now, case.random_in_order()),
        cold: Cold {
            user: new.user.id,
            app: case.permit.app().to_owned(),
            kind,
            opened: at.stamp,
            absolute_deadline,
            amr: new.amr.clone(),
            origin: new.opening.origin.clone(),
        },
        hot: Hot {
            last_seen: at.now,
            idle_deadline: idle_deadline(at.now, lifetimes.idle, absolute_deadline),
            auth_time: at.now,
            level,
            level_seconds,
            counter: FIRST,
            rotated_at: at.now,
            mac_key: case.facts.keys.mac,
            attempt: None,
            retries: 0,
            tag: new.opening.tag,
            debt: Debt::default(),
            revoked: None,
        },
    }
}

fn granted(session: &Session, new: &NewSession<'_>, audience: String, case: &Case<'_>) -> Outcome {
    let mac_key = case.facts.keys.mac;
    let tokens = match session.cold.kind {
        SessionKind::Cookie => Tokens::Cookie { mac_key },
        SessionKind::Token => Tokens::Token {
            access: Box::new(AccessPlan::new(new.user, session, &session.hot, audience, case)),
            counter: session.hot.counter,
            mac_key,
        },
    };
    let device = new.device.unwrap_or(DeviceId::from_bytes(case.fresh.device));
    Outcome::Granted(Box::new(GrantPlan {
        user: new.user.id,
        session: session.id,
        idle_deadline: session.hot.idle_deadline,
        absolute_deadline: session.cold.absolute_deadline,
        tokens,
        device: Some((device, mac_key)),
    }))
}
