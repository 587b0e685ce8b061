//! One daemon for one state directory, and only on files that it can trust: everything else is refused with a sentence, and nothing is
//! touched.

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hallpass_client::{Needs, Token};
use redb::{Database, TableDefinition};
use support::dice::Dice;
use support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, clear_environment, cookie, own_uid, tokens};

/// Another owner than the one of the tests, for those that may give files away.
const STRANGER: u32 = 65534;

// A daemon that must not start.

struct Refused {
    code: Option<i32>,
    text: String,
}

impl Refused {
    /// It says all of this, in one sentence and without panic.
    fn says(&self, words: &[&str]) {
        // 78 where another start would come to the same until somebody mends something.
        assert!(matches!(self.code, Some(70 | 78)), "{:?}: {}", self.code, self.text);
        assert!(!self.text.contains("panicked"), "{}", self.text);
        let sentence = self.text.lines().last().unwrap_or_default();
        assert!(sentence.starts_with("hallpassd: "), "{}", self.text);
        for word in words {
            assert!(sentence.contains(word), "no {word:?} in: {sentence}");
        }
    }
}

/// Starts another daemon on these directories.
fn spawn(state: &Path, runtime: &Path, stderr: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpassd"));
    clear_environment(&mut command);
    command.arg("--state-dir").arg(state).arg("--runtime-dir").arg(runtime);
    let stderr = File::create(stderr).expect("a file for the log");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().expect("hallpassd starts")
}

/// Starts another daemon on these directories, which must end by itself.
fn refused(state: &Path, runtime: &Path) -> Refused {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut child = spawn(state, runtime, log.path());
    let give_up = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the daemon is our child") {
            break status;
        }
        if Instant::now() > give_up {
            child.kill().expect("the daemon is ours to kill");
            break child.wait().expect("the daemon is our child");
        }
        std::thread::sleep(POLL);
    };
    Refused { code: status.code(), text: fs::read_to_string(log.path()).expect("words") }
}

fn refused_again(daemon: &Daemon) -> Refused {
    refused(&daemon.state_dir(), &daemon.runtime_dir())
}

/// A daemon with one user and a session of hers, stopped again.
async fn used() -> (Daemon, Token) {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let (session, _) = cookie(&daemon.client().await, "alice", PASSWORD).await.expect("she logs in");
    daemon.stop().await;
    (daemon, session)
}

/// What lies in a directory, byte for byte. What the lock file says is for people only.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let kept = paths.filter(|path| !path.ends_with("lock"));
    kept.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

fn database(daemon: &Daemon) -> PathBuf {
    daemon.state_dir().join("hallpass.redb")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

async fn serves(daemon: &Daemon, session: &Token) {
    let identity = daemon.client().await.verify(session.clone(), Needs::default()).await.expect("it stands");
    assert_eq!(identity.name, "alice");
}

#[tokio::test]
async fn g8_a_second_daemon_names_the_first_and_leaves_it_alone() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let (session, _) = cookie(&daemon.client().await, "alice", PASSWORD).await.unwrap();
    let (state, pid) = (daemon.state_dir(), daemon.pid().to_string());
    let elsewhere = daemon.dir().join("elsewhere");
    let socket = daemon.socket().metadata().unwrap().ino();
    for runtime in [&daemon.runtime_dir(), &elsewhere] {
        refused(&state, runtime).says(&[
            state.to_str().unwrap(),
            &format!("pid {pid}"),
            "in use by another hallpassd",
        ]);
        // Reads and changes go on, on the same sockets.
        serves(&daemon, &session).await;
        tokens(&daemon.client().await, "alice", PASSWORD).await.unwrap();
        assert_eq!(daemon.socket().metadata().unwrap().ino(), socket);
    }
    assert!(!elsewhere.exists(), "the second one opened no door");
    // The lock is the kernel's: no file that says otherwise opens it.
    fs::write(state.join("lock"), "1\n").unwrap();
    refused(&state, &elsewhere).says(&["in use by another hallpassd"]);
    // Between taking it and saying so there is nobody to name.
    fs::write(state.join("lock"), "").unwrap();
    refused(&state, &elsewhere).says(&["in use by another hallpassd; stop that one first"]);
    serves(&daemon, &session).await;
}

