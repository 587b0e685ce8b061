//! A schema 0 that never was, and what it takes to bring it up: in it names lay in a table `names`, and users had no code.
//!
//! Whatever a start meets on the way, what it leaves is the old database or the new one, whole.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use hallpass_protocol::id::UserId;
use hallpass_protocol::time::Millis;
use nix::errno::Errno;
use redb::{ReadableTable, TableDefinition};
use tempfile::TempDir;

use super::*;
use crate::domain::account::{Attributes, Name, PasswordHash, Roles, User};
use crate::domain::fixture;
use crate::store::dump::{RawRows, dump, rows};
use crate::store::model::disk::{Dice, Disk, Trap};
use crate::store::model::from_environment;
use crate::store::model::house::keys;
use crate::store::open::{Store, database_in, initialise};
use crate::store::records::NameRecord;
use crate::store::rows::Rows;

const OLD: u32 = 0;
const OLD_NAMES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("names");
/// Users there are.
const USERS: u64 = 300;
/// Tells the process that a test starts where it is to bring a database up.
const CHILD: &str = "HALLPASS_MIGRATE_CHILD";

/// From schema 0 to schema 1.
fn up(txn: &WriteTransaction, checksums: &Checksums) -> Result<(), StoreError> {
    {
        let (old, mut new) = (txn.open_table(OLD_NAMES)?, txn.open_table(Table::Names.definition())?);
        for row in old.iter()? {
            let (key, row) = row?;
            new.insert(key.value(), row.value())?;
        }
    }
    txn.delete_table(OLD_NAMES)?;
    let mut users = txn.open_table(Table::Users.definition())?;
    let mut changed = Vec::new();
    for row in users.iter()? {
        let (key, row) = row?;
        let mut value = checksums.open(Table::Users, key.value(), row.value())?.to_vec();
        // No code.
        value.push(0);
        changed.push((key.value().to_vec(), checksums.seal(Table::Users, key.value(), value)));
    }
    for (key, row) in changed {
        users.insert(key.as_slice(), row.as_slice())?;
    }
    Ok(())
}

/// The other way: it makes an old database out of one of today.
fn down(database: &Database, checksums: &Checksums) {
    let txn = database.begin_write().unwrap();
    {
        let (new, mut old) =
            (txn.open_table(Table::Names.definition()).unwrap(), txn.open_table(OLD_NAMES).unwrap());
        for row in new.iter().unwrap() {
            let (key, row) = row.unwrap();
            old.insert(key.value(), row.value()).unwrap();
        }
    }
    txn.delete_table(Table::Names.definition()).unwrap();
    {
        let mut users = txn.open_table(Table::Users.definition()).unwrap();
        let rows: Vec<(Vec<u8>, Vec<u8>)> = users
            .iter()
            .unwrap()
            .map(Result::unwrap)
            .map(|(key, row)| (key.value().to_vec(), row.value().to_vec()))
            .collect();
        for (key, row) in rows {
            let value = checksums.open(Table::Users, &key, &row).unwrap().split_last().unwrap().1.to_vec();
            users.insert(&*key, &*checksums.seal(Table::Users, &key, value)).unwrap();
        }
        let mut meta = txn.open_table(Table::Meta.definition()).unwrap();
        meta.insert(META_SCHEMA, OLD.to_be_bytes().as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

fn user(number: u64) -> User {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    User {
        id: UserId::new(Millis::from_u64(fixture::START.as_u64() + number), random),
        name: Name::parse(&format!("user-{number}")).unwrap(),
        password: Some(PasswordHash(format!("$hash${number}"))),
        roles: Roles::parse(vec!["editor".into()]).unwrap(),
        attributes: Attributes::parse(BTreeMap::from([("team".into(), number.to_string())])).unwrap(),
        ..fixture::user()
    }
}

/// Fills an empty database of today with users, and makes an old one of it; gives what is in it before and after.
fn fill(database: &Database) -> [RawRows; 2] {
    initialise(database, [7; 48], |_| Ok(keys())).unwrap();
    let checksums = Checksums::new(&[7; 32]);
    let txn = database.begin_write().unwrap();
    {
        let mut rows = Rows::of_writer(&txn, &checksums).unwrap();
        for user in (0..USERS).map(user) {
            let name = NameRecord { user: user.id, reserved: None };
            rows.put(Table::Names, user.name.as_str().as_bytes(), &name).unwrap();
            rows.put(Table::Users, user.id.as_bytes(), &user).unwrap();
        }
    }
    txn.commit().unwrap();
    let new = rows(database);
    down(database, &checksums);
    [rows(database), new]
}

/// A state directory with an old database in it.
struct Old {
    dir: TempDir,
    file: Vec<u8>,
    rows: [RawRows; 2],
}

impl Old {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = database_in(dir.path());
        let database = builder().create_file(files::create_anew(&path).unwrap()).unwrap();
        let rows = fill(&database);
        drop(database);
        let file = std::fs::read(&path).unwrap();
        Self { dir, file, rows }
    }

    fn put_back(&self) {
        std::fs::write(database_in(self.dir.path()), &self.file).unwrap();
    }

    fn start(&self) -> Result<Store, StoreError> {
        start(self.dir.path())
    }

    /// What lies there, whether it was closed in order or not.
    fn rows(&self) -> RawRows {
        dump(&database_in(self.dir.path()))
    }

    /// The copies of before, each the old file as it was.
    fn kept(&self) -> usize {
        let names = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<_> = names.filter(|path| path.to_str().unwrap().contains("schema-0-20")).collect();
        for path in &kept {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(dump(path), self.rows[0], "{}", path.display());
        }
        kept.len()
    }
}

fn start(dir: &Path) -> Result<Store, StoreError> {
    Store::open_by(&[up], dir, [7; 48], |_, _| Ok(keys()))
}

#[test]
fn g3_an_older_schema_is_brought_up_after_a_copy_of_the_file() {
    let old = Old::new();
    for _ in 0..2 {
        let store = old.start().unwrap();
        assert_eq!(store.snapshot().unwrap().user_named("user-7").unwrap(), Some(user(7)));
        assert_eq!(store.snapshot().unwrap().counts().unwrap().users, USERS);
        drop(store);
        assert_eq!(old.rows(), old.rows[1]);
        assert_eq!(old.kept(), 1, "a start that finds nothing to do copies nothing");
    }
    let report = crate::store::check(&database_in(old.dir.path()), &mut |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    let kept = std::fs::read_dir(old.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept =
        kept.filter(|path| path.to_str().unwrap().contains("hallpass.redb.schema-0-20")).last().unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), old.file, "to go back it takes its old name");
}

#[test]
fn g3_a_schema_without_a_step_and_a_copy_that_cannot_be_made_change_nothing() {
    let old = Old::new();
    let path = database_in(old.dir.path());
    let refused = Store::open(old.dir.path(), [7; 48], |_, _| Ok(keys())).err().unwrap();
    assert!(refused.to_string().contains("is not a Hallpass database"), "{refused}");
    assert!(old.kept() == 0 && std::fs::read(&path).unwrap() == old.file);
    // Something that is no copy has its name.
    let kept = keep(&path, OLD).unwrap();
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir(&kept).unwrap();
    let refused = old.start().err().unwrap();
    assert!(refused.to_string().contains("nothing was changed"), "{refused}");
    assert!(std::fs::read(&path).unwrap() == old.file);
    std::fs::remove_dir(&kept).unwrap();
    let fails: Step = |txn, checksums| {
        up(txn, checksums)?;
        Err(StoreError::Layout("it cannot be done".into()))
    };
    let refused = Store::open_by(&[fails], old.dir.path(), [7; 48], |_, _| Ok(keys())).err().unwrap();
    assert!(refused.to_string().contains("it cannot be done"), "{refused}");
    assert_eq!(old.rows(), old.rows[0]);
    old.start().unwrap();
}

#[test]
fn steps_are_known_from_the_oldest_schema_on() {
    let step: Step = |_, _| Ok(());
    assert!(steps_from(SCHEMA, &[step]).is_none(), "there is nothing to do");
    assert!(steps_from(SCHEMA + 1, &[step]).is_none());
    assert_eq!(steps_from(SCHEMA - 1, &[step, step]).unwrap().len(), 1);
    assert!(steps_from(SCHEMA - 1, &[]).is_none());
}

/// The old database on a disk of which this happens to the n-th operation. Gives what is found on it then, and whether all went through.
fn brought_up(image: &[u8], trap: Trap, seed: u64) -> (RawRows, bool) {
    let disk = Disk::with(image.to_vec(), Some(trap), Dice(seed));
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let database = builder().create_with_backend(disk.clone()).map_err(redb::Error::from)?;
        bring_up(&database, &[up])
    }));
    let went = went.is_ok_and(|outcome| outcome.is_ok());
    disk.cut();
    let after = Disk::with(disk.image(), None, Dice(0));
    let database = builder().create_with_backend(after).expect("it opens after whatever has happened");
    (rows(&database), went)
}

