//! What the store must do, told a second time in plain maps. Nothing here calls a rule of the domain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::{DeviceId, SessionId, UserId};

/// Milliseconds since 1970.
pub(super) type Ms = u64;

pub(super) const IDLE: Ms = 20 * 60_000;
pub(super) const ABSOLUTE: Ms = 30 * 60_000;
pub(super) const WINDOW: Ms = 30_000;
const ATTEMPT_WINDOW: Ms = 600_000;
const RETRIES: u32 = 128;
pub(super) const MAX_SESSIONS: usize = 4;
const TOUCH: Ms = 60_000;

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Ended,
    Reuse,
    Rollback,
    OtherApp,
    Evicted,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) password: u32,
    pub(super) roles: Vec<String>,
    pub(super) disabled: bool,
    /// Sessions opened by an earlier command than this are over.
    pub(super) since: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) user: UserId,
    pub(super) app: usize,
    pub(super) cookie: bool,
    pub(super) opened: u64,
    pub(super) idle_end: Ms,
    pub(super) end: Ms,
    pub(super) seen: Ms,
    pub(super) counter: u32,
    pub(super) rotated: Ms,
    pub(super) attempt: Option<u8>,
    pub(super) retries: u32,
    pub(super) over: Option<Cause>,
    pub(super) due: Ms,
}

/// What the audit chain must say of a command: the event, how it ended, and of which session.
pub(super) type Told = Option<(&'static str, &'static str, Option<SessionId>)>;

/// A login between its two commands.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) name: usize,
    pub(super) app: usize,
    pub(super) device: Option<(UserId, DeviceId)>,
    /// The user and password version that may be proved.
    pub(super) proves: Option<(UserId, u32)>,
    pub(super) retry_after: Ms,
}

/// Everything that there is.
#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    pub(super) users: BTreeMap<usize, User>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) devices: HashMap<UserId, DeviceId>,
    pub(super) ids: BTreeSet<[u8; 16]>,
    pub(super) pending: Vec<Pending>,
    pub(super) failures: HashMap<String, (u32, Ms)>,
    /// Counts commands: what was done earlier has the smaller number.
    pub(super) turn: u64,
    pub(super) everything: u64,
    pub(super) outage: (Ms, Ms),
}

impl Reference {
    pub(super) fn user_of(&self, session: &Session) -> Option<&User> {
        self.users.values().find(|user| user.id == session.user)
    }

    /// Why a session is not alive, if it is not.
    pub(super) fn dead(&self, id: SessionId, now: Ms) -> Option<ErrorCode> {
        let Some(session) = self.sessions.get(&id) else { return Some(ErrorCode::Expired) };
        match session.over {
            Some(Cause::Reuse) => return Some(ErrorCode::Reused),
            Some(_) => return Some(ErrorCode::Revoked),
            None => {}
        }
        let taken_back =
            self.user_of(session).is_none_or(|user| user.disabled || session.opened < user.since);
        if taken_back || session.opened < self.everything {
            return Some(ErrorCode::Revoked);
        }
        (now >= session.idle_end || now >= session.end).then_some(ErrorCode::Expired)
    }

    pub(super) fn living_of(&self, user: UserId, now: Ms) -> Vec<SessionId> {
        let of = self.sessions.iter().filter(|(_, session)| session.user == user);
        of.map(|(id, _)| *id).filter(|id| self.dead(*id, now).is_none()).collect()
    }

    /// What a refresh token is worth: the number granted or the code, and what the chain tells.
    pub(super) fn refresh(
        &mut self,
        id: SessionId,
        counter: u32,
        app: usize,
        attempt: Option<u8>,
        now: Ms,
    ) -> (Result<u32, ErrorCode>, Told) {
        if !self.sessions.contains_key(&id) {
            return (Err(ErrorCode::Expired), Some(("refresh", "expired", None)));
        }
        let dead = self.dead(id, now);
        let outage = self.outage;
        let Some(session) = self.sessions.get_mut(&id) else { unreachable!() };
        let own = session.app == app;
        if let Some(code) = dead {
            let code = if own { code } else { ErrorCode::InvalidToken };
            return (Err(code), Some(("refresh", code.as_str(), Some(id))));
        }
        let mut kill = |cause, code: ErrorCode, event| {
            session.over = Some(cause);
            (Err(code), Some((event, code.as_str(), Some(id))))
        };
        if !own {
            return kill(Cause::OtherApp, ErrorCode::InvalidToken, "refresh.other_app");
        }
        if counter > session.counter {
            return kill(Cause::Rollback, ErrorCode::Revoked, "refresh.rollback");
        }
        if counter == session.counter {
            session.counter += 1;
            (session.rotated, session.seen) = (now, now);
            session.idle_end = (now + IDLE).min(session.end);
            (session.attempt, session.retries) = (attempt, 0);
            return (Ok(session.counter), None);
        }
        let waited = served(outage, session.rotated, now);
        let same = attempt.is_some() && attempt == session.attempt && waited < ATTEMPT_WINDOW;
        if session.counter - counter != 1 || !(same || waited < WINDOW) {
            return kill(Cause::Reuse, ErrorCode::Reused, "refresh.reuse");
        }
        if session.retries == RETRIES {
            return (Err(ErrorCode::RateLimited), Some(("refresh.retry", "rate_limited", Some(id))));
        }
        session.retries += 1;
        let told = (session.retries == 1).then_some(("refresh.retry", "ok", Some(id)));
        (Ok(session.counter), told)
    }

