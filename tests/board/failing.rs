//! What happens to verification when something happens to the daemon, to its board, or to the disk under it. Never an acceptance that is wrong, and
//! never an end that a restart of the client would be needed for.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hallpass_client::admin::RevokeTarget;
use hallpass_client::{ErrorClass, ErrorCode, Needs, Revoke, SessionKind, Verifier, Way};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Daemon, PATIENCE, POLL};
use crate::{code, session, settles, shown, way, with_ann};

/// Where the lease and the daemon's time lie in a board.
const LEASE_AT: u64 = 128;
const TIME_AT: u64 = 208;
/// How long a lease lasts, and a little more.
pub(crate) const LEASE: Duration = Duration::from_millis(5_500);

pub(crate) fn signal(daemon: &Daemon, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid")), signal).expect("the daemon is ours");
}

#[tokio::test]
async fn a_killed_daemon_is_believed_for_the_length_of_a_lease_and_the_next_one_at_once() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &token, Way::Memory);
    daemon.kill9();
    assert_eq!(way(verifier.verify(token.expose())), Way::Memory, "nothing can be taken back meanwhile");
    tokio::time::sleep(LEASE).await;
    assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Unavailable);
    daemon.restart().await;
    settles(&verifier, &token, Way::Memory);
    client.revoke(Revoke::Token(token.clone())).await.unwrap();
    assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked);
    daemon.stop().await;
}

#[tokio::test]
async fn what_a_restart_brings_is_asked_about() {
    let (mut daemon, client, verifier) = with_ann().await;
    let (kept, revoked) =
        (session(&client, SessionKind::Token).await, session(&client, SessionKind::Cookie).await);
    for grant in [&kept, &revoked] {
        settles(&verifier, &shown(grant), Way::Memory);
    }
    let asked = |reason: &str| verifier.asked().into_iter().find(|(why, _)| *why == reason).unwrap().1;
    for _ in 0..3 {
        let before = asked("floor");
        daemon.kill9();
        daemon.restart().await;
        // Whether before or after the lease of the daemon before has run out, it is the new one that is asked.
        assert_eq!(way(verifier.verify(shown(&kept).expose())), Way::Daemon);
        assert_eq!(asked("floor"), before + 1);
    }
    client.revoke(Revoke::Session(revoked.session_id)).await.unwrap();
    daemon.kill9();
    daemon.restart().await;
    assert_eq!(code(verifier.verify(shown(&revoked).expose())), ErrorCode::Revoked);
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_that_stops_in_order_is_not_believed_any_more() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
    assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Unavailable);
    daemon.restart().await;
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_that_hangs_loses_its_lease_and_gets_it_back() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Cookie).await);
    settles(&verifier, &token, Way::Memory);
    signal(&daemon, Signal::SIGSTOP);
    tokio::time::sleep(LEASE).await;
    assert_eq!(verifier.verify(token.expose()).unwrap_err().class(), ErrorClass::Retry);
    signal(&daemon, Signal::SIGCONT);
    settles(&verifier, &token, Way::Memory);
    client.revoke(Revoke::Token(token.clone())).await.unwrap();
    assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked);
    daemon.stop().await;
}

#[tokio::test]
async fn apps_that_want_to_stay_up_can_for_so_long() {
    let (mut daemon, client, _) = with_ann().await;
    let stale = |longest| {
        let builder = Verifier::builder().deadline(Duration::from_millis(500)).serve_stale_for(longest);
        builder.connect(daemon.socket()).unwrap()
    };
    let (long, short) = (stale(Duration::from_mins(1)), stale(Duration::from_millis(300)));
    let good = shown(&session(&client, SessionKind::Token).await);
    let revoked = shown(&session(&client, SessionKind::Token).await);
    for verifier in [&long, &short] {
        for token in [&good, &revoked] {
            settles(verifier, token, Way::Memory);
        }
    }
    client.revoke(Revoke::Token(revoked.clone())).await.unwrap();
    daemon.kill9();
    tokio::time::sleep(LEASE + Duration::from_millis(500)).await;
    assert_eq!(way(long.verify(good.expose())), Way::Stale);
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(way(long.verify(good.expose())), Way::Stale);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "each waits for the daemon");
    assert_eq!(code(short.verify(good.expose())), ErrorCode::Unavailable);
    assert!(long.verify(revoked.expose()).is_err(), "what was taken back stays taken back");
    daemon.restart().await;
    settles(&long, &good, Way::Memory);

    daemon.stop().await;
    assert_eq!(code(long.verify(good.expose())), ErrorCode::Unavailable, "a stop in order is the end of it");
}

