//! Copying a database row by row: one consistent state on one side, a file of its own on the other.
//!
//! Rows are copied as they lie, checksums included, so what is damaged arrives damaged and is found by a check of the copy.

use std::path::{Path, PathBuf};

use redb::{
    Database, MultimapTableHandle, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableHandle, WriteTransaction,
};

use super::StoreError;
use super::medium::CACHE_BYTES;
use super::schema::Table;
use crate::files::{self, Unfinished};

/// A key and its value, as they lie in a table.
pub(crate) type RawRow = (Vec<u8>, Vec<u8>);

/// One consistent state to copy.
pub(crate) struct Copied {
    tables: Vec<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

impl Copied {
    pub(super) fn open(database: &Database) -> Result<Self, StoreError> {
        let txn = database.begin_read()?;
        refuse_other_tables(&txn)?;
        let open = |table: Table| txn.open_table(table.definition()).map_err(StoreError::from);
        Ok(Self { tables: Table::ALL.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    /// Every table and how many rows it has.
    pub(crate) fn tables(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let rows = |(table, rows): (Table, &ReadOnlyTable<_, _>)| Ok((table.name(), rows.len()?));
        Table::ALL.into_iter().zip(&self.tables).map(rows).collect()
    }

    /// Rows of a table after a key, and whether they are its last: nothing if there is no such table. The bytes are a measure for when to stop, which the
    /// last row may go beyond.
    pub(crate) fn page(
        &self,
        table: usize,
        after: Option<&[u8]>,
        bytes: usize,
        most: usize,
    ) -> Result<Option<(Vec<RawRow>, bool)>, StoreError> {
        let Some(table) = self.tables.get(table) else { return Ok(None) };
        let (mut rows, mut size) = (Vec::new(), 0);
        for row in ReadableTable::range::<&[u8]>(table, after.unwrap_or_default()..)? {
            let (key, value) = row?;
            if after == Some(key.value()) {
                continue;
            }
            if size >= bytes || rows.len() >= most {
                return Ok(Some((rows, false)));
            }
            size += key.value().len() + value.value().len();
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(Some((rows, true)))
    }
}

/// A table that is not copied would be lost, and one that is missing would be made up.
pub(super) fn refuse_other_tables(txn: &ReadTransaction) -> Result<(), StoreError> {
    let mut found: Vec<_> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    found.extend(txn.list_multimap_tables()?.map(|table| table.name().to_owned()));
    let mut known = Table::ALL.map(Table::name).map(str::to_owned);
    found.sort_unstable();
    known.sort_unstable();
    if found == known {
        return Ok(());
    }
    Err(StoreError::Layout(format!(
        "the database has the tables {found:?}, and this hallpassd knows {known:?}"
    )))
}

/// A copy that is not whole yet. It lies under another name until it is, and is removed if it never is.
pub(crate) struct Copy {
    txn: WriteTransaction,
    database: Database,
    unfinished: Unfinished,
    path: PathBuf,
}

impl Copy {
    /// Begins a copy that is to have this name, which must be free.
    pub(crate) fn begin(path: &Path) -> Result<Self, StoreError> {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let unfinished = Unfinished::of(path);
        let what = || format!("cannot make {}", unfinished.path().display());
        let file = files::create_anew(unfinished.path()).map_err(StoreError::file(what()))?;
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        let txn = database.begin_write()?;
        for table in Table::ALL {
            txn.open_table(table.definition())?;
        }
        Ok(Self { txn, database, unfinished, path: path.to_owned() })
    }

    /// Takes rows of a table, which the daemon must know by the same number and name.
    pub(crate) fn take(&mut self, number: usize, name: &str, rows: &[RawRow]) -> Result<(), StoreError> {
        let table = Table::ALL.get(number).filter(|table| table.name() == name).ok_or_else(|| {
            let why = "the daemon has tables that this `hallpass` does not know; use the one of its version";
            StoreError::Layout(why.into())
        })?;
        let mut table = self.txn.open_table(table.definition())?;
        for (key, value) in rows {
            table.insert(key.as_slice(), value.as_slice())?;
        }
        Ok(())
    }

    /// Ends the copy. It is on disk then, and has still to be given its name.
    pub(crate) fn close(self) -> Result<Closed, StoreError> {
        self.txn.commit()?;
        drop(self.database);
        Ok(Closed { unfinished: self.unfinished, path: self.path })
    }
}

/// A copy that is whole.
pub(crate) struct Closed {
    unfinished: Unfinished,
    path: PathBuf,
}

impl Closed {
    /// Where it lies now.
    pub(crate) fn lies_at(&self) -> &Path {
        self.unfinished.path()
    }

    /// Gives it its name, unless something has that by now.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        let path = &self.path;
        self.unfinished.finish(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(path),
            _ => StoreError::file(format!("cannot give the backup its name {}", path.display()))(error),
        })
    }
}

fn taken(path: &Path) -> StoreError {
    StoreError::Layout(format!(
        "{} is there already and was left as it is; name another file, or move that one away",
        path.display()
    ))
}
