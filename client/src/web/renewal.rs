//! Refreshing for many requests of one browser at once: one exchange reaches the daemon, and everybody who waits gets its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hallpass_protocol::auth::{Context, Grant, GrantedTokens, Refresh};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::secret::{AttemptId, Token};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::attempt::new_attempt;
use crate::client::Client;
use crate::error::Error;

/// How long requests that were sent with a token before it was exchanged are given what came of that. Later ones are the daemon's to judge: by then
/// it can be a thief who shows the token.
const SAME: Duration = Duration::from_secs(10);
/// How long an exchange without an answer is asked for by the same attempt, as long as the daemon takes it for one.
const UNANSWERED: Duration = Duration::from_mins(10);
/// Most exchanges that are remembered.
const MOST: usize = 10_000;

/// The exchanges under way and those of the last moments.
#[derive(Default)]
pub(super) struct Renewals {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    cleared: Option<Instant>,
    /// By a hash of the token that is exchanged: the tokens themselves are kept nowhere longer than needed.
    exchanges: HashMap<[u8; 32], Arc<Exchange>>,
    /// The newest grant of each session, so that no answer sets a browser back.
    newest: HashMap<SessionId, (Instant, Arc<Grant>)>,
}

struct Exchange {
    begun: Instant,
    /// The same for every asking, so that one whose answer was lost heals.
    attempt: Option<AttemptId>,
    done: OnceCell<Arc<Grant>>,
}

impl Renewals {
    /// Exchanges a refresh token, or waits for whoever does; gives the newest tokens there are.
    pub(super) async fn renew(
        &self,
        client: &Client,
        token: &Token,
        context: &Context,
    ) -> Result<Arc<Grant>, Error> {
        let exchange = self.exchange(token);
        let asked = || async {
            let refresh = Refresh {
                token: token.clone(),
                attempt: exchange.attempt.clone(),
                audience: None,
                context: context.clone(),
            };
            client.refresh(refresh).await.map(Arc::new)
        };
        let grant = Arc::clone(exchange.done.get_or_try_init(asked).await?);
        Ok(self.newest(grant))
    }

    /// The exchange of this token, begun now if there is none.
    fn exchange(&self, token: &Token) -> Arc<Exchange> {
        let place = Sha256::digest(token.expose().as_bytes()).into();
        let mut held = self.lock();
        let now = Instant::now();
        held.clear(now);
        if let Some(exchange) = held.exchanges.get(&place).filter(|exchange| exchange.counts(now)) {
            return Arc::clone(exchange);
        }
        let exchange = Arc::new(Exchange { begun: now, attempt: new_attempt().ok(), done: OnceCell::new() });
        if held.exchanges.len() < MOST {
            held.exchanges.insert(place, Arc::clone(&exchange));
        }
        exchange
    }

    /// This grant, or a newer one of its session.
    fn newest(&self, grant: Arc<Grant>) -> Arc<Grant> {
        let mut held = self.lock();
        let now = Instant::now();
        held.clear(now);
        if let Some((_, newest)) = held.newest.get(&grant.session_id)
            && generation(newest) > generation(&grant)
        {
            return Arc::clone(newest);
        }
        if held.newest.len() < MOST {
            held.newest.insert(grant.session_id, (now, Arc::clone(&grant)));
        }
        grant
    }

    /// Forgets what is known of a session, because it ends.
    pub(super) fn forget(&self, session: SessionId) {
        let mut held = self.lock();
        held.newest.remove(&session);
        held.exchanges
            .retain(|_, exchange| exchange.done.get().is_none_or(|grant| grant.session_id != session));
    }

    /// A panic of another thread leaves whole maps behind.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Forgets what does not count any more, from time to time.
    fn clear(&mut self, now: Instant) {
        if self.cleared.is_some_and(|cleared| now.duration_since(cleared) < SAME) {
            return;
        }
        self.cleared = Some(now);
        self.exchanges.retain(|_, exchange| exchange.counts(now));
        self.newest.retain(|_, (since, _)| now.duration_since(*since) < SAME);
    }
}

impl Exchange {
    /// Whether it still stands for its token.
    fn counts(&self, now: Instant) -> bool {
        let longest = if self.done.initialized() { SAME } else { UNANSWERED };
        now.duration_since(self.begun) < longest
    }
}

fn generation(grant: &Grant) -> u32 {
    match grant.tokens {
        GrantedTokens::Token { generation, .. } => generation,
        GrantedTokens::Cookie { .. } => 0,
    }
}
