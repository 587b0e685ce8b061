//! Taking sessions back: what can be named, and how it is done.

use std::collections::BTreeMap;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Stamp;

use super::account::{Name, User, no_such_user};
use super::command::Case;
use super::effect::{Decision, Effect, Event, Outcome};
use super::session::{Hot, Session};
use super::time::Moment;

/// A revocation as stored with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// When, in the order of all changes.
    pub(crate) stamp: Stamp,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why a session was taken back. The numbers are stored: new ones go at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Somebody logged out or ended it.
    Revoked = 1,
    /// A refresh token was used twice.
    Reuse = 2,
    /// A refresh token was ahead of the store, which must have been rolled back.
    Rollback = 3,
    /// A genuine refresh token was shown by another app.
    OtherApp = 4,
    /// The user opened more sessions than the policy allows.
    Evicted = 5,
    /// The user's sessions were ended together.
    User = 6,
    /// The user is gone.
    UserRemoved = 7,
    /// Every session was ended.
    Everything = 8,
    /// The user proved who they are again, and a newer session took its place.
    Superseded = 9,
    /// Every session that its app opened was ended.
    App = 10,
}

impl Reason {
    /// Every reason, for reading stored rows.
    pub(crate) const ALL: [Self; 10] = [
        Self::Revoked,
        Self::Reuse,
        Self::Rollback,
        Self::OtherApp,
        Self::Evicted,
        Self::User,
        Self::UserRemoved,
        Self::Everything,
        Self::Superseded,
        Self::App,
    ];

    /// The reason as a stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::Rollback => "rollback",
            Self::OtherApp => "other_app",
            Self::Evicted => "evicted",
            Self::User => "user",
            Self::UserRemoved => "user_removed",
            Self::Everything => "everything",
            Self::Superseded => "superseded",
            Self::App => "app",
        }
    }
}

/// Stamps that end many sessions at once: those opened at or before them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CutOffs {
    /// Ends every session.
    pub(crate) everything: Stamp,
    /// Ends every session that an app opened, by the app's name.
    pub(crate) apps: BTreeMap<String, Stamp>,
}

/// What to take back.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// One session.
    Session(SessionId),
    /// Sessions of a user with the calling app or, for an administrator, with any.
    UserOfApp {
        /// Whose.
        user: UserId,
        /// Which of them.
        which: Which,
    },
    /// Every session that an app opened.
    App(String),
    /// All of a user's sessions.
    User(Name),
    /// Every session.
    Everything,
}

/// Which sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// All but this one.
    AllBut(SessionId),
    /// Those on devices of this label.
    Device(String),
}

impl Which {
    fn names(&self, session: &Session) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(spared) => session.id != *spared,
            Self::Device(label) => session.cold.origin.device_label.as_ref() == Some(label),
        }
    }
}

/// A session's row once it is taken back.
pub(crate) fn ended(session: &Session, reason: Reason, at: &Moment) -> Effect {
    let revoked = Some(Revocation { stamp: at.stamp, reason });
    Effect::PutHot(session.id, Hot { revoked, ..session.hot.clone() })
}

/// Ends one session. Another app's session is answered like an unknown one; ending one that is over already succeeds.
pub(crate) fn end_session(case: &Case<'_>) -> Decision {
    let reached = case.facts.session.as_ref().filter(|session| case.permit.reaches(&session.cold.app));
    let Some(session) = reached else {
        return Decision::refused(
            Event::SessionRevoke,
            Refusal::because(ErrorCode::NotFound, "there is no such session; it may be over and swept away"),
        );
    };
    let done =
        |sessions| Decision::done(Event::SessionRevoke, Outcome::Ended(sessions)).about_session(session);
    match case.is_alive(session) {
        Ok(()) => done(1).with(ended(session, Reason::Revoked, case.at)),
        // On record since it ended; whoever asks again may do so because the answer was lost.
        Err(_) => Decision::silent(Outcome::Ended(0)).with(Effect::SayAgain(session.id)),
    }
}

/// Ends sessions of a user, as far as the caller reaches them.
pub(crate) fn end_of_user(user: UserId, which: &Which, case: &Case<'_>) -> Decision {
    let own = |session: &&Session| case.permit.reaches(&session.cold.app) && which.names(session);
    let doomed: Vec<_> =
        case.facts.sessions.iter().filter(own).filter(|session| case.is_alive(session).is_ok()).collect();
    let mut decision =
        Decision::done(Event::UserRevoke, Outcome::Ended(doomed.len() as u64)).about_user(user);
    decision.effects.extend(doomed.iter().map(|session| ended(session, Reason::Revoked, case.at)));
    decision
}

/// Ends all of a user's sessions by raising the stamp they must be opened after.
pub(crate) fn end_user(name: &Name, case: &Case<'_>) -> Decision {
    let Some(user) = &case.facts.user else {
        return Decision::refused(Event::UserRevoke, no_such_user()).about_name(name);
    };
    let living = case.facts.sessions.iter().filter(|session| case.is_alive(session).is_ok()).count();
    Decision::done(Event::UserRevoke, Outcome::Ended(living as u64))
        .about_user(user.id)
        .with(Effect::PutUser(User { not_before: case.at.stamp, ..user.clone() }))
}

/// Ends every session there is.
pub(crate) fn end_everything(case: &Case<'_>) -> Decision {
    let cut_offs = CutOffs { everything: case.at.stamp, ..case.facts.cut_offs.clone() };
    Decision::done(Event::EverythingRevoke, Outcome::Ended(case.facts.known_sessions))
        .with(Effect::PutCutOffs(cut_offs))
}

/// Ends every session that an app opened.
pub(crate) fn end_app(app: &str, case: &Case<'_>) -> Decision {
    let mut cut_offs = case.facts.cut_offs.clone();
    cut_offs.apps.insert(app.to_owned(), case.at.stamp);
    Decision::done(Event::AppRevoke, Outcome::Ended(case.facts.known_sessions))
        .detail(format!("app {app}"))
        .with(Effect::PutCutOffs(cut_offs))
}
