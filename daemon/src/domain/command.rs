//! Commands to the writer, the facts each is decided on, and the policy it is decided by.

use std::time::Duration;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::id::{DeviceId, SessionId, UserId};
use hallpass_protocol::time::Millis;
use hallpass_protocol::token::MacKeyId;

use super::account::{Change, CodeHash, Name, NewUser, PasswordHash, User};
use super::effect::{Credential, Event, ListedAt};
use super::family::{AttemptHash, ContextTag, RotationPolicy};
use super::keyset::{Key, KeyPolicy};
use super::policy::{Operation, Permit};
use super::reseal::{Bridge, Master, MasterId, Resealed};
use super::retention::{AuditPolicy, OldEntries};
use super::revocation::{CutOffs, Target};
use super::session::{Dead, Origin, Session, is_alive};
use super::throttle::{Source, ThrottlePolicy, Tried};
use super::time::Moment;

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Counts a login before its password is looked at.
    Attempt(Login),
    /// Ends a login whose password was looked at.
    Settle(Box<Settle>),
    /// Exchanges a refresh token.
    Refresh(Box<RefreshCommand>),
    /// Takes sessions back.
    Revoke(Target),
    /// Writes down that a session is in use, and from which device.
    Touch(SessionId, Option<[u8; 16]>),
    /// Opens a session for a user whom the app has authenticated.
    Vouch(Box<Vouch>),
    /// Sets a password with a code.
    Redeem(Box<Redeem>),
    /// Adds a user.
    AddUser(Box<NewUser>),
    /// Changes a user.
    ChangeUser(Name, Change),
    /// Removes what is over, a bounded number of rows at a time.
    Sweep,
    /// Writes down that the daemon starts to serve.
    Start,
    /// Writes down that the database was opened again after its disk had failed.
    Reopen,
    /// Writes down that the daemon goes by another configuration from now on.
    Reload,
    /// Writes down that somebody takes a copy of the database.
    Backup,
    /// Writes down something that changes nothing else.
    Tell(Event, String),
    /// Writes down that calls were refused before they reached the rules.
    NoteRefused(Refused),
    /// Brings a new key in.
    RotateKey {
        /// The key, sealed for the next place of its kind.
        new: Box<Key>,
        /// The master key that it is sealed under.
        under: MasterId,
        /// Whether all others of its kind are to be gone at once.
        emergency: bool,
    },
    /// Takes one signing key back.
    RetireKey {
        /// Which.
        kid: String,
        /// What signs from then on, if that one did and none waits: sealed for the next place of its kind.
        spare: Box<Key>,
        /// The master key that it is sealed under.
        under: MasterId,
    },
    /// Moves keys on whose time has come.
    TendKeys,
    /// Lets a new master key take the place of the one that the keys are sealed under.
    BridgeMaster {
        /// The one that they are sealed under.
        under: MasterId,
        /// The way to it from the new one.
        bridge: Box<Bridge>,
    },
    /// Puts every key under the seal of another master key.
    Reseal(Box<Resealed>),
}

/// Calls that were refused before they reached the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    /// What was asked for.
    pub(crate) operation: Operation,
    /// Why there was none.
    pub(crate) code: ErrorCode,
    /// How many there were since the last entry of them; none for the first.
    pub(crate) more: u64,
}

impl Command {
    /// Whether it settles what a password or a code was shown for.
    pub(crate) const fn proves(&self) -> bool {
        matches!(self, Self::Settle(_) | Self::Redeem(_))
    }

    /// Whether it brings in what stays, or holds on to what is gone. That is refused first where room is short, so that taking back stays possible:
    /// a try of a password too, since each is counted under the name that was given.
    pub(crate) const fn adds(&self) -> bool {
        match self {
            Self::Attempt(_) | Self::Vouch(_) | Self::Redeem(_) | Self::AddUser(_) | Self::Backup => true,
            Self::Settle(settle) => !matches!(settle.purpose, Purpose::ChangePassword(..)),
            // An export holds on to what is gone, as a backup does.
            Self::Tell(event, _) => matches!(event, Event::UserExport),
            Self::Refresh(_)
            | Self::Revoke(_)
            | Self::Touch(..)
            | Self::ChangeUser(..)
            | Self::Sweep
            | Self::Start
            | Self::Reopen
            | Self::Reload
            | Self::NoteRefused(_)
            | Self::RotateKey { .. }
            | Self::RetireKey { .. }
            | Self::TendKeys
            | Self::BridgeMaster { .. }
            | Self::Reseal(_) => false,
        }
    }
}

