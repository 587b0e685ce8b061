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
/// ```no_run
/// # async fn f(client: hallpass_client::Client, grant: hallpass_client::Grant) -> Result<(), hallpass_client::Error> {
/// use hallpass_client::KeptSession;
///
/// let session = KeptSession::new(client, grant)?;
/// let token = session.access_token().await?;
/// # Ok(()) }
/// ```
pub struct KeptSession {
    client: Client,
    held: Mutex<Held>,
}

/// What a program writes down to go on with a session after a restart. Write it before and after each exchange, to a file that nobody else can read.
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
