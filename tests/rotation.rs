//! Refresh tokens from end to end: one successor whoever asks however often, an end to the family on theft, and none of it undone.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hallpass_client::admin::{AdminClient, AuditTail, RevokeTarget};
use hallpass_client::{
    AttemptId, Client, Error, ErrorClass, ErrorCode, Needs, Password, Refresh, Token, new_attempt,
};
use support::dice::{Dice, number, report};
use support::{Daemon, PASSWORD, PATIENCE, Tokens, add_user, own_uid, refresh, tokens};
use tokio::time::timeout;

/// No limit to rotations, and else as shipped.
const FREE: &str = "[refresh]\nper_minute = 0\n";
/// The same without a retry window.
const STRICT: &str = "[refresh]\nper_minute = 0\nretry_window = \"0s\"\n";

struct House {
    daemon: Daemon,
    client: Client,
    admin: AdminClient,
}

/// A daemon with a user, who is not logged in.
async fn house(settings: &str) -> House {
    let daemon = Daemon::with_settings(settings).await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    House { daemon, client, admin }
}

impl House {
    async fn log_in(&self) -> Tokens {
        tokens(&self.client, "alice", PASSWORD).await.unwrap()
    }

    async fn restart(&mut self) {
        self.daemon.stop().await;
        self.daemon.restart().await;
        (self.client, self.admin) = (self.daemon.client().await, self.daemon.admin().await);
    }

    /// How often the audit chain tells of this.
    async fn events(&self, event: &str) -> usize {
        let entries = self.admin.audit_tail(AuditTail { after: None, count: 50 }).await.unwrap();
        entries.iter().filter(|entry| entry.event == event).count()
    }
}

async fn exchange(client: &Client, token: &Token) -> Result<Tokens, Error> {
    client.refresh(refresh(token)).await.map(Tokens::from)
}

async fn attempted(client: &Client, token: &Token, attempt: &AttemptId) -> Result<Tokens, Error> {
    client.refresh(Refresh { attempt: Some(attempt.clone()), ..refresh(token) }).await.map(Tokens::from)
}

async fn code(outcome: impl Future<Output = Result<Tokens, Error>>) -> ErrorCode {
    outcome.await.map(|tokens| tokens.generation).unwrap_err().code()
}

/// What verifying an access token and exchanging a refresh token are refused with.
async fn dead(client: &Client, session: &Tokens) -> [ErrorCode; 2] {
    let verified = client.verify(session.access.clone(), Needs::default()).await.unwrap_err();
    assert_eq!(verified.class(), ErrorClass::Login);
    [verified.code(), code(exchange(client, &session.refresh)).await]
}

async fn alive(client: &Client, session: &Tokens) -> bool {
    client.verify(session.access.clone(), Needs::default()).await.is_ok()
}

/// B1. `HALLPASS_ROTATION_ROUNDS` says how often.
#[tokio::test]
async fn b1_64_callers_with_one_token_get_one_successor() {
    const CALLERS: usize = 64;
    let rounds = number("HALLPASS_ROTATION_ROUNDS", 1000);
    let house = house(FREE).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(house.daemon.client().await);
    }
    let mut current = house.log_in().await;
    let begun = Instant::now();
    for round in 1..=rounds {
        // All on one connection, or spread over several.
        let spread = if round % 4 == 0 { 1 } else { clients.len() };
        let callers = (0..CALLERS).map(|caller| exchange(&clients[caller % spread], &current.refresh));
        let answers = timeout(PATIENCE, join_all(callers)).await.unwrap();
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>();
        let answers = answers.unwrap_or_else(|error| unreachable!("round {round}: {error:?}"));
        let next = answers[0].clone();
        assert_eq!(u64::from(next.generation), round + 1);
        for answer in &answers {
            assert!(answer.refresh.expose() == next.refresh.expose(), "round {round}: two successors");
            assert_eq!((answer.generation, answer.session), (next.generation, current.session));
        }
        assert!(next.refresh.expose() != current.refresh.expose(), "round {round}: no successor");
        assert!(alive(&house.client, &answers[CALLERS - 1]).await, "round {round}");
        current = next;
    }
    let listed = house.admin.session_list("alice", None).await.unwrap().sessions;
    assert_eq!(listed.len(), 1);
    assert_eq!(u64::from(listed[0].refreshes), rounds);
    assert_eq!(house.events("refresh.reuse").await, 0);
    report(&format!("{rounds} rounds of {CALLERS} callers in {:.1?}", begun.elapsed()));
}

