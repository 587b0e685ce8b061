//! Does each step twice, once for real and once by the reference, and compares.

mod power;

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;
use proptest::test_runner::TestCaseError;

use super::commands::{APPS, NAMES, admin, asked, code, ended, hash, login, parsed, roles, settled, shown};
use super::house::{House, chained};
use super::reference::{ABSOLUTE, Cause, IDLE, Ms, Pending, Reference, Session, Told, User};
use super::seen::{Checked, Seen, holds, same};
use super::{Change, Op, Which};
use crate::domain::account::{self, NewUser};
use crate::domain::check::{Shown, verify};
use crate::domain::command::Command;
use crate::domain::effect::{Credential, GrantPlan, Outcome, Tokens};
use crate::domain::fixture::permit;
use crate::domain::policy::{Permit, admit_daemon};
use crate::domain::revocation::{self, Target};
use crate::store::AuditRecord;
pub(super) use power::Saved;

/// Sessions that are looked at after every step; after a restart it is all of them.
const NEWEST: usize = 10;

/// Both sides, and what is known of the way so far.
pub(super) struct Driver {
    house: House,
    reference: Reference,
    /// Every session that was ever opened, and whether it is a cookie's.
    sessions: Vec<(SessionId, usize, bool)>,
    now: Ms,
    steady: Ms,
    restarted: bool,
    /// When a refusal of a kind was last an entry.
    refused: BTreeMap<(&'static str, &'static str), Ms>,
    audited: (u64, [u8; 32]),
    stamp: u64,
    seen: Seen,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self::of(House::new())
    }

    fn of(house: House) -> Self {
        let now = house.now();
        let mut driver = Self {
            house,
            reference: Reference::default(),
            sessions: Vec::new(),
            now,
            steady: 0,
            refused: BTreeMap::new(),
            restarted: false,
            audited: (0, [0; 32]),
            stamp: 0,
            seen: Seen::default(),
        };
        for name in 0..2 {
            driver.step(&Op::Add(name)).unwrap();
        }
        driver
    }

    pub(super) fn finish(mut self, seen: &mut Seen) -> Checked {
        self.restart(1)?;
        self.house.stop();
        for (what, times) in self.seen.0 {
            *seen.0.entry(what).or_default() += times;
        }
        Ok(())
    }

    pub(super) fn step(&mut self, op: &Op) -> Checked {
        self.house.time.wait(1);
        self.tell_time()?;
        match *op {
            Op::Wait(millis) => self.house.time.wait(millis),
            Op::SetClock(by) => self.house.time.set(by),
            Op::Restart(down) => self.restart(down)?,
            Op::Add(name) => self.add(name)?,
            Op::Change(name, change) => self.change(name, change)?,
            Op::Begin { name, app, device } => self.begin(name, app, device)?,
            Op::Settle { pending, right, cookie } => self.settle(pending, right, cookie)?,
            Op::Login { name, app, device, right, cookie } => {
                self.begin(name, app, device)?;
                self.settle(self.reference.pending.len() - 1, right, cookie)?;
            }
            Op::Refresh { session, which, own, attempt } => self.refresh(session, which, own, attempt)?,
            Op::RevokeSession { session, own } => self.revoke_session(session, own)?,
            Op::RevokeOfApp { session, app, but_it } => self.revoke_of_app(session, app, but_it)?,
            Op::RevokeUser(name) => self.revoke_user(name)?,
            Op::RevokeEverything => self.revoke_everything()?,
            Op::Touch(session) => self.touch(session)?,
            Op::Sweep => self.sweep()?,
        }
        self.tell_time()?;
        self.compare(NEWEST)
    }

    /// Time follows the wall clock forward and never goes back.
    fn tell_time(&mut self) -> Checked {
        let (wall, steady) = (self.house.time.wall(), self.house.time.steady());
        self.now = if wall >= self.now { wall } else { self.now + (steady - self.steady) };
        self.steady = steady;
        same("the time", self.house.now(), self.now)
    }

    fn restart(&mut self, down: Ms) -> Checked {
        self.house.stop();
        self.house.time.wait(down);
        let floor = self.house.start();
        same("the stored time, which a clean stop writes down", floor, self.now)?;
        self.now = floor.max(self.house.time.wall());
        self.steady = self.house.time.steady();
        self.reference.outage = (floor, self.now);
        self.restarted = true;
        self.seen.note("restarted");
        self.tell_time()?;
        self.compare(usize::MAX)
    }

    fn submit(&mut self, permit: Permit, command: Command) -> Result<Outcome, Refusal> {
        self.reference.turn += 1;
        self.house.submit(permit, command)
    }

    /// The chain tells of the command, as much as the reference says and no more.
    fn told(&mut self, told: Told) -> Result<String, TestCaseError> {
        let entries = self.house.store().snapshot().unwrap().audit_after(self.audited.0, 1000).unwrap();
        let swept = told.is_none();
        let closes = |entry: &AuditRecord| swept && entry.detail.ends_with("more since the entry before");
        let real: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| !closes(entry))
            .map(|(_, entry)| (entry.event.as_str(), entry.outcome.as_str(), entry.session))
            .collect();
        // A refusal that changes nothing is an entry once a minute; those after it are counted.
        let counted =
            real.is_empty() && told.is_some_and(|(event, outcome, _)| self.is_counted(event, outcome));
        same("the audit chain", real, told.into_iter().filter(|_| !counted).collect())?;
        let mut detail = String::new();
        for (number, entry) in &entries {
            same("the number of an audit entry", *number, self.audited.0 + 1)?;
            same("the hash of an audit entry", entry.hash, chained(*number, self.audited.1, entry))?;
            // One sweep closes several counts at its one stamp.
            holds("stamps grow", entry.stamp.0 > self.stamp || closes(entry) && entry.stamp.0 == self.stamp)?;
            self.stamp = entry.stamp.0;
            self.audited = (*number, entry.hash);
            self.seen.note(&format!("{} {}", entry.event, entry.outcome));
            if let Some((event, outcome, _)) = told.filter(|_| !closes(entry)) {
                self.refused.insert((event, outcome), self.now);
            }
            detail.clone_from(&entry.detail);
        }
        Ok(detail)
    }

    fn is_counted(&mut self, event: &'static str, outcome: &'static str) -> bool {
        let kills = ["refresh.reuse", "refresh.rollback", "refresh.other_app"].contains(&event);
        (outcome != "ok" || event == "refresh.retry")
            && !kills
            && self.refused.get(&(event, outcome)).is_some_and(|at| self.now - at < 60_000)
    }

    fn new_id(&mut self, id: [u8; 16], created: Millis) -> Checked {
        same("when an identifier says it was made", created.as_u64(), self.now)?;
        holds("no identifier comes twice", self.reference.ids.insert(id))
    }

    fn add(&mut self, name: usize) -> Checked {
        let roles = roles(0);
        let new = NewUser { password: Some(hash(0)), roles: roles.clone(), ..NewUser::named(parsed(name)) };
        let outcome = self.submit(admin(), Command::AddUser(Box::new(new)));
        if self.reference.users.contains_key(&name) {
            same("adding a user", code(&outcome), Some(ErrorCode::AlreadyExists))?;
            return self.told(Some(("user.add", "already_exists", None))).map(drop);
        }
        let Ok(Outcome::User(added)) = outcome else {
            return same("adding a user", format!("{outcome:?}"), "a user".into());
        };
        self.new_id(*added.id.as_bytes(), added.id.created())?;
        let (password, since) = (0, self.reference.turn);
        let user = User { id: added.id, password, roles: roles.as_slice().to_vec(), disabled: false, since };
        self.reference.users.insert(name, user);
        self.told(Some(("user.add", "ok", None))).map(drop)
    }

    fn change(&mut self, name: usize, change: Change) -> Checked {
        let turn = self.reference.turn + 1;
        let user = self.reference.users.get_mut(&name);
        let (known, id) = (user.is_some(), user.as_ref().map(|user| user.id));
        let version = user.as_ref().map_or(0, |user| user.password + 1);
        let (event, real) = match change {
            Change::Enable => ("user.enable", account::Change::Enable),
            Change::Disable => ("user.disable", account::Change::Disable),
            Change::Password => ("user.password", account::Change::SetPassword(hash(version))),
            Change::Roles(which) => ("user.roles", account::Change::SetRoles(roles(which))),
            Change::Remove => ("user.remove", account::Change::Remove),
        };
        if let Some(user) = user {
            match change {
                Change::Enable => user.disabled = false,
                Change::Disable => (user.disabled, user.since) = (true, turn),
                Change::Password => (user.password, user.since) = (version, turn),
                Change::Roles(which) => user.roles = roles(which).as_slice().to_vec(),
                Change::Remove => {}
            }
        }
        if matches!(change, Change::Remove) {
            self.reference.users.remove(&name);
        }
        if let (Change::Remove | Change::Password, Some(id)) = (change, id) {
            self.reference.failures.remove(&format!("credential {id}"));
        }
        let outcome = self.submit(admin(), Command::ChangeUser(parsed(name), real));
        let refused = (!known).then_some(ErrorCode::NotFound);
        same("changing a user", code(&outcome), refused)?;
        self.told(Some((event, refused.map_or("ok", ErrorCode::as_str), None))).map(drop)
    }

    fn begin(&mut self, name: usize, app: usize, device: bool) -> Checked {
        let owner = self.reference.users.get(&name).map(|user| user.id).filter(|_| device);
        let device = owner.and_then(|owner| Some((owner, *self.reference.devices.get(&owner)?)));
        let command = Command::Attempt(login(name, app, device));
        let outcome = self.submit(permit(APPS[app]), command);
        let (tried, retry_after) = self.reference.attempt(name, app, device, self.now);
        let Ok(Outcome::Attempt(attempt)) = outcome else {
            return same("a try", format!("{outcome:?}"), "an attempt".into());
        };
        same("whether a password is looked at", attempt.credential.is_some(), tried)?;
        same("how long a failure costs", attempt.retry_after, Duration::from_millis(retry_after))?;
        if let (Some(credential), Some(pending)) = (&attempt.credential, self.reference.pending.last()) {
            let of = pending.proves.map(|(user, version)| (user, hash(version)));
            same("what is tried", Some((credential.user, credential.hash.clone())), of)?;
        }
        self.told(None).map(drop)
    }

    fn settle(&mut self, pending: usize, right: bool, cookie: bool) -> Checked {
        if self.reference.pending.is_empty() {
            return Ok(());
        }
        let pending = self.reference.pending.swap_remove(pending % self.reference.pending.len());
        let wanted = self.reference.settle(&pending, right, self.now);
        let proved = pending.proves.filter(|_| right).map(|(user, version)| Credential {
            user,
            hash: hash(version),
            // The first credential of a user is number 1.
            version: version + 1,
        });
        let login = login(pending.name, pending.app, pending.device);
        let kind = if cookie { SessionKind::Cookie } else { SessionKind::Token };
        let retry_after = Duration::from_millis(pending.retry_after);
        let outcome = self.submit(permit(APPS[pending.app]), settled(login, proved, retry_after, kind));
        let (user, evicted) = match wanted {
            Ok(wanted) => wanted,
            Err(refused) => {
                same("a login", code(&outcome), Some(refused))?;
                return self.told(Some(("login", refused.as_str(), None))).map(drop);
            }
        };
        let Ok(Outcome::Granted(plan)) = outcome else { return same("a login", code(&outcome), None) };
        self.new_id(*plan.session.as_bytes(), plan.session.created())?;
        same("whose session", plan.user, user)?;
        let detail = self.told(Some(("login", "ok", Some(plan.session))))?;
        if let Some(evicted) = evicted {
            holds("the chain names who made room", detail.contains(&evicted.to_string()))?;
            self.reference.sessions.get_mut(&evicted).unwrap().over = Some(Cause::Evicted);
            self.seen.note("evicted");
        }
        self.opened(&pending, &plan, cookie);
        Ok(())
    }

    fn opened(&mut self, pending: &Pending, plan: &GrantPlan, cookie: bool) {
        let user = plan.user;
        for key in self.reference.budgets(pending.name, pending.app, pending.device) {
            self.reference.failures.remove(&key);
        }
        if let Some((device, _)) = plan.device {
            self.reference.devices.insert(user, device);
        }
        let end = self.now + ABSOLUTE;
        let idle_end = self.now + IDLE;
        let session = Session {
            user,
            app: pending.app,
            cookie,
            opened: self.reference.turn,
            idle_end,
            end,
            seen: self.now,
            counter: 1,
            rotated: self.now,
            attempt: None,
            retries: 0,
            over: None,
            due: idle_end,
        };
        self.reference.sessions.insert(plan.session, session);
        self.sessions.push((plan.session, pending.app, cookie));
    }

    /// One of the newest sessions, those that are gone included.
    fn pick(&self, place: usize, tokens_only: bool) -> Option<(SessionId, usize)> {
        let mut fit = self.sessions.iter().rev().filter(|(_, _, cookie)| !(tokens_only && *cookie));
        let found = fit.clone().nth(place).or_else(|| fit.next());
        found.map(|(id, app, _)| (*id, *app))
    }

    fn refresh(&mut self, place: usize, which: Which, own: bool, attempt: Option<u8>) -> Checked {
        let Some((session, opener)) = self.pick(place, true) else { return Ok(()) };
        let app = if own { opener } else { 1 - opener };
        let current = self.reference.sessions.get(&session).map_or(1, |session| session.counter);
        let counter = match which {
            Which::Current => current,
            // The first token is number 1, so these may be the current one.
            Which::Parent => current.saturating_sub(1).max(1),
            Which::Older => current.saturating_sub(2).max(1),
            Which::Ahead(by) => current + by,
        };
        let outcome = self.submit(permit(APPS[app]), shown(session, counter, attempt));
        let (wanted, told) = self.reference.refresh(session, counter, app, attempt, self.now);
        self.told(told)?;
        let granted = match outcome {
            Ok(Outcome::Granted(plan)) => plan,
            outcome => return same("a refresh", code(&outcome).ok_or(0), wanted.map_or_else(Ok, Err)),
        };
        let Tokens::Token { access, counter: next, .. } = granted.tokens else {
            return same("a refresh grants", "a cookie", "tokens");
        };
        same("a refresh", Ok(next), wanted)?;
        let of = self.reference.sessions.get(&session).cloned();
        let user = of.as_ref().and_then(|session| self.reference.user_of(session));
        same("the roles of an access token", Some(&access.roles), user.map(|user| &user.roles))?;
        holds(
            "an access token ends with its session",
            of.is_some_and(|of| access.expires.as_u64() <= of.end),
        )?;
        holds("a token's stamp is newer than any before", access.stamp.0 >= self.stamp)?;
        self.stamp = access.stamp.0;
        self.seen.note(if next > counter && counter == current { "rotated" } else { "answered again" });
        Ok(())
    }

    fn revoke_session(&mut self, place: usize, own: bool) -> Checked {
        let Some((session, opener)) = self.pick(place, false) else { return Ok(()) };
        let app = if own { opener } else { 1 - opener };
        let reached = own && self.reference.sessions.contains_key(&session);
        let alive = self.reference.dead(session, self.now).is_none();
        let outcome = self.submit(permit(APPS[app]), Command::Revoke(Target::Session(session)));
        if !reached {
            same("ending a session", code(&outcome), Some(ErrorCode::NotFound))?;
            return self.told(Some(("session.revoke", "not_found", None))).map(drop);
        }
        same("how many ended", ended(&outcome), Some(u64::from(alive)))?;
        if !alive {
            return self.told(None).map(drop);
        }
        self.end(&[session]);
        self.told(Some(("session.revoke", "ok", Some(session)))).map(drop)
    }

    fn end(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            self.reference.sessions.get_mut(session).unwrap().over = Some(Cause::Ended);
        }
    }

    fn revoke_of_app(&mut self, place: usize, app: usize, but_it: bool) -> Checked {
        let Some((session, _)) = self.pick(place, false) else { return Ok(()) };
        let Some(user) = self.reference.sessions.get(&session).map(|session| session.user) else {
            return Ok(());
        };
        let except = but_it.then_some(session);
        let mut doomed = self.reference.living_of(user, self.now);
        doomed.retain(|id| self.reference.sessions[id].app == app && Some(*id) != except);
        let outcome = self.submit(
            permit(APPS[app]),
            Command::Revoke(Target::UserOfApp {
                user,
                which: except.map_or(revocation::Which::All, revocation::Which::AllBut),
            }),
        );
        same("how many ended", ended(&outcome), Some(doomed.len() as u64))?;
        self.end(&doomed);
        self.told(Some(("user.revoke", "ok", None))).map(drop)
    }

    fn revoke_user(&mut self, name: usize) -> Checked {
        let user = self.reference.users.get(&name).map(|user| user.id);
        let living = user.map(|user| self.reference.living_of(user, self.now).len() as u64);
        let outcome = self.submit(admin(), Command::Revoke(Target::User(parsed(name))));
        same("how many ended", ended(&outcome), living)?;
        let turn = self.reference.turn;
        if let Some(user) = self.reference.users.get_mut(&name) {
            user.since = turn;
        }
        let how = user.map_or("not_found", |_| "ok");
        self.told(Some(("user.revoke", how, None))).map(drop)
    }

    fn revoke_everything(&mut self) -> Checked {
        let cut = self.reference.everything;
        let since = self.reference.sessions.values().filter(|session| session.opened > cut).count() as u64;
        let outcome = self.submit(admin(), Command::Revoke(Target::Everything));
        // After a restart stamps run ahead of the time in identifiers, so the count is a lower bound only.
        if self.restarted {
            holds("how many ended at most", ended(&outcome).is_some_and(|ended| ended <= since))?;
        } else {
            same("how many ended", ended(&outcome), Some(since))?;
        }
        self.reference.everything = self.reference.turn;
        self.told(Some(("everything.revoke", "ok", None))).map(drop)
    }

    fn touch(&mut self, place: usize) -> Checked {
        let Some((session, app)) = self.pick(place, false) else { return Ok(()) };
        let before = self.reference.sessions.get(&session).map(|session| session.seen);
        let outcome = self.submit(permit(APPS[app]), Command::Touch(session, None));
        same("a touch", code(&outcome), None)?;
        self.reference.touch(session, self.now);
        if before != self.reference.sessions.get(&session).map(|session| session.seen) {
            self.seen.note("touched");
        }
        self.told(None).map(drop)
    }

    fn sweep(&mut self) -> Checked {
        let outcome = self.submit(admit_daemon(0, 1), Command::Sweep);
        let wanted = self.reference.sweep(self.now);
        let Ok(Outcome::Swept(looked_at)) = outcome else { return same("a sweep", code(&outcome), None) };
        self.looked_at(looked_at, wanted)?;
        if wanted > 0 {
            self.seen.note("swept");
        }
        self.told(None).map(drop)
    }

    /// What there is, on both sides: of sessions so many of the newest.
    fn compare(&self, most: usize) -> Checked {
        let snapshot = self.house.store().snapshot().unwrap();
        for (place, name) in NAMES.iter().enumerate() {
            let real = snapshot.user_named(name).unwrap();
            let real = real.map(|user| (user.id, user.disabled, user.roles.as_slice().to_vec()));
            let user = self.reference.users.get(&place);
            let wanted = user.map(|user| (user.id, user.disabled, user.roles.clone()));
            same("a user", real, wanted)?;
        }
        let counts = snapshot.counts().unwrap();
        same("how many sessions there are", counts.sessions, self.reference.sessions.len() as u64)?;
        same("how long the chain is", counts.audit_entries, self.audited.0)?;
        let now = Millis::from_u64(self.now);
        // As the daemon verifies: by what it has opened and read before, while that is good.
        let (_, view) = self.house.store().view(|| self.house.visible()).unwrap();
        for (id, app, cookie) in self.sessions.iter().rev().take(most) {
            let found = view.found(*id).unwrap();
            let real = found.session.as_ref().map(|real| {
                let (cold, hot) = (&real.cold, &real.hot);
                let ends = [hot.idle_deadline, cold.absolute_deadline].map(Millis::as_u64);
                (hot.counter, u32::from(hot.retries), ends, hot.revoked.is_some())
            });
            let wanted = self.reference.sessions.get(id);
            let row = wanted.map(|session| {
                let ends = [session.idle_end, session.end];
                (session.counter, session.retries, ends, session.over.is_some())
            });
            same("a session's counter, retries, idle and absolute end, and whether it is over", real, row)?;
            let user = wanted.map_or(UserId::from_bytes([0; 16]), |session| session.user);
            let shown = if *cookie {
                Shown::Session(*id)
            } else {
                Shown::Access { session: *id, user, expires: Millis::MAX }
            };
            let real = verify(&asked(&permit(APPS[*app]), shown, now), &found);
            same("who verifies", real.err().map(|refusal| refusal.code), self.reference.dead(*id, self.now))?;
        }
        Ok(())
    }
}
