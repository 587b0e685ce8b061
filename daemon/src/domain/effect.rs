//! What a decision says: what to write, what to answer, and what to remember in the audit chain.

use std::time::Duration;

use hallpass_protocol::error::Refusal;
use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::MacKeyId;

use super::account::{Name, PasswordHash, User};
use super::command::Case;
use super::keyset::{Key, KeyKind};
use super::reseal::Master;
use super::retention::OldEntries;
use super::revocation::CutOffs;
use super::session::{Hot, Session};
use super::throttle::{Failures, ThrottleKey};

/// The outcome of one command. A refusal may carry effects: they are committed, and then it is spoken.
#[derive(Debug)]
#[must_use]
pub(crate) struct Decision {
    /// What to write.
    pub(crate) effects: Vec<Effect>,
    /// What to answer.
    pub(crate) outcome: Result<Outcome, Refusal>,
    /// What to remember.
    pub(crate) audit: Option<Audit>,
}

/// One change to the store.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Writes a user and, for a new one, their name.
    PutUser(User),
    /// Removes a user and frees their name.
    RemoveUser {
        /// Who.
        id: UserId,
        /// Under which name.
        name: Name,
    },
    /// Keeps a name that somebody gave up from being taken for a while.
    ReserveName {
        /// The name.
        name: Name,
        /// Until when.
        until: Millis,
    },
    /// Removes an entry of the revocation list that no living token can concern.
    ForgetRevocation(ListedAt),
    /// Writes both rows of a new session and its indexes.
    OpenSession(Box<Session>),
    /// Writes the changing row of a session.
    PutHot(SessionId, Hot),
    /// Writes what use and rotation change in a session: nothing that an answer about it says, but for its end, which moves away.
    NoteUse(SessionId, Hot),
    /// Says once more that a session was taken back, to whoever may have missed it; writes nothing.
    SayAgain(SessionId),
    /// Has everybody ask about everything that they hold. Nothing is written.
    AskAnew,
    /// Moves a session's place in the deadline index to its present deadline.
    MoveDeadline {
        /// The session.
        session: SessionId,
        /// Where it lies.
        from: Millis,
        /// Where it belongs.
        to: Millis,
    },
    /// Takes a session that is over out of its user's list. Its rows stay, for what they answer.
    Unlist {
        /// The session.
        session: SessionId,
        /// Whose it was.
        user: UserId,
    },
    /// Removes every row of a session that is over.
    RemoveSession {
        /// The session.
        session: SessionId,
        /// Whose it was.
        user: UserId,
        /// Its place in the deadline index.
        due: Millis,
    },
    /// Writes a count of failed logins.
    PutFailures(ThrottleKey, Failures),
    /// Forgets a count of failed logins.
    ClearFailures(ThrottleKey),
    /// Forgets a count of failed logins that a sweep came by.
    ForgetFailures([u8; 16]),
    /// Removes the oldest audit entries.
    PruneAudit(OldEntries),
    /// Writes a key.
    PutKey(Key),
    /// Removes a key for good.
    RemoveKey(KeyKind, u16),
    /// Writes what is known of the master key.
    PutMaster(Master),
    /// Writes the stamps that end many sessions at once.
    PutCutOffs(CutOffs),
}

impl Effect {
    /// Writes what use or a rotation has changed. Where idle sessions live shorter than they used to, it brings the end of this one nearer, and whoever
    /// holds an answer with the old one must hear of it.
    pub(crate) fn of_use(session: &Session, hot: Hot) -> Self {
        if hot.idle_deadline < session.hot.idle_deadline {
            Self::PutHot(session.id, hot)
        } else {
            Self::NoteUse(session.id, hot)
        }
    }
}

/// Where an entry stands in the revocation list: its stamp, and its place among those of that stamp.
pub(crate) type ListedAt = (Stamp, u16);

/// What a command that was not refused answers.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Whether the password may be tried, and against what.
    Attempt(Attempt),
    /// A grant to be signed and spoken.
    Granted(Box<GrantPlan>),
    /// How many living sessions were ended.
    Ended(u64),
    /// The user as they are now.
    User(User),
    /// How many rows a sweep looked at.
    Swept(u64),
    /// Nothing to say.
    Done,
}

/// What is known of a login before its password is hashed.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Whether a try from here is looked at now.
    pub(crate) allowed: bool,
    /// The account that the password may open, if there is one and it may be tried now.
    pub(crate) credential: Option<Credential>,
    /// Whether it comes from a known device or session and is looked at, so that it need not wait behind those of strangers.
    pub(crate) known: bool,
    /// How long the caller should wait before the next try if this one fails.
    pub(crate) retry_after: Duration,
}

/// What a password is checked against.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// Whose.
    pub(crate) user: UserId,
    /// The stored hash.
    pub(crate) hash: PasswordHash,
    /// Which credential it is.
    pub(crate) version: u32,
}

