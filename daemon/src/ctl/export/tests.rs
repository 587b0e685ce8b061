//! Exports asked of a fake daemon, which has alice, bob without a password, and carol, who is disabled.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hallpass_protocol::paths::admin_socket_beside;
use hallpass_protocol::time::Millis;

use super::*;
use crate::ctl::calls::fake::Fake;

const ALICE: &str = r#"{"name":"alice","user_id":"00000000000000000000000001","hash":"$2b$secret","roles":["editor"],"attributes":{"team":"red \"1\""},"disabled":false}"#;

async fn exported(
    args: &ExportArgs,
    json: bool,
    width: Option<usize>,
) -> (Result<String, Failure>, Vec<String>) {
    let fake = Fake::start();
    let admin = AdminClient::connect(admin_socket_beside(&fake.socket())).await.unwrap();
    let mut to = Vec::new();
    let mut out = Out { to: &mut to, json, now: Millis::default(), width, colour: false };
    let outcome = match open(args, &out) {
        Ok(named) => run(named, args.with_hashes, &admin, &mut out).await,
        Err(failure) => Err(failure),
    };
    (outcome.map(|()| String::from_utf8(to).unwrap()), fake.asked())
}

fn args(with_hashes: bool, out: Option<&Path>) -> ExportArgs {
    ExportArgs { with_hashes, out: out.map(Path::to_owned) }
}

#[tokio::test(flavor = "current_thread")]
async fn every_user_has_a_line_and_hashes_only_where_they_were_asked_for() {
    let (outcome, asked) = exported(&args(true, None), false, None).await;
    let text = outcome.unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], ALICE);
    assert!(lines[1].contains(r#""hash":null,"#) && lines[2].contains(r#""disabled":true"#), "{text}");
    let pages = ["export_page 9 after 0", "export_page 9 after 1", "export_page 9 after 2"];
    assert_eq!(asked, [&["export_begin true"][..], &pages, &["export_end 9"]].concat());
    let (outcome, _) = exported(&args(false, None), false, Some(80)).await;
    let text = outcome.unwrap();
    assert!(text.lines().count() == 3 && !text.contains("hash"), "{text}");
}

#[tokio::test(flavor = "current_thread")]
async fn hashes_go_to_a_private_file_or_a_pipe_and_not_to_a_terminal() {
    let (outcome, asked) = exported(&args(true, None), false, Some(80)).await;
    assert!(outcome.unwrap_err().to_string().contains("--out"));
    assert!(asked.is_empty(), "nothing was asked for: {asked:?}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users.jsonl");
    let (outcome, _) = exported(&args(true, Some(&path)), false, Some(80)).await;
    let said = outcome.unwrap();
    assert!(said.contains("3 users") && !said.contains("$2b"), "{said}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with(ALICE));
    let before = std::fs::read(&path).unwrap();
    let (outcome, asked) = exported(&args(false, Some(&path)), true, None).await;
    assert!(outcome.unwrap_err().to_string().contains("is there already") && asked.is_empty());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half done lies about");
}
