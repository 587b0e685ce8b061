//! Imports asked of a fake daemon: bob is there already, `$2b$bad` is refused, and `busy` ends it all.

use hallpass_protocol::paths::admin_socket_beside;
use hallpass_protocol::time::Millis;

use super::*;
use crate::ctl::calls::fake::Fake;

const LINES: &str = concat!(
    "{\"name\":\"alice\",\"hash\":\"$2b$good\",\"roles\":[\"editor\"],\"disabled\":true}\n",
    "\n",
    "{\"name\":\"bob\",\"hash\":\"$2b$good\"}\r\n",
    "{\"name\":\"carol\",\"hash\":\"$2b$bad\"}\n",
    "{\"name\":\"dora\",\"hash\":{\"$2b$secret\":1}}\n",
    "{\"name\":\"erik\",\"hash\":\"$2b$good\",\"$2b$secret\":1}\n",
    "{\"name\":\"fred\",\"hash\":$2b$secret}\n",
    "{\"name\":\"alice\",\"hash\":\"$2b$good\"}\n",
    "{\"name\":\"gina\",\"hash\":\"$2b$good\"}",
);

async fn import(text: &str, dry_run: bool, json: bool) -> (Result<(), Failure>, String, Vec<String>) {
    let fake = Fake::start();
    let admin = AdminClient::connect(admin_socket_beside(&fake.socket())).await.unwrap();
    let mut to = Vec::new();
    let mut out = Out { to: &mut to, json, now: Millis::default(), width: None, colour: false };
    let lines = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
    let outcome = run(lines, dry_run, &admin, &mut out).await;
    (outcome, String::from_utf8(to).unwrap(), fake.asked())
}

#[tokio::test(flavor = "current_thread")]
async fn a_bad_line_stops_no_other_and_is_told_with_its_number() {
    let (outcome, text, asked) = import(LINES, false, false).await;
    assert!(matches!(outcome, Err(Failure::Reported)), "{outcome:?}");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "line 3: bob is already there",
            "line 4: refused: the hash is none (invalid_request)",
            "line 5: refused: the line is not an object of name, user_id, hash, roles, attributes and disabled, each of its kind (invalid_request)",
            "line 6: refused: the line is not an object of name, user_id, hash, roles, attributes and disabled, each of its kind (invalid_request)",
            "line 7: refused: the line is not JSON from column 23 on (invalid_request)",
            "line 8: refused: line 1 has the same name (invalid_request)",
            "2 added, 1 already there, 5 refused.",
        ]
    );
    let mut asked = asked;
    asked.sort_unstable();
    assert_eq!(
        asked,
        [
            r#"user_import alice $2b$good ["editor"] true false"#,
            "user_import bob $2b$good [] false false",
            "user_import carol $2b$bad [] false false",
            "user_import gina $2b$good [] false false",
        ]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn json_lines_end_with_a_summary_and_hold_no_hash() {
    let (outcome, text, _) = import(LINES, false, true).await;
    assert!(matches!(outcome, Err(Failure::Reported)), "{outcome:?}");
    assert!(!text.contains("$2b"), "{text}");
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = objects.iter().filter_map(|object| object["outcome"].as_str()).collect();
    let r = "refused";
    assert_eq!(outcomes, ["added", "already_there", r, r, r, r, r, "added"]);
    assert_eq!((objects[0]["format"].as_str(), objects[0]["line"].as_u64()), (Some("bcrypt"), Some(1)));
    assert_eq!(objects[2]["error"]["code"], "invalid_request");
    let summary =
        serde_json::json!({"summary": {"dry_run": false, "added": 2, "already_there": 1, "refused": 5}});
    assert_eq!(objects.last(), Some(&summary));
}

#[tokio::test(flavor = "current_thread")]
async fn a_dry_run_asks_to_change_nothing() {
    let lines = "{\"name\":\"alice\",\"hash\":\"$2b$good\"}\n{\"name\":\"bob\",\"hash\":\"$2b$good\"}\n";
    let (outcome, text, asked) = import(lines, true, false).await;
    assert!(outcome.is_ok(), "whoever is there already is no fault");
    assert_eq!(
        text,
        "line 2: bob is already there\n1 would be added, 1 already there, 0 refused.\nNothing was changed.\n"
    );
    assert!(asked.len() == 2 && asked.iter().all(|call| call.ends_with("true")), "{asked:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_daemon_that_cannot_be_asked_ends_the_import() {
    let lines = "{\"name\":\"alice\",\"hash\":\"busy\"}\n{\"name\":\"bob\",\"hash\":\"$2b$good\"}\n";
    let (outcome, text, _) = import(lines, false, false).await;
    assert_eq!(outcome.unwrap_err().exit_status(), status::UNAVAILABLE);
    assert!(
        text.starts_with("Stopped at line 1;") && text.ends_with("0 added, 0 already there, 0 refused.\n"),
        "{text}"
    );
}

#[test]
fn an_overlong_line_is_refused_and_the_next_one_read() {
    let text = format!("{}\nnext\nlast", "x".repeat(LINE_BYTES + 1));
    let mut lines = BufReader::with_capacity(100, text.as_bytes());
    assert!(matches!(next_line(&mut lines), Err(Failure::Refused(_))));
    assert_eq!(next_line(&mut lines).unwrap().unwrap().as_slice(), b"next");
    assert_eq!(next_line(&mut lines).unwrap().unwrap().as_slice(), b"last");
    assert!(next_line(&mut lines).unwrap().is_none());
}
