//! The operations, each for a while, and how long every one of them took.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hallpass_client::{Bearer, Client, Error, Verifier};
use hallpass_protocol::auth::{
    Context, GrantedTokens, Login, Needs, OpenSession, Refresh, SessionKind, UserRef,
};
use hallpass_protocol::secret::{Password, Token};

use super::NAME;
use crate::ctl::failure::Failure;

/// Checks inside the process that are timed together: reading the clock takes as long as one of them.
const TOGETHER: u32 = 64;
/// How long the thread is kept at a time, so that a signal is heard.
const SLICE: Duration = Duration::from_millis(50);
/// Most times that are kept of one caller.
const KEPT: usize = 1 << 20;

/// What was measured of one operation.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) callers: usize,
    /// Operations that were done.
    pub(super) count: u64,
    /// How long all of it took.
    pub(super) took: Duration,
    /// Nanoseconds of each, or of some together by their number, in order of size.
    pub(super) nanos: Vec<u64>,
}

impl Measured {
    pub(super) fn new(
        name: &'static str,
        callers: usize,
        together: u32,
        began: Instant,
        all: Vec<Vec<u64>>,
    ) -> Self {
        let took = began.elapsed();
        let mut nanos = all.concat();
        nanos.sort_unstable();
        let count = nanos.len() as u64 * u64::from(together);
        Self { name, callers, count, took, nanos }
    }

    /// Nanoseconds that this part of them did not take longer than.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among fewer than 2^53"
    )]
    pub(super) fn quantile(&self, part: f64) -> u64 {
        let place = (self.nanos.len() as f64 * part).ceil() as usize;
        self.nanos.get(place.saturating_sub(1)).or(self.nanos.last()).copied().unwrap_or_default()
    }

    /// Operations a second, by all callers.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown to a few digits")]
    pub(super) fn per_second(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// What is measured, and for how long.
pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) time: Duration,
}

impl Bench {
    /// Questions who is there, of so many callers at once: the least that can be asked.
    pub(super) async fn hello(&self, callers: usize) -> Result<Measured, Failure> {
        let began = Instant::now();
        let all = (0..callers).map(async |_| {
            let mut nanos = Vec::new();
            while self.goes_on(began, &nanos) {
                let start = Instant::now();
                self.client.hello().await?;
                note(&mut nanos, start);
            }
            Ok::<_, Error>(nanos)
        });
        Ok(Measured::new("hello", callers, 1, began, try_join_all(all).await?))
    }

    /// Verifications inside this process, of a token that was seen before.
    pub(super) async fn in_process(&self, verifier: &Verifier, access: &Token) -> Result<Measured, Failure> {
        let needs = Needs::default();
        let check = || verifier.verify_with(access.expose(), &needs, None, Bearer::user_id);
        let user = check()?;
        let (began, mut nanos) = (Instant::now(), Vec::new());
        while began.elapsed() < self.time && nanos.len() < KEPT {
            let slice = Instant::now();
            while slice.elapsed() < SLICE && nanos.len() < KEPT {
                let start = Instant::now();
                for _ in 0..TOGETHER {
                    if std::hint::black_box(check()?) != user {
                        return Err(Failure::surprise("a verification has told another user"));
                    }
                }
                nanos.push(
                    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(TOGETHER),
                );
            }
            tokio::task::yield_now().await;
        }
        Ok(Measured::new("verify in process", 1, TOGETHER, began, vec![nanos]))
    }

    /// Verifications by the daemon, of as many callers at once as there are tokens.
    pub(super) async fn verify(&self, tokens: Vec<Token>) -> Result<Measured, Failure> {
        let (callers, began) = (tokens.len(), Instant::now());
        let all = tokens.into_iter().map(async |token: Token| {
            let mut nanos = Vec::new();
            while self.goes_on(began, &nanos) {
                let start = Instant::now();
                self.client.verify(token.clone(), Needs::default()).await?;
                note(&mut nanos, start);
            }
            Ok::<_, Error>(nanos)
        });
        Ok(Measured::new("verify by call", callers, 1, began, try_join_all(all).await?))
    }

    /// Exchanges of refresh tokens, of as many callers at once as there are tokens.
    pub(super) async fn refresh(&self, tokens: Vec<Token>) -> Result<Measured, Failure> {
        let (callers, began) = (tokens.len(), Instant::now());
        let all = tokens.into_iter().map(async |mut token: Token| {
            let mut nanos = Vec::new();
            while self.goes_on(began, &nanos) {
                let refresh = Refresh { token, attempt: None, audience: None, context: Context::default() };
                let start = Instant::now();
                let grant = self.client.refresh(refresh).await?;
                note(&mut nanos, start);
                (_, token) = pair(grant.tokens)?;
            }
            Ok::<_, Failure>(nanos)
        });
        Ok(Measured::new("refresh", callers, 1, began, try_join_all(all).await?))
    }

    /// Logins, one after another.
    pub(super) async fn login(&self, password: &Password) -> Result<Measured, Failure> {
        let (began, mut nanos) = (Instant::now(), Vec::new());
        while self.goes_on(began, &nanos) {
            let login = Login {
                name: NAME.into(),
                password: password.clone(),
                kind: SessionKind::Token,
                audience: None,
                device_token: None,
                context: Context::default(),
            };
            let start = Instant::now();
            self.client.login(login).await?;
            note(&mut nanos, start);
        }
        Ok(Measured::new("login", 1, 1, began, vec![nanos]))
    }

    fn goes_on(&self, began: Instant, nanos: &[u64]) -> bool {
        began.elapsed() < self.time && nanos.len() < KEPT
    }

    /// The access and the refresh tokens of so many sessions.
    pub(super) async fn open_each(&self, callers: usize) -> Result<(Vec<Token>, Vec<Token>), Failure> {
        let mut opened = Vec::new();
        for _ in 0..callers {
            opened.push(self.open().await?);
        }
        Ok(opened.into_iter().unzip())
    }

    /// A session without the work of a password.
    pub(super) async fn open(&self) -> Result<(Token, Token), Failure> {
        let open = OpenSession {
            user: UserRef::Name(NAME.into()),
            kind: SessionKind::Token,
            audience: None,
            amr: vec!["pwd".into()],
            context: Context::default(),
        };
        pair(self.client.open_session(open).await?.tokens)
    }
}

fn note(nanos: &mut Vec<u64>, start: Instant) {
    nanos.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
}

fn pair(tokens: GrantedTokens) -> Result<(Token, Token), Failure> {
    match tokens {
        GrantedTokens::Token { access_token, refresh_token, .. } => Ok((access_token, refresh_token)),
        GrantedTokens::Cookie { .. } => {
            Err(Failure::surprise("the daemon has granted another kind of session"))
        }
    }
}