#[tokio::test]
async fn g8_a_killed_daemon_frees_the_lock_at_once() {
    let mut daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
    let (session, _) = cookie(&daemon.client().await, "alice", PASSWORD).await.unwrap();
    for lie in ["", "1\n", "not a number"] {
        daemon.kill9();
        fs::write(daemon.state_dir().join("lock"), lie).unwrap();
        daemon.restart().await;
        serves(&daemon, &session).await;
    }
    refused_again(&daemon).says(&[&format!("pid {}", daemon.pid())]);
}

#[tokio::test]
async fn g9_a_database_that_others_can_reach_is_refused() {
    let (mut daemon, session) = used().await;
    let path = database(&daemon);
    let before = fs::read(&path).unwrap();
    let name = path.to_str().unwrap();
    for mode in [0o644, 0o640, 0o660, 0o602, 0o777] {
        set_mode(&path, mode);
        refused_again(&daemon).says(&[name, "can be read or written by others"]);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, mode, "it is for people to mend");
    }
    set_mode(&path, 0o600);

    let other = daemon.dir().join("other");
    fs::hard_link(&path, &other).unwrap();
    refused_again(&daemon).says(&[name, "has more than one name"]);
    fs::remove_file(&path).unwrap();
    symlink(&other, &path).unwrap();
    refused_again(&daemon).says(&[name]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused_again(&daemon).says(&[name]);
    fs::remove_dir(&path).unwrap();
    fs::rename(&other, &path).unwrap();
    if own_uid() == 0 {
        std::os::unix::fs::chown(&path, Some(STRANGER), None).unwrap();
        refused_again(&daemon).says(&[name, "belongs to another user"]);
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    assert!(fs::read(&path).unwrap() == before, "a refused database was touched");
    daemon.restart().await;
    serves(&daemon, &session).await;
}

#[tokio::test]
async fn g9_directories_that_others_can_write_are_refused() {
    let (mut daemon, session) = used().await;
    for (dir, words) in
        [(daemon.state_dir(), "the state directory"), (daemon.runtime_dir(), "the runtime directory")]
    {
        for mode in [0o777, 0o720, 0o702] {
            set_mode(&dir, mode);
            refused_again(&daemon).says(&[words, dir.to_str().unwrap()]);
        }
        set_mode(&dir, 0o700);
    }
    daemon.restart().await;
    serves(&daemon, &session).await;
}

#[tokio::test]
async fn f6_without_its_master_key_a_database_stays_shut_and_no_new_key_is_made() {
    let (mut daemon, session) = used().await;
    let (key, kept) = (daemon.state_dir().join("master.key"), daemon.dir().join("kept"));
    let name = key.to_str().unwrap();
    fs::rename(&key, &kept).unwrap();
    let before = contents(&daemon.state_dir());
    refused_again(&daemon).says(&[name, "is missing", "put it back"]);
    assert!(contents(&daemon.state_dir()).keys().eq(before.keys()), "something new was made");

    let right = fs::read(&kept).unwrap();
    let mut wrong = right.clone();
    wrong[31] ^= 1;
    for (bytes, mode, words) in [
        (&wrong[..], 0o600, "do not open under this master key"),
        (&right[..31], 0o600, "is not 32 bytes long"),
        (&right[..], 0o640, "can be read or written by others"),
    ] {
        fs::write(&key, bytes).unwrap();
        set_mode(&key, mode);
        let before = contents(&daemon.state_dir());
        refused_again(&daemon).says(&[words]);
        assert!(
            contents(&daemon.state_dir()).keys().eq(before.keys()),
            "{words}, but something new was made"
        );
        assert!(fs::read(&key).unwrap() == bytes, "{words}, but the key was touched");
    }
    fs::remove_file(&key).unwrap();
    symlink(&kept, &key).unwrap();
    refused_again(&daemon).says(&[name]);
    fs::remove_file(&key).unwrap();
    fs::rename(&kept, &key).unwrap();
    daemon.restart().await;
    serves(&daemon, &session).await;
}

/// systemd shows a credential as readable by its group, where it lets the service's user in by an access list.
#[tokio::test]
async fn a_credential_of_systemd_opens_the_database_and_a_file_elsewhere_does_not() {
    let daemon = Daemon::start().await;
    let (credentials, state) = (daemon.dir().join("credentials"), daemon.dir().join("other"));
    fs::create_dir(&credentials).unwrap();
    let key = credentials.join("hallpass.master-key");
    fs::write(&key, [7; 32]).unwrap();
    set_mode(&key, 0o440);
    let log = daemon.dir().join("log");
    for (directory, served) in [(&credentials, true), (&state, false)] {
        let config = daemon.dir().join("hallpass.toml");
        fs::write(&config, format!("master_key = {key:?}\n[admin]\nuids = [{}]\n", own_uid())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpassd"));
        clear_environment(&mut command);
        command.env("CREDENTIALS_DIRECTORY", directory).arg("--config").arg(config);
        command.arg("--state-dir").arg(&state).arg("--runtime-dir").arg(daemon.dir().join("run2"));
        let mut child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let give_up = Instant::now() + PATIENCE;
        let serves = || fs::read_to_string(&log).unwrap().contains("serving");
        while !serves() && child.try_wait().unwrap().is_none() && Instant::now() < give_up {
            std::thread::sleep(POLL);
        }
        assert_eq!(serves(), served, "{}", fs::read_to_string(&log).unwrap());
        let _ = child.kill();
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn g3_a_newer_schema_is_refused_and_left_byte_for_byte() {
    let (mut daemon, session) = used().await;
    let path = database(&daemon);
    let old = fs::read(&path).unwrap();
    let meta = TableDefinition::<&[u8], &[u8]>::new("meta");
    let newer = [(2_u32, "has schema 2"), (u32::MAX, "has schema 4294967295")];
    for (schema, words) in newer.into_iter().chain([(0, "is not a Hallpass database")]) {
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        txn.open_table(meta).unwrap().insert(&b"schema"[..], &schema.to_be_bytes()[..]).unwrap();
        txn.commit().unwrap();
        drop(database);
        let before = contents(&daemon.state_dir());
        refused_again(&daemon).says(&[path.to_str().unwrap(), words]);
        assert!(contents(&daemon.state_dir()) == before, "the file with schema {schema} was touched");
    }
    fs::write(&path, old).unwrap();
    daemon.restart().await;
    serves(&daemon, &session).await;
}

/// Starts a daemon on what may be damage: it must say so, or serve what was last committed.
async fn is_refused_or_whole(daemon: &mut Daemon, session: &Token, damage: &str) -> bool {
    let log = daemon.dir().join("log");
    let mut child = spawn(&daemon.state_dir(), &daemon.runtime_dir(), &log);
    let give_up = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the daemon is our child") {
            break Some(status);
        }
        let served = fs::read_to_string(&log).is_ok_and(|log| log.contains("serving"));
        if served || Instant::now() > give_up {
            break None;
        }
        std::thread::sleep(POLL);
    };
    if let Some(status) = status {
        Refused { code: status.code(), text: fs::read_to_string(&log).expect("words") }.says(&[]);
        return false;
    }
    let identity = daemon.client().await.verify(session.clone(), Needs::default()).await;
    child.kill().expect("the daemon is ours to kill");
    child.wait().expect("the daemon is our child");
    let log = fs::read_to_string(&log).expect("words");
    assert!(!log.contains("panicked"), "{damage}: {log}");
    assert!(
        identity.is_ok_and(|identity| identity.name == "alice"),
        "{damage} is served as if it were nothing"
    );
    true
}

/// What a first start that was killed can leave: halves under names of their own, and, of an old one, an empty master key.
#[tokio::test]
async fn what_a_killed_first_start_leaves_is_in_nobodys_way() {
    let (mut daemon, _) = used().await;
    let state = daemon.state_dir();
    let mut headless = fs::read(database(&daemon)).unwrap();
    headless[..9].fill(0);
    let halves: [(&str, &[u8]); 4] = [
        ("hallpass.redb.new", &headless),
        ("hallpass.redb.new", b""),
        ("master.key.new", &[7; 9]),
        ("master.key", b""),
    ];
    for (name, half) in halves {
        fs::remove_dir_all(&state).unwrap();
        fs::create_dir(&state).unwrap();
        set_mode(&state, 0o700);
        fs::write(state.join(name), half).unwrap();
        set_mode(&state.join(name), 0o600);
        daemon.restart().await;
        add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
        let found: Vec<_> = contents(&state).into_keys().collect();
        let [note, lease, key] = ["audit.mark", "board.lease", "master.key"].map(|name| state.join(name));
        let wanted = [note, lease, database(&daemon), key];
        assert_eq!(found, wanted, "{name}");
        daemon.stop().await;
    }
}

/// From the moment that the database has anything in it under its name, all of it is there.
#[tokio::test]
async fn g2_a_first_start_can_be_killed_while_it_makes_the_database() {
    let mut daemon = Daemon::start().await;
    daemon.stop().await;
    for round in 0..8 {
        fs::remove_dir_all(daemon.state_dir()).unwrap();
        let mut child = spawn(&daemon.state_dir(), &daemon.runtime_dir(), &daemon.dir().join("log"));
        let give_up = Instant::now() + PATIENCE;
        while !database(&daemon).metadata().is_ok_and(|found| found.len() > 0) && Instant::now() < give_up {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        daemon.restart().await;
        add_user(&daemon.admin().await, "alice", PASSWORD, &[]).await;
        daemon.kill9();
        assert!(database(&daemon).exists(), "round {round}");
    }
}

#[tokio::test]
async fn g2_a_cut_database_is_refused_or_whole() {
    let (mut daemon, session) = used().await;
    let path = database(&daemon);
    let whole = fs::read(&path).unwrap();
    let cuts = [0, 1, 9, 100, 4095, 4097, whole.len() - 1];
    let cuts = cuts.into_iter().chain((4096..whole.len()).step_by(3 * 4096));
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        is_refused_or_whole(&mut daemon, &session, &format!("a database cut to {cut} bytes")).await;
    }
    fs::write(&path, &whole).unwrap();
    assert!(is_refused_or_whole(&mut daemon, &session, "no damage").await);
}

#[tokio::test]
async fn garbage_in_place_of_a_database_is_refused() {
    let (mut daemon, session) = used().await;
    let path = database(&daemon);
    let whole = fs::read(&path).unwrap();
    let mut dice = Dice::new();
    let mut random = vec![0_u8; whole.len()];
    random.fill_with(|| u8::try_from(dice.below(256)).unwrap());
    let mut headless = whole.clone();
    headless[..512].fill(0);
    let garbage = [
        ("random bytes", random),
        ("zeros", vec![0; whole.len()]),
        ("words", b"not a database\n".to_vec()),
        ("a database without its head", headless),
        ("a database of another make", [b"SQLite format 3\0", &whole[16..]].concat()),
    ];
    for (name, bytes) in garbage {
        fs::write(&path, &bytes).unwrap();
        refused_again(&daemon).says(&[path.to_str().unwrap(), "move it away"]);
        assert!(fs::read(&path).unwrap() == bytes, "{name} were written to");
    }
    fs::write(&path, &whole).unwrap();
    assert!(is_refused_or_whole(&mut daemon, &session, "no damage").await);
}

#[test]
fn a_log_filter_that_is_none_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpassd"));
    clear_environment(&mut command);
    for (option, place) in [("--state-dir", "state"), ("--runtime-dir", "run")] {
        command.arg(option).arg(dir.path().join(place));
    }
    command.env("HALLPASS_LOG", "info,=loud=");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.starts_with("hallpassd: HALLPASS_LOG is "), "{said}");
}

