//! Somebody who changes one user and their sessions at random, and remembers what was acknowledged and what is in doubt.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use hallpass_client::admin::{AdminClient, RevokeTarget};
use hallpass_client::{
    AttemptId, Client, Context, Error, ErrorCode, Login, Password, Refresh, Revoke, SessionId, SessionKind,
    Token, UserId, new_attempt,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::Notify;

use crate::support::dice::Dice;
use crate::support::{self, Tokens};

/// Living sessions a worker keeps.
const LIVING: usize = 6;
/// Dead ones it goes on to look at.
const DEAD: usize = 8;

/// One round's load, as its workers share it.
pub(crate) struct Load {
    /// The daemon's process.
    pub(crate) pid: Pid,
    /// Acknowledgements until one is followed at once by the kill; none if time decides.
    pub(crate) acks_left: Cell<Option<u64>>,
    /// Set when nothing new is to be begun.
    pub(crate) over: Cell<bool>,
    /// Whether a lost answer may have been asked for again.
    pub(crate) heals: bool,
    /// Tells the killer that the daemon was killed.
    pub(crate) killed: Notify,
}

/// A session and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) access: Token,
    /// The refresh token that stands, and which it is.
    pub(crate) current: Token,
    pub(crate) generation: u32,
    /// The one before.
    pub(crate) parent: Option<Parent>,
    /// The one before that.
    pub(crate) grandparent: Option<Token>,
    /// What it is answered with, once it is dead.
    pub(crate) dead: Option<ErrorCode>,
}

/// A refresh token that was exchanged for the current one.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    pub(crate) token: Token,
    /// The attempt that did it, if it is known.
    pub(crate) attempt: Option<AttemptId>,
    /// When, at the latest.
    pub(crate) exchanged: Instant,
}

/// A change, from when it is asked for until it is acknowledged.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Login,
    Rotate { session: usize, attempt: Option<AttemptId> },
    End { how: End, sessions: Vec<usize> },
    Enable,
    SetRoles(Vec<String>),
}

/// The ways in which sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Token,
    Session,
    AppOfUser { except: Option<SessionId> },
    AdminSession,
    AdminUser,
    Reuse,
    Disabling,
    NewPassword(String),
}

/// One user, whom nobody else changes.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) user: UserId,
    pub(crate) dice: Dice,
    pub(crate) password: String,
    /// Passwords that were replaced.
    pub(crate) retired: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) disabled: bool,
    pub(crate) sessions: Vec<Session>,
    /// The change that was asked for and not acknowledged.
    pub(crate) doubt: Option<Change>,
    /// Changes that were acknowledged, for ever.
    pub(crate) acknowledged: u64,
    /// Whether the password was changed, or may have been, since it was last tried.
    pub(crate) try_password: bool,
}

impl Worker {
    /// Adds the user.
    pub(crate) async fn add(admin: &AdminClient, name: String, dice: Dice) -> Self {
        let password = format!("the first password of {name}");
        let user = support::add_user(admin, &name, &password, &["r0"]).await.user_id;
        Self {
            name,
            user,
            dice,
            password,
            retired: None,
            roles: vec!["r0".to_owned()],
            disabled: false,
            sessions: Vec::new(),
            doubt: None,
            acknowledged: 0,
            try_password: false,
        }
    }

    /// Changes one thing after another until the daemon is gone.
    pub(crate) async fn work(&mut self, client: Client, admin: AdminClient, load: &Load) {
        while !load.over.get() {
            let change = self.choose();
            self.doubt = Some(change.clone());
            match self.ask(&client, &admin, load, &change).await {
                Ok(()) => {
                    self.doubt = None;
                    self.acknowledged += 1;
                    load.acknowledged();
                }
                Err(error) if error.code() == ErrorCode::Unavailable => {
                    // Certainly not done.
                    self.doubt = None;
                    return;
                }
                Err(error) if error.code() == ErrorCode::Unknown => return,
                Err(error) => unreachable!("{}: {change:?}: {error:?}", self.name),
            }
        }
    }

