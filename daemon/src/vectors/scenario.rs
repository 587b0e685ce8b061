//! Cases of the kinds `rotation`, `revocation` and `lifetimes`: a state, and steps that each have an outcome.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::auth::{Needs, SessionKind};
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::Millis;
use serde_json::Value;

use super::format::{Action, Case, Expect, SessionGiven, Step, Then, UserGiven};
use super::world::{World, moment, offset, stamp};
use crate::domain::account::{self, Name, NewUser, PasswordHash, Roles};
use crate::domain::check::{Asked, Shown, verify};
use crate::domain::command::{Command, Login, Opening, Purpose, RefreshCommand, Settle};
use crate::domain::effect::{Credential, Decision, Outcome, Tokens};
use crate::domain::family::{AttemptHash, Binding, ContextTag};
use crate::domain::fixture::{self, START};
use crate::domain::policy::{Operation, Permit, Principal, Role, admit, admit_daemon};
use crate::domain::revocation::{Reason, Revocation, Target, Which};
use crate::domain::session::{Origin, Session};
use crate::domain::throttle::Source;
use crate::domain::time::Outage;

struct Run {
    world: World,
    names: BTreeMap<String, SessionId>,
}

pub(super) fn run(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let mut run = Run { world: World::new(), names: BTreeMap::new() };
    run.given(&case)?;
    for (number, step) in case.steps.iter().enumerate() {
        for _ in 0..step.times {
            run.step(step).map_err(|fault| format!("step {}: {fault}", number + 1))?;
        }
    }
    Ok(())
}

impl Run {
    fn given(&mut self, case: &Case) -> Result<(), String> {
        let (given, policy) = (&case.policy, &mut self.world.policy);
        let set = |what: &mut Duration, ms: Option<u64>| *what = ms.map_or(*what, Duration::from_millis);
        set(&mut policy.lifetimes.idle, given.idle_ms);
        set(&mut policy.lifetimes.absolute, given.absolute_ms);
        set(&mut policy.lifetimes.access, given.access_ms);
        set(&mut policy.rotation.retry_window, given.retry_window_ms);
        policy.rotation.per_minute = given.per_minute.unwrap_or(policy.rotation.per_minute);
        policy.rotation.binding = given.binding.unwrap_or(policy.rotation.binding);
        policy.max_sessions = given.max_sessions.unwrap_or(policy.max_sessions);
        policy.when_full = given.when_full.unwrap_or(policy.when_full);
        for user in case.users.as_deref().unwrap_or(&[UserGiven::default()]) {
            self.user(user)?;
        }
        for session in case.sessions.as_deref().unwrap_or(&[SessionGiven::default()]) {
            self.session(session)?;
        }
        self.world.cut_offs.everything = case.everything_us.map(stamp).unwrap_or_default();
        let [from, to] = case.down_ms.unwrap_or_default();
        if from < to {
            self.world.outage = Outage { from: moment(from), to: moment(to) };
        }
        Ok(())
    }

    fn user(&mut self, given: &UserGiven) -> Result<(), String> {
        let mut user = fixture::user();
        let place = u8::try_from(self.world.users.len()).map_err(|error| error.to_string())?;
        user.id = UserId::new(START, [place + 1; 10]);
        user.name =
            Name::parse(given.name.as_deref().unwrap_or("alice")).map_err(|refusal| refusal.message)?;
        if let Some(roles) = &given.roles {
            user.roles = Roles::parse(roles.clone()).map_err(|refusal| refusal.message)?;
        }
        user.disabled = given.disabled;
        user.not_before = stamp(given.not_before_us.unwrap_or(-1));
        self.world.users.push(user);
        Ok(())
    }

    fn session(&mut self, given: &SessionGiven) -> Result<(), String> {
        let mut session = fixture::session();
        let place = u8::try_from(self.world.sessions.len()).map_err(|error| error.to_string())?;
        session.id = SessionId::new(START, [place + 1; 10]);
        let (cold, hot) = (&mut session.cold, &mut session.hot);
        let owner = given.user.as_deref().unwrap_or("alice");
        // Somebody whom no row knows, where the case names nobody known.
        let nobody = UserId::new(START, [99; 10]);
        cold.user = self.world.user_named(owner).map_or(nobody, |user| user.id);
        cold.app = given.app.clone().unwrap_or(cold.app.clone());
        cold.kind = given.kind.unwrap_or(cold.kind);
        cold.opened = given.opened_us.map_or(cold.opened, stamp);
        cold.origin.fingerprint = given.device.as_deref().map(fingerprint).transpose()?;
        let set = |what: &mut Millis, ms: Option<i64>| *what = ms.map_or(*what, moment);
        set(&mut cold.absolute_deadline, given.absolute_end_ms);
        set(&mut hot.idle_deadline, given.idle_end_ms);
        set(&mut hot.last_seen, given.last_seen_ms);
        set(&mut hot.auth_time, given.auth_time_ms);
        set(&mut hot.rotated_at, given.rotated_at_ms);
        hot.level = given.level.unwrap_or(hot.level);
        hot.level_seconds = given.level_seconds.unwrap_or(hot.level_seconds);
        hot.counter = given.counter.unwrap_or(hot.counter);
        hot.retries = given.retries.unwrap_or(hot.retries);
        hot.attempt = given.attempt.as_deref().map(attempt).transpose()?;
        if let Some(reason) = &given.revoked {
            let reason = Reason::ALL.into_iter().find(|known| word(*known) == *reason).ok_or("no reason")?;
            hot.revoked = Some(Revocation { stamp: stamp(1), reason });
        }
        let due = hot.idle_deadline;
        self.names.insert(given.id.clone().unwrap_or("s1".into()), session.id);
        self.world.sessions.push((session, due));
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let now = moment(step.at_ms);
        let permit = permit(step.by.as_deref().unwrap_or("shop"))?;
        let got = match &step.action {
            Action::Verify { .. } => self.verify(&permit, &step.action, now)?,
            action => {
                let command = self.command(action, now)?;
                let decision = self.world.decide(&permit, &command, now);
                if let (Action::Login { opens, .. }, Ok(Outcome::Granted(plan))) = (action, &decision.outcome)
                {
                    self.names.insert(opens.clone(), plan.session);
                }
                answered(decision)
            }
        };
        compare(&got, &step.expect)?;
        step.then.iter().try_for_each(|(name, then)| self.then(name, then))
    }

