//! A disk that is full, for real: a small file system in memory that something else fills up. Who may not mount one is told so, and nothing is tested.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hallpass_client::{
    Client, Context, ErrorClass, ErrorCode, Grant, Needs, OpenSession, Revoke, SessionKind, UserRef, Way,
};
use hallpass_protocol::limits::{DEVICE_LABEL_BYTES, USER_AGENT_BYTES};

use crate::support::{Daemon, PASSWORD, POLL, add_user, own_uid, tokens};
use crate::{code, opening, session, settles, shown, verifier};

/// Longest that a daemon may take to notice that there is room again.
const SECONDS: Duration = Duration::from_secs(8);
/// Sessions that are taken back one by one on a full disk.
const TAKEN_BACK: usize = 300;
/// Users that the disk is filled with sessions of.
const USERS: usize = 16;

/// A file system that is gone when this is.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf, options: &str) -> Option<Self> {
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &path).then_some(Self(path))
    }

    /// What somebody else has mounted.
    pub(crate) fn already(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes until nothing fits any more.
    fn fill(&self) {
        let mut bytes = 0;
        for size in [1 << 20, 1 << 12, 1] {
            while fs::write(self.0.join(format!("ballast.{size}.{bytes}")), vec![1; size]).is_ok() {
                bytes += size;
            }
        }
    }

    fn make_room(&self) {
        for entry in fs::read_dir(&self.0).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("ballast.") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // At once where nobody has a file open there, and for those who have when they close it.
        let umount = |lazy: &[&str]| Command::new("umount").args(lazy).arg(&self.0).output();
        if !umount(&[]).is_ok_and(|output| output.status.success()) {
            let _ = umount(&["--lazy"]);
        }
    }
}

fn mount(options: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(options).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

pub(crate) fn skipped() {
    let words = "skipped: this user cannot mount a file system; run it as root\n";
    std::io::stdout().write_all(words.as_bytes()).unwrap();
}

/// A daemon whose database lies on a file system of 64 MiB, with a user who can log in.
async fn on_a_small_disk() -> Option<(Daemon, Mounted, Client)> {
    let uid = own_uid();
    let config = format!(
        "[sessions]\nmax_per_user = 1000\n[admin]\nuids = [{uid}]\n[[app]]\nname = \"local\"\nuids = [{uid}]\n\
         rights = [\"login\", \"verify\", \"revoke\", \"vouch\"]\n"
    );
    let mut daemon = Daemon::with_config(&config).await;
    daemon.stop().await;
    let mounted = Mounted::at(daemon.state_dir(), "size=64m,mode=0700")?;
    // Something large lies there before, so that what the test opens soon comes to the rest.
    fs::write(daemon.state_dir().join("ballast.first"), vec![1; 55 << 20]).unwrap();
    daemon.restart().await;
    let admin = daemon.admin().await;
    add_user(&admin, "ann", PASSWORD, &["editor"]).await;
    for number in 0..USERS {
        add_user(&admin, &format!("user-{number}"), PASSWORD, &[]).await;
    }
    let client = daemon.client().await;
    Some((daemon, mounted, client))
}

/// A session as large as one may be, each for the next user: to open one, all that its user has are read.
fn one_of_many(number: usize) -> OpenSession {
    let context = Context {
        user_agent: Some("a".repeat(USER_AGENT_BYTES)),
        device_label: Some("l".repeat(DEVICE_LABEL_BYTES)),
        ..Context::default()
    };
    OpenSession {
        user: UserRef::Name(format!("user-{}", number % USERS)),
        context,
        ..opening(SessionKind::Token)
    }
}

/// Opens sessions until the disk is too full for it, which is to be told in time and in words.
async fn refused_at_last(client: &Client) -> Vec<Grant> {
    let (mut opened, give_up) = (Vec::new(), Instant::now() + Duration::from_mins(1));
    loop {
        assert!(Instant::now() < give_up, "the disk is full for nobody");
        match client.open_session(one_of_many(opened.len())).await {
            Ok(grant) => opened.push(grant),
            Err(refused) => {
                assert_eq!((refused.code(), refused.class()), (ErrorCode::DiskFull, ErrorClass::Retry));
                assert!(refused.to_string().contains("make room"), "{refused}");
                return opened;
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_takes_sessions_back_and_opens_none_and_heals_without_a_restart() {
    let Some((mut daemon, mounted, client)) = on_a_small_disk().await else { return skipped() };
    let verifier = verifier(&daemon);
    let (kept, doomed) =
        (session(&client, SessionKind::Token).await, session(&client, SessionKind::Token).await);
    settles(&verifier, &shown(&kept), Way::Memory);
    let pid = daemon.pid();

    mounted.fill();
    refused_at_last(&client).await;
    let refused = tokens(&client, "ann", PASSWORD).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DiskFull, "{refused}");
    let status = daemon.admin().await.status().await.unwrap();
    assert!(status.disk_full && status.disk_available < 1 << 20, "{status:?}");
    for _ in 0..100 {
        settles(&verifier, &shown(&kept), Way::Memory);
        client.verify(shown(&doomed), Needs::default()).await.unwrap();
    }
    client.revoke(Revoke::Session(doomed.session_id)).await.unwrap();
    assert_eq!(code(verifier.verify(shown(&doomed).expose())), ErrorCode::Revoked);

    daemon.kill9();
    daemon.restart().await;
    assert_eq!(code(verifier.verify(shown(&doomed).expose())), ErrorCode::Revoked, "it holds");
    let client = daemon.client().await;
    refused_at_last(&client).await;
    assert_ne!(daemon.pid(), pid);

    let pid = daemon.pid();
    mounted.make_room();
    let give_up = Instant::now() + SECONDS;
    while let Err(error) = tokens(&client, "ann", PASSWORD).await {
        assert!(Instant::now() < give_up, "it does not heal: {error}");
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(daemon.pid(), pid, "without a restart");
    settles(&verifier, &shown(&session(&client, SessionKind::Token).await), Way::Memory);
    daemon.stop().await;
    drop(mounted);
}

#[tokio::test]
async fn a_full_disk_has_room_for_hundreds_of_revocations_and_a_start() {
    let Some((mut daemon, mounted, mut client)) = on_a_small_disk().await else { return skipped() };
    let mut taken_back = Vec::new();
    for _ in 0..TAKEN_BACK {
        taken_back.push(session(&client, SessionKind::Token).await);
    }
    mounted.fill();
    taken_back.extend(refused_at_last(&client).await);
    // The newest of them, however many the full disk still had room for.
    let taken_back = taken_back.split_off(taken_back.len() - TAKEN_BACK);
    for (number, grant) in taken_back.iter().enumerate() {
        let revoked = client.revoke(Revoke::Session(grant.session_id)).await;
        assert!(revoked.is_ok(), "revocation {number}: {revoked:?}");
        if number % 100 == 50 {
            daemon.kill9();
            daemon.restart().await;
            client = daemon.client().await;
        }
    }
    daemon.stop().await;
    daemon.restart().await;
    let client = daemon.client().await;
    for grant in &taken_back {
        let refused = client.verify(shown(grant), Needs::default()).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Revoked);
    }
    daemon.admin().await.user_disable("ann").await.unwrap();
    daemon.stop().await;
    drop(mounted);
}
