//! Backups that take too long, and a change of the master key that a crash ends between any two of its steps: what lies in the key's place opens everything, and in the end one key
//! does and the other does not.

use super::*;
use crate::clock::SystemTime;
use crate::domain::keyset::KeyKind;
use crate::entropy::SystemRandom;
use hallpass_protocol::id::SessionId;
use hallpass_protocol::secret::Token;
use hallpass_protocol::token::{MacKeyId, Subject};
use tempfile::TempDir;

const SUBJECT: Subject = Subject::Session(SessionId::from_bytes([7; 16]));
const NEW: [u8; 32] = [9; 32];

/// How far a change gets before the crash.
const POINTS: [&str; 4] = ["nothing", "the bridge", "the file", "the rows"];

fn parts(dir: &TempDir, named: Option<PathBuf>) -> Parts {
    Parts {
        config: Config::per_user(nix::unistd::geteuid().as_raw()),
        state_dir: dir.path().join("state"),
        runtime_dir: dir.path().join("run"),
        master_key: named,
        auth_mode: 0o600,
        time: Arc::new(SystemTime),
        random: Arc::new(SystemRandom),
    }
}

async fn start(dir: &TempDir) -> Result<Daemon, DaemonError> {
    Daemon::start(parts(dir, None), Passed::default()).await
}

fn key_file(dir: &TempDir) -> PathBuf {
    dir.path().join("state").join(MASTER_KEY)
}

/// What opens the token in a daemon of these directories, started now and stopped again.
async fn opens(dir: &TempDir, token: &Token) -> Result<(), DaemonError> {
    let daemon = start(dir).await?;
    assert_eq!(daemon.shared.keys.ring().unseal(token), Some(SUBJECT), "it starts, but not with its keys");
    daemon.stop().await
}

/// The same state as of a crash now, with this master key in its place.
fn copy(dir: &TempDir, key: &[u8]) -> TempDir {
    let copy = TempDir::new().unwrap();
    std::fs::create_dir(copy.path().join("state")).unwrap();
    for name in ["hallpass.redb", MASTER_KEY] {
        std::fs::copy(dir.path().join("state").join(name), copy.path().join("state").join(name)).unwrap();
    }
    std::fs::write(key_file(&copy), key).unwrap();
    copy
}

/// A change of the master key up to one of [`POINTS`]; gives the old key and a token of before.
async fn change_up_to(point: usize, dir: &TempDir) -> (Vec<u8>, Token) {
    let daemon = start(dir).await.unwrap();
    let token = daemon.shared.keys.ring().seal(SUBJECT, MacKeyId(1)).unwrap();
    let old = std::fs::read(key_file(dir)).unwrap();
    let change = Change::to(Some(MasterKey::from_bytes(&NEW)), &daemon.shared, daemon_itself()).unwrap();
    if point > 0 {
        change.lay_bridge().await.unwrap();
        // Whatever the daemon does meanwhile, it does under the old key.
        daemon.shared.rotate(daemon_itself(), KeyKind::Mac, false).await.unwrap();
    }
    if point > 1 {
        change.put_in_place().unwrap();
    }
    if point > 2 {
        change.finish().await.unwrap();
        daemon.shared.rotate(daemon_itself(), KeyKind::Signing, false).await.unwrap();
    }
    assert_eq!(daemon.shared.keys.ring().unseal(&token), Some(SUBJECT));
    daemon.stop().await.unwrap();
    (old, token)
}

#[tokio::test(flavor = "current_thread")]
async fn a_crash_between_any_two_steps_leaves_a_key_that_opens_everything() {
    for (point, name) in POINTS.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let (old, token) = change_up_to(point, &dir).await;
        for (key, wanted) in [(&old[..], point < 3), (&NEW, point > 0)] {
            let opened = opens(&copy(&dir, key), &token).await;
            assert_eq!(opened.is_ok(), wanted, "{name}, the old key {}: {opened:?}", key == old);
        }
        assert_eq!(std::fs::read(key_file(&dir)).unwrap() == NEW, point > 1, "{name}");
        // As it lies there, and again: a change that is ended at a start is ended for good.
        std::fs::write(dir.path().join("state/master.key.new"), [7; 9]).unwrap();
        opens(&dir, &token).await.unwrap();
        opens(&dir, &token).await.unwrap();
        assert!(!dir.path().join("state/master.key.new").exists(), "{name}");
        let other = if point > 1 { &old[..] } else { &[8; 32] };
        let refused = opens(&copy(&dir, other), &token).await.unwrap_err();
        assert_eq!(matches!(refused, DaemonError::Key(KeyError::Replaced { .. })), point > 1, "{refused}");
    }
}