    fn id(&self, name: &str) -> SessionId {
        // A name that the case gives to nothing is a session that is not there.
        self.names.get(name).copied().unwrap_or(SessionId::from_bytes([0xEE; 16]))
    }

    fn verify(&self, permit: &Permit, action: &Action, now: Millis) -> Result<Expect, String> {
        let Action::Verify { session, token_end_ms, roles, level, max_auth_age } = action else {
            return Err("no verification".into());
        };
        let id = self.id(session);
        let found = self.world.found(id);
        let shown = match (token_end_ms, &found.session) {
            (Some(end), Some(Session { cold, .. })) => {
                Shown::Access { session: id, user: cold.user, expires: moment(*end) }
            }
            _ => Shown::Session(id),
        };
        let needs =
            Needs { roles: roles.clone(), level: *level, max_auth_age: *max_auth_age, ..Needs::default() };
        let binding = Binding::Off;
        let asked = Asked { permit, shown, needs: &needs, fingerprint: None, binding, now };
        Ok(match verify(&asked, &found) {
            Ok(until) => Expect { until_ms: Some(offset(until)), ..Expect::default() },
            Err(refusal) => Expect { refused: Some(refusal.code.to_string()), ..Expect::default() },
        })
    }

    fn command(&self, action: &Action, now: Millis) -> Result<Command, String> {
        let name = |text: &str| Name::parse(text).map_err(|refusal| refusal.message);
        let change = |user: &str, change| Ok(Command::ChangeUser(name(user)?, change));
        Ok(match action {
            Action::Refresh { session, counter, attempt: id, audience, device, elsewhere } => {
                let fingerprint = device.as_deref().map(fingerprint).transpose()?;
                Command::Refresh(Box::new(RefreshCommand {
                    session: self.id(session),
                    counter: *counter,
                    attempt: id.as_deref().map(attempt).transpose()?,
                    audience: audience.clone(),
                    origin: Origin { fingerprint, ..Origin::default() },
                    tag: ContextTag(u16::from(*elsewhere)),
                }))
            }
            Action::Revoke { session } => Command::Revoke(Target::Session(self.id(session))),
            Action::RevokeOfApp { user, except } => {
                let user = self.world.user_named(user).ok_or("no such user")?.id;
                let except = except.as_deref().map(|name| self.id(name));
                Command::Revoke(Target::UserOfApp { user, which: except.map_or(Which::All, Which::AllBut) })
            }
            Action::RevokeUser { user } => Command::Revoke(Target::User(name(user)?)),
            Action::RevokeEverything {} => Command::Revoke(Target::Everything),
            Action::AddUser { user } => {
                let new = NewUser { password: Some(password()), ..NewUser::named(name(user)?) };
                Command::AddUser(Box::new(new))
            }
            Action::Enable { user } => return change(user, account::Change::Enable),
            Action::Disable { user } => return change(user, account::Change::Disable),
            Action::SetPassword { user } => return change(user, account::Change::SetPassword(password())),
            Action::SetRoles { user, roles } => {
                let roles = Roles::parse(roles.clone()).map_err(|refusal| refusal.message)?;
                return change(user, account::Change::SetRoles(roles));
            }
            Action::RemoveUser { user } => return change(user, account::Change::Remove),
            Action::Login { user, kind, .. } => self.login(user, *kind),
            Action::Touch { session } => Command::Touch(self.id(session), None),
            Action::Sweep {} => Command::Sweep,
            Action::Verify { .. } => return Err(format!("no command at {}", offset(now))),
        })
    }