/// What a process reads whose clocks, or whose board's, are not the daemon's.
#[tokio::test]
async fn clocks_that_differ_end_in_asking() {
    let (mut daemon, client, verifier) = with_ann().await;
    let tokens = [SessionKind::Cookie, SessionKind::Token];
    let mut shown_tokens = Vec::new();
    for kind in tokens {
        let token = shown(&session(&client, kind).await);
        settles(&verifier, &token, Way::Memory);
        shown_tokens.push(token);
    }
    let board = fs::File::options().read(true).write(true).open(daemon.runtime_dir().join("board")).unwrap();
    // The daemon, which writes these every second, must not mend them before they were looked at.
    signal(&daemon, Signal::SIGSTOP);
    let word = |at: u64| {
        let mut bytes = [0; 8];
        board.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    };
    let tells = |at: u64, value: u64| {
        let before = word(at);
        board.write_all_at(&value.to_ne_bytes(), at).unwrap();
        let told = shown_tokens
            .iter()
            .filter_map(|token| verifier.try_verify(token.expose(), &Needs::default(), None));
        let told = told.count();
        board.write_all_at(&before.to_ne_bytes(), at).unwrap();
        told
    };
    let (lease, time) = (word(LEASE_AT), word(TIME_AT));
    assert_eq!(tells(LEASE_AT, lease), 2, "as it is");
    assert_eq!(tells(LEASE_AT, lease + 3_600_000_000_000), 0, "a lease further ahead than any");
    assert_eq!(tells(LEASE_AT, 1), 0, "a lease of long ago");
    assert_eq!(tells(LEASE_AT, 0), 0, "a board that is closed");
    assert_eq!(tells(TIME_AT, time + 400 * 86_400_000), 0, "a daemon for whom they have ended");
    assert_eq!(tells(TIME_AT, time), 2, "as it was");
    signal(&daemon, Signal::SIGCONT);
    for token in &shown_tokens {
        settles(&verifier, token, Way::Memory);
    }
    daemon.stop().await;
}

type Harm = fn(&Path);

/// What can lie where the board was.
#[tokio::test]
async fn a_board_that_is_lost_is_made_anew_and_missed_by_nobody() {
    let (mut daemon, client, verifier) = with_ann().await;
    let path = daemon.runtime_dir().join("board");
    let harms: [(&str, Harm); 3] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("replaced by another file", |path| {
            fs::write(path.with_extension("other"), vec![7; 600_000]).unwrap();
            fs::rename(path.with_extension("other"), path).unwrap();
        }),
        ("replaced by a copy", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
    ];
    for (harm, do_it) in harms {
        let grant = session(&client, SessionKind::Cookie).await;
        let token = shown(&grant);
        settles(&verifier, &token, Way::Memory);
        do_it(&path);
        // One that comes now finds no board, or not this one, and asks.
        let late = crate::verifier(&daemon);
        late.verify(token.expose()).unwrap();
        client.revoke(Revoke::Session(grant.session_id)).await.unwrap();
        for verifier in [&verifier, &late] {
            assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked, "{harm}");
        }
        let next = shown(&session(&client, SessionKind::Token).await);
        std::thread::sleep(Duration::from_millis(1_500));
        for verifier in [&verifier, &late] {
            settles(verifier, &next, Way::Memory);
        }
    }
    daemon.stop().await;
}