    /// Whether a login may be tried, and how long to wait if it fails.
    pub(super) fn attempt(
        &mut self,
        name: usize,
        app: usize,
        device: Option<(UserId, DeviceId)>,
        now: Ms,
    ) -> (bool, Ms) {
        let user = self.users.get(&name).map(|user| (user.id, user.password, user.disabled));
        let keys = self.budgets(name, app, device);
        let wait = self.failures.get(&keys[0]).map_or(0, |(count, last)| wait(*count, *last, now));
        let count = |key: &String| self.failures.get(key).map_or(0, |(count, _)| *count);
        let locked = keys.iter().any(|key| key.starts_with("credential") && count(key) >= 100);
        let mut proves = None;
        let mut retry_after = wait;
        if wait == 0 {
            for key in &keys {
                let (count, last) = self.failures.entry(key.clone()).or_insert((0, now));
                let forgets = !key.starts_with("credential") && now.saturating_sub(*last) >= 86_400_000;
                *count = if forgets { 1 } else { *count + 1 };
                *last = now;
            }
            retry_after = delay(self.failures[&keys[0]].0);
            proves =
                user.filter(|(_, _, disabled)| !disabled && !locked).map(|(id, password, _)| (id, password));
        }
        self.pending.push(Pending { name, app, device, proves, retry_after });
        (proves.is_some(), retry_after)
    }

    /// The counts that a try goes to.
    pub(super) fn budgets(&self, name: usize, app: usize, device: Option<(UserId, DeviceId)>) -> Vec<String> {
        let user = self.users.get(&name);
        let known = device.zip(user).filter(|((owner, _), user)| *owner == user.id);
        let known = known.map(|((owner, device), user)| format!("device {owner} {device} {}", user.password));
        match known {
            Some(key) if self.failures.get(&key).is_none_or(|(count, _)| *count < 100) => vec![key],
            _ => {
                let credential = user.map(|user| format!("credential {}", user.id));
                [format!("source {name} {app}")].into_iter().chain(credential).collect()
            }
        }
    }

    /// Whom a settled login makes room by, or why it is refused.
    pub(super) fn settle(
        &self,
        pending: &Pending,
        right: bool,
        now: Ms,
    ) -> Result<(UserId, Option<SessionId>), ErrorCode> {
        let user = self.users.get(&pending.name).filter(|user| !user.disabled);
        let proved = pending.proves.filter(|_| right);
        match (user, proved) {
            (Some(user), Some(proved)) if proved == (user.id, user.password) => {
                let mut living = self.living_of(user.id, now);
                living.sort_by_key(|id| self.sessions[id].opened);
                let evicted = (living.len() >= MAX_SESSIONS).then(|| living[0]);
                Ok((user.id, evicted))
            }
            _ => Err(ErrorCode::InvalidCredentials),
        }
    }

    /// Writes use down, at most once a minute.
    pub(super) fn touch(&mut self, id: SessionId, now: Ms) {
        if self.dead(id, now).is_some() {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.cookie && now >= session.seen + TOUCH {
            session.seen = now;
            session.idle_end = (now + IDLE).min(session.end);
        }
    }

    /// Looks at what is due, and says how much that was.
    pub(super) fn sweep(&mut self, now: Ms) -> u64 {
        let mut looked_at = 0;
        self.sessions.retain(|_, session| {
            if session.due > now {
                return true;
            }
            looked_at += 1;
            let forgets = session.cookie && session.over.is_none();
            let was_used = session.over.is_none() && now < session.idle_end;
            session.due = if forgets || was_used { session.idle_end } else { session.end };
            session.due > now
        });
        looked_at
    }
}

/// How long callers could reach the daemon since a moment, if it was down from one moment to another.
fn served(outage: (Ms, Ms), since: Ms, now: Ms) -> Ms {
    let down = outage.1.min(now).saturating_sub(outage.0.max(since));
    now.saturating_sub(since).saturating_sub(down)
}

/// What so many failures cost.
fn delay(count: u32) -> Ms {
    let over = count.checked_sub(10);
    over.map_or(0, |over| {
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].get(over as usize).map_or(900_000, |seconds| seconds * 1000)
    })
}

fn wait(count: u32, last: Ms, now: Ms) -> Ms {
    let elapsed = now.saturating_sub(last);
    if elapsed >= 86_400_000 { 0 } else { delay(count).saturating_sub(elapsed) }
}