    fn login(&self, name: &str, kind: SessionKind) -> Command {
        let source = Source { app: "shop".into(), address: String::new() };
        let proved = self.world.user_named(name).map(|user| Credential {
            user: user.id,
            hash: password(),
            version: user.credential_version,
        });
        Command::Settle(Box::new(Settle {
            purpose: Purpose::Login,
            login: Login { name: name.to_owned(), source, device: None },
            proved,
            rehash: None,
            retry_after: Duration::ZERO,
            opening: Opening { kind, audience: None, origin: Origin::default(), tag: ContextTag(0) },
        }))
    }

    fn then(&self, name: &str, then: &Then) -> Result<(), String> {
        let id = self.id(name);
        let found = self.world.sessions.iter().find(|(session, _)| session.id == id);
        let Some((Session { cold, hot, .. }, due)) = found else {
            return if then.gone { Ok(()) } else { Err(format!("{name} is gone")) };
        };
        let reason = hot.revoked.map_or_else(String::new, |revoked| word(revoked.reason));
        agree("gone", &false, Some(&then.gone))?;
        agree("counter", &hot.counter, then.counter.as_ref())?;
        agree("retries", &hot.retries, then.retries.as_ref())?;
        agree("revoked", &reason, then.revoked.as_ref())?;
        agree("idle_end_ms", &offset(hot.idle_deadline), then.idle_end_ms.as_ref())?;
        agree("absolute_end_ms", &offset(cold.absolute_deadline), then.absolute_end_ms.as_ref())?;
        agree("last_seen_ms", &offset(hot.last_seen), then.last_seen_ms.as_ref())?;
        agree("due_ms", &offset(*due), then.due_ms.as_ref())
    }
}

fn agree<T: PartialEq + Debug>(what: &str, got: &T, wanted: Option<&T>) -> Result<(), String> {
    match wanted {
        Some(wanted) if wanted != got => Err(format!("{what} is {got:?}, not {wanted:?}")),
        _ => Ok(()),
    }
}

/// The outcome must be the expected one; of the rest only what the case names.
fn compare(got: &Expect, wanted: &Expect) -> Result<(), String> {
    let outcome = |of: &Expect| (of.granted, of.refused.clone(), of.ended, of.swept, of.done, of.until_ms);
    agree(
        "the outcome (granted, refused, ended, swept, done, until_ms)",
        &outcome(got),
        Some(&outcome(wanted)),
    )?;
    let part = |what, got: String, wanted: String, named| agree(what, &got, Some(&wanted).filter(|_| named));
    let shown = |value: &dyn Debug| format!("{value:?}");
    part(
        "retry_after_ms",
        shown(&got.retry_after_ms),
        shown(&wanted.retry_after_ms),
        wanted.retry_after_ms.is_some(),
    )?;
    part(
        "access_end_ms",
        shown(&got.access_end_ms),
        shown(&wanted.access_end_ms),
        wanted.access_end_ms.is_some(),
    )?;
    part("roles", shown(&got.roles), shown(&wanted.roles), wanted.roles.is_some())?;
    part("audit", shown(&got.audit), shown(&wanted.audit), wanted.audit.is_some())
}

fn answered(decision: Decision) -> Expect {
    let audit = Some(decision.audit.map_or("", |audit| audit.event.as_str()).to_owned());
    let mut got = Expect { audit, ..Expect::default() };
    match decision.outcome {
        Err(refusal) => {
            got.refused = Some(refusal.code.to_string());
            got.retry_after_ms = refusal.retry_after_ms;
        }
        Ok(Outcome::Granted(plan)) => match plan.tokens {
            Tokens::Token { access, counter, .. } => {
                got.granted = Some(counter);
                got.access_end_ms = Some(offset(access.expires));
                got.roles = Some(access.roles);
            }
            Tokens::Cookie { .. } => got.granted = Some(0),
        },
        Ok(Outcome::Ended(sessions)) => got.ended = Some(sessions),
        Ok(Outcome::Swept(sessions)) => got.swept = Some(sessions),
        Ok(_) => got.done = Some(true),
    }
    got
}

fn permit(by: &str) -> Result<Permit, String> {
    match by {
        "hallpassd" => Ok(admit_daemon(0, 1)),
        "admin" => {
            let admin = Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin });
            admit(&admin, Operation::Administer).map_err(|refusal| refusal.message)
        }
        app => Ok(fixture::permit(app)),
    }
}

fn password() -> PasswordHash {
    PasswordHash("$hash".into())
}

fn attempt(hex: &str) -> Result<AttemptHash, String> {
    bytes(hex).map(AttemptHash)
}

fn fingerprint(hex: &str) -> Result<[u8; 16], String> {
    bytes(hex)
}

/// Bytes from hexadecimal digits, cut or filled with zeros to their length.
pub(super) fn bytes<const N: usize>(hex: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    if hex.len() > 2 * N || !hex.len().is_multiple_of(2) {
        return Err(format!("{hex} is not up to {N} bytes"));
    }
    for (byte, at) in bytes.iter_mut().zip((0..hex.len()).step_by(2)) {
        let digits = hex.get(at..at + 2).ok_or("not ASCII")?;
        *byte = u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

/// The reason in small letters, as `other_app`.
fn word(reason: Reason) -> String {
    let mut word = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
