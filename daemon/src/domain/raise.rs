//! What a change means to those who verify without asking: which of the answers they hold must be asked about again.
//!
//! It follows from the effect and never from the operation, so a new operation cannot forget it.

use hallpass_protocol::id::{SessionId, UserId};

use super::effect::Effect;

/// Whom an effect concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raise {
    /// Whoever holds something of this session.
    Session(SessionId),
    /// Whoever holds something of this user.
    User(UserId),
    /// Whoever holds anything.
    Everything,
}

/// Whom this effect concerns, if anybody.
///
/// What is new concerns nobody yet. What only says that a session was used changes no answer but its end, which moves away. A new key is told
/// by the version of the key set; a key that is gone or taken back takes its tokens with it.
pub(crate) fn raised(effect: &Effect) -> Option<Raise> {
    match effect {
        Effect::PutUser(user) => Some(Raise::User(user.id)),
        Effect::RemoveUser { id, .. } => Some(Raise::User(*id)),
        Effect::PutHot(session, _) | Effect::RemoveSession { session, .. } | Effect::SayAgain(session) => {
            Some(Raise::Session(*session))
        }
        Effect::PutCutOffs(_) | Effect::RemoveKey(..) | Effect::AskAnew => Some(Raise::Everything),
        Effect::PutKey(key) if key.is_revoked() => Some(Raise::Everything),
        Effect::NoteUse(..)
        | Effect::OpenSession(_)
        | Effect::PutKey(_)
        | Effect::PutMaster(_)
        | Effect::ReserveName { .. }
        | Effect::ForgetRevocation(_)
        | Effect::MoveDeadline { .. }
        | Effect::Unlist { .. }
        | Effect::PutFailures(..)
        | Effect::ClearFailures(_)
        | Effect::ForgetFailures(_)
        | Effect::PruneAudit(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{session, user};
    use crate::domain::keyset::KeyKind;
    use crate::domain::revocation::CutOffs;

    #[test]
    fn a_change_concerns_those_who_hold_an_answer_that_it_changes() {
        let (of_user, of_session) = (Some(Raise::User(user().id)), Some(Raise::Session(session().id)));
        let (id, name) = (user().id, user().name);
        let cases = [
            (Effect::PutUser(user()), of_user),
            (Effect::RemoveUser { id, name }, of_user),
            (Effect::PutHot(session().id, session().hot), of_session),
            (Effect::SayAgain(session().id), of_session),
            (Effect::PutCutOffs(CutOffs::default()), Some(Raise::Everything)),
            (Effect::RemoveKey(KeyKind::Signing, 1), Some(Raise::Everything)),
            (Effect::AskAnew, Some(Raise::Everything)),
            (Effect::NoteUse(session().id, session().hot), None),
            (Effect::OpenSession(Box::new(session())), None),
        ];
        for (effect, concerned) in cases {
            assert_eq!(raised(&effect), concerned, "{effect:?}");
        }
    }
}
