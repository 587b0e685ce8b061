//! What apps ask for, one at a time and from many callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hallpass_client::{
    Client, Context, GrantedTokens, ListSessions, Needs, Refresh, Revoke, SessionId, Token, UserId,
};

use super::report::Column;
use crate::daemon::Daemon;
use crate::{Outcome, sessions};

/// Sessions that are asked for, from all over the database.
const ASKED: usize = 2_000;
/// Callers at once, where it is more than one.
const CALLERS: usize = 64;
const CONNECTIONS: usize = 8;

/// A session that is asked for.
struct Known {
    number: usize,
    user: UserId,
    session: SessionId,
    access: String,
}

/// Measures everything that apps do.
pub async fn measure(
    daemon: &Daemon,
    tokens: &mut [String],
    length: Duration,
    column: &mut Column,
) -> Outcome<()> {
    let size = tokens.len();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(daemon.connect().await?);
    }
    let asked = ASKED.min(size / 2);
    let known: Vec<Known> = {
        let numbers = (0..asked).map(|at| at * (size / asked));
        let mut known = Vec::new();
        for number in numbers {
            known.push(renewed(&clients[0], number, tokens).await?);
        }
        known
    };

    let verify = async |client: &Client, at: usize| {
        client.verify(Token::new(known[at % asked].access.clone()), Needs::default()).await?;
        Outcome::Ok(())
    };
    both("verify by RPC", &clients, length, column, verify).await?;
    let list = async |client: &Client, at: usize| {
        client.sessions(ListSessions { user: known[at % asked].user, after: None }).await?;
        Outcome::Ok(())
    };
    both("list a user's sessions", &clients, length, column, list).await?;
    let users = size.div_ceil(sessions::PER_USER);
    let open = async |client: &Client, at: usize| {
        sessions::open_one(client, at * 7919, users).await?;
        Outcome::Ok(())
    };
    both("record a login", &clients, length, column, open).await?;
    let places: Vec<_> =
        known.iter().map(|known| std::sync::Mutex::new(tokens[known.number].clone())).collect();
    let refresh = async |client: &Client, at: usize| exchange(client, &places[at % asked]).await.map(drop);
    both("refresh", &clients, length, column, refresh).await?;
    revocations(&clients, &known, column).await?;
    // What was revoked is told apart by its token being gone.
    for known in &known {
        tokens[known.number].clear();
    }
    Ok(())
}

/// Ends every known session, a quarter of them one by one.
async fn revocations(clients: &[Client], known: &[Known], column: &mut Column) -> Outcome<()> {
    let revoke = async |at: usize| {
        clients[at % CONNECTIONS].revoke(Revoke::Session(known[at].session)).await?;
        Outcome::Ok(())
    };
    let alone = known.len() / 4;
    let begun = Instant::now();
    for at in 0..alone {
        revoke(at).await?;
    }
    column.put("revoke, one at a time: µs", begun.elapsed().as_secs_f64() * 1e6 / alone as f64);
    // As many callers as elsewhere: each takes the next that is left.
    let (begun, next) = (Instant::now(), AtomicUsize::new(alone));
    let call = async |_: usize| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= known.len() {
                return Outcome::Ok(());
            }
            revoke(at).await?;
        }
    };
    try_join_all((0..CALLERS).map(&call)).await?;
    let each = begun.elapsed().as_secs_f64() * 1e6 / (known.len() - alone) as f64;
    column.put("revoke, 64 callers: µs each", each);
    Ok(())
}

/// Measures an operation by one caller and by many.
async fn both(
    what: &str,
    clients: &[Client],
    length: Duration,
    column: &mut Column,
    act: impl AsyncFn(&Client, usize) -> Outcome<()>,
) -> Outcome<()> {
    for (callers, unit) in [(1, "one at a time: µs"), (CALLERS, "64 callers: µs each")] {
        let (begun, done) = (Instant::now(), AtomicUsize::new(0));
        let call = async |caller: usize| {
            while begun.elapsed() < length {
                let at = done.fetch_add(1, Ordering::Relaxed);
                act(&clients[caller % clients.len()], at).await?;
            }
            Outcome::Ok(())
        };
        try_join_all((0..callers).map(&call)).await?;
        let each = begun.elapsed().as_secs_f64() * 1e6 / done.into_inner() as f64;
        column.put(&format!("{what}, {unit}"), each);
    }
    Ok(())
}

async fn renewed(client: &Client, number: usize, tokens: &mut [String]) -> Outcome<Known> {
    let place = std::sync::Mutex::new(tokens[number].clone());
    let (user, session, access) = exchange(client, &place).await?;
    tokens[number] = place.into_inner().map_err(|_| "a caller has failed")?;
    Ok(Known { number, user, session, access })
}

/// Exchanges the token that lies there.
pub async fn exchange(
    client: &Client,
    place: &std::sync::Mutex<String>,
) -> Outcome<(UserId, SessionId, String)> {
    let token = place.lock().map_err(|_| "a caller has failed")?.clone();
    let refresh =
        Refresh { token: Token::new(token), attempt: None, audience: None, context: Context::default() };
    let grant = client.refresh(refresh).await?;
    let GrantedTokens::Token { refresh_token, access_token, .. } = grant.tokens else {
        return Err("a grant of another kind".into());
    };
    *place.lock().map_err(|_| "a caller has failed")? = refresh_token.expose().to_owned();
    Ok((grant.user_id, grant.session_id, access_token.expose().to_owned()))
}
