//! Effects into rows.

use super::StoreError;
use super::records::{failures_key, pair};
use super::rows::WriterRows;
use super::schema::{META_CUT_OFFS, Table};
use crate::domain::effect::Effect;
use crate::domain::session::Session;
use crate::domain::throttle::ThrottleKey;

/// Writes what one decision asks for.
pub(super) fn apply(rows: &mut WriterRows<'_>, effects: &[Effect]) -> Result<(), StoreError> {
    effects.iter().try_for_each(|effect| apply_one(rows, effect))
}

fn apply_one(rows: &mut WriterRows<'_>, effect: &Effect) -> Result<(), StoreError> {
    match effect {
        Effect::PutUser(user) => {
            rows.put(Table::Names, user.name.as_str().as_bytes(), &user.id)?;
            rows.put(Table::Users, user.id.as_bytes(), user)
        }
        Effect::RemoveUser { id, name } => {
            rows.remove(Table::Names, name.as_str().as_bytes())?;
            rows.remove(Table::Users, id.as_bytes())
        }
        Effect::OpenSession(session) => open_session(rows, session),
        Effect::PutHot(session, hot) => rows.put(Table::Hot, session.as_bytes(), hot),
        Effect::MoveDeadline { session, from, to } => {
            rows.remove(Table::Due, &pair(&from.as_u64().to_be_bytes(), session.as_bytes()))?;
            rows.put(Table::Due, &pair(&to.as_u64().to_be_bytes(), session.as_bytes()), &())
        }
        Effect::RemoveSession { session, user, due } => {
            rows.remove(Table::Due, &pair(&due.as_u64().to_be_bytes(), session.as_bytes()))?;
            rows.remove(Table::OfUser, &pair(user.as_bytes(), session.as_bytes()))?;
            rows.remove(Table::Hot, session.as_bytes())?;
            rows.remove(Table::Cold, session.as_bytes())
        }
        Effect::PutFailures(key, failures) => rows.put(Table::Failures, &failures_key(key), failures),
        Effect::ClearFailures(key) => rows.remove(Table::Failures, &failures_key(key)),
        Effect::ClearCredentialFailures(name) => {
            rows.remove(Table::Failures, &failures_key(&ThrottleKey::Credential(name.as_str().to_owned())))
        }
        Effect::PutCutOffs(cut_offs) => rows.put(Table::Meta, META_CUT_OFFS, cut_offs),
    }
}

fn open_session(rows: &mut WriterRows<'_>, session: &Session) -> Result<(), StoreError> {
    let id = session.id.as_bytes();
    rows.put(Table::Cold, id, &session.cold)?;
    rows.put(Table::Hot, id, &session.hot)?;
    rows.put(Table::OfUser, &pair(session.cold.user.as_bytes(), id), &())?;
    rows.put(Table::Due, &pair(&session.hot.idle_deadline.as_u64().to_be_bytes(), id), &())
}
