//! Keys that rotate while everybody goes on: nobody is refused falsely, and in an emergency every earlier token is.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use hallpass_client::admin::{AdminClient, KeyInfo, RotateKey};
use hallpass_client::{Client, Error, ErrorClass, ErrorCode, Needs, Token, Verifier};
use hallpass_protocol::jws::{self, Refused};
use support::dice::report;
use support::{
    Daemon, PASSWORD, PATIENCE, POLL, Tokens, add_user, clear_environment, cookie, refresh, tokens,
};
use tokio::time::timeout;

/// Keys sign from the moment they are made, and sessions refresh as often as they like.
const SETTINGS: &str = "keys.lead = \"0s\"\n[refresh]\nper_minute = 0\n";
const CLIENTS: usize = 6;
const ROTATIONS: u16 = 10;
/// What every client has to do between two rotations, so that each rotation meets all of them at work.
const ROUNDS: u64 = 3;

async fn house() -> (Daemon, AdminClient) {
    let daemon = Daemon::with_settings(SETTINGS).await;
    let admin = daemon.admin().await;
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    (daemon, admin)
}

fn active(keys: &[KeyInfo], kind: &str) -> Vec<u16> {
    let active = keys.iter().filter(|key| key.kind == kind && key.state == "active");
    active.map(|key| key.number).collect()
}

async fn verify(client: &Client, token: &Token) -> Result<(), Error> {
    client.verify(token.clone(), Needs::default()).await.map(|_| ())
}

/// The same inside this process, by the board where that is possible.
async fn verify_here(verifier: &Verifier, token: &Token) -> Result<(), Error> {
    verifier.verify_async(token.expose(), &Needs::default(), None).await.map(|_| ())
}

/// Clients at work, and what they have got so far.
#[derive(Default)]
struct Load {
    rounds: [Cell<u64>; CLIENTS],
    access: RefCell<Vec<Token>>,
    emergency: Cell<bool>,
    over: Cell<bool>,
}

impl Load {
    /// Refreshes and verifies until it is over. Whatever is refused is an error, but for what an emergency is there to refuse.
    async fn work(
        &self,
        number: usize,
        (client, verifier): (Client, Verifier),
        first: Tokens,
        cookie: Token,
    ) -> Result<(), String> {
        let mut current = first;
        while !self.over.get() {
            let fault =
                |what: &str, error: &dyn std::fmt::Debug| format!("client {number}: {what}: {error:?}");
            let next = match client.refresh(refresh(&current.refresh)).await.map(Tokens::from) {
                Ok(next) => next,
                Err(error) if self.emergency.get() && error.class() == ErrorClass::Retry => continue,
                Err(error) => return Err(fault("a refresh", &error)),
            };
            self.access.borrow_mut().push(next.access.clone());
            for token in [&current.access, &next.access, &cookie] {
                for outcome in [verify(&client, token).await, verify_here(&verifier, token).await] {
                    match outcome {
                        Err(error) if self.emergency.get() && error.class() == ErrorClass::Refresh => {}
                        outcome => outcome.map_err(|error| fault("a verification", &error))?,
                    }
                }
            }
            // Whoever fetches the published keys has the one that a token was signed with, from the first such token on.
            let keys = client.jwks().await.map_err(|error| fault("the keys", &error))?;
            let elsewhere = jws::Verifier::from_jwks(&keys.jwks, "hallpass", "local")
                .map_err(|error| fault("a key", &error))?;
            match elsewhere.verify_at(next.access.expose(), 0) {
                Err(Refused::UnknownKey) if self.emergency.get() => {}
                outcome => drop(outcome.map_err(|refused| fault("elsewhere", &refused))?),
            }
            current = next;
            self.rounds[number].set(self.rounds[number].get() + 1);
        }
        Ok(())
    }

