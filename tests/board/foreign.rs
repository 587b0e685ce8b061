//! The board in another language: what `reader.py` needs is in its first lines, and a revocation is seen by its next look.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hallpass_client::{Revoke, SessionKind};

use crate::support::clear_environment;
use crate::{session, with_ann};

const READER: &str = include_str!("reader.py");

#[tokio::test]
async fn twenty_lines_of_python_see_a_revocation() {
    let python = std::env::var("HALLPASS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if Command::new(&python).arg("--version").output().is_err() {
        let mut log = std::io::stderr();
        writeln!(
            log,
            "skipped: there is no {python}; install python3 to see another language read the board"
        )
        .unwrap();
        return;
    }
    let (mut daemon, client, _) = with_ann().await;
    let mut command = Command::new(python);
    clear_environment(&mut command);
    command.args(["-c", READER]).arg(daemon.runtime_dir().join("board"));
    let mut reader = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let (mut ask, mut answers) =
        (reader.stdin.take().unwrap(), BufReader::new(reader.stdout.take().unwrap()).lines());
    let mut look = |session: &[u8; 16], user: &[u8; 16], stamp: u64| {
        let hex = |bytes: &[u8; 16]| format!("{:032x}", u128::from_be_bytes(*bytes));
        writeln!(ask, "{} {} {stamp}", hex(session), hex(user)).unwrap();
        answers.next().unwrap().unwrap()
    };
    let grant = session(&client, SessionKind::Cookie).await;
    let hello = client.hello().await.unwrap();
    assert!(hello.board.is_some());
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    let (session, user) = (*grant.session_id.as_bytes(), *grant.user_id.as_bytes());
    assert_eq!(look(&session, &user, now), "stands");
    assert_eq!(look(&session, &user, 1), "ask");
    client.revoke(Revoke::Session(grant.session_id)).await.unwrap();
    assert_eq!(look(&session, &user, now), "ask");
    daemon.stop().await;
    assert_eq!(look(&session, &user, u64::MAX), "ask", "a closed board is not believed");
    drop(ask);
    assert!(reader.wait().unwrap().success());
}
