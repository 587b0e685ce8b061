//! Several processes verify without a pause while another takes back, changes roles and steps up: after each answer none of them accepts the old
//! state, and none refuses the new.
//!
//! A process is this very program again, told by its environment to work. It hammers the token it was given last with one thread, and answers each line
//! it is sent with what a verification says that begins then.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hallpass_client::{Client, Context, Grant, Password, Reauthenticate, Revoke, SessionKind, Verifier};

use crate::support::{Daemon, PASSWORD, clear_environment, login};
use crate::{session, shown, with_ann};

const SOCKET: &str = "HALLPASS_BOARD_WORKER";
const ROUNDS: &str = "HALLPASS_BOARD_ROUNDS";
const WORKERS: usize = 3;

struct Worker {
    child: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(daemon: &Daemon) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        clear_environment(&mut command);
        command.env(SOCKET, daemon.socket()).args([
            "--exact",
            "processes::works_when_told_to",
            "--nocapture",
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (lines, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, lines, answers: BufReader::new(answers) }
    }

    /// What a verification says that begins now.
    fn ask(&mut self, token: &str) -> String {
        writeln!(self.lines, "{token}").expect("the worker reads");
        let mut answer = String::new();
        // What the test harness prints comes before.
        while !answer.starts_with("says ") {
            answer.clear();
            assert!(self.answers.read_line(&mut answer).expect("the worker answers") > 0, "the worker ended");
        }
        answer.trim_start_matches("says ").trim().to_owned()
    }

    fn end(mut self) {
        drop(self.lines);
        assert!(self.child.wait().expect("it is our child").success());
    }
}

/// Does nothing in an ordinary run: it is what the workers do.
#[test]
fn works_when_told_to() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let verifier = Verifier::connect(socket).expect("the daemon answers");
    let (latest, stop) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
    let hammer = std::thread::spawn({
        let (verifier, latest, stop) = (verifier.clone(), Arc::clone(&latest), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let token = latest.lock().unwrap().clone();
                for _ in 0..100 {
                    // It may be taken back at any moment; what counts is said below.
                    let _ = verifier.verify(&token);
                }
                std::thread::yield_now();
            }
        }
    });
    for line in std::io::stdin().lines() {
        let token = line.expect("a line");
        let says = match verifier.verify(&token) {
            Ok(verdict) => verdict.roles().join(","),
            Err(error) => error.code().to_string(),
        };
        writeln!(std::io::stdout(), "says {says}").expect("whoever asked reads");
        *latest.lock().unwrap() = token;
    }
    stop.store(true, Ordering::Relaxed);
    hammer.join().unwrap();
}

/// All of them, once each with the token as it is now.
fn all_say(workers: &mut [Worker], grant: &Grant, wanted: &str, why: &str) {
    for worker in workers {
        assert_eq!(worker.ask(shown(grant).expose()), wanted, "{why}");
    }
}

async fn step_up(client: &Client, grant: &Grant) -> Grant {
    let password = Password::new(PASSWORD.into());
    let proof = Reauthenticate { token: shown(grant), password, audience: None, context: Context::default() };
    client.reauthenticate(proof).await.expect("the password is right")
}

#[tokio::test]
async fn no_process_accepts_what_was_taken_back_or_refuses_what_is_new() {
    let rounds = std::env::var(ROUNDS).map_or(200, |text| text.parse().expect("a number of rounds"));
    let (mut daemon, client, _) = with_ann().await;
    let admin = daemon.admin().await;
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Worker::start(&daemon)).collect();
    admin.user_set_roles("ann", vec!["r0".into()]).await.unwrap();
    for round in 0..rounds {
        let kind = if round % 2 == 0 { SessionKind::Cookie } else { SessionKind::Token };
        let grant = session(&client, kind).await;
        all_say(&mut workers, &grant, &format!("r{round}"), "a new session");
        let roles = vec![format!("r{}", round + 1)];
        admin.user_set_roles("ann", roles.clone()).await.unwrap();
        all_say(&mut workers, &grant, &roles[0], "new roles");
        // A password is hashed for these, so they come now and then.
        if round % 50 == 25 {
            let stepped = step_up(&client, &grant).await;
            all_say(&mut workers, &stepped, &roles[0], "a raised level");
            let again = client.login(login("ann", PASSWORD, kind)).await.unwrap();
            client.revoke(Revoke::Token(shown(&stepped))).await.unwrap();
            all_say(&mut workers, &stepped, "revoked", "a session that took the place of another");
            all_say(&mut workers, &again, &roles[0], "another login");
        }
        client.revoke(Revoke::Session(grant.session_id)).await.unwrap();
        let ended = if round % 50 == 25 { "superseded" } else { "revoked" };
        let says: Vec<_> = workers.iter_mut().map(|worker| worker.ask(shown(&grant).expose())).collect();
        assert!(says.iter().all(|says| says == "revoked" || says == ended), "round {round}: {says:?}");
    }
    for worker in workers {
        worker.end();
    }
    daemon.stop().await;
}
