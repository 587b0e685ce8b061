//! What the store knows that a command depends on. Everything is read and decoded before anything is written, so a bad row fails one command alone.

use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::{Millis, Stamp};
use redb::ReadableTable;

use super::StoreError;
use super::rows::Rows;
use super::schema::Table;
use crate::domain::account::{Change, NewUser};
use crate::domain::command::{ActiveKeys, Command, Facts, Login, Policy, Purpose, Settle, Whom};
use crate::domain::effect::Effect;
use crate::domain::keyset;
use crate::domain::revocation::{CutOffs, Target};
use crate::domain::throttle::ThrottleKey;
use crate::domain::time::Moment;

/// How far stamps can be ahead of the time, in milliseconds; amply.
const AHEAD_MS: u64 = 60_000;
/// How long an entry stays in the revocation list: longer than any access token lives, in microseconds.
const LISTED_MICROS: u64 = 2 * 3_600 * 1_000_000;
/// Most sessions that one sweep looks at, so that it holds the writer for a moment only.
pub(crate) const SWEEP_SESSIONS: usize = 256;
/// Most counts of failures that one sweep looks at: there can be many, and a look at one is short.
const SWEEP_FAILURES: usize = 1024;

/// What every command is decided on, and few change: read once for all that are done together.
pub(super) struct Standing {
    keys: ActiveKeys,
    cut_offs: CutOffs,
}

impl Standing {
    /// Reads it. A database without active keys was never whole.
    pub(super) fn load<T>(rows: &Rows<T>) -> Result<Self, StoreError>
    where
        T: ReadableTable<&'static [u8], &'static [u8]>,
    {
        let missing = || StoreError::Layout("the database has no active key; restore a backup".into());
        let keys = keyset::active(&rows.keys()?).ok_or_else(missing)?;
        Ok(Self { keys, cut_offs: rows.cut_offs()? })
    }

    /// Whether this changes it.
    pub(super) fn is_changed_by(effect: &Effect) -> bool {
        matches!(effect, Effect::PutKey(_) | Effect::RemoveKey(..) | Effect::PutCutOffs(_))
    }
}

/// Loads the facts that a command is decided on.
pub(super) fn load<T>(
    rows: &Rows<T>,
    command: &Command,
    standing: &Standing,
    policy: &Policy,
    at: &Moment,
) -> Result<Facts, StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    let Standing { keys, cut_offs } = standing;
    let mut facts = Facts { cut_offs: cut_offs.clone(), keys: keys.clone(), ..Facts::default() };
    match command {
        Command::Attempt(login) => load_login(rows, login, policy, &mut facts)?,
        Command::Settle(settle) => load_settle(rows, settle, policy, &mut facts)?,
        Command::Refresh(refresh) => load_session(rows, refresh.session, &mut facts)?,
        Command::Vouch(vouch) => {
            facts.user = match &vouch.user {
                Whom::Id(id) => rows.user(*id)?,
                Whom::Name(name) => rows.user_named(name.as_str())?,
            };
            load_sessions(rows, &mut facts)?;
        }
        Command::Redeem(redeem) => {
            load_login(rows, &redeem.login, policy, &mut facts)?;
            load_sessions(rows, &mut facts)?;
        }
        Command::Touch(session, _) => load_session(rows, *session, &mut facts)?,
        Command::Revoke(target) => load_target(rows, target, &mut facts)?,
        Command::AddUser(new) => load_new(rows, new, at, &mut facts)?,
        Command::ChangeUser(name, change) => {
            facts.user = rows.user_named(name.as_str())?;
            load_new_name(rows, change, at, &mut facts)?;
        }
        Command::TendKeys => facts.keyset = rows.keys()?,
        Command::RotateKey { .. }
        | Command::RetireKey { .. }
        | Command::BridgeMaster { .. }
        | Command::Reseal(_) => {
            facts.keyset = rows.keys()?;
            facts.master = rows.master()?;
        }
        Command::Start
        | Command::Reopen
        | Command::Reload
        | Command::Backup
        | Command::Tell(..)
        | Command::NoteRefused(_) => {}
        Command::Sweep => load_sweep(rows, policy, at, &mut facts)?,
    }
    Ok(facts)
}

