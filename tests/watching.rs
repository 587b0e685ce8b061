//! What an operator sees of a real daemon: what it counts, the live view of it, a measurement, and one request followed through the log.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use hallpass_client::{Context, ListSessions, Login, Needs, RequestId, SessionKind, Token};
use serde_json::Value;
use support::{
    Daemon, PASSWORD, PATIENCE, POLL, add_user, bare_hallpass, clear_environment, cookie, login, printed_by,
    refresh, tokens,
};

fn hallpass(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The same with this line on its stdin.
fn with_line(daemon: &Daemon, arguments: &[&str], line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut command);
    command.arg("--socket").arg(daemon.socket()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that is refused for its arguments may be gone before it has read.
    let _ = writeln!(child.stdin.take().unwrap(), "{line}");
    child.wait_with_output().unwrap()
}

fn printed(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = hallpass(daemon, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn object(daemon: &Daemon, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(daemon, &[arguments, &["--json"]].concat())).unwrap()
}

fn sample(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

/// Two logins and one that fails, three verifications of which one fails, a refresh, a revocation.
async fn busy_day(daemon: &Daemon) {
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let held = tokens(&client, "alice", PASSWORD).await.unwrap();
    tokens(&client, "alice", PASSWORD).await.unwrap();
    client.login(login("alice", "not the password", SessionKind::Cookie)).await.unwrap_err();
    client.verify(held.access.clone(), Needs::default()).await.unwrap();
    client.verify(held.access.clone(), Needs::default()).await.unwrap();
    client.verify(Token::new("hps_garbage".into()), Needs::default()).await.unwrap_err();
    client.refresh(refresh(&held.refresh)).await.unwrap();
    client.revoke(hallpass_client::Revoke::Token(held.access)).await.unwrap();
}

#[tokio::test]
async fn what_was_done_is_counted_where_it_belongs() {
    let daemon = Daemon::start().await;
    busy_day(&daemon).await;
    let text = printed(&daemon, &["metrics"]);
    for (series, wanted) in [
        ("requests_total{operation=\"login\",outcome=\"ok\"}", 2.0),
        ("requests_total{operation=\"login\",outcome=\"invalid_credentials\"}", 1.0),
        ("requests_total{operation=\"refresh\",outcome=\"ok\"}", 1.0),
        ("requests_total{operation=\"revoke\",outcome=\"ok\"}", 1.0),
        ("request_duration_seconds_count{operation=\"login\"}", 3.0),
        ("verifications_total{outcome=\"ok\"}", 2.0),
        ("verifications_total{outcome=\"invalid_token\"}", 1.0),
        ("app_verifications_total{app=\"local\"}", 3.0),
        ("app_requests_refused_total{app=\"local\"}", 1.0),
        ("sessions_opened_total", 2.0),
        ("sessions_alive", 1.0),
        ("revocations_total{kind=\"revoked\"}", 1.0),
        ("password_hash_duration_seconds_count", 4.0),
        ("password_hashes_running", 0.0),
        ("write_queue_depth", 0.0),
        ("commits_failed_total", 0.0),
        ("users", 1.0),
    ] {
        assert!(
            (sample(&text, &format!("hallpass_{series}")) - wanted).abs() < 0.1,
            "{series} is not {wanted}:\n{text}"
        );
    }
    let commits = sample(&text, "hallpass_commit_duration_seconds_count");
    assert!(commits >= 8.0, "{commits}");
    assert!(sample(&text, "hallpass_commit_batch_size_sum") >= commits);
    assert!(sample(&text, "hallpass_board_raises_total{what=\"slot\"}") >= 1.0);
    // Of verifications not each is timed. A hash takes longer than any.
    let client = daemon.client().await;
    for _ in 0..32 {
        client.verify(Token::new("hps_garbage".into()), Needs::default()).await.unwrap_err();
    }
    let p50 =
        |json: &Value, place: usize| json["operations"][place]["duration_seconds"]["p50"].as_f64().unwrap();
    let json = object(&daemon, &["metrics"]);
    let place = |name: &str| {
        let all = json["operations"].as_array().unwrap();
        all.iter().position(|of| of["operation"] == name).unwrap()
    };
    assert!(p50(&json, place("login")) > p50(&json, place("verify")));
}

#[tokio::test]
async fn everything_that_ends_sessions_is_counted_by_what_it_was() {
    let daemon = Daemon::start().await;
    let admin = daemon.admin().await;
    add_user(&admin, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let stolen = tokens(&client, "alice", PASSWORD).await.unwrap().refresh;
    let next = |grant: hallpass_client::Grant| match grant.tokens {
        hallpass_client::GrantedTokens::Token { refresh_token, .. } => refresh_token,
        hallpass_client::GrantedTokens::Cookie { .. } => panic!("a refresh token"),
    };
    let second = next(client.refresh(refresh(&stolen)).await.unwrap());
    client.refresh(refresh(&second)).await.unwrap();
    client.refresh(refresh(&stolen)).await.unwrap_err();
    admin.user_disable("alice").await.unwrap();
    admin.revoke(hallpass_client::admin::RevokeTarget::All).await.unwrap();
    let json = object(&daemon, &["metrics"]);
    let counted = &json["sessions"]["revocations"];
    assert_eq!(
        (&counted["reuse"], &counted["user"], &counted["everything"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert!(json["writer"]["floors_raised"].as_u64().unwrap() >= 1, "{json}");
}

#[tokio::test]
async fn counts_go_into_a_file_that_is_whole_at_any_time() {
    let daemon = Daemon::start().await;
    let file = daemon.dir().join("hallpass.prom");
    let name = file.to_str().unwrap();
    assert_eq!(printed(&daemon, &["metrics", "--output", name]), "");
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("# EOF\n"));
    let refused = hallpass(&daemon, &["metrics", "--output", "/nowhere/at/all.prom"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("/nowhere/at/all.prom cannot be written") && said.contains("name a file"),
        "{said}"
    );
}

#[tokio::test]
async fn a_snapshot_says_what_happens_and_a_pipe_is_no_terminal() {
    let daemon = Daemon::start().await;
    busy_day(&daemon).await;
    let since = object(&daemon, &["top", "--once", "--interval", "0"]);
    assert!(since["per_second"]["logins"].as_f64().unwrap() > 0.0, "{since}");
    assert_eq!(since["failures"]["invalid_credentials"], 1);
    assert_eq!(since["sessions_alive"], 1);
    let now = object(&daemon, &["top", "--once"]);
    assert_eq!(now["per_second"]["logins"], 0.0);
    assert!((0.9..5.0).contains(&now["interval_seconds"].as_f64().unwrap()), "{now}");
    let text = printed(&daemon, &["top", "--once", "--interval", "0"]);
    assert!(
        text.contains("verifications") && text.contains("invalid_credentials") && text.contains("local"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80) && !text.contains('\u{1b}'), "{text}");
    for (arguments, words) in [(&["top"][..], "--once"), (&["top", "--interval", "0"], "--interval")] {
        let refused = hallpass(&daemon, arguments);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn without_a_daemon_there_is_nothing_to_watch() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    for arguments in [&["metrics"][..], &["top", "--once"], &["top"]] {
        assert_eq!(hallpass(&daemon, arguments).status.code(), Some(69), "{arguments:?}");
    }
}

#[test]
fn a_measurement_measures_everything_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let all = rows(&printed_by(bare_hallpass(home.path(), &["bench", "--seconds", "1", "--json"])));
    let wanted = [
        ("verify in process", 1),
        ("verify by call", 1),
        ("verify by call", 64),
        ("refresh", 1),
        ("refresh", 16),
        ("login", 1),
    ];
    assert_eq!(names(&all), wanted);
    let p50 = |place: usize| all[place]["p50_nanos"].as_u64().unwrap();
    assert!(p50(0) < p50(1) && p50(1) < p50(5), "memory, a question and a hash are worlds apart: {all:?}");
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}

/// The rows of a measurement, each of which must be one.
fn rows(printed: &str) -> Vec<Value> {
    let all: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for of in &all {
        let [p50, p99, max] = ["p50_nanos", "p99_nanos", "max_nanos"].map(|name| of[name].as_u64().unwrap());
        assert!(0 < p50 && p50 <= p99 && p99 <= max && of["count"].as_u64().unwrap() > 0, "{of}");
    }
    all
}

fn names(rows: &[Value]) -> Vec<(&str, u64)> {
    rows.iter().map(|of| (of["name"].as_str().unwrap(), of["callers"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_measurement_of_the_daemon_that_runs_changes_nothing_there() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    let held = tokens(&client, "alice", PASSWORD).await.unwrap();
    let list = ListSessions { user: held.user, after: None };
    let state = async || {
        let metrics = daemon.admin().await.metrics().await.unwrap();
        (metrics.sessions, metrics.disk.audit_entries, client.sessions(list.clone()).await.unwrap())
    };
    let before = state().await;
    let measure = ["bench", "--running", "--seconds", "1", "--json"];
    assert_eq!(names(&rows(&printed(&daemon, &measure))), [("hello", 1), ("hello", 64)]);
    let with_token = with_line(&daemon, &[&measure[..], &["-"]].concat(), held.access.expose());
    let all = rows(&String::from_utf8(with_token.stdout).unwrap());
    let verified = [("verify in process", 1), ("verify by call", 1), ("verify by call", 64)];
    assert_eq!(names(&all), [&[("hello", 1), ("hello", 64)][..], &verified].concat());
    assert_eq!(state().await, before);

    // What would change something, or cannot be meant, is refused before anything is measured.
    let (session, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    for (arguments, line, status, words) in [
        (&["bench", "--running", "-"][..], session.expose(), 2, "only an access token"),
        (&["bench", "--running", "-"], "eyJ.eyJ.x", 1, "invalid_token"),
        (&["bench"], "", 2, "--running"),
    ] {
        let refused = with_line(&daemon, arguments, line);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(status) && said.contains(words), "{arguments:?}: {said}");
        assert!(refused.stdout.is_empty() && !said.contains(session.expose()));
    }
}

#[tokio::test]
async fn a_request_is_followed_by_its_name_from_its_caller_to_the_disk() {
    let daemon = Daemon::with_log_level("debug").await;
    let name = "4bf92f3577b34da6a3ce929d0e0e4736";
    let id: RequestId = name.parse().unwrap();
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let client = daemon.client().await;
    client.login(login("alice", PASSWORD, SessionKind::Cookie)).await.unwrap();
    client.clone().with_request_id(id).login(login("alice", PASSWORD, SessionKind::Cookie)).await.unwrap();
    client.clone().with_request_id(id).login(login("alice", "wrong", SessionKind::Cookie)).await.unwrap_err();
    let own = |log: &str| -> Vec<String> {
        log.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
    };
    let give_up = Instant::now() + PATIENCE;
    let lines = loop {
        let lines = own(&daemon.log());
        if lines.len() >= 6 || Instant::now() > give_up {
            break lines;
        }
        tokio::time::sleep(POLL).await;
    };
    // Each login is two changes, the try and what came of it, and one answer.
    let said = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    assert_eq!((said("on disk"), said("was answered")), (4, 2), "{lines:#?}");
    assert_eq!(
        (said("outcome=\"ok\" micros"), said("outcome=\"invalid_credentials\" micros")),
        (1, 1),
        "{lines:#?}"
    );
    assert!(
        lines.iter().all(|line| line.contains("operation=\"login\"") && line.contains("app=\"local\"")),
        "{lines:#?}"
    );
    let others =
        daemon.log().lines().filter(|line| line.contains("was answered") && !line.contains(name)).count();
    assert!(others >= 2, "requests without a name have one of their own:\n{}", daemon.log());
}

/// A daemon that says all it does as JSON, its whole life from its start to its end.
async fn said_as_json(act: impl AsyncFnOnce(&Daemon)) -> Vec<Value> {
    let mut daemon = Daemon::with_settings("[log]\nformat = \"json\"\n").await;
    daemon.stop().await;
    daemon.set("HALLPASS_LOG", Path::new("debug"));
    daemon.restart().await;
    act(&daemon).await;
    daemon.stop().await;
    let said = std::fs::read_to_string(daemon.dir().join("stderr")).unwrap();
    assert!(said.ends_with('\n'), "no line is cut off");
    let line = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
    };
    said.lines().map(line).collect()
}

#[tokio::test]
async fn every_line_of_a_log_in_json_is_an_object_and_a_request_is_followed_through_them() {
    let name = "0af7651916cd43dd8448eb211c80319c";
    let id: RequestId = name.parse().unwrap();
    let hostile = "a\n{\"fields\":1}\u{1b}[2J\"\\";
    let lines = said_as_json(async |daemon| {
        add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
        let client = daemon.client().await;
        let held = tokens(&client, "alice", PASSWORD).await.unwrap();
        let named = client.clone().with_request_id(id);
        named.revoke(hallpass_client::Revoke::Session(held.session)).await.unwrap();
        // What others have made up is in the log too, where the audit chain is said in it.
        let context = Context { device_label: Some(hostile.to_owned()), ..Context::default() };
        client.login(Login { context, ..login("alice", "wrong", SessionKind::Cookie) }).await.unwrap_err();
        client.login(login(hostile, "wrong", SessionKind::Cookie)).await.unwrap_err();
    })
    .await;
    for line in &lines {
        assert!(line.is_object() && line["level"].is_string() && line["timestamp"].is_string(), "{line}");
        assert!(line["fields"]["message"].as_str().is_some_and(|said| !said.is_empty()), "{line}");
    }
    let own: Vec<_> = lines.iter().filter(|line| line["span"]["request"] == name).collect();
    let place = |words: &str| {
        let found = own.iter().position(|line| line["fields"]["message"].as_str().unwrap().contains(words));
        found.unwrap_or_else(|| panic!("no line says {words:?} of the request: {own:#?}"))
    };
    let (on_disk, answered) = (place("on disk"), place("was answered"));
    assert!(on_disk < answered && own.len() == 2, "first the disk, then the answer, and each once: {own:#?}");
    for line in &own {
        let told = (&line["span"]["operation"], &line["span"]["app"], &line["fields"]["outcome"]);
        assert_eq!(told, (&"revoke".into(), &"local".into(), &"ok".into()), "{line}");
    }
    // The commit says up to which stamp everything is on disk, and what it wrote down is said by its own line of the audit chain.
    assert!(own[on_disk]["fields"]["upto"].as_u64().is_some_and(|upto| upto > 0), "{}", own[on_disk]);
    let is_entry = |line: &&Value| line["fields"]["event"] == "session.revoke";
    let entry = lines.iter().find(is_entry).expect("the audit chain is in the log");
    assert_eq!(
        (&entry["fields"]["outcome"], &entry["fields"]["app"]),
        (&"ok".into(), &"local".into()),
        "{entry}"
    );
    assert!(own[answered]["fields"]["micros"].is_u64(), "{}", own[answered]);
}

#[tokio::test]
async fn nothing_is_said_of_requests_unless_it_is_wanted() {
    let daemon = Daemon::with_log_level("info").await;
    busy_day(&daemon).await;
    assert!(!daemon.log().contains("request{"), "{}", daemon.log());
}
