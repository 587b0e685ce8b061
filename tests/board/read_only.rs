//! A file system that turns read-only under the daemon, as ext4 does after an error. Who may not mount one is told so, and nothing is tested.

use std::process::{Command, Stdio};

use hallpass_client::{ErrorClass, ErrorCode, Needs, Revoke, SessionKind, Way};

use crate::full::{Mounted, skipped};
use crate::support::{Daemon, PASSWORD, add_user};
use crate::{code, session, settles, shown, verifier, way};

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn g6_a_disk_that_turns_read_only_stops_changes_and_nothing_else() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    let (image, state) = (daemon.dir().join("disk.img"), daemon.state_dir());
    std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).unwrap();
    let (image, at) = (image.to_str().unwrap(), state.to_str().unwrap());
    if !run("mkfs.ext4", &["-q", image]) || !run("mount", &["-o", "loop", image, at]) {
        return skipped();
    }
    let mounted = Mounted::already(state.clone());
    daemon.restart().await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let (client, verifier) = (daemon.client().await, verifier(&daemon));
    let (kept, over) =
        (session(&client, SessionKind::Token).await, session(&client, SessionKind::Token).await);
    client.revoke(Revoke::Session(over.session_id)).await.unwrap();
    settles(&verifier, &shown(&kept), Way::Memory);

    assert!(run("mount", &["-o", "remount,abort", at]));
    let refused = client.revoke(Revoke::Session(kept.session_id)).await.unwrap_err();
    assert_eq!((refused.code(), refused.class()), (ErrorCode::Unknown, ErrorClass::Retry), "{refused}");
    let refused = client.revoke(Revoke::Session(kept.session_id)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable, "{refused}");
    for _ in 0..20 {
        assert_eq!(way(verifier.verify(shown(&kept).expose())), Way::Daemon);
        client.verify(shown(&kept), Needs::default()).await.unwrap();
        assert_eq!(code(verifier.verify(shown(&over).expose())), ErrorCode::Revoked);
    }

    // Such a file system is mended by mounting it anew, which whoever has a file open there keeps from being done.
    daemon.kill9();
    drop(mounted);
    assert!(run("mount", &["-o", "loop", image, at]), "it is whole");
    let mounted = Mounted::already(state.clone());
    daemon.restart().await;
    let client = daemon.client().await;
    let revoked = client.revoke(Revoke::Session(kept.session_id)).await.unwrap();
    assert_eq!(revoked.sessions, 1, "what was answered so was not done");
    for grant in [&kept, &over] {
        assert_eq!(code(verifier.verify(shown(grant).expose())), ErrorCode::Revoked);
    }
    daemon.stop().await;
    drop(mounted);
}
