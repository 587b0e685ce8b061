//! A session from login to revocation, as an app sees it.
//!
//! ```text
//! printf '%s\n' "$PASSWORD" | cargo run -p hallpass-client --example sessions -- [SOCKET] NAME
//! ```
//!
//! It exits with 1 if anything is not as it should be.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use hallpass_client::{
    Client, Context, ErrorClass, Grant, GrantedTokens, Login, Needs, Password, Refresh, Revoke, SessionKind,
    Token,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is gone as well, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1).collect::<Vec<_>>();
    let name = args.pop().ok_or("usage: sessions [SOCKET] NAME, with the password on standard input")?;
    let client = match args.pop() {
        Some(socket) => Client::connect(socket).await?,
        None => Client::connect_default().await?,
    };
    let hello = client.hello().await?;
    say(&format!("connected: daemon {} knows this app as {}", hello.version, hello.app))?;

    let grant = client.login(login(name, first_line()?)).await?;
    let (access, refresh) = tokens(&grant)?;
    say(&format!("logged in: session {} of user {}", grant.session_id, grant.user_id))?;

    let identity = client.verify(access, Needs::default()).await?;
    ensure(identity.session_id == grant.session_id, "the access token stands for another session")?;
    say(&format!("verified: {} with roles {:?}", identity.name, identity.roles))?;

    let next = client.refresh(exchange(&refresh)).await?;
    let (access, successor) = tokens(&next)?;
    ensure(successor.expose() != refresh.expose(), "the refresh token was not replaced")?;
    say("refreshed: a new refresh token and a fresh access token")?;

    // As after a lost answer: within the retry window the old token is answered with the same successor, not taken for theft.
    let again = client.refresh(exchange(&refresh)).await?;
    let (_, repeated) = tokens(&again)?;
    ensure(repeated.expose() == successor.expose(), "the old refresh token gave another successor")?;
    say("refreshed again with the old token: the same successor")?;

    let revoked = client.revoke(Revoke::Token(successor)).await?;
    ensure(revoked.sessions == 1, "the revocation ended no session, or more than one")?;
    say("revoked: 1 session ended")?;

    match client.verify(access, Needs::default()).await {
        Err(error) if error.class() == ErrorClass::Login => {
            say(&format!("refused: {}: {error}", error.code()))?;
        }
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("the access token of a revoked session was accepted".into()),
    }
    Ok(())
}

fn login(name: String, password: Password) -> Login {
    let context = Context { device_label: Some("sessions example".to_owned()), ..Context::default() };
    Login { name, password, kind: SessionKind::Token, audience: None, device_token: None, context }
}

fn exchange(token: &Token) -> Refresh {
    Refresh { token: token.clone(), attempt: None, audience: None, context: Context::default() }
}

/// The access token and the refresh token of a grant.
fn tokens(grant: &Grant) -> Result<(Token, Token), &'static str> {
    match &grant.tokens {
        GrantedTokens::Token { access_token, refresh_token, .. } => {
            Ok((access_token.clone(), refresh_token.clone()))
        }
        GrantedTokens::Cookie { .. } => Err("a cookie was granted where tokens were asked for"),
    }
}

fn first_line() -> io::Result<Password> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    // Cut in place: a trimmed copy would leave the first one in memory.
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(Password::new(line))
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
