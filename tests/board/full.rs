//! A disk that is full, for real: a small file system in memory. Who may not mount one is told so, and nothing is tested.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hallpass_client::{ErrorCode, Needs, Revoke, SessionKind, Way};

use crate::support::{Daemon, PASSWORD, POLL, add_user};
use crate::{code, opening, session, settles, shown, verifier, way};

/// Longest that a daemon may take to notice that there is room again.
const SECONDS: Duration = Duration::from_secs(8);

/// A file system that is gone when this is.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]).arg(&path);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it until they close it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes until nothing fits any more.
fn fill(path: &Path) {
    let mut bytes = 0;
    for size in [1 << 20, 1 << 12, 1] {
        while fs::write(path.with_extension(format!("{size}.{bytes}")), vec![1; size]).is_ok() {
            bytes += size;
        }
    }
}

fn make_room(path: &Path) {
    let dir = path.parent().unwrap();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("ballast.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

fn skipped() {
    let words = "skipped: this user cannot mount a file system; run it as root\n";
    std::io::stdout().write_all(words.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_nothing_else_and_heals_without_a_restart() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    let Some(mounted) = Mounted::at(daemon.state_dir()) else {
        return skipped();
    };
    daemon.restart().await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let (client, verifier) = (daemon.client().await, verifier(&daemon));
    let (kept, doomed) =
        (session(&client, SessionKind::Token).await, session(&client, SessionKind::Token).await);
    settles(&verifier, &shown(&kept), Way::Memory);

    let (pid, ballast) = (daemon.pid(), daemon.state_dir().join("ballast.x"));
    fill(&ballast);
    let give_up = Instant::now() + SECONDS;
    let refusal = loop {
        assert!(Instant::now() < give_up, "the disk does not get full");
        if let Err(error) = client.open_session(opening(SessionKind::Token)).await {
            break error;
        }
    };
    assert!(matches!(refusal.code(), ErrorCode::Unknown | ErrorCode::Unavailable), "{refusal}");
    for _ in 0..200 {
        assert_eq!(way(verifier.verify(shown(&doomed).expose())), Way::Daemon);
        client.verify(shown(&doomed), Needs::default()).await.expect("it is read");
        tokio::time::sleep(POLL).await;
    }
    let refused = client.revoke(Revoke::Session(doomed.session_id)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable, "{refused}");

    make_room(&ballast);
    let give_up = Instant::now() + SECONDS;
    while let Err(error) = client.revoke(Revoke::Session(doomed.session_id)).await {
        assert!(Instant::now() < give_up, "it does not heal: {error}");
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(daemon.pid(), pid, "without a restart");
    assert_eq!(code(verifier.verify(shown(&doomed).expose())), ErrorCode::Revoked);
    settles(&verifier, &shown(&session(&client, SessionKind::Token).await), Way::Memory);
    daemon.kill9();
    daemon.restart().await;
    assert_eq!(code(verifier.verify(shown(&doomed).expose())), ErrorCode::Revoked);
    daemon.stop().await;
    drop(mounted);
}
