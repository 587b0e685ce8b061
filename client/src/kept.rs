//! A token session that an app holds itself: tokens that are exchanged in time, once however many ask for them.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use hallpass_protocol::auth::{Context, Grant, GrantedTokens, Refresh};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::secret::{AttemptId, Token};
use hallpass_protocol::time::Millis;
use tokio::sync::Mutex;

use crate::attempt::new_attempt;
use crate::client::Client;
use crate::error::Error;

/// How long before its end an access token is given out no more: what it is handed on for takes a while too.
const BEFORE_THE_END: Duration = Duration::from_secs(30);

/// A token session of which somebody always has a fresh access token: a job that runs for days, a desktop program, a gateway.
///
/// However many tasks ask at once, one exchange is made, and all of them get its outcome. It never goes back to an older token. A lost answer heals: the
/// exchange is asked for again under the same attempt id, also after a restart of the program if [`KeptSession::to_keep`] was written down.
///
/// ```
#[doc = include_str!("doc/client.txt")]
#[doc = include_str!("doc/tokens.txt")]
/// use hallpass_client::{KeptSession, Needs};
///
/// let session = KeptSession::new(hallpass.clone(), grant)?;
/// let token = session.access_token().await?; // before each request that is made with it
/// # assert_eq!(hallpass.verify(token, Needs::default()).await?.name, "alice");
///
/// let kept = session.to_keep().await; // to disk: see `Kept`
/// let session = KeptSession::resume(hallpass.clone(), kept);
/// # let token = session.access_token().await?;
/// # assert_eq!(hallpass.verify(token, Needs::default()).await?.name, "alice");
/// # Ok(()) }
/// ```
pub struct KeptSession {
    client: Client,
    held: Mutex<Held>,
}

/// What a program writes down to go on with a session after a restart.
///
/// Write it once the session is kept, and again after each call that can have exchanged its token, to a file that nobody else can read. Where the
/// program ends in between, the older one leads on for ten minutes.
///
/// ```
/// use hallpass_client::{AttemptId, Kept, Token};
///
/// fn written(kept: &Kept) -> String {
///     format!("{} {:032x}", kept.refresh_token.expose(), u128::from_be_bytes(*kept.attempt.expose()))
/// }
///
/// fn read(text: &str) -> Option<Kept> {
///     let (token, attempt) = text.split_once(' ')?;
///     let attempt = u128::from_str_radix(attempt, 16).ok()?.to_be_bytes();
///     Some(Kept::new(Token::new(token.into()), AttemptId::from_bytes(attempt)))
/// }
/// # let text = format!("hpr_AAAA {}", "0123456789abcdef".repeat(2));
/// # assert_eq!(written(&read(&text).unwrap()), text);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Kept {
    /// The refresh token.
    pub refresh_token: Token,
    /// What an exchange of it was or will be asked under.
    pub attempt: AttemptId,
}

impl Kept {
    /// What was written down.
    #[must_use]
    pub fn new(refresh_token: Token, attempt: AttemptId) -> Self {
        Self { refresh_token, attempt }
    }
}

struct Held {
    /// The access token, and until when it is given out. One that was resumed has none yet.
    access: Option<(Token, Instant)>,
    generation: u32,
    kept: Kept,
}

impl fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptSession").finish_non_exhaustive()
    }
}

impl KeptSession {
    /// Keeps the session of a grant.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/tokens.txt")]
    /// use hallpass_client::KeptSession;
    ///
    /// let session = KeptSession::new(hallpass, grant)?; // of a login with the kind `Token`
    /// # assert_eq!(session.access_token().await?.expose(), access_token.expose());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The grant is of a cookie session, or the system has no random bits to give.
    pub fn new(client: Client, grant: Grant) -> Result<Self, Error> {
        Ok(Self { client, held: Mutex::new(Held::of(&grant)?) })
    }

    /// Goes on with a session that was kept before.
    #[must_use]
    pub fn resume(client: Client, kept: Kept) -> Self {
        Self { client, held: Mutex::new(Held { access: None, generation: 0, kept }) }
    }

    /// An access token that is good for another half a minute at least. Exchanges the refresh token if it has to.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/tokens.txt")]
    /// # let session = std::sync::Arc::new(hallpass_client::KeptSession::new(hallpass, grant)?);
    /// // From as many tasks as there are:
    /// let session = session.clone();
    /// let job = tokio::spawn(async move {
    ///     let token = session.access_token().await?;
    ///     Ok::<String, hallpass_client::Error>(format!("Bearer {}", token.expose()))
    /// });
    /// # assert!(job.await??.starts_with("Bearer ey"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::refresh`]. Only class [`Login`](crate::ErrorClass::Login) means that the session is over.
    pub async fn access_token(&self) -> Result<Token, Error> {
        let mut held = self.held.lock().await;
        match &held.access {
            Some((token, until)) if Instant::now() < *until => Ok(token.clone()),
            _ => self.exchange(&mut held).await,
        }
    }

    /// The next access token, because this one was refused: the roles have changed, or the keys. Does nothing where somebody else has been quicker.
    ///
    /// ```
    #[doc = include_str!("doc/client.txt")]
    #[doc = include_str!("doc/tokens.txt")]
    /// # let session = hallpass_client::KeptSession::new(hallpass, grant)?;
    /// let token = session.access_token().await?;
    /// # let answered_401 = true;
    /// let token = if answered_401 { session.renew(&token).await? } else { token };
    /// # assert_ne!(token.expose(), access_token.expose());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`KeptSession::access_token`].
    pub async fn renew(&self, refused: &Token) -> Result<Token, Error> {
        let mut held = self.held.lock().await;
        match &held.access {
            Some((token, until)) if token.expose() != refused.expose() && Instant::now() < *until => {
                Ok(token.clone())
            }
            _ => self.exchange(&mut held).await,
        }
    }

    /// What to write down to go on after a restart.
    pub async fn to_keep(&self) -> Kept {
        self.held.lock().await.kept.clone()
    }

    /// Whoever gives up in the middle leaves the attempt behind, and the next to come asks under it again.
    async fn exchange(&self, held: &mut Held) -> Result<Token, Error> {
        let Kept { refresh_token, attempt } = held.kept.clone();
        let refresh = Refresh {
            token: refresh_token,
            attempt: Some(attempt),
            audience: None,
            context: Context::default(),
        };
        let grant = self.client.refresh(refresh).await?;
        let next = Held::of(&grant)?;
        if next.generation >= held.generation {
            *held = next;
        }
        let token = held.access.as_ref().map(|(token, _)| token.clone());
        Ok(token.ok_or(ErrorCode::Internal).map_err(Refusal::new)?)
    }
}

impl Held {
    /// What is held of a grant.
    fn of(grant: &Grant) -> Result<Self, Error> {
        let GrantedTokens::Token { access_token, access_expires, refresh_token, generation } = &grant.tokens
        else {
            let sentence = "a cookie session has no refresh token to keep; log in with the kind `Token`";
            return Err(Refusal::because(ErrorCode::InvalidRequest, sentence).into());
        };
        let attempt = new_attempt().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        // Counted from here by a clock that nobody sets.
        let left = access_expires.since(now()).saturating_sub(BEFORE_THE_END);
        Ok(Self {
            access: Some((access_token.clone(), Instant::now() + left)),
            generation: *generation,
            kept: Kept { refresh_token: refresh_token.clone(), attempt },
        })
    }
}

fn now() -> Millis {
    Millis::default().plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