/// What a client can find where the daemon says its board is, before it has mapped it.
#[tokio::test]
async fn a_board_that_is_none_is_not_believed() {
    let (mut daemon, client, _) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Token).await);
    let path = daemon.runtime_dir().join("board");
    let whole = fs::read(&path).unwrap();
    let mut newer = whole.clone();
    newer[8] = 200;
    let mut foreign = whole.clone();
    foreign[50] ^= 1;
    let mut other_boot = whole.clone();
    other_boot[70] ^= 1;
    let cut = whole[..100].to_vec();
    let halves = [("newer", newer), ("foreign", foreign), ("other boot", other_boot), ("cut", cut)];
    for (harm, bytes) in halves {
        // The daemon must not mend it before it was looked at.
        signal(&daemon, Signal::SIGSTOP);
        let file = fs::File::options().write(true).open(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        signal(&daemon, Signal::SIGCONT);
        let verifier = crate::verifier(&daemon);
        let verdict = verifier.verify(token.expose());
        // One that was cut may have been made anew in the meantime.
        assert!(verifier.board_fault().is_some() || harm == "cut", "{harm}");
        if verifier.board_fault().is_some() {
            assert_eq!(way(verdict), Way::Daemon, "{harm}");
        }
        drop(file);
        fs::write(&path, &whole).unwrap();
        daemon.kill9();
        fs::remove_file(&path).unwrap();
        let begun = Instant::now();
        daemon.restart().await;
        assert!(begun.elapsed() >= Duration::from_secs(4), "the board that is gone might have been believed");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn verification_goes_by_asking_where_no_board_can_be() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
    // A directory of its name is something that no file can take the place of.
    let path = daemon.runtime_dir().join("board");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    daemon.restart().await;
    let late = crate::verifier(&daemon);
    for verifier in [&verifier, &late] {
        for _ in 0..3 {
            assert_eq!(way(verifier.verify(token.expose())), Way::Daemon);
        }
    }
    daemon.admin().await.revoke(RevokeTarget::All).await.unwrap();
    assert_eq!(code(late.verify(token.expose())), ErrorCode::Revoked);

    fs::remove_dir(&path).unwrap();
    let next = shown(&session(&client, SessionKind::Token).await);
    let give_up = Instant::now() + PATIENCE;
    while way(late.verify(next.expose())) != Way::Memory {
        assert!(Instant::now() < give_up, "{:?}", late.board_fault());
        std::thread::sleep(POLL);
    }
    daemon.stop().await;
}

/// A small file system of its own on a directory, for as long as it lives.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// Nothing, where this user may not mount.
    fn small(at: &'a Path) -> Option<Self> {
        run("mount", &["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"], at).then_some(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // At once, though the verifier of the test still has the board mapped.
        run("umount", &["--lazy"], self.0);
    }
}

fn run(program: &str, args: &[&str], at: &Path) -> bool {
    let output = Command::new(program).args(args).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_full_runtime_directory_costs_the_board_and_nothing_else() {
    let (mut daemon, client, verifier) = with_ann().await;
    let token = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &token, Way::Memory);
    daemon.stop().await;
    let runtime = daemon.runtime_dir();
    let Some(mounted) = Mounted::small(&runtime) else {
        let why = b"skipped: this user may not mount a file system to fill up; run it as root\n";
        return std::io::stderr().write_all(why).unwrap();
    };
    daemon.restart().await;
    assert_eq!(way(verifier.verify(token.expose())), Way::Daemon);
    assert_eq!(way(verifier.verify(token.expose())), Way::Daemon, "there is no room for a board");
    client.revoke(Revoke::Token(token.clone())).await.unwrap();
    assert_eq!(code(verifier.verify(token.expose())), ErrorCode::Revoked);

    assert!(run("mount", &["-o", "remount,size=4m"], &runtime));
    let next = shown(&session(&client, SessionKind::Token).await);
    settles(&verifier, &next, Way::Memory);
    // Its pages are there already, so nothing is missed when there is no more room for others.
    while fs::File::options()
        .append(true)
        .create(true)
        .open(runtime.join("ballast"))
        .is_ok_and(|file| (&file).write_all(&[7; 4_096]).is_ok())
    {}
    client.revoke(Revoke::Token(next.clone())).await.unwrap();
    assert_eq!(code(verifier.verify(next.expose())), ErrorCode::Revoked);
    daemon.stop().await;
    drop(mounted);
}
