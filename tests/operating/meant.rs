//! Names and commands that there are not, and those that may have been meant.

use std::path::Path;

use crate::support::{Daemon, PASSWORD, add_user};
use crate::{hallpass, stderr};

#[tokio::test]
async fn a_slip_in_a_name_or_a_command_is_answered_with_what_was_meant() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let said = |words: &str| {
        let socket = daemon.socket();
        let arguments = [Path::new("--socket"), &socket].into_iter().chain(words.split(' ').map(Path::new));
        let said = hallpass(arguments);
        (said.status.code(), stderr(&said))
    };
    for words in [
        "user show alcie",
        "user disable alcie",
        "user remove alcie --yes",
        "session list --user alcie",
        "session revoke --user alcie",
    ] {
        let (code, text) = said(words);
        assert!(code == Some(1) && text.contains("did you mean alice?"), "{words}: {text}");
    }
    let (code, text) = said("user show somebody");
    assert!(code == Some(1) && !text.contains("did you mean"), "{text}");
    let (code, text) = said("docter");
    assert!(code == Some(2) && text.contains("did you mean doctor?"), "{text}");
    daemon.stop().await;
}