#[tokio::test]
async fn b2_a_token_from_two_rotations_ago_ends_its_family_and_no_other() {
    let house = house(FREE).await;
    let (first, other) = (house.log_in().await, house.log_in().await);
    let second = exchange(&house.client, &first.refresh).await.unwrap();
    let third = exchange(&house.client, &second.refresh).await.unwrap();
    assert!(alive(&house.client, &third).await && alive(&house.client, &first).await);
    assert_eq!(code(exchange(&house.client, &first.refresh)).await, ErrorCode::Reused);
    for of_family in [&first, &second, &third] {
        assert_eq!(dead(&house.client, of_family).await, [ErrorCode::Reused; 2]);
    }
    assert_eq!(house.events("refresh.reuse").await, 1);
    assert!(alive(&house.client, &other).await, "another session of the same user");
    exchange(&house.client, &other.refresh).await.unwrap();
}

#[tokio::test]
async fn b3_once_a_thief_has_gone_on_the_owner_ends_it_for_both() {
    let house = house(STRICT).await;
    let stolen = house.log_in().await;
    let thief = exchange(&house.client, &stolen.refresh).await.unwrap();
    assert_eq!(code(exchange(&house.client, &stolen.refresh)).await, ErrorCode::Reused, "b6");
    assert_eq!(dead(&house.client, &thief).await, [ErrorCode::Reused; 2]);
}

#[tokio::test]
async fn b4_an_attempt_heals_past_the_window_and_a_restart() {
    let mut house = house(STRICT).await;
    let first = house.log_in().await;
    let (ours, anothers) = (new_attempt().unwrap(), new_attempt().unwrap());
    let second = attempted(&house.client, &first.refresh, &ours).await.unwrap();
    let healed = attempted(&house.client, &first.refresh, &ours).await.unwrap();
    assert!(healed.refresh.expose() == second.refresh.expose(), "the same successor");
    assert_eq!((healed.generation, second.generation), (2, 2));
    house.restart().await;
    let healed = attempted(&house.client, &first.refresh, &ours).await.unwrap();
    assert!(healed.refresh.expose() == second.refresh.expose(), "the same successor");
    assert!(alive(&house.client, &healed).await);
    assert_eq!(house.events("refresh.retry").await, 1, "the retries of one rotation are one row");
    assert_eq!(code(attempted(&house.client, &first.refresh, &anothers)).await, ErrorCode::Reused);
    assert_eq!(dead(&house.client, &second).await, [ErrorCode::Reused; 2]);
}

