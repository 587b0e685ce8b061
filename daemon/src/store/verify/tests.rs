//! What somebody could do to the chain of a real database file, with the right checksum in every row, and the sentence that each leads to.

use std::path::PathBuf;

use hallpass_protocol::time::{Millis, Stamp};
use redb::Database;
use tempfile::TempDir;

use super::*;
use crate::domain::effect::{Audit, Event};
use crate::domain::keyset::{Key, KeyKind, KeyState, Sealed};
use crate::domain::retention::{AuditPolicy, OldEntries};
use crate::domain::time::{Moment, Outage};
use crate::keys::MasterKey;
use crate::store::Store;
use crate::store::apply::apply;
use crate::store::chain::{Head, Who};
use crate::store::open::database_in;
use crate::store::records::{AuditRecord, AuditStart, Mark};
use crate::store::rows::WriterRows;
use crate::store::schema::{META_AUDIT_START, Table};

const MASTER: [u8; 32] = [9; 32];
const ENTRIES: u64 = 8;

/// The directory of a database with eight audit entries, and the note that its daemon has left.
fn sound() -> TempDir {
    let dir = TempDir::new().unwrap();
    let key = |kind| Key {
        kind,
        number: 1,
        state: KeyState::Active,
        created: Millis::default(),
        kid: String::new(),
        sealed: Sealed::default(),
    };
    drop(Store::open(dir.path(), [7; 48], |_, _| Ok(KeyKind::ALL.map(key).to_vec())).unwrap());
    let mut head = Head::default();
    change(&dir, |rows| {
        for number in 1..=ENTRIES {
            write(rows, &mut head, number, Audit::new(Event::Start));
        }
    });
    note(&dir, head, MASTER);
    dir
}

fn write(rows: &mut WriterRows<'_>, head: &mut Head, stamp: u64, audit: Audit) {
    let at = Moment { now: Millis::default(), stamp: Stamp(stamp * 1_000_000), outage: Outage::default() };
    let record = head.link(audit, "ok", &Who { uid: 0, pid: 1, app: "admin" }, &at);
    put(rows, head.number, &record);
}

fn put(rows: &mut WriterRows<'_>, number: u64, record: &AuditRecord) {
    rows.put(Table::Audit, &number.to_be_bytes(), record).unwrap();
}

fn get(rows: &WriterRows<'_>, number: u64) -> AuditRecord {
    rows.get(Table::Audit, &number.to_be_bytes()).unwrap().unwrap()
}

/// Writes the note as a daemon with this master key does.
fn note(dir: &TempDir, head: Head, master: [u8; 32]) {
    let identity = read_identity(&Database::open(database_in(dir.path())).unwrap(), dir.path()).unwrap();
    let witness = Witness::of(dir.path(), &identity);
    witness.seal_with(CheckpointKey::new(&MasterKey::from_bytes(&master), identity.database));
    witness.note(&head, &Mark::default(), Stamp(ENTRIES * 1_000_000), true);
}

fn note_file(dir: &TempDir) -> PathBuf {
    dir.path().join("audit.mark")
}