/// Who logs in, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// The name as given; it need not be one.
    pub(crate) name: String,
    /// What failures are counted by.
    pub(crate) source: Source,
    /// A device that an earlier login made known, proved by its token.
    pub(crate) device: Option<(UserId, DeviceId)>,
    /// A living session of theirs, proved by its token, where that is what they log in beside.
    pub(crate) session: Option<(UserId, SessionId)>,
}

/// How a session is to be opened.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// Its kind.
    pub(crate) kind: SessionKind,
    /// The audience asked for.
    pub(crate) audience: Option<String>,
    /// Where the request came from.
    pub(crate) origin: Origin,
    /// The same in short.
    pub(crate) tag: ContextTag,
}

/// What a password is proved for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// To open a session.
    Login,
    /// To put a session of a higher level in the place of this one.
    Reauthenticate(SessionId),
    /// To set another password, and put a new session in the place of this one.
    ChangePassword(SessionId, PasswordHash),
}

/// A user whom an app has authenticated.
#[derive(Debug, Clone)]
pub(crate) struct Vouch {
    /// Who.
    pub(crate) user: Whom,
    /// How they proved who they are, in the app's words.
    pub(crate) amr: Vec<String>,
    /// The session to open.
    pub(crate) opening: Opening,
}

/// A user, by either of their names.
#[derive(Debug, Clone)]
pub(crate) enum Whom {
    /// By what never changes.
    Id(UserId),
    /// By what they log in with.
    Name(Name),
}

/// A password to be set with a code. The try was counted before.
#[derive(Debug, Clone)]
pub(crate) struct Redeem {
    /// Who, and from where.
    pub(crate) login: Login,
    /// Whether it was looked at; else the try came too early.
    pub(crate) allowed: bool,
    /// The code's hash, if the try is looked at at all.
    pub(crate) code: Option<CodeHash>,
    /// The password to set.
    pub(crate) password: PasswordHash,
    /// How long a caller should wait before the next try.
    pub(crate) retry_after: Duration,
    /// The session to open.
    pub(crate) opening: Opening,
}

/// A login whose password was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Settle {
    /// What for.
    pub(crate) purpose: Purpose,
    /// Who logs in.
    pub(crate) login: Login,
    /// Whether it was looked at; else the try came too early.
    pub(crate) allowed: bool,
    /// What the password was checked against, if it fits.
    pub(crate) proved: Option<Credential>,
    /// A stronger hash of the same password.
    pub(crate) rehash: Option<PasswordHash>,
    /// How long a caller should wait before the next try.
    pub(crate) retry_after: Duration,
    /// The session to open.
    pub(crate) opening: Opening,
}

/// A genuine refresh token to be exchanged.
#[derive(Debug, Clone)]
pub(crate) struct RefreshCommand {
    /// The session it belongs to.
    pub(crate) session: SessionId,
    /// Which of its tokens it is.
    pub(crate) counter: u32,
    /// The client's attempt.
    pub(crate) attempt: Option<AttemptHash>,
    /// The audience asked for.
    pub(crate) audience: Option<String>,
    /// Where the request came from.
    pub(crate) origin: Origin,
    /// The same in short.
    pub(crate) tag: ContextTag,
}

/// What the store knows that a command depends on, read inside its transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The user it is about.
    pub(crate) user: Option<User>,
    /// Whether a name that is wanted is taken.
    pub(crate) name_taken: bool,
    /// The session it is about.
    pub(crate) session: Option<Session>,
    /// Sessions of that user, or those that a sweep looks at.
    pub(crate) sessions: Vec<Session>,
    /// Where those that a sweep looks at lie in the deadline index.
    pub(crate) due: Vec<Millis>,
    /// Entries of the revocation list that are too old to concern a living token.
    pub(crate) old_revocations: Vec<ListedAt>,
    /// Counts of failed logins that are so old that they mean nothing.
    pub(crate) old_failures: Vec<[u8; 16]>,
    /// The oldest audit entries, where they need not be kept any longer.
    pub(crate) old_audit: Option<OldEntries>,
    /// How many sessions there are, where that is the answer.
    pub(crate) known_sessions: u64,
    /// What failed before by the counts that a login goes by.
    pub(crate) tried: Tried,
    /// Stamps that end many sessions at once.
    pub(crate) cut_offs: CutOffs,
    /// The keys that new tokens are made with.
    pub(crate) keys: ActiveKeys,
    /// Every key, where keys are what it is about.
    pub(crate) keyset: Vec<Key>,
    /// The master key that they are sealed under, where that matters.
    pub(crate) master: Master,
}

