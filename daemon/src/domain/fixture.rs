//! A user, a session and a moment for tests of the rules.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::MacKeyId;

use super::account::{Attributes, Name, PasswordHash, Roles, User};
use super::command::{ActiveKeys, Case, Command, Facts, Fresh, Lifetimes, Policy, WhenFull};
use super::decide::decide;
use super::effect::{Decision, Effect};
use super::family::{Binding, ContextTag, Debt, FIRST, RotationPolicy};
use super::keyset::KeyPolicy;
use super::policy::tests::app;
use super::policy::{Operation, Permit, Right, admit};
use super::retention::AuditPolicy;
use super::session::{Cold, Hot, Origin, Session};
use super::throttle::{Failures, ThrottleKey, ThrottlePolicy};
use super::time::{Moment, Outage};

/// When the tests begin: the user exists and the session was just opened.
pub(crate) const START: Millis = Millis::from_u64(1_700_000_000_000);

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// What one command is decided on, to be changed at will.
pub(crate) struct World {
    pub(crate) permit: Permit,
    pub(crate) facts: Facts,
    pub(crate) policy: Policy,
    pub(crate) fresh: Fresh,
    pub(crate) at: Moment,
    /// Failed logins that were counted, and whether there is room for more counts.
    pub(crate) failures: HashMap<ThrottleKey, Failures>,
    pub(crate) is_full: bool,
}

impl World {
    /// A token session of the app `shop`, opened at [`START`], looked at by that app a second later.
    pub(crate) fn new() -> Self {
        let facts = Facts {
            user: Some(user()),
            session: Some(session()),
            keys: ActiveKeys { signing: "kid".into(), mac: MacKeyId(2) },
            ..Facts::default()
        };
        let mut world = Self {
            permit: permit("shop"),
            facts,
            policy: policy(),
            fresh: Fresh { id: [7; 10], jti: [8; 8], device: [9; 16], jitter: 0 },
            at: Moment { now: START, stamp: Stamp(0), outage: Outage::default() },
            failures: HashMap::new(),
            is_full: false,
        };
        world.after(Duration::from_secs(1));
        world
    }

    /// Lets time go by.
    pub(crate) fn after(&mut self, duration: Duration) -> &mut Self {
        self.at.now = self.at.now.plus(duration);
        self.at.stamp = Stamp((self.at.now.as_u64() * 1000).max(self.at.stamp.0 + 1));
        self
    }

    /// Lets time go by, but for its last millisecond.
    pub(crate) fn after_almost(&mut self, duration: Duration) -> &mut Self {
        self.after(duration.saturating_sub(Duration::from_millis(1)))
    }

    /// Decides a command, and has its effects on the session and the user come true.
    pub(crate) fn decide(&mut self, command: &Command) -> Decision {
        self.load_failures(command);
        let case = Case {
            permit: &self.permit,
            facts: &self.facts,
            policy: &self.policy,
            fresh: &self.fresh,
            at: &self.at,
        };
        let decision = decide(command, &case);
        for effect in &decision.effects {
            match effect {
                Effect::PutHot(_, hot) | Effect::NoteUse(_, hot) => self.session().hot = hot.clone(),
                Effect::PutUser(user) => self.facts.user = Some(user.clone()),
                Effect::PutFailures(key, failures) => drop(self.failures.insert(key.clone(), *failures)),
                Effect::ClearFailures(key) => drop(self.failures.remove(key)),
                Effect::PutMaster(master) => self.facts.master.clone_from(master),
                Effect::PutCutOffs(cut_offs) => self.facts.cut_offs.clone_from(cut_offs),
                _ => {}
            }
        }
        self.at.stamp = Stamp(self.at.stamp.0 + 1);
        decision
    }

    fn load_failures(&mut self, command: &Command) {
        let login = match command {
            Command::Attempt(login) => login,
            Command::Settle(settle) => &settle.login,
            Command::Redeem(redeem) => &redeem.login,
            _ => return,
        };
        let read = |key: &ThrottleKey| Ok::<_, Infallible>(self.failures.get(key).copied());
        let Ok(tried) = login.tried(self.facts.user.as_ref(), &self.policy.throttle, self.is_full, read);
        self.facts.tried = tried;
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        self.facts.session.as_mut().unwrap()
    }

    pub(crate) fn user(&mut self) -> &mut User {
        self.facts.user.as_mut().unwrap()
    }
}

pub(crate) fn permit(name: &str) -> Permit {
    admit(&app(name, &Right::USUAL), Operation::Login).unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy {
        lifetimes: Lifetimes {
            access: 10 * MINUTE,
            idle: 60 * MINUTE,
            absolute: 24 * 60 * MINUTE,
            level: 15 * MINUTE,
        },
        rotation: RotationPolicy {
            retry_window: Duration::from_secs(30),
            per_minute: 5,
            binding: Binding::Off,
        },
        max_sessions: 3,
        when_full: WhenFull::EvictOldest,
        keys: KeyPolicy { lead: 60 * MINUTE, rotate_every: Duration::from_hours(90 * 24) },
        throttle: throttle(),
        audit: AuditPolicy { keep_for: Duration::from_hours(400 * 24), keep_entries: 10_000_000 },
    }
}

/// What failed logins cost where nothing else is configured.
pub(crate) fn throttle() -> ThrottlePolicy {
    ThrottlePolicy {
        free: 10,
        longest: 15 * MINUTE,
        in_a_row: 100,
        per_source: 100,
        per_app: 1000,
        rows: 262_144,
    }
}

pub(crate) fn user() -> User {
    User {
        id: UserId::new(START, [1; 10]),
        name: Name::parse("alice").unwrap(),
        password: Some(PasswordHash("$hash".into())),
        roles: Roles::parse(vec!["editor".into()]).unwrap(),
        disabled: false,
        credential_version: 1,
        not_before: Stamp(START.as_u64() * 1000 - 1),
        attributes: Attributes::default(),
        code: None,
    }
}

pub(crate) fn session() -> Session {
    Session {
        id: SessionId::new(START, [2; 10]),
        cold: Cold {
            user: user().id,
            app: "shop".into(),
            kind: SessionKind::Token,
            opened: Stamp(START.as_u64() * 1000),
            absolute_deadline: START.plus(24 * 60 * MINUTE),
            amr: vec!["pwd".into()],
            origin: Origin::default(),
        },
        hot: Hot {
            last_seen: START,
            idle_deadline: START.plus(60 * MINUTE),
            auth_time: START,
            level: 1,
            level_seconds: 0,
            counter: FIRST,
            rotated_at: START,
            mac_key: MacKeyId(1),
            attempt: None,
            retries: 0,
            tag: ContextTag(0),
            debt: Debt::default(),
            revoked: None,
        },
    }
}