    fn choose(&mut self) -> Change {
        let living = self.living();
        if self.disabled {
            return Change::Enable;
        }
        let Some(session) = self.dice.pick(&living) else { return Change::Login };
        let one = |how| Change::End { how, sessions: vec![session] };
        let all = |how| Change::End { how, sessions: living.clone() };
        match self.dice.below(100) {
            0..20 if living.len() < LIVING => Change::Login,
            20..32 => Change::SetRoles(self.some_roles()),
            32..37 => one(End::Token),
            37..40 => one(End::Session),
            40..42 => one(End::AdminSession),
            42..44 => all(End::AdminUser),
            44..46 => {
                let except = self.sessions[session].id;
                let others = living.iter().copied().filter(|other| *other != session).collect();
                Change::End { how: End::AppOfUser { except: Some(except) }, sessions: others }
            }
            46..47 => all(End::AppOfUser { except: None }),
            47..50 => all(End::Disabling),
            50..53 => {
                all(End::NewPassword(format!("password {} of {}", self.dice.below(1 << 32), self.name)))
            }
            53..58 if self.sessions[session].grandparent.is_some() => one(End::Reuse),
            _ => {
                let attempt = self.dice.percent(70).then(|| new_attempt().expect("random bits"));
                Change::Rotate { session, attempt }
            }
        }
    }

    fn some_roles(&mut self) -> Vec<String> {
        (0..=self.dice.below(3)).map(|i| format!("r{i}.{}", self.dice.below(1000))).collect()
    }