    async fn let_everybody_work(&self) {
        let goal: Vec<u64> = self.rounds.iter().map(|rounds| rounds.get() + ROUNDS).collect();
        while self.rounds.iter().zip(&goal).any(|(rounds, goal)| rounds.get() < *goal) {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Rotates both kinds of key again and again.
    async fn rotate(&self, admin: &AdminClient) {
        for turn in 1..=ROTATIONS {
            for (kind, mac) in [("signing", false), ("mac", true)] {
                self.let_everybody_work().await;
                let keys = admin.key_rotate(RotateKey { mac, emergency: false }).await.unwrap();
                assert_eq!(active(&keys, kind), [turn + 1], "the new {kind} key is the one that is used");
            }
        }
        self.let_everybody_work().await;
    }
}

/// What the header of an access token says of its key.
fn header(token: &Token) -> String {
    token.expose().split('.').next().unwrap_or_default().to_owned()
}

/// The real command, on a thread of its own: the clients go on meanwhile.
async fn emergency(daemon: &Daemon) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(["key", "rotate", "--emergency", "--yes"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn ten_rotations_under_load_refuse_nobody_and_an_emergency_every_earlier_token() {
    let (mut daemon, admin) = house().await;
    let client = daemon.client().await;
    let first = tokens(&client, "alice", PASSWORD).await.unwrap();
    let (first_cookie, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    let verifier = Verifier::connect(daemon.socket()).unwrap();
    let load = Load::default();
    let mut working = Vec::new();
    for number in 0..CLIENTS {
        let client = daemon.client().await;
        let session = tokens(&client, "alice", PASSWORD).await.unwrap();
        working.push(load.work(number, (client, verifier.clone()), session, first_cookie.clone()));
    }
    let begun = Instant::now();
    let driving = async {
        load.rotate(&admin).await;
        let signed_by: BTreeSet<_> = load.access.borrow().iter().map(header).collect();
        assert_eq!(signed_by.len(), usize::from(ROTATIONS) + 1, "every key has signed something");
        verify(&client, &first.access).await.unwrap();
        verify_here(&verifier, &first.access).await.unwrap();
        let rotated_in = begun.elapsed();

        load.emergency.set(true);
        emergency(&daemon).await;
        let before_it: Vec<Token> = load.access.borrow().clone();
        let mut refused = 0;
        for token in before_it.iter().chain([&first.access]) {
            let here = verify_here(&verifier, token).await;
            let there = verify(&client, token).await;
            assert_eq!(here.is_ok(), there.is_ok(), "{here:?} in this process and {there:?} from the daemon");
            match there {
                Err(error) => {
                    assert_eq!((error.code(), error.class()), (ErrorCode::TokenStale, ErrorClass::Refresh));
                    refused += 1;
                }
                // While the command was on its way home, somebody was given a token of the new key.
                Ok(()) => assert!(!signed_by.contains(&header(token)), "a token of an earlier key"),
            }
        }
        load.let_everybody_work().await;
        verify(&client, &first_cookie).await.unwrap();
        load.over.set(true);
        report(&format!(
            "{ROTATIONS} rotations of both keys in {rotated_in:.1?}, {} tokens issued, {refused} refused after the emergency",
            load.access.borrow().len()
        ));
    };
    // Whoever is refused ends the test there and then.
    let both = async { tokio::try_join!(try_join_all(working), driving.map(Ok)) };
    let worked = timeout(3 * PATIENCE, Box::pin(both)).await.unwrap();
    assert_eq!(worked.map(|_| ()), Ok(()));
    daemon.stop().await;
}

#[tokio::test]
async fn an_emergency_outlives_a_kill_and_one_of_mac_keys_ends_every_session() {
    let (mut daemon, admin) = house().await;
    let client = daemon.client().await;
    let before = tokens(&client, "alice", PASSWORD).await.unwrap();
    let (session, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    admin.key_rotate(RotateKey { mac: false, emergency: true }).await.unwrap();
    daemon.kill9();
    daemon.restart().await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    let keys = admin.key_list().await.unwrap();
    assert_eq!((active(&keys, "signing"), active(&keys, "mac"), keys.len()), (vec![2], vec![1], 2));
    assert_eq!(verify(&client, &before.access).await.unwrap_err().code(), ErrorCode::TokenStale);
    verify(&client, &session).await.unwrap();
    admin.key_rotate(RotateKey { mac: true, emergency: true }).await.unwrap();
    assert!(verify(&client, &session).await.is_err(), "every session is over");
    assert!(client.refresh(refresh(&before.refresh)).await.is_err(), "the families too");
    assert!(cookie(&client, "alice", PASSWORD).await.is_ok());
    daemon.stop().await;
}
