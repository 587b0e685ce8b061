//! Effects into rows.

use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Stamp;

use super::StoreError;
use super::counts::failures_key;
use super::records::{AuditStart, Listed, NameRecord, key_key, listed_key, pair};
use super::rows::WriterRows;
use super::schema::{META_AUDIT_START, META_CUT_OFFS, META_MASTER, Table};
use crate::domain::effect::Effect;
use crate::domain::retention::OldEntries;
use crate::domain::revocation::Reason;
use crate::domain::session::{Cold, Session};
use crate::domain::time::Moment;

/// Writes what one decision asks for, and lists what it takes back.
pub(super) fn apply(rows: &mut WriterRows<'_>, effects: &[Effect], at: &Moment) -> Result<(), StoreError> {
    let mut place = 0;
    for effect in effects {
        apply_one(rows, effect)?;
        if let Some(listed) = taken_back(effect, at.stamp) {
            rows.put(Table::Revocations, &listed_key(at.stamp, place), &listed)?;
            place = place.saturating_add(1);
        }
    }
    Ok(())
}

/// What an effect takes back, told by the stamp that it leaves in a row: so no list of operations can forget one.
pub(super) fn taken_back(effect: &Effect, stamp: Stamp) -> Option<Listed> {
    match effect {
        Effect::PutHot(session, hot) => hot
            .revoked
            .is_some_and(|revocation| revocation.stamp == stamp)
            .then_some(Listed::Session(*session)),
        // A password change leaves the session it opens alive, so its cut-off lies just below its own stamp.
        Effect::PutUser(user) => (user.not_before.0 + 1 >= stamp.0).then_some(Listed::User(user.id)),
        Effect::RemoveUser { id, .. } => Some(Listed::User(*id)),
        Effect::PutKey(key) if key.is_revoked() => Some(Listed::Key(key.kid.clone())),
        Effect::PutCutOffs(cut_offs) if cut_offs.everything == stamp => Some(Listed::Everything),
        Effect::PutCutOffs(cut_offs) => {
            cut_offs.apps.iter().find(|(_, cut)| **cut == stamp).map(|(app, _)| Listed::App(app.clone()))
        }
        _ => None,
    }
}

fn apply_one(rows: &mut WriterRows<'_>, effect: &Effect) -> Result<(), StoreError> {
    match effect {
        Effect::PutUser(user) => {
            let name = NameRecord { user: user.id, reserved: None };
            rows.put(Table::Names, user.name.as_str().as_bytes(), &name)?;
            rows.put(Table::Users, user.id.as_bytes(), user)
        }
        Effect::ReserveName { name, until } => {
            let key = name.as_str().as_bytes();
            let user = rows.get::<NameRecord>(Table::Names, key)?.map(|record| record.user);
            match user {
                Some(user) => rows.put(Table::Names, key, &NameRecord { user, reserved: Some(*until) }),
                None => Ok(()),
            }
        }
        Effect::ForgetRevocation((stamp, place)) => {
            rows.remove(Table::Revocations, &listed_key(*stamp, *place))
        }
        Effect::RemoveUser { id, name } => {
            rows.remove(Table::Names, name.as_str().as_bytes())?;
            rows.remove(Table::Users, id.as_bytes())
        }
        Effect::OpenSession(session) => open_session(rows, session),
        Effect::NoteUse(session, hot) => rows.put(Table::Hot, session.as_bytes(), hot),
        Effect::SayAgain(_) | Effect::AskAnew => Ok(()),
        Effect::PutHot(session, hot) => {
            rows.put(Table::Hot, session.as_bytes(), hot)?;
            if hot.revoked.is_none_or(|revocation| revocation.reason == Reason::Superseded) {
                return Ok(());
            }
            match rows.get::<Cold>(Table::Cold, session.as_bytes())? {
                Some(cold) => unlist(rows, *session, cold.user),
                None => Ok(()),
            }
        }
        Effect::Unlist { session, user } => unlist(rows, *session, *user),
        Effect::ForgetFailures(key) => rows.remove(Table::Failures, key),
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
        Effect::PruneAudit(old) => prune(rows, old),
        Effect::PutKey(key) => rows.put(Table::Keys, &key_key(key.kind, key.number), key),
        Effect::RemoveKey(kind, number) => rows.remove(Table::Keys, &key_key(*kind, *number)),
        Effect::PutMaster(master) => rows.put(Table::Meta, META_MASTER, master),
        Effect::PutCutOffs(cut_offs) => rows.put(Table::Meta, META_CUT_OFFS, cut_offs),
    }
}

/// The oldest entries go, and what is left goes on from the last of them.
fn prune(rows: &mut WriterRows<'_>, old: &OldEntries) -> Result<(), StoreError> {
    for number in old.first..=old.last {
        rows.remove(Table::Audit, &number.to_be_bytes())?;
    }
    rows.put(Table::Meta, META_AUDIT_START, &AuditStart { number: old.last, hash: old.hash })
}

/// A user's list holds sessions that may be alive: it is what revocations and the limit on sessions go by, so it must stay short.
fn unlist(rows: &mut WriterRows<'_>, session: SessionId, user: UserId) -> Result<(), StoreError> {
    rows.remove(Table::OfUser, &pair(user.as_bytes(), session.as_bytes()))
}

fn open_session(rows: &mut WriterRows<'_>, session: &Session) -> Result<(), StoreError> {
    let id = session.id.as_bytes();
    rows.put(Table::Cold, id, &session.cold)?;
    rows.put(Table::Hot, id, &session.hot)?;
    rows.put(Table::OfUser, &pair(session.cold.user.as_bytes(), id), &())?;
    rows.put(Table::Due, &pair(&session.hot.idle_deadline.as_u64().to_be_bytes(), id), &())
}