/// A running daemon cannot see that a key was put in its place, so changes that are begun after it must leave it its way.
#[tokio::test(flavor = "current_thread")]
async fn a_key_in_its_place_keeps_its_bridge_when_others_are_made() {
    let dir = TempDir::new().unwrap();
    let (_, token) = change_up_to(0, &dir).await;
    let daemon = start(&dir).await.unwrap();
    for byte in [1, 2] {
        let given = Some(MasterKey::from_bytes(&[byte; 32]));
        assert!(!daemon.shared.reseal(daemon_itself(), given).await.unwrap().done);
    }
    Change::to(None, &daemon.shared, daemon_itself()).unwrap().lay_bridge().await.unwrap();
    daemon.stop().await.unwrap();
    for byte in [1, 2] {
        opens(&copy(&dir, &[byte; 32]), &token).await.unwrap();
    }
    opens(&dir, &token).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_daemon_replaces_its_own_key_and_no_other() {
    let dir = TempDir::new().unwrap();
    let (old, token) = change_up_to(0, &dir).await;
    let daemon = start(&dir).await.unwrap();
    let changes = (0..4).map(|_| daemon.shared.reseal(daemon_itself(), None));
    for change in futures_util::future::join_all(changes).await {
        assert!(change.unwrap().done, "one after the other");
    }
    let same = MasterKey::read(&key_file(&dir)).unwrap();
    let refused = daemon.shared.reseal(daemon_itself(), Some(same)).await.unwrap_err();
    assert!(refused.message.contains("is the master key already"), "{}", refused.message);
    daemon.stop().await.unwrap();
    assert_ne!(std::fs::read(key_file(&dir)).unwrap(), old);
    opens(&dir, &token).await.unwrap();

    let named = Daemon::start(parts(&dir, Some(key_file(&dir))), Passed::default()).await.unwrap();
    let refused = named.shared.reseal(daemon_itself(), None).await.unwrap_err();
    assert!(refused.message.contains("--new-key NEW"), "{}", refused.message);
    named.stop().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_that_cannot_be_put_in_its_place_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (_, token) = change_up_to(0, &dir).await;
    let daemon = start(&dir).await.unwrap();
    // A directory cannot be removed as a file is, so the unfinished key has no place.
    let in_the_way = dir.path().join("state/master.key.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let refused = daemon.shared.reseal(daemon_itself(), None).await.unwrap_err();
    assert!(refused.message.contains("are as they were"), "{}", refused.message);
    daemon.shared.rotate(daemon_itself(), KeyKind::Mac, false).await.unwrap();
    daemon.stop().await.unwrap();
    opens(&dir, &token).await.unwrap();
    std::fs::remove_dir(&in_the_way).unwrap();
    opens(&dir, &token).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_that_cannot_be_opened_is_not_committed() {
    let dir = TempDir::new().unwrap();
    let daemon = start(&dir).await.unwrap();
    let token = daemon.shared.keys.ring().seal(SUBJECT, MacKeyId(1)).unwrap();
    let sealer = daemon.shared.keys.sealer();
    let mut new = sealer.make(KeyKind::Mac, 2, daemon.shared.clock.now()).unwrap();
    new.sealed.bytes[0] ^= 1;
    let rotate = Command::RotateKey { new: Box::new(new), under: sealer.id(), emergency: true };
    let refused = daemon.shared.write(daemon_itself(), rotate).await.unwrap_err();
    assert!(refused.message.contains("cannot be opened"), "{}", refused.message);
    assert_eq!(
        daemon.shared.snapshot().unwrap().keys().unwrap().len(),
        2,
        "the old ones are there, and only they"
    );
    daemon.shared.rotate(daemon_itself(), KeyKind::Mac, false).await.expect("the next one is none the worse");
    daemon.stop().await.unwrap();
    opens(&dir, &token).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_start_that_fails_when_its_lease_has_begun_takes_it_back() {
    let dir = TempDir::new().unwrap();
    let word_of_a_lease = dir.path().join("state/board.lease");
    let daemon = start(&dir).await.unwrap();
    assert!(word_of_a_lease.exists());
    daemon.stop().await.unwrap();
    assert!(!word_of_a_lease.exists());
    // Where a socket goes, last of all, lies something that is none.
    std::fs::write(dir.path().join("run").join(ADMIN_SOCKET), "").unwrap();
    let refused = start(&dir).await.map(drop).unwrap_err();
    assert!(matches!(refused, DaemonError::Listen(_)), "{refused}");
    assert!(!word_of_a_lease.exists(), "its board is closed");
}

/// A clock that goes on by itself and can be put forward, in microseconds.
#[derive(Debug, Default)]
struct Forward(std::sync::atomic::AtomicU64);

impl TimeSource for Forward {
    fn wall_micros(&self) -> u64 {
        SystemTime.wall_micros() + self.steady_micros()
    }

    fn steady_micros(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_backup_is_held_for_whoever_goes_on_with_it_and_not_for_long() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(Forward::default());
    let wait = |seconds: u64| clock.0.fetch_add(seconds * 1_000_000, std::sync::atomic::Ordering::Relaxed);
    let time = Arc::clone(&clock) as Arc<dyn TimeSource>;
    let daemon = Daemon::start(Parts { time, ..parts(&dir, None) }, Passed::default()).await.unwrap();
    let shared = &daemon.shared;
    let begin = async || shared.backup_begin(daemon_itself()).await.map(|backup| backup.id);
    let page = |id| {
        let place = hallpass_protocol::admin::BackupPlace { id, table: 0, after: None };
        shared.backup_page(&daemon_itself(), &place).map(drop)
    };
    let first = begin().await.unwrap();
    for _ in 0..2 {
        wait(25);
        page(first).unwrap();
        assert!(begin().await.is_err(), "one at a time");
    }
    wait(31);
    let second = begin().await.expect("nobody went on with the first");
    page(first).unwrap_err();
    for _ in 0..70 {
        wait(25);
        page(second).unwrap();
    }
    wait(25);
    wait(25);
    page(second).expect_err("not longer than half an hour");
    daemon.stop().await.unwrap();
}