fn change(dir: &TempDir, change: impl FnOnce(&mut WriterRows<'_>)) {
    let database = Database::open(database_in(dir.path())).unwrap();
    let identity = read_identity(&database, dir.path()).unwrap();
    let txn = database.begin_write().unwrap();
    change(&mut Rows::of_writer(&txn, &Checksums::new(&identity.checksums)).unwrap());
    txn.commit().unwrap();
}

fn verified(dir: &TempDir, kept: &[Checkpoint]) -> Verified {
    let key = |database| Some(CheckpointKey::new(&MasterKey::from_bytes(&MASTER), database));
    let mut told = Vec::new();
    let mut note = |done, all| told.push((done, all));
    let verified = verify(&database_in(dir.path()), Some(dir.path()), kept, key, &mut note).unwrap();
    let last = told.last().map_or(0, |(done, _)| *done);
    assert!(last == verified.entries && told.is_sorted(), "{told:?}");
    verified
}

/// Another chain of as many entries, each of which follows from the one before it.
fn replaced(rows: &mut WriterRows<'_>) -> Head {
    let mut head = Head::default();
    for number in 1..=ENTRIES {
        write(rows, &mut head, number, Audit::new(Event::Backup));
    }
    head
}

type Breaks = fn(&mut WriterRows<'_>);

const BROKEN: &[(&str, Breaks)] = &[
    ("after audit entry 2 comes 4: what was between them was removed", |rows| {
        rows.remove(Table::Audit, &3_u64.to_be_bytes()).unwrap();
    }),
    ("audit entry 3 does not follow from the one before it: one of the two was changed or moved", |rows| {
        put(rows, 3, &AuditRecord { uid: 1000, ..get(rows, 3) });
    }),
    ("audit entry 4 does not follow", |rows| {
        let (third, fourth) = (get(rows, 3), get(rows, 4));
        put(rows, 3, &fourth);
        put(rows, 4, &third);
    }),
    ("its end was cut off", |rows| {
        for number in ENTRIES - 1..=ENTRIES {
            rows.remove(Table::Audit, &number.to_be_bytes()).unwrap();
        }
    }),
    ("the chain was replaced by another", |rows| {
        replaced(rows);
    }),
    ("the chain was replaced by another", |rows| {
        let mut head = Head { number: ENTRIES - 1, hash: get(rows, ENTRIES - 1).hash };
        write(rows, &mut head, ENTRIES, Audit::new(Event::Backup));
    }),
    ("nothing in it says that the entries before were removed in order", |rows| {
        let start = AuditStart { number: 2, hash: get(rows, 2).hash };
        for number in 1..=2_u64 {
            rows.remove(Table::Audit, &number.to_be_bytes()).unwrap();
        }
        rows.put(Table::Meta, META_AUDIT_START, &start).unwrap();
    }),
];

#[test]
fn whatever_is_done_to_the_chain_has_its_sentence() {
    let found = verified(&sound(), &[]);
    assert_eq!((found.entries, found.faults, found.notes), (ENTRIES, Vec::new(), Vec::new()));
    for (words, breaks) in BROKEN {
        let dir = sound();
        change(&dir, breaks);
        let faults = verified(&dir, &[]).faults;
        assert!(faults.iter().any(|fault| fault.contains(words)), "{words}: {faults:?}");
    }
}

/// The note has a checksum whose key lies in the database, so it can be written by whoever writes that. A checkpoint cannot.
#[test]
fn a_replaced_chain_shows_though_the_note_was_written_anew() {
    let dir = sound();
    let genuine = std::fs::read_to_string(note_file(&dir)).unwrap();
    let kept = Checkpoint::find(&genuine).unwrap();
    let mut head = Head::default();
    change(&dir, |rows| head = replaced(rows));
    note(&dir, head, [1; 32]);
    // The forger names the master key that the daemon has.
    let own = MasterKey::from_bytes(&[1; 32]).id().to_string();
    let daemons = MasterKey::from_bytes(&MASTER).id().to_string();
    let forged = std::fs::read_to_string(note_file(&dir)).unwrap().replace(&own, &daemons);
    std::fs::write(note_file(&dir), forged).unwrap();
    let faults = verified(&dir, &[]).faults;
    assert!(matches!(&faults[..], [fault] if fault.contains("is forged or damaged")), "{faults:?}");
    std::fs::remove_file(note_file(&dir)).unwrap();
    let found = verified(&dir, &[]);
    assert!(found.faults.is_empty() && found.notes[0].contains("there is no note"), "{found:?}");
    let faults = verified(&dir, &[kept]).faults;
    assert!(faults[0].contains("a checkpoint that was kept"), "the log knows better: {faults:?}");
    assert!(faults[0].contains("the chain was replaced by another"), "{faults:?}");
}

#[test]
fn what_retention_has_removed_leaves_a_chain_that_can_be_verified() {
    let dir = sound();
    change(&dir, |rows| {
        let policy = AuditPolicy { keep_for: std::time::Duration::from_secs(5), keep_entries: 1_000_000 };
        let now = Millis::from_u64(9_000);
        assert_eq!(rows.old_audit(&policy, now).unwrap(), None, "too few, and not due for a day");
        let later = Millis::from_u64(9_000 + 24 * 3_600_000);
        let old = rows.old_audit(&policy, later).unwrap().unwrap();
        assert_eq!((old.first, old.last), (1, ENTRIES - 1), "the newest stays");
        let third = OldEntries { first: 1, last: 3, hash: get(rows, 3).hash };
        let (effect, audit) = third.removed();
        let at = Moment { now, stamp: Stamp(9_000_000), outage: Outage::default() };
        apply(rows, &[effect], &at).unwrap();
        let mut head = Head::after(rows.last_audit().unwrap());
        write(rows, &mut head, 9, audit);
    });
    let found = verified(&dir, &[]);
    assert_eq!((found.entries, found.faults), (ENTRIES - 3 + 1, Vec::new()));
    // An old checkpoint is of an entry that is gone, which is no fault.
    let identity = read_identity(&Database::open(database_in(dir.path())).unwrap(), dir.path()).unwrap();
    let key = CheckpointKey::new(&MasterKey::from_bytes(&MASTER), identity.database);
    let old = Checkpoint::find(&key.text(2, &[0; 32], Stamp(2))).unwrap();
    let found = verified(&dir, &[old]);
    assert!(found.faults.is_empty() && found.notes[0].contains("removed by retention"), "{found:?}");
}

#[test]
fn rows_that_cannot_be_read_are_told_of_once_and_keep_nobody_from_going_on() {
    let dir = sound();
    change(&dir, |rows| {
        for number in 1..ENTRIES {
            rows.put(Table::Audit, &number.to_be_bytes(), &()).unwrap();
        }
        let (mut walk, mut faults) = (Walk::default(), Vec::new());
        let stretches = (1..=ENTRIES).find(|_| {
            let stretch = walk.go(rows, 2, |_| ()).unwrap();
            faults.extend(stretch.faults);
            stretch.done
        });
        assert_eq!(stretches, Some(ENTRIES / 2 + 1), "two entries a stretch, and a last one that finds none");
        // The last is whole, and does not follow from one that nobody can read.
        assert_eq!(faults.len(), usize::try_from(ENTRIES).unwrap(), "{faults:?}");
    });
}