/// Everything a grant says, fixed in the transaction that made it. Signing adds nothing.
#[derive(Debug, Clone)]
pub(crate) struct GrantPlan {
    /// Whose.
    pub(crate) user: UserId,
    /// Which session.
    pub(crate) session: SessionId,
    /// When it ends if it is not used.
    pub(crate) idle_deadline: Millis,
    /// When it ends in any case.
    pub(crate) absolute_deadline: Millis,
    /// What to make.
    pub(crate) tokens: Tokens,
    /// The device to make known, and under which key.
    pub(crate) device: Option<(DeviceId, MacKeyId)>,
}

/// The tokens of a grant before they are made.
#[derive(Debug, Clone)]
pub(crate) enum Tokens {
    /// One session token.
    Cookie {
        /// The key to make it with.
        mac_key: MacKeyId,
    },
    /// An access token and a refresh token.
    Token {
        /// What the access token says.
        access: Box<AccessPlan>,
        /// Which refresh token.
        counter: u32,
        /// The key to make it with.
        mac_key: MacKeyId,
    },
}

/// What an access token says.
#[derive(Debug, Clone)]
pub(crate) struct AccessPlan {
    /// The key to sign with.
    pub(crate) kid: String,
    /// The stamp in its `jti`: it has seen every change up to this.
    pub(crate) stamp: Stamp,
    /// The rest of its `jti`.
    pub(crate) random: [u8; 8],
    /// `sub`.
    pub(crate) user: UserId,
    /// `sid`.
    pub(crate) session: SessionId,
    /// `aud`.
    pub(crate) audience: String,
    /// `client_id`.
    pub(crate) app: String,
    /// `iat`.
    pub(crate) issued: Millis,
    /// `exp`, in whole seconds.
    pub(crate) expires: Millis,
    /// `auth_time`.
    pub(crate) auth_time: Millis,
    /// `acr`.
    pub(crate) level: u8,
    /// `amr`.
    pub(crate) amr: Vec<String>,
    /// `roles`.
    pub(crate) roles: Vec<String>,
}

impl AccessPlan {
    /// Fixes what an access token for this user and session says now. It never outlives the session, neither its absolute end nor the idle end as it is
    /// now: who verifies it alone knows of no other.
    pub(crate) fn new(user: &User, session: &Session, hot: &Hot, audience: String, case: &Case<'_>) -> Self {
        let (fresh, at) = (case.fresh, case.at);
        let lifetime = case.policy.lifetimes.jittered_access(fresh.jitter);
        let end = at.now.plus(lifetime).min(session.end()).min(hot.idle_deadline);
        Self {
            kid: case.facts.keys.signing.clone(),
            stamp: at.stamp,
            random: fresh.jti,
            user: user.id,
            session: session.id,
            audience,
            app: session.cold.app.clone(),
            issued: at.now,
            expires: Millis::from_u64(end.as_secs() * 1000),
            auth_time: hot.auth_time,
            level: hot.level,
            amr: session.cold.amr.clone(),
            roles: user.roles.as_slice().to_vec(),
        }
    }
}

