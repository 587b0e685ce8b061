//! Rows with anything in them.

use hallpass_protocol::time::Stamp;

use super::chain::Head;
use super::records::{Anew, AuditRecord, AuditStart, Identity, Listed, Mark, NameRecord, Record};
use super::schema::{Checksums, Table};
use crate::domain::account::User;
use crate::domain::keyset::Key;
use crate::domain::reseal::Master;
use crate::domain::revocation::CutOffs;
use crate::domain::session::{Cold, Hot};
use crate::domain::throttle::Failures;

/// A row of any table, without its checksum: the first byte says of which noun.
///
/// # Panics
/// If a row changes when it is written again, or one passes whose checksum is not right.
pub fn rows(data: &[u8]) {
    let Some((&which, value)) = data.split_first() else { return };
    match which % 15 {
        0 => same::<User>(Table::Users, value),
        1 => same::<Cold>(Table::Cold, value),
        2 => same::<Hot>(Table::Hot, value),
        3 => same::<Failures>(Table::Failures, value),
        4 => same::<CutOffs>(Table::Meta, value),
        5 => same::<()>(Table::Due, value),
        6 => same::<Key>(Table::Keys, value),
        7 => same::<Master>(Table::Meta, value),
        8 => same::<Anew>(Table::Meta, value),
        9 => same::<AuditStart>(Table::Meta, value),
        10 => same::<Mark>(Table::Meta, value),
        11 => same::<Identity>(Table::Meta, value),
        12 => {
            same::<AuditRecord>(Table::Audit, value);
            chained(value);
        }
        13 => same::<NameRecord>(Table::Names, value),
        _ => same::<Listed>(Table::Revocations, value),
    }
}

/// A row that can be read says the same when it is written again, and passes only with its own checksum.
fn same<R: Record>(table: Table, value: &[u8]) {
    let (checksums, key) = (Checksums::new(&[7; 32]), b"key");
    // A fuzzer sees what is compared, and so finds right checksums: what passes is what would have been written, and nothing else.
    if let Ok(inner) = checksums.open(table, key, value) {
        assert_eq!(checksums.seal(table, key, inner.to_vec()), value);
    }
    let Some(record) = R::from_bytes(value) else { return };
    let written = record.to_bytes();
    // There are longer ways to write a number, and nothing writes them; no row may grow by being read.
    assert!(written.len() <= value.len(), "it has grown");
    let again = R::from_bytes(&written).expect("what was written can be read");
    assert_eq!(again.to_bytes(), written, "it changes as it is written");
    let mut row = checksums.seal(table, key, written.clone());
    assert_eq!(checksums.open(table, key, &row), Ok(&written[..]));
    let flipped = value.len() % row.len();
    row[flipped] ^= 1;
    assert!(checksums.open(table, key, &row).is_err(), "a flipped bit passes");
}

/// An entry of the audit chain follows from the one before it as it was linked, and no other way.
fn chained(value: &[u8]) {
    let Some(record) = AuditRecord::from_bytes(value) else { return };
    let before = Head { number: 6, hash: [5; 32] };
    let follows = |record: &AuditRecord| {
        let mut head = before;
        head.follow(7, record).is_none()
    };
    let right = super::chain::hash(7, &before.hash, &record);
    assert_eq!(follows(&record), record.hash == right);
    let linked = AuditRecord { hash: right, ..record };
    assert!(follows(&linked));
    let changed = AuditRecord { stamp: Stamp(linked.stamp.0 ^ 1), ..linked.clone() };
    assert!(!follows(&changed), "another time follows too");
    let changed = AuditRecord { detail: format!("{}.", linked.detail), ..linked.clone() };
    assert!(!follows(&changed), "another detail follows too");
    let moved = AuditRecord {
        event: format!("{}{}", linked.event, linked.outcome),
        outcome: String::new(),
        ..linked.clone()
    };
    assert!(
        linked.outcome.is_empty() || !follows(&moved),
        "what moves from one field to the next follows too"
    );
}

/// A row of every noun.
#[cfg(test)]
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    use crate::domain::fixture;
    use crate::domain::revocation::{Reason, Revocation};
    let session = fixture::session();
    let revoked = Hot {
        revoked: Some(Revocation { stamp: Stamp(13), reason: Reason::Rollback }),
        ..session.hot.clone()
    };
    let record = AuditRecord {
        stamp: Stamp(1),
        event: "login".into(),
        outcome: "ok".into(),
        uid: 1,
        pid: 2,
        app: "shop".into(),
        user: Some(fixture::user().id),
        session: Some(session.id),
        detail: "new device".into(),
        hash: [0; 32],
    };
    let named: [(u8, &str, Vec<u8>); 10] = [
        (0, "user", fixture::user().to_bytes()),
        (1, "cold", session.cold.to_bytes()),
        (2, "hot", session.hot.to_bytes()),
        (2, "revoked", revoked.to_bytes()),
        (4, "cut-offs", CutOffs::default().to_bytes()),
        (7, "master", Master::default().to_bytes()),
        (9, "audit-start", AuditStart::default().to_bytes()),
        (10, "mark", Mark::default().to_bytes()),
        (12, "audit", record.to_bytes()),
        (14, "listed", Listed::App("shop".into()).to_bytes()),
    ];
    let mut seeds: Vec<_> = named
        .into_iter()
        .map(|(which, name, bytes)| (name.to_owned(), [&[which], &bytes[..]].concat()))
        .collect();
    // The others, as the first bytes of something that may be one.
    seeds.extend((0..15).map(|which| (format!("zeros-{which}"), [&[which, 1][..], &[0; 80]].concat())));
    seeds
}