/// The keys that new tokens are made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActiveKeys {
    /// Signs access tokens.
    pub(crate) signing: String,
    /// Seals the others.
    pub(crate) mac: MacKeyId,
}

/// Randomness for one command, drawn before it is decided.
#[derive(Clone)]
pub(crate) struct Fresh {
    /// For the identifier of a new user or session.
    pub(crate) id: [u8; 10],
    /// For the `jti` of an access token.
    pub(crate) jti: [u8; 8],
    /// For a device that becomes known.
    pub(crate) device: [u8; 16],
    /// For the lifetime of an access token.
    pub(crate) jitter: u16,
}

/// Everything that one command is decided on.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    /// Leave to ask for it, and who asks.
    pub(crate) permit: &'a Permit,
    /// What the store knows.
    pub(crate) facts: &'a Facts,
    /// The settings.
    pub(crate) policy: &'a Policy,
    /// Randomness.
    pub(crate) fresh: &'a Fresh,
    /// When.
    pub(crate) at: &'a Moment,
}

impl Case<'_> {
    /// The random bytes of an identifier made now, led by its place within the millisecond.
    ///
    /// What is written in the order of its identifiers fills its pages in the file; what is not leaves them half empty.
    pub(crate) fn random_in_order(&self) -> [u8; 10] {
        const PLACE_BITS: u32 = 10;
        let mut random = self.fresh.id;
        let micros = self.at.stamp.0.saturating_sub(self.at.now.as_u64() * 1000);
        // A stamp can run ahead of the time; what is made then shares the last place.
        let place = u16::try_from(micros.min((1 << PLACE_BITS) - 1)).unwrap_or_default();
        let lead = u16::from_be_bytes([random[0], random[1]]);
        let lead = place << (u16::BITS - PLACE_BITS) | lead >> PLACE_BITS;
        random[..2].copy_from_slice(&lead.to_be_bytes());
        random
    }

    /// Whether a session of the user that the command is about is alive.
    pub(crate) fn is_alive(&self, session: &Session) -> Result<(), Dead> {
        is_alive(self.facts.user.as_ref(), session, &self.facts.cut_offs, self.at.now)
    }
}

/// The settings that decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// How long things live.
    pub(crate) lifetimes: Lifetimes,
    /// How rotation behaves.
    pub(crate) rotation: RotationPolicy,
    /// How many living sessions a user may have.
    pub(crate) max_sessions: usize,
    /// What happens to one more.
    pub(crate) when_full: WhenFull,
    /// How keys rotate by themselves.
    pub(crate) keys: KeyPolicy,
    /// What failed logins cost.
    pub(crate) throttle: ThrottlePolicy,
    /// How long the audit chain is kept.
    pub(crate) audit: AuditPolicy,
}

/// What happens when a user has as many sessions as allowed and opens another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenFull {
    /// The oldest makes room.
    EvictOldest,
    /// The login is refused.
    Refuse,
}

/// How long things live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// An access token.
    pub(crate) access: Duration,
    /// A session that is not used.
    pub(crate) idle: Duration,
    /// A session in any case.
    pub(crate) absolute: Duration,
    /// A level that another proof has raised.
    pub(crate) level: Duration,
}

impl Lifetimes {
    /// An access token's lifetime less up to 5 %, so that tokens issued together are not refreshed together.
    pub(crate) fn jittered_access(&self, jitter: u16) -> Duration {
        self.access.saturating_sub(self.access * u32::from(jitter) / u32::from(u16::MAX) / 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_shortens_and_by_at_most_a_twentieth() {
        let minute = Duration::from_mins(1);
        let lifetimes = Lifetimes { access: minute * 10, idle: minute, absolute: minute, level: minute };
        assert_eq!(lifetimes.jittered_access(0), minute * 10);
        assert_eq!(lifetimes.jittered_access(u16::MAX), Duration::from_secs(570));
    }
}
