//! The whole story in a minute: a private daemon with a real store, what it is for, and how long each step took.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::admin::{AddUser, AdminClient, RevokeTarget};
use hallpass_client::{Client, Error};
use hallpass_protocol::auth::{Context, Grant, GrantedTokens, Login, Needs, Refresh, SessionKind};
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::secret::{Password, Token};
use serde::Serialize;

use super::failure::Failure;
use super::private::{Home, Interrupts};
use super::render::Out;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::entropy::{Entropy, RandomSource, SystemRandom};
use crate::passed::Passed;

/// The one user of the tour.
const NAME: &str = "alice";

/// One step: what was done, what came of it, and how long it took.
#[derive(Debug, Serialize)]
struct Step<'a> {
    /// As JSON, `step`.
    #[serde(rename = "step")]
    title: &'a str,
    outcome: &'a str,
    micros: u64,
}

/// Runs the tour. Nothing of it is left behind.
pub(super) async fn run(out: &mut Out<'_>) -> Result<(), Failure> {
    let random: Arc<dyn RandomSource> = Arc::new(SystemRandom);
    let mut interrupts = Interrupts::hold().map_err(Failure::surprise)?;
    let home = Home::make("tour", &Entropy::new(Arc::clone(&random)))?;
    let begun = Stopwatch::start();
    let config = Config::per_user(nix::unistd::geteuid().as_raw());
    let daemon =
        Daemon::start(home.parts(config, &random), Passed::default()).await.map_err(Failure::surprise)?;
    let entropy = Entropy::new(random);
    let told = tokio::select! {
        told = tell(&daemon, begun.elapsed(), &entropy, out) => told,
        signal = interrupts.next() => Err(Failure::Signal(signal)),
    };
    daemon.stop().await.map_err(Failure::surprise)?;
    told
}

async fn tell(
    daemon: &Daemon,
    started: Duration,
    entropy: &Entropy,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let mut guide = Guide {
        client: Client::connect(daemon.auth_socket()).await?,
        admin: AdminClient::connect(daemon.admin_socket()).await?,
        password: Password::new(crate::hex::encode(&entropy.bytes::<16>().map_err(Failure::surprise)?)),
        out,
    };
    guide.headline("A daemon of its own, with a real store, that is gone when the tour is over.")?;
    guide.step("start a daemon", "serves", started)?;
    guide.add_user().await?;
    let (access, refresh) = guide.log_in().await?;
    guide.show_roles(&access).await?;
    guide.show_theft(access, refresh).await?;
    guide.show_revocation().await?;
    guide.headline("Start your own: hallpassd. Then: hallpass user add NAME.")
}

/// Who goes through the steps.
struct Guide<'a, 'o> {
    client: Client,
    admin: AdminClient,
    password: Password,
    out: &'a mut Out<'o>,
}

impl Guide<'_, '_> {
    async fn add_user(&mut self) -> Result<(), Failure> {
        let user = AddUser {
            name: NAME.into(),
            password: Some(self.password.clone()),
            roles: vec!["reader".into()],
        };
        let (_, took) = timed(self.admin.user_add(user)).await?;
        self.step("add a user with the role reader", "Argon2id hash stored", took)
    }

    async fn log_in(&mut self) -> Result<(Token, Token), Failure> {
        self.headline("A signed token, and the session behind it.")?;
        let (grant, took) = timed(self.client.login(self.login(SessionKind::Token))).await?;
        let tokens = token_pair(grant)?;
        self.step("log in", "access and refresh token", took)?;
        let (identity, took) = timed(self.client.verify(tokens.0.clone(), Needs::default())).await?;
        expect(identity.roles == ["reader"], "the roles of the login")?;
        self.step("verify the access token", "alice, reader", took)?;
        Ok(tokens)
    }

    /// A role is what it is now, whatever the token says.
    async fn show_roles(&mut self, access: &Token) -> Result<(), Failure> {
        self.headline("A changed role is seen by the next verification, with the same token.")?;
        let (_, took) = timed(self.admin.user_set_roles(NAME, vec!["editor".into()])).await?;
        self.step("give alice the role editor", "on disk", took)?;
        let (identity, took) = timed(self.client.verify(access.clone(), Needs::default())).await?;
        expect(identity.roles == ["editor"], "the roles of now")?;
        self.step("verify the old access token", "alice, editor", took)
    }