fn load_new_name<T>(rows: &Rows<T>, change: &Change, at: &Moment, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    if let Change::Rename(new) = change {
        facts.name_taken = rows.name_taken(new.as_str(), at.now, facts.user.as_ref().map(|user| user.id))?;
    }
    Ok(())
}

fn load_new<T>(rows: &Rows<T>, new: &NewUser, at: &Moment, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    facts.name_taken = rows.name_taken(new.name.as_str(), at.now, new.id)?;
    if let Some(id) = new.id {
        facts.user = rows.user(id)?;
    }
    Ok(())
}

fn load_target<T>(rows: &Rows<T>, target: &Target, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    match target {
        Target::Session(session) => load_session(rows, *session, facts),
        Target::UserOfApp { user, .. } => {
            facts.user = rows.user(*user)?;
            load_sessions(rows, facts)
        }
        Target::User(name) => {
            facts.user = rows.user_named(name.as_str())?;
            load_sessions(rows, facts)
        }
        Target::App(app) => {
            let since = facts.cut_offs.apps.get(app).copied().unwrap_or(facts.cut_offs.everything);
            facts.known_sessions = rows.sessions_since(since)?;
            Ok(())
        }
        Target::Everything => {
            facts.known_sessions = rows.sessions_since(facts.cut_offs.everything)?;
            Ok(())
        }
    }
}

fn load_sweep<T>(rows: &Rows<T>, policy: &Policy, at: &Moment, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    (facts.due, facts.sessions) = rows.sessions_due(at.now, SWEEP_SESSIONS)?.into_iter().unzip();
    let oldest = Stamp(at.stamp.0.saturating_sub(LISTED_MICROS));
    let old = |((stamp, _), _): &((Stamp, u16), _)| *stamp < oldest;
    let listed = rows.revocations_after(None, SWEEP_SESSIONS)?;
    facts.old_audit = rows.old_audit(&policy.audit, at.now)?;
    facts.old_failures = rows.old_failures(at, SWEEP_FAILURES)?;
    facts.old_revocations = listed.into_iter().take_while(old).map(|(listed_at, _)| listed_at).collect();
    Ok(())
}

fn load_sessions<T>(rows: &Rows<T>, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    if let Some(user) = &facts.user {
        // Sessions before these cut-offs are dead, and identifiers begin with the time they were made at.
        let dead = user.not_before.max(facts.cut_offs.everything);
        let after = SessionId::new(Millis::from_u64((dead.0 / 1000).saturating_sub(AHEAD_MS)), [0; 10]);
        facts.sessions = rows.sessions_of(user.id, Some(after), usize::MAX)?;
    }
    Ok(())
}

fn load_settle<T>(
    rows: &Rows<T>,
    settle: &Settle,
    policy: &Policy,
    facts: &mut Facts,
) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    load_login(rows, &settle.login, policy, facts)?;
    match &settle.purpose {
        // A wrong password costs the same whoever is named: no list is read for it.
        Purpose::Login if settle.proved.is_some() => load_sessions(rows, facts),
        Purpose::Login => Ok(()),
        Purpose::Reauthenticate(session) | Purpose::ChangePassword(session, _) => {
            facts.session = rows.session(*session)?;
            Ok(())
        }
    }
}

fn load_login<T>(rows: &Rows<T>, login: &Login, policy: &Policy, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    facts.user = rows.user_named(&login.name)?;
    let is_full = rows.len(Table::Failures)? >= policy.throttle.rows;
    let read = |key: &ThrottleKey| rows.failures(key);
    facts.tried = login.tried(facts.user.as_ref(), &policy.throttle, is_full, read)?;
    Ok(())
}

fn load_session<T>(rows: &Rows<T>, session: SessionId, facts: &mut Facts) -> Result<(), StoreError>
where
    T: ReadableTable<&'static [u8], &'static [u8]>,
{
    facts.session = rows.session(session)?;
    if let Some(session) = &facts.session {
        facts.user = rows.user(session.cold.user)?;
    }
    Ok(())
}
