//! Sessions in a database of Hallpass: opened through the socket as apps open them, their tokens kept beside it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::try_join_all;
use hallpass_client::admin::AddUser;
use hallpass_client::{Client, Context, GrantedTokens, OpenSession, SessionId, SessionKind, UserRef};

use crate::Outcome;
use crate::daemon::{Daemon, EXCHANGED_AT_WILL, Twist};
use crate::disk::Disk;

/// Sessions of one user.
pub const PER_USER: usize = 10;
/// Callers that fill a database, and connections that they share.
const CALLERS: usize = 256;
const CONNECTIONS: usize = 8;
/// The file with the refresh tokens, oldest session first.
const TOKENS: &str = "tokens";

/// The name of a user.
pub fn user(number: usize) -> String {
    format!("user-{number}")
}

/// A database with so many sessions, in a directory beside their tokens.
pub async fn filled(disk: &Disk, count: usize, dir: &Path) -> Outcome<PathBuf> {
    disk.filled(&format!("hallpass-{count}"), async |half: &Path| fill(half, count, dir).await).await
}

/// The state directory of what was filled.
pub fn state(filled: &Path) -> PathBuf {
    filled.join("state")
}

/// The refresh tokens of what was filled, oldest session first.
pub fn tokens(filled: &Path) -> Outcome<Vec<String>> {
    Ok(std::fs::read_to_string(filled.join(TOKENS))?.lines().map(str::to_owned).collect())
}

async fn fill(half: &Path, count: usize, dir: &Path) -> Outcome<()> {
    // What goes into a database is the same with and without signatures.
    let twist = Twist { unsigned: true, ahead: Duration::ZERO };
    let daemon = Daemon::start_on(&state(half), "filling", dir, EXCHANGED_AT_WILL, twist).await?;
    let users = count.div_ceil(PER_USER);
    let next = AtomicUsize::new(0);
    let add = || async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= users {
                return Outcome::Ok(());
            }
            let roles = vec!["editor".to_owned(), "billing".to_owned()];
            daemon.admin.user_add(AddUser { name: user(number), password: None, roles }).await?;
        }
    };
    try_join_all((0..64).map(|_| add())).await?;
    let mut opened = open(&daemon, users, count).await?;
    opened.sort_unstable_by_key(|(session, _)| *session.as_bytes());
    let mut text = String::with_capacity(count * 80);
    for (_, token) in opened {
        text += &token;
        text.push('\n');
    }
    Ok(std::fs::write(half.join(TOKENS), text)?)
}

/// Opens so many sessions for users in turn, from many callers at once.
pub async fn open(daemon: &Daemon, users: usize, count: usize) -> Outcome<Vec<(SessionId, String)>> {
    let next = Arc::new(AtomicUsize::new(0));
    let opened = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let mut callers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(daemon.connect().await?);
    }
    for caller in 0..CALLERS {
        let (client, next, opened) =
            (clients[caller % CONNECTIONS].clone(), Arc::clone(&next), Arc::clone(&opened));
        callers.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Outcome::Ok(());
                }
                let session = open_one(&client, number, users).await?;
                opened.lock().map_err(|_| "a caller has failed")?.push(session);
            }
        }));
    }
    for caller in callers {
        caller.await??;
    }
    let opened = Arc::into_inner(opened).ok_or("a caller goes on")?;
    Ok(opened.into_inner().map_err(|_| "a caller has failed")?)
}

/// Opens a session as an app would on a login of its own: with the address and the browser it came from.
pub async fn open_one(client: &Client, number: usize, users: usize) -> Outcome<(SessionId, String)> {
    let [a, b, c] = [number % 251, number / 251 % 251, number / 63_001 % 251].map(|part| part as u8);
    let open = OpenSession {
        user: UserRef::Name(user(number % users)),
        kind: SessionKind::Token,
        audience: None,
        amr: vec!["pwd".to_owned()],
        context: Context {
            ip: Some([10, a, b, c].into()),
            user_agent: Some(format!(
                "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
                100 + number % 40
            )),
            device_label: None,
            device_fingerprint: None,
        },
    };
    let grant = client.open_session(open).await?;
    match grant.tokens {
        GrantedTokens::Token { refresh_token, .. } => {
            Ok((grant.session_id, refresh_token.expose().to_owned()))
        }
        GrantedTokens::Cookie { .. } => Err("a session of another kind".into()),
    }
}