    /// A refresh token that is used again after its successor was used has been stolen, from one side or the other.
    async fn show_theft(&mut self, access: Token, stolen: Token) -> Result<(), Failure> {
        self.headline("A stolen refresh token kills its family.")?;
        let (grant, took) = timed(self.client.refresh(exchange(stolen.clone()))).await?;
        let (_, second) = token_pair(grant)?;
        self.step("alice refreshes", "second refresh token", took)?;
        let (grant, took) = timed(self.client.refresh(exchange(second))).await?;
        let (_, third) = token_pair(grant)?;
        self.step("alice refreshes again", "third refresh token", took)?;
        let took = refused(self.client.refresh(exchange(stolen)), ErrorCode::Reused).await?;
        self.step("a thief shows the first one", "refused: reused; the family dies", took)?;
        let took = refused(self.client.refresh(exchange(third)), ErrorCode::Reused).await?;
        self.step("alice shows the third one", "refused: reused; log in again", took)?;
        let took = refused(self.client.verify(access, Needs::default()), ErrorCode::Reused).await?;
        self.step("verify the access token", "refused: reused", took)
    }

    async fn show_revocation(&mut self) -> Result<(), Failure> {
        self.headline("A revocation is seen by the next verification.")?;
        let (grant, took) = timed(self.client.login(self.login(SessionKind::Cookie))).await?;
        let session = grant.session_id;
        let GrantedTokens::Cookie { session_token } = grant.tokens else {
            return surprise("a session token");
        };
        self.step("log in for a cookie", "session token", took)?;
        let (_, took) = timed(self.client.verify(session_token.clone(), Needs::default())).await?;
        self.step("verify the session token", "alice, editor", took)?;
        let (revoked, took) = timed(self.admin.revoke(RevokeTarget::Session(session))).await?;
        expect(revoked.sessions == 1, "one session ended")?;
        self.step("revoke the session", "on disk", took)?;
        let took = refused(self.client.verify(session_token, Needs::default()), ErrorCode::Revoked).await?;
        self.step("verify the session token", "refused: revoked", took)
    }

    fn login(&self, kind: SessionKind) -> Login {
        Login {
            name: NAME.into(),
            password: self.password.clone(),
            kind,
            audience: None,
            device_token: None,
            context: Context::default(),
        }
    }

    fn headline(&mut self, text: &str) -> Result<(), Failure> {
        if !self.out.json {
            writeln!(self.out.to, "\n{text}")?;
        }
        Ok(())
    }

    fn step(&mut self, step: &str, outcome: &str, took: Duration) -> Result<(), Failure> {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if self.out.json {
            return Ok(self.out.object(&Step { title: step, outcome, micros })?);
        }
        Ok(writeln!(self.out.to, "  {step:<32}  {outcome:<32} {}", milliseconds(micros))?)
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{:>4}.{:02} ms", micros / 1000, micros % 1000 / 10)
}

fn exchange(token: Token) -> Refresh {
    Refresh { token, attempt: None, audience: None, context: Context::default() }
}

fn token_pair(grant: Grant) -> Result<(Token, Token), Failure> {
    match grant.tokens {
        GrantedTokens::Token { access_token, refresh_token, .. } => Ok((access_token, refresh_token)),
        GrantedTokens::Cookie { .. } => surprise("an access and a refresh token"),
    }
}

async fn timed<T>(call: impl Future<Output = Result<T, Error>>) -> Result<(T, Duration), Failure> {
    let begun = Stopwatch::start();
    let answer = call.await?;
    Ok((answer, begun.elapsed()))
}

/// Makes a call that must be refused in this way.
async fn refused<T>(
    call: impl Future<Output = Result<T, Error>>,
    code: ErrorCode,
) -> Result<Duration, Failure> {
    let begun = Stopwatch::start();
    match call.await {
        Err(error) if error.code() == code => Ok(begun.elapsed()),
        Err(error) => Err(error.into()),
        Ok(_) => surprise(&format!("a refusal, {code}")),
    }
}

fn expect(as_it_should_be: bool, wanted: &str) -> Result<(), Failure> {
    if as_it_should_be { Ok(()) } else { surprise(wanted) }
}

fn surprise<T>(wanted: &str) -> Result<T, Failure> {
    Err(Failure::surprise(format!("the tour wanted {wanted} and got something else")))
}