/// An entry for the audit chain: who and when are added where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    /// What happened.
    pub(crate) event: Event,
    /// To whom.
    pub(crate) user: Option<UserId>,
    /// To which session.
    pub(crate) session: Option<SessionId>,
    /// What else there is to know. Never a token, a password or a hash.
    pub(crate) detail: String,
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What the audit chain tells of. The words are stored and shown: an old one never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Event {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// The event as a stable word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Every event.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

events! {
    /// The daemon started on this database.
    Start = "daemon.start";
    /// The database was opened again after its disk had failed.
    Reopen = "daemon.reopen";
    /// A login ended, well or not.
    Login = "login";
    /// So many logins in a row have failed that only a new password or a code helps.
    LoginLocked = "login.locked";
    /// So many logins from one source have failed, of whatever names, that it has to wait.
    LoginSpray = "login.spray";
    /// So many logins through one app have failed.
    LoginSpike = "login.spike";
    /// A refresh was refused.
    Refresh = "refresh";
    /// A rotation was answered again.
    RefreshRetry = "refresh.retry";
    /// A refresh token was used twice; the family is dead.
    RefreshReuse = "refresh.reuse";
    /// A refresh token was ahead of the store; the family is dead.
    RefreshRollback = "refresh.rollback";
    /// A genuine refresh token came from another app; the family is dead.
    RefreshOtherApp = "refresh.other_app";
    /// A session was ended.
    SessionRevoke = "session.revoke";
    /// A user's sessions were ended.
    UserRevoke = "user.revoke";
    /// Every session of an app was ended.
    AppRevoke = "app.revoke";
    /// Every session was ended.
    EverythingRevoke = "everything.revoke";
    /// A session was opened for a user whom an app had authenticated.
    Vouch = "session.vouch";
    /// A session's user proved who they are again, or failed to.
    Reauthenticate = "session.reauthenticate";
    /// A session was used from another device than it was opened on.
    OtherDevice = "session.other_device";
    /// A user set a new password, or failed to.
    PasswordChange = "password.change";
    /// A user set a password with a code, or failed to.
    CodeRedeem = "code.redeem";
    /// A key was brought in.
    KeyRotate = "key.rotate";
    /// A signing key was taken back.
    KeyRetire = "key.retire";
    /// Keys moved on because their time had come.
    KeyTend = "key.tend";
    /// The master key was changed, or a step was made towards it.
    KeyReseal = "key.reseal";
    /// A user was added.
    UserAdd = "user.add";
    /// A user may log in again.
    UserEnable = "user.enable";
    /// A user may no longer log in.
    UserDisable = "user.disable";
    /// A user was removed.
    UserRemove = "user.remove";
    /// A password was set.
    UserPassword = "user.password";
    /// Roles were set.
    UserRoles = "user.roles";
    /// Attributes were set.
    UserAttributes = "user.attributes";
    /// A code was made.
    UserCode = "user.code";
    /// A user has another name.
    UserRename = "user.rename";
    /// A backup took the place of the database, and ended everything that was given out.
    Restore = "restore";
    /// An older or another database was found in the place of the one that was last written; it ended everything that was given out.
    Rollback = "rollback";
    /// A copy of the database was begun.
    Backup = "backup";
    /// The oldest audit entries were removed because they need not be kept any longer.
    AuditPrune = "audit.prune";
    /// The audit chain that was found at a start is not confirmed by what was kept outside the database.
    AuditUnconfirmed = "audit.unconfirmed";
    /// A list of all users was begun.
    UserExport = "user.export";
    /// The wall clock was set.
    ClockStep = "clock.step";
    /// The daemon's time follows the wall clock again, as an administrator wanted.
    ClockAccept = "clock.accept";
    /// Calls were refused before they reached the rules, or a token of another app was shown.
    CallRefused = "call.refused";
    /// The daemon goes by another configuration from now on.
    Reload = "config.reload";
}

impl Event {
    /// Whether somebody can bring it about as often as they like. Then the first of a minute is an entry, and the rest are one count.
    pub(crate) const fn is_cheap(self) -> bool {
        matches!(self, Self::RefreshRetry | Self::OtherDevice | Self::LoginSpray | Self::LoginSpike)
    }
}

impl Decision {
    /// A success that is remembered.
    pub(crate) fn done(event: Event, outcome: Outcome) -> Self {
        Self { effects: Vec::new(), outcome: Ok(outcome), audit: Some(Audit::new(event)) }
    }

    /// A success that leaves no audit row.
    pub(crate) fn silent(outcome: Outcome) -> Self {
        Self { effects: Vec::new(), outcome: Ok(outcome), audit: None }
    }

    /// A refusal that is remembered.
    pub(crate) fn refused(event: Event, refusal: impl Into<Refusal>) -> Self {
        Self { effects: Vec::new(), outcome: Err(refusal.into()), audit: Some(Audit::new(event)) }
    }

    /// The same, with this written too.
    pub(crate) fn with(self, effect: Effect) -> Self {
        self.with_all([effect])
    }

    /// The same, with all of these written too.
    pub(crate) fn with_all(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        self.effects.extend(effects);
        self
    }

    /// The same, with this written too unless it is a refusal.
    pub(crate) fn only_if_done(self, effect: Effect) -> Self {
        if self.outcome.is_ok() { self.with(effect) } else { self }
    }

    /// The same, about this user.
    pub(crate) fn about_user(self, user: UserId) -> Self {
        self.audited(|audit| audit.user = Some(user))
    }

    /// The same, about this session and its user.
    pub(crate) fn about_session(self, session: &Session) -> Self {
        self.audited(|audit| {
            audit.user = Some(session.cold.user);
            audit.session = Some(session.id);
        })
    }

    /// The same, about this name.
    pub(crate) fn about_name(self, name: &Name) -> Self {
        self.detail(format!("name {}", name.as_str()))
    }

    /// The same, with this said.
    pub(crate) fn detail(self, detail: String) -> Self {
        self.audited(|audit| audit.detail = detail)
    }

    fn audited(mut self, change: impl FnOnce(&mut Audit)) -> Self {
        self.audit.as_mut().map(change);
        self
    }
}

impl Audit {
    pub(crate) fn new(event: Event) -> Self {
        Self { event, user: None, session: None, detail: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever reads the chain looks up there what a word means.
    #[test]
    fn every_event_is_documented() {
        let page = include_str!("../../../SECURITY.md");
        for event in Event::ALL {
            let word = format!("| `{}` |", event.as_str());
            assert!(page.contains(&word), "SECURITY.md has no row that begins with {word}");
        }
    }
}
