//! The commands that a sequence is made of. What they are made with stands here and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use hallpass_protocol::auth::{Needs, SessionKind};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::time::Millis;

use crate::domain::account::{Name, PasswordHash, Roles};
use crate::domain::check::{Asked, Shown};
use crate::domain::command::{Command, Login, Opening, Purpose, RefreshCommand, Settle};
use crate::domain::effect::{Credential, Outcome};
use crate::domain::family::{AttemptHash, Binding, ContextTag};
use crate::domain::policy::{Operation, Permit, Principal, Role, admit};
use crate::domain::session::Origin;
use crate::domain::throttle::Source;

pub(super) const NAMES: [&str; 4] = ["ann", "bob", "eve", "nobody"];
pub(super) const APPS: [&str; 2] = ["shop", "blog"];

pub(super) fn admin() -> Permit {
    admit(&Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin }), Operation::Administer).unwrap()
}

pub(super) fn parsed(name: usize) -> Name {
    Name::parse(NAMES[name]).unwrap()
}

pub(super) fn hash(version: u32) -> PasswordHash {
    PasswordHash(format!("$password {version}"))
}

pub(super) fn roles(which: u8) -> Roles {
    Roles::parse((0..which).map(|role| format!("role{role}")).collect()).unwrap()
}

pub(super) fn login(name: usize, app: usize, device: Option<(UserId, DeviceId)>) -> Login {
    let source = Source { app: APPS[app].to_owned(), address: "192.0.2.1".to_owned() };
    Login { name: NAMES[name].to_owned(), source, device, session: None }
}

pub(super) fn settled(
    login: Login,
    proved: Option<Credential>,
    retry_after: Duration,
    kind: SessionKind,
) -> Command {
    Command::Settle(Box::new(Settle {
        purpose: Purpose::Login,
        login,
        allowed: true,
        proved,
        rehash: None,
        retry_after,
        opening: Opening { kind, audience: None, origin: Origin::default(), tag: ContextTag(0) },
    }))
}

pub(super) fn shown(session: SessionId, counter: u32, attempt: Option<u8>) -> Command {
    Command::Refresh(Box::new(RefreshCommand {
        session,
        counter,
        attempt: attempt.map(|attempt| AttemptHash([attempt; 6])),
        audience: None,
        origin: Origin::default(),
        tag: ContextTag(0),
    }))
}

pub(super) fn code(outcome: &Result<Outcome, Refusal>) -> Option<ErrorCode> {
    outcome.as_ref().err().map(|refusal| refusal.code)
}

pub(super) fn ended(outcome: &Result<Outcome, Refusal>) -> Option<u64> {
    if let Ok(Outcome::Ended(sessions)) = outcome { Some(*sessions) } else { None }
}

/// A verification that needs nothing but life.
pub(super) fn asked(permit: &Permit, shown: Shown, now: Millis) -> Asked<'_> {
    const NEEDS: &Needs = &Needs { audience: None, roles: Vec::new(), max_auth_age: None, level: None };
    Asked { permit, shown, needs: NEEDS, fingerprint: None, binding: Binding::Off, now }
}