#[tokio::test]
async fn e14_what_is_in_a_sockets_place_is_refused_and_left() {
    let (mut daemon, session) = used().await;
    let target = daemon.dir().join("target");
    fs::write(&target, "precious").unwrap();
    for path in [daemon.socket(), daemon.admin_socket()] {
        let name = path.to_str().unwrap();
        fs::write(&path, "precious").unwrap();
        refused_again(&daemon).says(&[name, "is in the way and is not a socket"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();

        symlink(&target, &path).unwrap();
        refused_again(&daemon).says(&[name, "is in the way and is not a socket"]);
        assert!(path.is_symlink());
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        refused_again(&daemon).says(&[name, "is in the way and is not a socket"]);
        fs::remove_dir(&path).unwrap();

        let listener = UnixListener::bind(&path).unwrap();
        refused_again(&daemon).says(&[name, "something else is serving"]);
        // Once nobody serves it, it is a socket that a killed daemon left behind.
        drop(listener);
        assert!(path.exists());
        daemon.restart().await;
        serves(&daemon, &session).await;
        daemon.stop().await;
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    let left: Vec<_> = contents(&daemon.runtime_dir()).into_keys().collect();
    assert_eq!(
        left,
        ["board", "jwks.json"].map(|name| daemon.runtime_dir().join(name)),
        "a stopped daemon leaves its board and its keys, and no socket"
    );
}
