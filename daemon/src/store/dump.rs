//! Every row of a database as it lies there, whatever its schema, for tests that compare two states of one.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

use super::untouched;

/// Rows by table and key.
pub(crate) type RawRows = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// What lies in a file that no daemon has open, whether it was closed in order or not.
pub(crate) fn dump(path: &Path) -> RawRows {
    rows(&untouched::open(path).unwrap().unwrap())
}

/// What lies in a database.
pub(super) fn rows(database: &Database) -> RawRows {
    let txn = database.begin_read().unwrap();
    let mut rows = RawRows::new();
    for table in txn.list_tables().unwrap() {
        let name = table.name().to_owned();
        let table = txn.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
        for row in table.iter().unwrap() {
            let (key, row) = row.unwrap();
            rows.insert((name.clone(), key.value().to_vec()), row.value().to_vec());
        }
    }
    rows
}