    /// The sessions that are alive, but for what is in doubt.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.sessions.len()).filter(|index| self.sessions[*index].dead.is_none()).collect()
    }

    /// Asks for a change, and takes note of it once it is acknowledged: nothing is awaited between the two.
    async fn ask(
        &mut self,
        client: &Client,
        admin: &AdminClient,
        load: &Load,
        change: &Change,
    ) -> Result<(), Error> {
        match change {
            Change::Login => {
                let tokens = self.log_in(client, &self.password.clone()).await?;
                self.opened(tokens);
            }
            Change::Rotate { session, attempt } => {
                let token = self.sessions[*session].current.clone();
                let tokens = exchange(client, &token, attempt.clone()).await?;
                self.rotated(*session, tokens, attempt.clone());
            }
            Change::End { how, sessions } => {
                let ended = self.end(client, admin, how, sessions).await?;
                let lost_and_asked_again = load.heals && ended == Some(0);
                if let Some(ended) = ended.filter(|_| !lost_and_asked_again) {
                    assert_eq!(ended, sessions.len() as u64, "{}: ended by {how:?}", self.name);
                }
                self.ended(how, sessions);
            }
            Change::Enable => {
                admin.user_enable(&self.name).await?;
                self.disabled = false;
            }
            Change::SetRoles(roles) => {
                let set = admin.user_set_roles(&self.name, roles.clone()).await?;
                assert_eq!(&set.roles, roles, "{}", self.name);
                self.roles.clone_from(roles);
            }
        }
        Ok(())
    }

    /// Ends sessions, and says how many ended where the answer does.
    async fn end(
        &self,
        client: &Client,
        admin: &AdminClient,
        how: &End,
        sessions: &[usize],
    ) -> Result<Option<u64>, Error> {
        let (name, first) = (self.name.clone(), sessions.first().map(|index| &self.sessions[*index]));
        let revoked = match (how, first) {
            (End::Token, Some(session)) => {
                let either = if session.generation % 2 == 0 { &session.access } else { &session.current };
                client.revoke(Revoke::Token(either.clone())).await?
            }
            (End::Session, Some(session)) => client.revoke(Revoke::Session(session.id)).await?,
            (End::AdminSession, Some(session)) => admin.revoke(RevokeTarget::Session(session.id)).await?,
            (End::Reuse, Some(session)) => {
                let old = session.grandparent.clone().expect("chosen only where there is one");
                return match exchange(client, &old, None).await {
                    Err(error) if error.code() == ErrorCode::Reused => Ok(None),
                    Err(error) => Err(error),
                    Ok(_) => unreachable!("{name}: a token from two rotations ago was accepted"),
                };
            }
            (End::AppOfUser { except }, _) => {
                client.revoke(Revoke::User { user: self.user, except: *except }).await?
            }
            (End::AdminUser, _) => admin.revoke(RevokeTarget::User(name)).await?,
            (End::Disabling, _) => return admin.user_disable(name).await.map(|_| None),
            (End::NewPassword(new), _) => {
                let new = Password::new(new.clone());
                return admin.user_set_password(name, new).await.map(|_| None);
            }
            (_, None) => unreachable!("{how:?} ends one session"),
        };
        Ok(Some(revoked.sessions))
    }

    /// Logs in from an address of its own, so that failures elsewhere do not slow it down.
    pub(crate) async fn log_in(&mut self, client: &Client, password: &str) -> Result<Tokens, Error> {
        let address = Ipv4Addr::from_bits(self.dice.below(1 << 32).try_into().expect("32 bits"));
        let context = Context { ip: Some(IpAddr::V4(address)), ..Context::default() };
        let login = Login { context, ..support::login(&self.name, password, SessionKind::Token) };
        client.login(login).await.map(Tokens::from)
    }

    /// Takes note of a session.
    pub(crate) fn opened(&mut self, tokens: Tokens) {
        assert_eq!((tokens.user, tokens.generation), (self.user, 1), "{}", self.name);
        self.sessions.push(Session {
            id: tokens.session,
            access: tokens.access,
            current: tokens.refresh,
            generation: tokens.generation,
            parent: None,
            grandparent: None,
            dead: None,
        });
    }

    /// Takes note of a rotation.
    pub(crate) fn rotated(&mut self, session: usize, tokens: Tokens, attempt: Option<AttemptId>) {
        let session = &mut self.sessions[session];
        assert_eq!((tokens.session, tokens.generation), (session.id, session.generation + 1));
        let token = std::mem::replace(&mut session.current, tokens.refresh);
        let parent = Parent { token, attempt, exchanged: Instant::now() };
        session.grandparent = session.parent.replace(parent).map(|older| older.token);
        session.access = tokens.access;
        session.generation = tokens.generation;
    }

    /// Takes note of an end.
    pub(crate) fn ended(&mut self, how: &End, sessions: &[usize]) {
        let code = if *how == End::Reuse { ErrorCode::Reused } else { ErrorCode::Revoked };
        for index in sessions {
            self.sessions[*index].dead = Some(code);
        }
        match how {
            End::Disabling => self.disabled = true,
            End::NewPassword(new) => {
                self.retired = Some(std::mem::replace(&mut self.password, new.clone()));
                self.try_password = true;
            }
            _ => {}
        }
    }

    /// Stops looking at the oldest of too many dead sessions.
    pub(crate) fn forget(&mut self) {
        let mut excess = self.sessions.iter().filter(|session| session.dead.is_some()).count();
        self.sessions.retain(|session| {
            let kept = session.dead.is_none() || excess <= DEAD;
            excess -= usize::from(!kept);
            kept
        });
    }
}

impl Load {
    /// Counts an acknowledgement, and kills the daemon at once if this is the chosen one.
    fn acknowledged(&self) {
        let Some(left) = self.acks_left.get() else { return };
        self.acks_left.set(left.checked_sub(1));
        if left == 0 && !self.over.replace(true) {
            kill(self.pid, Signal::SIGKILL).expect("the daemon is ours to kill");
            self.killed.notify_one();
        }
    }
}

/// Exchanges a refresh token, with this attempt id or one that the client makes.
pub(crate) async fn exchange(
    client: &Client,
    token: &Token,
    attempt: Option<AttemptId>,
) -> Result<Tokens, Error> {
    client.refresh(Refresh { attempt, ..support::refresh(token) }).await.map(Tokens::from)
}
