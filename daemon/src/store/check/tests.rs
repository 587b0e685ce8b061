//! Whatever is not as it must be in a database is told in words, and nothing else is.

use hallpass_protocol::time::Stamp;
use redb::Database;
use tempfile::TempDir;

use super::*;
use crate::domain::fixture::{session, user};
use crate::domain::keyset::Sealed;
use crate::store::AuditRecord;
use crate::store::Store;
use crate::store::chain::Head;
use crate::store::open::database_in;
use crate::store::rows::WriterRows;

/// A database with one user, one session of theirs, and two audit entries.
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
    change(&dir, |rows| {
        let (user, session) = (user(), session());
        let name = NameRecord { user: user.id, reserved: None };
        rows.put(Table::Names, user.name.as_str().as_bytes(), &name).unwrap();
        rows.put(Table::Users, user.id.as_bytes(), &user).unwrap();
        rows.put(Table::Cold, session.id.as_bytes(), &session.cold).unwrap();
        rows.put(Table::Hot, session.id.as_bytes(), &session.hot).unwrap();
        rows.put(Table::OfUser, &pair(user.id.as_bytes(), session.id.as_bytes()), &()).unwrap();
        rows.put(Table::Due, &due(&session), &()).unwrap();
        rows.put(Table::Meta, META_MARK, &Mark { reserved: Stamp(9), latest: Millis::default() }).unwrap();
        let mut head = Head::default();
        for stamp in [3, 5] {
            let record = entry(&mut head, stamp);
            rows.put(Table::Audit, &head.number.to_be_bytes(), &record).unwrap();
        }
    });
    dir
}

fn due(session: &Session) -> Vec<u8> {
    pair(&session.hot.idle_deadline.as_u64().to_be_bytes(), session.id.as_bytes())
}

fn entry(head: &mut Head, stamp: u64) -> AuditRecord {
    let at = crate::domain::time::Moment {
        now: Millis::default(),
        stamp: Stamp(stamp),
        outage: crate::domain::time::Outage::default(),
    };
    let who = crate::store::chain::Who { uid: 0, pid: 1, app: "admin" };
    let audit = crate::domain::effect::Audit::new(crate::domain::effect::Event::Start);
    head.link(audit, "ok", &who, &at)
}

fn change(dir: &TempDir, change: impl FnOnce(&mut WriterRows<'_>)) {
    let database = Database::open(database_in(dir.path())).unwrap();
    let identity = read_identity(&database, dir.path()).unwrap();
    let txn = database.begin_write().unwrap();
    change(&mut Rows::of_writer(&txn, &Checksums::new(&identity.checksums)).unwrap());
    txn.commit().unwrap();
}

fn faults(dir: &TempDir) -> Vec<String> {
    let path = database_in(dir.path());
    let before = std::fs::read(&path).unwrap();
    let report = check(&path, &mut |_, _| ()).unwrap();
    assert!(std::fs::read(&path).unwrap() == before, "a check writes nothing");
    report.faults
}

type Breaks = fn(&mut WriterRows<'_>);

const BROKEN: &[(&str, Breaks)] = &[
    ("is not found by their name", |rows| {
        rows.remove(Table::Names, user().name.as_str().as_bytes()).unwrap();
    }),
    ("who has another or is none", |rows| {
        rows.put(Table::Names, b"mallory", &NameRecord { user: user().id, reserved: None }).unwrap();
    }),
    ("is not whole", |rows| rows.remove(Table::Cold, session().id.as_bytes()).unwrap()),
    ("of table session_cold is damaged", |rows| rows.remove(Table::Hot, session().id.as_bytes()).unwrap()),
    ("is alive and not in the list of user", |rows| {
        rows.remove(Table::OfUser, &pair(user().id.as_bytes(), session().id.as_bytes())).unwrap();
    }),
    ("listed, which is not theirs or is none", |rows| {
        rows.put(Table::OfUser, &pair(user().id.as_bytes(), &[9; 16]), &()).unwrap();
    }),
    ("is not in the index of deadlines", |rows| rows.remove(Table::Due, &due(&session())).unwrap()),
    ("stands twice in the index of deadlines", |rows| {
        rows.put(Table::Due, &pair(&[0; 8], session().id.as_bytes()), &()).unwrap();
    }),
    ("which is none", |rows| rows.put(Table::Due, &pair(&[0; 8], &[9; 16]), &()).unwrap()),
    ("there are 0 active mac keys", |rows| rows.remove(Table::Keys, &key_key(KeyKind::Mac, 1)).unwrap()),
    ("there are 2 active signing keys", |rows| {
        let key = rows.keys().unwrap().into_iter().find(|key| key.kind == KeyKind::Signing).unwrap();
        rows.put(Table::Keys, &key_key(key.kind, 2), &Key { number: 2, ..key }).unwrap();
    }),
    ("after audit entry 0 comes 2", |rows| rows.remove(Table::Audit, &1_u64.to_be_bytes()).unwrap()),
    ("audit entry 1 does not follow from the one before it", |rows| {
        let changed = AuditRecord { uid: 1000, ..entry(&mut Head::default(), 3) };
        rows.put(Table::Audit, &1_u64.to_be_bytes(), &changed).unwrap();
    }),
    ("has a stamp that cannot have been given out", |rows| {
        rows.put(Table::Meta, META_MARK, &Mark { reserved: Stamp(4), latest: Millis::default() }).unwrap();
    }),
    ("of table meta is damaged", |rows| rows.remove(Table::Meta, META_CUT_OFFS).unwrap()),
    ("of table meta is damaged", |rows| rows.put(Table::Meta, b"unheard of", &()).unwrap()),
    ("of table users is damaged", |rows| rows.put(Table::Users, &[9; 16], &user()).unwrap()),
];

#[test]
fn a_sound_database_has_no_faults_and_each_broken_one_its_own() {
    assert!(faults(&sound()).is_empty(), "{:?}", faults(&sound()));
    for (words, breaks) in BROKEN {
        let dir = sound();
        change(&dir, breaks);
        let found = faults(&dir);
        assert!(found.iter().any(|fault| fault.contains(words)), "{words}: {found:?}");
    }
}

#[test]
fn a_table_too_many_and_a_file_of_something_else_are_told() {
    let dir = sound();
    let database = Database::open(database_in(dir.path())).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u8, u8>::new("other")).unwrap();
    txn.commit().unwrap();
    drop(database);
    let found = faults(&dir);
    assert!(found.len() == 1 && found[0].contains("\"other\""), "{found:?}");

    for text in [&b""[..], b"a letter to a friend"] {
        std::fs::write(database_in(dir.path()), text).unwrap();
        assert_eq!(faults(&dir).len(), 1);
    }
}