#[test]
fn g3_a_cut_or_a_failure_at_any_operation_leaves_the_old_or_the_new() {
    let disk = Disk::with(Vec::new(), None, Dice(0));
    let database = builder().create_with_backend(disk.clone()).unwrap();
    let [old, new] = fill(&database);
    drop(database);
    let image = disk.image();
    let (mut olds, mut news) = (0, 0);
    let kinds: [fn(u64) -> Trap; 3] = [
        Trap::Cut,
        |at| Trap::Fail { at, times: 1, errno: Errno::EIO },
        |at| Trap::Fail { at, times: 1000, errno: Errno::ENOSPC },
    ];
    for trap in kinds {
        for at in 1.. {
            let mut all_went = true;
            for seed in 0..from_environment("HALLPASS_MIGRATE_SEEDS", 2) {
                let (found, went) = brought_up(&image, trap(at), seed);
                assert!(found == old || found == new, "operation {at}, seed {seed}: it is neither");
                assert!(!went || found == new, "operation {at}, seed {seed}: it was done and is not there");
                olds += u32::from(found == old);
                news += u32::from(found == new);
                all_went &= went;
            }
            // Nothing happens to an operation that there is not.
            if all_went {
                break;
            }
        }
    }
    assert!(olds > 20 && news > 2, "{olds} old and {news} new");
}

/// Not a test by itself: the process that the next one kills.
#[test]
fn a_process_that_is_killed_while_it_brings_a_database_up() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    drop(start(Path::new(&dir)).unwrap());
}

#[test]
fn g3_kill_9_leaves_the_old_or_the_new_and_the_next_start_ends_it() {
    let name = "store::migrate::tests::a_process_that_is_killed_while_it_brings_a_database_up";
    let old = Old::new();
    let (mut dice, mut olds, mut news) = (Dice(from_environment("HALLPASS_MIGRATE_SEED", 1)), 0, 0);
    for _ in 0..from_environment("HALLPASS_MIGRATE_KILLS", 12) {
        old.put_back();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, old.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = old.rows();
        assert!(found == old.rows[0] || found == old.rows[1], "it is neither");
        olds += u32::from(found == old.rows[0]);
        news += u32::from(found == old.rows[1]);
        assert!(found == old.rows[0] || old.kept() > 0, "it is new, and the old was not kept");
        drop(old.start().unwrap());
        assert_eq!(old.rows(), old.rows[1]);
    }
    assert!(olds + news > 0);
}
