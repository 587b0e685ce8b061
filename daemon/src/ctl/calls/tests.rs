//! Every command that needs no terminal and no stdin, asked of a fake daemon.

use std::ffi::OsString;

use hallpass_protocol::time::Millis;

use super::fake::Fake;
use crate::ctl::failure::Failure;
use crate::ctl::render::Out;
use crate::ctl::usage;

/// Runs one command; gives what it printed and what the daemon was asked.
async fn run(fake: &Fake, line: &str) -> (Result<String, Failure>, Vec<String>) {
    let socket = [OsString::from("--socket"), fake.socket().into()];
    let words = line.split_whitespace().map(|word| if word == "''" { "" } else { word }.into());
    let argv: Vec<OsString> = [OsString::from("hallpass")].into_iter().chain(words).chain(socket).collect();
    let cli = usage::parse(&argv).unwrap();
    let mut to = Vec::new();
    let json = cli.json;
    let outcome =
        super::run(cli, &mut Out { to: &mut to, json, now: Millis::default(), width: None, colour: false })
            .await;
    (outcome.map(|()| String::from_utf8(to).unwrap()), fake.asked())
}

#[tokio::test(flavor = "current_thread")]
async fn each_command_asks_the_admin_service_for_what_it_says() {
    let fake = Fake::start();
    let session = "01HF7YAT000000000000000001";
    for (line, asked, printed) in [
        ("user add alice --no-password", "user_add alice [] None", "Next: hallpass user passwd alice"),
        (
            "user add alice --no-password --role a --role b",
            r#"user_add alice ["a", "b"] None"#,
            "Added alice",
        ),
        ("user show bob", "user_show bob", "bob\n"),
        ("user enable bob", "user_enable bob", "bob can log in again."),
        ("user disable bob", "user_disable bob", "bob can log in no more"),
        ("user remove bob --yes", "user_remove bob", "bob is removed"),
        ("user roles bob --set a,b", r#"user_set_roles bob ["a", "b"]"#, "bob has these roles now: a, b."),
        ("user roles bob --set ''", "user_set_roles bob []", "bob has no roles now."),
        ("revoke --user bob", r#"admin revoke User("bob")"#, "2 sessions ended."),
        ("revoke --all --yes", "admin revoke All", "2 sessions ended."),
        (
            &format!("revoke --session {session}"),
            &format!("admin revoke Session(SessionId({session}))"),
            "2 sessions ended.",
        ),
        (
            &format!("session revoke {session}"),
            &format!("admin revoke Session(SessionId({session}))"),
            "2 sessions ended.",
        ),
        ("session revoke --user bob", r#"admin revoke User("bob")"#, "2 sessions ended."),
        (
            &format!("session revoke --user bob --except {session}"),
            &format!(r#"admin revoke UserBut {{ name: "bob", spared: SessionId({session}) }}"#),
            "2 sessions ended.",
        ),
        ("key jwks", "key_jwks", r#"{"keys":[]}"#),
        ("key retire Zm9v --yes", "key_retire Zm9v", "KIND"),
        ("key retire --yes -Zm9v", "key_retire -Zm9v", "KIND"),
        ("revoke --yes --key -Zm9v", "key_retire -Zm9v", "KIND"),
        ("clock accept --yes", "clock_accept", "The daemon's time is 2023-11-14T22:13:20Z now, 53years"),
        ("key reseal", "key_reseal None", "lies in /somewhere/master.key"),
    ] {
        let (outcome, calls) = run(&fake, line).await;
        let text = outcome.unwrap();
        assert_eq!(calls, [asked], "{line}");
        assert!(text.contains(printed), "{line}: {text}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_session_is_shown_whether_it_is_alive_or_over_and_one_that_is_gone_is_refused() {
    let fake = Fake::start();
    for (number, words) in [(1, "is alive."), (2, "is over: somebody ended it, 1970-01-01T00:00:00Z")] {
        let id = super::fake::session_id(number);
        let (outcome, asked) = run(&fake, &format!("session show {id}")).await;
        let text = outcome.unwrap();
        assert!(text.starts_with(&format!("{id} {words}")), "{text}");
        assert_eq!(asked, [format!("session_show {id}")]);
        let json: serde_json::Value =
            serde_json::from_str(&run(&fake, &format!("session show {id} --json")).await.0.unwrap()).unwrap();
        assert_eq!((&json["alive"], &json["name"]), (&(number == 1).into(), &"alice".into()));
    }
    let gone = run(&fake, &format!("session show {}", super::fake::session_id(7))).await.0.unwrap_err();
    assert_eq!((gone.fault().code, gone.exit_status()), ("not_found", 1));
    let whom = run(&fake, "session revoke --user alcie").await.0.unwrap_err();
    assert!(whom.to_string().ends_with("did you mean alice?"), "{whom}");
}

#[tokio::test(flavor = "current_thread")]
async fn lists_are_read_to_their_last_page() {
    let fake = Fake::start();
    let (outcome, calls) = run(&fake, "user list").await;
    assert_eq!(calls, ["user_list None", r#"user_list Some("alice")"#, r#"user_list Some("bob")"#]);
    assert_eq!(outcome.unwrap().lines().count(), 1 + 3);
    let (outcome, calls) = run(&fake, "session list --user alice --json").await;
    assert_eq!(calls.len(), 3);
    assert_eq!(outcome.unwrap().lines().count(), 3);
}

#[tokio::test(flavor = "current_thread")]
async fn the_audit_tail_gives_as_many_as_asked_for_whatever_a_page_holds() {
    let fake = Fake::start();
    for (line, first, count, calls) in [
        ("audit tail --json", 101, 20, 1),
        ("audit tail --count 50 --json", 71, 50, 1),
        ("audit tail --count 110 --json", 11, 110, 3),
        ("audit tail --count 500 --json", 1, 120, 3),
        ("audit tail --after 118 --json", 119, 2, 1),
        ("audit tail --after 10 --count 60 --json", 11, 60, 2),
        ("audit tail --after 120 --json", 0, 0, 1),
        ("audit export", 1, 120, 3),
        ("audit export --after 100", 101, 20, 1),
    ] {
        let (outcome, asked) = run(&fake, line).await;
        let text = outcome.unwrap();
        assert_eq!(text.lines().count(), count, "{line}");
        assert_eq!(asked.len(), calls, "{line}: {asked:?}");
        assert!(count == 0 || text.starts_with(&format!("{{\"number\":{first},")), "{line}: {text}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn filters_reach_the_daemon_and_a_name_becomes_an_id() {
    let fake = Fake::start();
    let line = "audit tail --user alice --app shop --event login --since 2023-11-14T22:13:20Z --count 1";
    let (outcome, asked) = run(&fake, line).await;
    outcome.unwrap();
    assert_eq!(asked[0], "user_show alice");
    let rest = r#"Some("shop") Some("login") Some(Millis(1700000000000))"#;
    assert!(
        asked[1].starts_with("audit_find Newest 1 Some(UserId(") && asked[1].ends_with(rest),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn d16_an_entry_is_one_line_of_json_whatever_is_in_it() {
    let fake = Fake::start();
    let text = run(&fake, "audit export").await.0.unwrap();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["detail"], super::fake::DETAIL);
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{2028}'), "{line}");
    }
    assert_eq!(text.lines().count(), 120);
    let table = run(&fake, "audit tail --count 3").await.0.unwrap();
    assert_eq!(table.lines().count(), 4, "a header and three rows: {table}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_chain_that_was_changed_is_a_refusal_and_what_is_wrong_is_said() {
    let fake = Fake::start();
    let (outcome, asked) = run(&fake, "audit verify").await;
    assert!(outcome.unwrap().contains("120 entries: each follows from the one before it."));
    assert_eq!(asked, ["audit_verify [] 0", "audit_verify [1] 0"]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let checkpoint = format!("hallpass-audit-1 {} 7 {} 9 k m", "0".repeat(32), "0".repeat(64));
    std::fs::write(log.path(), format!("nothing\nINFO audit checkpoint checkpoint=\"{checkpoint}\"\n"))
        .unwrap();
    let line = format!("audit verify --against {}", log.path().display());
    let (outcome, asked) = run(&fake, &line).await;
    assert_eq!(outcome.unwrap_err().exit_status(), 1);
    assert_eq!(asked.last().unwrap(), "audit_verify [1] 1");
    std::fs::write(log.path(), "nothing\n").unwrap();
    assert_eq!(run(&fake, &line).await.0.unwrap_err().exit_status(), 2, "no checkpoint is no success");
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_prints_nothing_and_keeps_its_code() {
    let fake = Fake::start();
    for (line, code, status) in [("user show nobody", "not_found", 1), ("status", "busy", 69)] {
        let failure = run(&fake, line).await.0.unwrap_err();
        assert_eq!((failure.fault().code, failure.exit_status()), (code, status), "{line}");
    }
}
