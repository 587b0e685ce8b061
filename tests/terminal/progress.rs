//! How far something is, on a terminal: while it goes on, nowhere else, and with nothing of it left.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::pty::{OnTerminal, Streams, hallpass, screen};
use crate::support::{Daemon, PATIENCE, POLL};

/// An import whose lines are typed, so that it goes on for as long as somebody wants. It only looks what would become of them.
fn import(daemon: &Daemon, more: &[&str]) -> Command {
    let mut command = hallpass(daemon, &[&["user", "import", "-", "--dry-run"], more].concat());
    command.stdin(Stdio::piped());
    command
}

/// Gives all of them users of such names until enough was written to the first. What they have to do is never what takes the time.
fn feed_until(imports: &mut [OnTerminal], name: &str, enough: impl Fn(&str) -> bool) {
    let give_up = Instant::now() + PATIENCE;
    for number in 0.. {
        for import in &mut *imports {
            let lines = import.child.stdin.as_mut().expect("it is typed at");
            writeln!(lines, "{{\"name\":\"{name}{number}\"}}").expect("it reads on");
            import.written(Duration::ZERO);
        }
        if enough(imports[0].written(POLL)) {
            return;
        }
        assert!(Instant::now() < give_up, "{:?} was written", imports[0].written(POLL));
    }
}

#[tokio::test]
async fn an_import_says_how_far_it_is_and_leaves_nothing_of_that_behind() {
    let daemon = Daemon::start().await;
    let mut imports = [OnTerminal::start(import(&daemon, &[]), Streams::Both)];
    feed_until(&mut imports, "early", |written| written.matches("importing: ").count() >= 2);
    // What is refused is said at once, and the line that says how far it is gives way to it.
    writeln!(imports[0].child.stdin.as_mut().unwrap(), "not a user").unwrap();
    feed_until(&mut imports, "late", |written| {
        written.split_once("the line is not JSON").is_some_and(|(_, after)| after.contains("importing: "))
    });
    let [mut import] = imports;
    drop(import.child.stdin.take());
    let (written, status) = import.end();
    assert_eq!(status.code(), Some(1), "{written}");
    let lines = screen(&written);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(
        lines[0].starts_with("line ")
            && lines[0].ends_with("refused: the line is not JSON from column 2 on (invalid_request)"),
        "{lines:#?}"
    );
    assert!(lines[1].ends_with(" would be added, 0 already there, 1 refused."), "{lines:#?}");
    assert_eq!(lines[3], "Nothing was changed.");
}

#[tokio::test]
async fn nothing_is_said_of_it_in_json_or_to_what_cannot_be_drawn_on() {
    let daemon = Daemon::start().await;
    let mut dumb = import(&daemon, &[]);
    dumb.env("TERM", "dumb");
    let mut unknown = import(&daemon, &[]);
    unknown.env_remove("TERM");
    let mut imports = [
        OnTerminal::start(import(&daemon, &[]), Streams::Stderr),
        OnTerminal::start(import(&daemon, &["--json"]), Streams::Stderr),
        OnTerminal::start(dumb, Streams::Stderr),
        OnTerminal::start(unknown, Streams::Stderr),
        // Its answer goes to a terminal, and what it says beside that does not.
        OnTerminal::start(import(&daemon, &[]), Streams::Stdout),
    ];
    feed_until(&mut imports, "early", |written| written.matches("importing: ").count() >= 3);
    for (number, mut import) in imports.into_iter().enumerate() {
        drop(import.child.stdin.take());
        let (written, status) = import.end();
        assert!(status.success(), "{written}");
        assert_eq!(written.contains("importing"), number == 0, "{number}: {written:?}");
        assert!(number == 0 || !written.contains('\u{1b}'), "{number}: {written:?}");
        let lines = screen(&written);
        assert_eq!(lines.len(), if number == 4 { 3 } else { 0 }, "{number}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_measurement_says_what_it_measures_until_it_is_measured() {
    let daemon = Daemon::start().await;
    let measure = hallpass(&daemon, &["bench", "--running", "--seconds", "1"]);
    let (written, status) = OnTerminal::start(measure, Streams::Both).end();
    assert!(
        status.success() && written.matches("measuring questions who is there, ").count() >= 2,
        "{written}"
    );
    let lines = screen(&written);
    assert!(lines.iter().all(|line| !line.contains("measuring")), "{lines:#?}");
    let rows =
        lines.iter().filter(|line| line.starts_with("hello ") || line.starts_with("hello, 64 callers "));
    assert_eq!(rows.filter(|line| line.contains('█')).count(), 2, "{lines:#?}");
}
