//! Sessions of both kinds from end to end, as an app and an administrator see them.

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use hallpass_client::Needs;
use support::{Daemon, PASSWORD, add_user, cookie, tokens};

#[tokio::test]
async fn a_daemon_starts_stops_dies_and_starts_again() {
    let mut daemon = Daemon::start().await;
    let (client, admin) = (daemon.client().await, daemon.admin().await);
    add_user(&admin, "alice", PASSWORD, &["editor"]).await;
    let (session_token, _) = cookie(&client, "alice", PASSWORD).await.unwrap();
    client.verify(session_token, Needs::default()).await.unwrap();
    tokens(&client, "alice", PASSWORD).await.unwrap();
    assert!(daemon.rss() > 0);
    daemon.stop().await;
    daemon.restart().await;
    daemon.kill9();
    daemon.restart().await;
}
