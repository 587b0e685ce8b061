//! An app inside the machine: it asks in every way there is, and remembers what it was told and how long that took.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hallpass_client::{
    Client, Context, Error, ErrorClass, GrantedTokens, Login, Needs, Password, Refresh, SessionKind, Token,
    Verifier, new_attempt,
};

/// What the app has seen.
#[derive(Default, serde::Serialize)]
struct Seen {
    /// Calls that were made.
    calls: u64,
    /// Of them, answered inside the app by the board.
    by_board: u64,
    /// Calls that got no good answer: why.
    failed: Vec<String>,
    /// Answers that no failure excuses.
    wrong: Vec<String>,
    /// The longest call, in milliseconds.
    longest: u128,
}

impl Seen {
    fn note<T>(&mut self, what: &str, begun: Instant, outcome: Result<T, Error>) -> Option<T> {
        self.calls += 1;
        self.longest = self.longest.max(begun.elapsed().as_millis());
        match outcome {
            Ok(answer) => Some(answer),
            Err(error) => {
                let text = format!("{what}: {error}");
                // Only what is over clears a cookie, and nothing was taken back.
                let list =
                    if error.class() == ErrorClass::Retry { &mut self.failed } else { &mut self.wrong };
                list.push(text);
                None
            }
        }
    }
}

struct App {
    client: Client,
    verifier: Verifier,
    access: Token,
    refresh: Token,
    attempt: Option<hallpass_client::AttemptId>,
    dead: Token,
    seen: Seen,
}

async fn log_in(client: &Client) -> (Token, Token) {
    let login = Login {
        name: "alice".to_owned(),
        password: Password::new("correct horse battery staple".to_owned()),
        kind: SessionKind::Token,
        audience: None,
        device_token: None,
        context: Context::default(),
    };
    let grant = client.login(login).await.expect("alice logs in");
    let GrantedTokens::Token { access_token, refresh_token, .. } = grant.tokens else {
        unreachable!("tokens were asked for")
    };
    (access_token, refresh_token)
}

impl App {
    async fn new() -> Self {
        let client = Client::connect_default().await.expect("the group lets us in");
        let verifier = Verifier::connect_default().expect("the group lets us in");
        let (access, refresh) = log_in(&client).await;
        let (dead, _) = log_in(&client).await;
        client.revoke(hallpass_client::Revoke::Token(dead.clone())).await.expect("it is ours");
        Self { client, verifier, access, refresh, attempt: None, dead, seen: Seen::default() }
    }

    async fn ask(&mut self, round: u64) {
        let begun = Instant::now();
        let outcome = self.verifier.verify_async(self.access.expose(), &Needs::default(), None).await;
        if let Some(verdict) = self.seen.note("verify inside", begun, outcome) {
            self.seen.by_board += u64::from(verdict.way() != hallpass_client::Way::Daemon);
        }
        if self.verifier.verify_async(self.dead.expose(), &Needs::default(), None).await.is_ok() {
            self.seen.wrong.push("a session that was taken back lives".to_owned());
        }
        let begun = Instant::now();
        let outcome = self.client.verify(self.access.clone(), Needs::default()).await;
        self.seen.note("verify", begun, outcome);
        if round.is_multiple_of(20) {
            self.rotate().await;
        }
    }

    /// The attempt is the same until it is answered, so that a lost answer heals.
    async fn rotate(&mut self) {
        let attempt = self.attempt.get_or_insert_with(|| new_attempt().expect("randomness")).clone();
        let (token, context) = (self.refresh.clone(), Context::default());
        let begun = Instant::now();
        let outcome =
            self.client.refresh(Refresh { token, attempt: Some(attempt), audience: None, context }).await;
        let Some(grant) = self.seen.note("refresh", begun, outcome) else { return };
        if let GrantedTokens::Token { access_token, refresh_token, .. } = grant.tokens {
            (self.access, self.refresh, self.attempt) = (access_token, refresh_token, None);
        }
    }
}

/// Not a test of its own: another one runs it inside a machine, as an app's user.
#[tokio::test]
async fn the_app_asks() {
    if std::env::var_os("HALLPASS_APP").is_none() {
        return;
    }
    let mut app = App::new().await;
    std::fs::write("/tmp/app-asks", "").expect("a file");
    let mut round = 0;
    while !Path::new("/tmp/app-stops").exists() {
        round += 1;
        app.ask(round).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // By itself, without a new client: whatever happened meanwhile, all is well now.
    let unwell = app.seen.failed.len();
    app.ask(20).await;
    if app.seen.failed.len() > unwell {
        app.seen.wrong.push("it does not recover".to_owned());
    }
    writeln!(std::io::stdout(), "\n{}", serde_json::to_string(&app.seen).expect("plain data"))
        .expect("a pipe");
}
