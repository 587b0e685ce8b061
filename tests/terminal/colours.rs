//! Colours on a terminal and nowhere else, not where its user says no, and nothing from names that others made up.

use std::process::{Command, Stdio};

use hallpass_client::{Context, Login, SessionId, SessionKind};

use crate::pty::{OnTerminal, Streams, hallpass, screen};
use crate::support::{Daemon, PASSWORD, add_user, login};

/// What somebody might call a device, so that a terminal does something: it is cleared, gets another title, and writes from the right to the left.
const HOSTILE: &str = "desk\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{9b}31m\u{202e}ksed";
/// The same as it is shown.
const HARMLESS: &str = "desk\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{d}\\u{9b}31m\\u{202e}ksed";

/// A daemon with a user, and a session of hers on such a device.
async fn house() -> (Daemon, SessionId) {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let context = Context {
        device_label: Some(HOSTILE.into()),
        user_agent: Some(HOSTILE.into()),
        ..Context::default()
    };
    let login = Login { context, ..login("alice", PASSWORD, SessionKind::Cookie) };
    let grant = daemon.client().await.login(login).await.expect("her password");
    (daemon, grant.session_id)
}

/// What a command writes to a terminal, told this about it.
fn on_terminal(mut command: Command, environment: &[(&str, Option<&str>)]) -> String {
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    OnTerminal::start(command, Streams::Both).end().0
}

fn in_a_pipe(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Commands that answer in colours, each with a piece of what it says in one.
fn coloured(daemon: &Daemon, session: SessionId) -> Vec<(Vec<String>, &'static str)> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (state, run) = (daemon.state_dir().display().to_string(), daemon.runtime_dir().display().to_string());
    vec![
        (words("status"), "\u{1b}[32mhallpassd"),
        (
            words(&format!("doctor --state-dir {state} --runtime-dir {run}")),
            "\u{1b}[32mok     \u{1b}[0m  version",
        ),
        (words("user list"), "\u{1b}[1mNAME"),
        (words("session list --user alice"), "\u{1b}[1mSESSION"),
        (words(&format!("session show {session}")), "\u{1b}[32mis alive\u{1b}[0m."),
        (words("audit verify"), "\u{1b}[32m"),
        (words("audit tail"), "\u{1b}[1mNUMBER"),
    ]
}

#[tokio::test]
async fn a_terminal_is_coloured_unless_its_user_says_no_and_nothing_else_is() {
    let (daemon, session) = house().await;
    for (words, piece) in coloured(&daemon, session) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = || hallpass(&daemon, &words);
        for environment in [&[][..], &[("NO_COLOR", Some(""))]] {
            let written = on_terminal(command(), environment);
            assert!(written.contains(piece), "{words:?}, {environment:?}: {written:?}");
        }
        for refused in [("NO_COLOR", Some("1")), ("TERM", Some("dumb")), ("TERM", None)] {
            let written = on_terminal(command(), &[refused]);
            assert!(
                !written.is_empty() && !written.contains('\u{1b}'),
                "{words:?}, {refused:?}: {written:?}"
            );
        }
        let json = on_terminal(hallpass(&daemon, &[&words[..], &["--json"]].concat()), &[]);
        assert!(json.starts_with('{') && !json.contains('\u{1b}'), "{words:?} --json: {json:?}");
        let piped = in_a_pipe(command());
        assert!(!piped.is_empty() && !piped.contains('\u{1b}'), "{words:?} in a pipe: {piped:?}");
    }
}

#[tokio::test]
async fn what_others_made_up_does_nothing_to_a_terminal() {
    let (daemon, session) = house().await;
    for words in [vec!["session", "list", "--user", "alice"], vec!["session", "show", &session.to_string()]] {
        let written = on_terminal(hallpass(&daemon, &words), &[]);
        // The list has one column for it, which is cut where the terminal ends.
        let shown = &HARMLESS[..if words[1] == "list" { 5 } else { HARMLESS.len() }];
        assert!(written.contains(shown), "{written:?}");
        is_harmless(&written);
    }
    for words in [vec!["audit", "tail"], vec!["audit", "export"]] {
        is_harmless(&on_terminal(hallpass(&daemon, &words), &[]));
    }
    // A name that was typed is repeated where it cannot be used, and so it is harmless too.
    let written = on_terminal(hallpass(&daemon, &["check", HOSTILE]), &[]);
    assert!(written.starts_with("hallpass: ") && written.contains(HARMLESS), "{written:?}");
    is_harmless(&written);
}

/// Nothing is left of it but colours of our own, and text on whole lines.
fn is_harmless(written: &str) {
    // Anything else that a terminal would do something about ends this.
    let lines = screen(written);
    let text = lines.concat();
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    let of_lines = written.replace("\r\n", "");
    assert!(!of_lines.contains(['\r', '\u{7}', '\u{9b}']), "{written:?}");
    for code in written.split("\u{1b}[").skip(1) {
        let (code, _) = code.split_once('m').expect("a colour");
        assert!(["0", "1", "2", "32", "33", "1;31"].contains(&code), "{code:?} in {written:?}");
    }
}