/// B5: what is genuine but shown by another app was stolen from the first.
#[tokio::test]
async fn b5_a_token_that_another_app_shows_ends_its_family() {
    const OTHER: u32 = 65_534;
    if own_uid() != 0 {
        return report("b5 needs root to call as another user; skipped");
    }
    let apps = "[[app]]\nname = \"local\"\nuids = [0]\n[[app]]\nname = \"other\"\nuids = [65534]\n";
    let daemon = Daemon::with_config(&format!("{FREE}\n[admin]\nuids = [0]\n{apps}")).await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &[]).await;
    let house = House { daemon, client, admin };
    let session = house.log_in().await;
    // The other app must get as far as the socket, and find this test to run.
    for dir in [house.daemon.dir().to_owned(), house.daemon.runtime_dir()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let exe = house.daemon.dir().join("caller");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let call = |token: Token, wanted: ErrorCode| {
        let mut command = Command::new(&exe);
        command.args(["--exact", "the_other_app"]).current_dir("/");
        command.uid(OTHER).gid(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env(OTHER_APP, house.daemon.socket()).spawn().unwrap();
        write!(child.stdin.take().unwrap(), "{} {wanted}", token.expose()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    };
    let mut forged = session.refresh.expose().to_owned();
    forged.replace_range(20..21, if &forged[20..21] == "A" { "B" } else { "A" });
    call(Token::new(forged), ErrorCode::InvalidToken);
    assert!(alive(&house.client, &session).await, "what is not genuine ends nothing");
    call(session.refresh.clone(), ErrorCode::InvalidToken);
    assert_eq!(dead(&house.client, &session).await, [ErrorCode::Revoked; 2]);
    assert_eq!(house.events("refresh.other_app").await, 1);
    call(session.refresh.clone(), ErrorCode::InvalidToken);
    assert_eq!(house.events("refresh.other_app").await, 1, "a dead family dies once");
}

/// Names the socket to [`the_other_app`].
const OTHER_APP: &str = "TEST_OTHER_APP_SOCKET";

/// What b5 runs as another user; with nobody's socket named there is nothing to do.
#[tokio::test]
async fn the_other_app() {
    let Some(socket) = std::env::var_os(OTHER_APP) else { return };
    let mut said = String::new();
    std::io::stdin().read_to_string(&mut said).unwrap();
    let (token, wanted) = said.split_once(' ').unwrap();
    let client = Client::connect(socket).await.unwrap();
    assert_eq!(client.hello().await.unwrap().app, "other");
    let refused = exchange(&client, &Token::new(token.to_owned())).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code().as_str(), wanted);
}

#[tokio::test]
async fn b7_one_rotation_is_answered_again_128_times() {
    let house = house(FREE).await;
    let first = house.log_in().await;
    let second = exchange(&house.client, &first.refresh).await.unwrap();
    for again in 1..=128 {
        let answer = exchange(&house.client, &first.refresh).await.unwrap();
        assert!(answer.refresh.expose() == second.refresh.expose(), "answer {again}");
    }
    let refused = exchange(&house.client, &first.refresh).await.map(|_| ()).unwrap_err();
    assert_eq!((refused.code(), refused.class()), (ErrorCode::RateLimited, ErrorClass::Retry));
    assert!(alive(&house.client, &second).await, "too many retries are no theft");
    exchange(&house.client, &second.refresh).await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_exchanged_too_fast_has_to_wait_and_shows_in_the_audit_chain() {
    let house = house("[refresh]\nper_minute = 5\n").await;
    let mut session = house.log_in().await;
    for _ in 0..5 {
        session = exchange(&house.client, &session.refresh).await.unwrap();
    }
    assert_eq!(house.events("refresh").await, 0, "what is usual is no event");
    for _ in 0..3 {
        let refused = exchange(&house.client, &session.refresh).await.map(|_| ()).unwrap_err();
        assert_eq!((refused.code(), refused.class()), (ErrorCode::RateLimited, ErrorClass::Retry));
    }
    assert_eq!(house.events("refresh").await, 1, "the first of a minute");
    assert!(alive(&house.client, &session).await);
}

#[tokio::test]
async fn b9_reuse_is_still_reuse_after_a_restart() {
    let mut house = house(STRICT).await;
    let first = house.log_in().await;
    let second = exchange(&house.client, &first.refresh).await.unwrap();
    house.restart().await;
    assert_eq!(code(exchange(&house.client, &first.refresh)).await, ErrorCode::Reused);
    house.restart().await;
    assert_eq!(dead(&house.client, &second).await, [ErrorCode::Reused; 2]);
}

#[tokio::test]
async fn b15_b16_what_is_not_genuine_touches_no_family() {
    let mut house = house(STRICT).await;
    let mut stranger = self::house(STRICT).await;
    let foreign = stranger.log_in().await;
    let session = house.log_in().await;
    let text = session.refresh.expose().to_owned();
    let changed = |at: usize| {
        let other = if text[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    let mut forged: Vec<_> = (4..text.len()).map(changed).collect();
    forged.extend((0..text.len()).map(|cut| text[..cut].to_owned()));
    forged.extend([format!("{text}A"), format!("{text}="), format!(" {text}"), text.to_uppercase()]);
    forged.extend(["hps_", "hpd_"].map(|prefix| text.replacen("hpr_", prefix, 1)));
    forged.extend([foreign.refresh.expose().to_owned(), session.access.expose().to_owned()]);
    for forged in forged {
        let refused = code(exchange(&house.client, &Token::new(forged.clone()))).await;
        assert_eq!(refused, ErrorCode::InvalidToken, "{forged}");
    }
    assert_eq!(house.events("refresh").await, 0, "garbage is no audit row");
    let next = exchange(&house.client, &session.refresh).await.unwrap();
    assert_eq!(next.generation, 2, "the family is as it was");
    for house in [&mut house, &mut stranger] {
        house.daemon.stop().await;
    }
}

/// The operations of B12.
#[derive(Debug, Clone, Copy)]
enum Against {
    Revoke,
    Disable,
    Remove,
    SetPassword,
}

impl Against {
    async fn act(self, admin: &AdminClient, name: &str) {
        match self {
            Self::Revoke => {
                assert_eq!(admin.revoke(RevokeTarget::User(name.to_owned())).await.unwrap().sessions, 1);
            }
            Self::Disable => assert!(admin.user_disable(name).await.unwrap().disabled),
            Self::Remove => assert_eq!(admin.user_remove(name).await.unwrap().name, name),
            Self::SetPassword => {
                let new = Password::new(PASSWORD.to_owned());
                assert!(admin.user_set_password(name, new).await.unwrap().has_password);
            }
        }
    }
}

/// Refreshes as fast as it can while something ends the session; whatever it got, nothing works once that has returned.
async fn race(against: Against) {
    const PAUSE: Duration = Duration::from_micros(200);
    let rounds = number("HALLPASS_RACE_ROUNDS", 100);
    let mut dice = Dice::new();
    let house = house(FREE).await;
    for round in 0..rounds {
        let name = if matches!(against, Against::Remove) {
            let name = format!("user-{round}");
            add_user(&house.admin, &name, PASSWORD, &[]).await;
            name
        } else {
            "alice".to_owned()
        };
        let first = tokens(&house.client, &name, PASSWORD).await.unwrap();
        let got = RefCell::new(vec![first]);
        let head_start = usize::try_from(dice.below(6)).unwrap();
        let refreshing = async {
            loop {
                let newest = got.borrow().last().unwrap().refresh.clone();
                match exchange(&house.client, &newest).await {
                    Ok(next) => got.borrow_mut().push(next),
                    Err(refused) => return refused.code(),
                }
            }
        };
        let ending = async {
            while got.borrow().len() <= head_start {
                tokio::time::sleep(PAUSE).await;
            }
            against.act(&house.admin, &name).await;
            // The very next thing that is asked is refused already.
            let newest = got.borrow().last().unwrap().clone();
            assert_eq!(dead(&house.client, &newest).await, [ErrorCode::Revoked; 2], "{against:?} {round}");
        };
        let both = Box::pin(async { tokio::join!(refreshing, ending) });
        let (refused, ()) = timeout(PATIENCE, both).await.unwrap();
        assert_eq!(refused, ErrorCode::Revoked, "{against:?} {round}");
        let got = got.into_inner();
        let asked = join_all(got.iter().map(|tokens| dead(&house.client, tokens))).await;
        assert!(
            asked.iter().all(|codes| *codes == [ErrorCode::Revoked; 2]),
            "{against:?} {round}: {asked:?}"
        );
        if matches!(against, Against::Disable) {
            house.admin.user_enable(&name).await.unwrap();
            assert_eq!(dead(&house.client, &got[0]).await, [ErrorCode::Revoked; 2], "c11 {round}");
        }
    }
}

#[tokio::test]
async fn b12_nothing_refreshed_beside_a_revocation_outlives_it() {
    race(Against::Revoke).await;
}

#[tokio::test]
async fn b12_nothing_refreshed_beside_a_disable_outlives_it() {
    race(Against::Disable).await;
}

#[tokio::test]
async fn b12_nothing_refreshed_beside_a_removal_outlives_it() {
    race(Against::Remove).await;
}

#[tokio::test]
async fn b12_nothing_refreshed_beside_a_new_password_outlives_it() {
    race(Against::SetPassword).await;
}
