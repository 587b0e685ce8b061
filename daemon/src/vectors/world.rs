//! Users and sessions of one case in memory: the facts that a command is decided on, and what its effects come to.

use hallpass_protocol::id::SessionId;
use hallpass_protocol::time::{Millis, Stamp};

use crate::domain::account::User;
use crate::domain::check::Found;
use crate::domain::command::{ActiveKeys, Case, Command, Facts, Fresh, Policy};
use crate::domain::decide::decide;
use crate::domain::effect::{Decision, Effect};
use crate::domain::fixture::{self, START};
use crate::domain::policy::Permit;
use crate::domain::revocation::{CutOffs, Target};
use crate::domain::session::Session;
use crate::domain::time::{Moment, Outage};

/// Everything that a case knows of.
pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) users: Vec<User>,
    /// Sessions, and their places in the deadline index.
    pub(super) sessions: Vec<(Session, Millis)>,
    pub(super) cut_offs: CutOffs,
    pub(super) outage: Outage,
    pub(super) last: Stamp,
    drawn: u8,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            policy: fixture::policy(),
            users: Vec::new(),
            sessions: Vec::new(),
            cut_offs: CutOffs::default(),
            outage: Outage::default(),
            last: Stamp(0),
            drawn: 100,
        }
    }

    /// Decides a command at a moment, by a stamp above every one before, and has its effects come true.
    pub(super) fn decide(&mut self, permit: &Permit, command: &Command, now: Millis) -> Decision {
        self.drawn = self.drawn.wrapping_add(1);
        self.last = Stamp((now.as_u64() * 1000).max(self.last.0 + 1));
        let fresh = Fresh { id: [self.drawn; 10], jti: [self.drawn; 8], device: [self.drawn; 16], jitter: 0 };
        let at = Moment { now, stamp: self.last, outage: self.outage };
        let facts = self.facts(command, now);
        let case = Case { permit, facts: &facts, policy: &self.policy, fresh: &fresh, at: &at };
        let decision = decide(command, &case);
        decision.effects.iter().for_each(|effect| self.apply(effect));
        decision
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.iter().map(|(session, _)| session).find(|session| session.id == id)
    }

    pub(super) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name.as_str() == name)
    }

    pub(super) fn found(&self, id: SessionId) -> Found {
        let session = self.session(id).cloned();
        let user = session.as_ref().and_then(|session| self.owner(session)).cloned();
        Found { session, user, cut_offs: self.cut_offs.clone() }
    }

    fn owner(&self, session: &Session) -> Option<&User> {
        self.users.iter().find(|user| user.id == session.cold.user)
    }

    fn facts(&self, command: &Command, now: Millis) -> Facts {
        let keys = ActiveKeys { signing: "kid".into(), ..ActiveKeys::default() };
        let mut facts = Facts { cut_offs: self.cut_offs.clone(), keys, ..Facts::default() };
        let named = |name: &str| self.user_named(name).cloned();
        let of = |user: Option<&User>| -> Vec<Session> {
            let own = |session: &&Session| user.is_some_and(|user| user.id == session.cold.user);
            self.sessions.iter().map(|(session, _)| session).filter(own).cloned().collect()
        };
        let one = |id: SessionId, facts: &mut Facts| {
            let found = self.found(id);
            (facts.session, facts.user) = (found.session, found.user);
        };
        match command {
            Command::Refresh(refresh) => one(refresh.session, &mut facts),
            Command::Touch(id, _) | Command::Revoke(Target::Session(id)) => one(*id, &mut facts),
            Command::Revoke(Target::UserOfApp { user, .. }) => {
                facts.user = self.users.iter().find(|known| known.id == *user).cloned();
                facts.sessions = of(facts.user.as_ref());
            }
            Command::Settle(settle) => {
                facts.user = named(&settle.login.name);
                facts.sessions = of(facts.user.as_ref());
            }
            Command::Revoke(Target::User(name)) => {
                facts.user = named(name.as_str());
                facts.sessions = of(facts.user.as_ref());
            }
            Command::Revoke(Target::Everything) => {
                let since =
                    |(session, _): &&(Session, Millis)| session.cold.opened > self.cut_offs.everything;
                facts.known_sessions = self.sessions.iter().filter(since).count() as u64;
            }
            Command::AddUser(new) => facts.name_taken = named(new.name.as_str()).is_some(),
            Command::ChangeUser(name, _) => facts.user = named(name.as_str()),
            Command::Sweep => {
                let due = self.sessions.iter().filter(|(_, due)| *due <= now);
                (facts.sessions, facts.due) = due.cloned().unzip();
            }
            _ => {}
        }
        facts
    }

    fn apply(&mut self, effect: &Effect) {
        let at = |id: &SessionId| self.sessions.iter().position(|(session, _)| session.id == *id).unwrap();
        match effect {
            Effect::PutUser(user) => {
                self.users.retain(|known| known.id != user.id);
                self.users.push(user.clone());
            }
            Effect::RemoveUser { id, .. } => self.users.retain(|known| known.id != *id),
            Effect::OpenSession(session) => {
                let due = session.hot.idle_deadline;
                self.sessions.push((Session::clone(session), due));
            }
            Effect::PutHot(id, hot) | Effect::NoteUse(id, hot) => {
                let at = at(id);
                self.sessions[at].0.hot = hot.clone();
            }
            Effect::MoveDeadline { session, to, .. } => {
                let at = at(session);
                self.sessions[at].1 = *to;
            }
            Effect::RemoveSession { session, .. } => self.sessions.retain(|(known, _)| known.id != *session),
            Effect::PutCutOffs(cut_offs) => self.cut_offs.clone_from(cut_offs),
            _ => {}
        }
    }
}

/// A moment of a case: milliseconds after its beginning.
pub(super) fn moment(ms: i64) -> Millis {
    Millis::from_u64(START.as_u64().saturating_add_signed(ms))
}

/// A stamp of a case: microseconds after its beginning.
pub(super) fn stamp(us: i64) -> Stamp {
    Stamp((START.as_u64() * 1000).saturating_add_signed(us))
}

/// The reverse.
pub(super) fn offset(moment: Millis) -> i64 {
    moment.as_u64().cast_signed() - START.as_u64().cast_signed()
}
