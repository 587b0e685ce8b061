//! What must hold of the daemon as a whole after each kill: the file that it left is sound, and nobody goes by what the daemon before had let them know.

use std::process::Command;
use std::time::Instant;

use hallpass_client::admin::AdminClient;
use hallpass_client::{Client, Token, Verifier, Way};

use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, clear_environment, cookie};

/// An app of a user whom nobody changes, that verifies by the board.
pub(crate) struct Witness {
    pub(crate) verifier: Verifier,
    token: Token,
}

impl Witness {
    pub(crate) async fn begin(daemon: &Daemon, client: &Client, admin: &AdminClient) -> Self {
        add_user(admin, "witness", PASSWORD, &[]).await;
        let (token, _) = cookie(client, "witness", PASSWORD).await.unwrap();
        let verifier = Verifier::connect(daemon.socket()).unwrap();
        let witness = Self { verifier, token };
        witness.settles();
        witness
    }

    /// The first verification after a restart asks, since the floor lies above what was held. Later ones need not.
    pub(crate) fn sees_the_floor_raised(&self) {
        let verdict = self.verifier.verify(self.token.expose()).unwrap();
        assert_eq!(verdict.way(), Way::Daemon, "it went by what it had from the daemon before");
        self.settles();
    }

    fn settles(&self) {
        let give_up = Instant::now() + PATIENCE;
        while self.verifier.verify(self.token.expose()).map(|verdict| verdict.way()).ok() != Some(Way::Memory)
        {
            assert!(Instant::now() < give_up, "it never holds: {:?}", self.verifier.board_fault());
            std::thread::sleep(POLL);
        }
    }
}

/// Structure, rows, indexes in both directions, keys and the audit chain, as a daemon that was killed has left them.
pub(crate) fn is_sound(daemon: &Daemon) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    clear_environment(&mut check);
    let checked = check.arg("check").arg("--state-dir").arg(daemon.state_dir()).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
}
