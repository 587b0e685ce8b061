//! The tables, and the checksum that ends every row.
//!
//! redb does not check a page each time it reads it. So every value ends in eight bytes of HMAC-SHA256 over table, key and value: a flipped bit, a
//! row in the wrong place or a row of another database is an error with a name, never a silent yes or no. The checksum's key lies in the
//! file itself; it finds damage, not malice.

use hmac::{Hmac, Mac};
use redb::TableDefinition;
use sha2::Sha256;

/// The number of this layout. A file with a smaller one is migrated, a file with a larger one refused.
pub(super) const SCHEMA: u32 = 1;

/// Every table maps bytes to bytes; what they mean stands in `records`.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A table: its definition, by a name that errors can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// One row for each of the `META_*` keys.
    Meta,
    /// User id to user.
    Users,
    /// Name to user id.
    Names,
    /// Session id to the part that is written once.
    Cold,
    /// Session id to the part that changes.
    Hot,
    /// User id and session id to nothing: whose sessions there are.
    OfUser,
    /// Deadline and session id to nothing: when to look at a session again.
    Due,
    /// Hashed throttle key to failures.
    Failures,
    /// Kind and number to a sealed key.
    Keys,
    /// Number to audit entry.
    Audit,
    /// Stamp and place to what was taken back.
    Revocations,
}

impl Table {
    /// Every table.
    pub(super) const ALL: [Self; 11] = [
        Self::Meta,
        Self::Users,
        Self::Names,
        Self::Cold,
        Self::Hot,
        Self::OfUser,
        Self::Due,
        Self::Failures,
        Self::Keys,
        Self::Audit,
        Self::Revocations,
    ];

    /// Its name in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Users => "users",
            Self::Names => "user_names",
            Self::Cold => "session_cold",
            Self::Hot => "session_hot",
            Self::OfUser => "sessions_of_user",
            Self::Due => "sessions_due",
            Self::Failures => "login_failures",
            Self::Keys => "keys",
            Self::Audit => "audit",
            Self::Revocations => "revocations",
        }
    }

    /// Its definition.
    pub(super) const fn definition(self) -> Definition {
        TableDefinition::new(self.name())
    }
}

/// The schema number, four bytes, big end first. The only row without a checksum, so that any version can read it.
pub(super) const META_SCHEMA: &[u8] = b"schema";
/// The database id and the key of the row checksums.
pub(super) const META_IDENTITY: &[u8] = b"identity";
/// The stamps reserved and the latest time seen.
pub(super) const META_MARK: &[u8] = b"mark";
/// What is known of the master key. A database whose master key was never changed does not have the row.
pub(super) const META_MASTER: &[u8] = b"master";
/// The stamps that end many sessions at once.
pub(super) const META_CUT_OFFS: &[u8] = b"cut_offs";

/// The last audit entry that retention has removed, which those that are left go on from.
pub(super) const META_AUDIT_START: &[u8] = b"audit_start";

/// The number that the next keys begin with, in a database that has none because it was restored. The daemon that opens it makes them.
pub(super) const META_ANEW: &[u8] = b"anew";

/// Length of a row's checksum in bytes.
const CHECKSUM_BYTES: usize = 8;

/// A row that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row {key} of table {table} is damaged; stop the daemon and restore a backup")]
pub(crate) struct BadRow {
    table: &'static str,
    key: String,
}

/// Makes and checks the checksums of one database.
#[derive(Clone)]
pub(super) struct Checksums(Hmac<Sha256>);

impl Checksums {
    /// The checksums under this key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(crate::keys::hmac(key))
    }

    /// The value with its checksum behind it.
    pub(super) fn seal(&self, table: Table, key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
        let checksum = self.over(table, key, &value);
        value.extend_from_slice(&checksum);
        value
    }

    /// The value without its checksum, if that is right.
    pub(super) fn open<'a>(&self, table: Table, key: &[u8], row: &'a [u8]) -> Result<&'a [u8], BadRow> {
        match row.split_last_chunk::<CHECKSUM_BYTES>() {
            Some((value, checksum)) if *checksum == self.over(table, key, value) => Ok(value),
            _ => Err(bad_row(table, key)),
        }
    }

    fn over(&self, table: Table, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut mac = self.0.clone();
        mac.update(&[table as u8, u8::try_from(key.len()).unwrap_or(u8::MAX)]);
        mac.update(key);
        mac.update(value);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = [0; CHECKSUM_BYTES];
        short.copy_from_slice(&full[..CHECKSUM_BYTES]);
        short
    }
}

/// A damaged row, named by its key in hexadecimal digits.
pub(super) fn bad_row(table: Table, key: &[u8]) -> BadRow {
    BadRow { table: table.name(), key: crate::hex::encode(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_only_as_it_was_written_and_where() {
        let checksums = Checksums::new(&[7; 32]);
        let row = checksums.seal(Table::Hot, b"key", b"value".to_vec());
        assert_eq!(checksums.open(Table::Hot, b"key", &row), Ok(&b"value"[..]));
        for position in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[position / 8] ^= 1 << (position % 8);
            assert!(checksums.open(Table::Hot, b"key", &flipped).is_err(), "bit {position}");
        }
        assert!(checksums.open(Table::Cold, b"key", &row).is_err(), "another table");
        assert!(checksums.open(Table::Hot, b"kez", &row).is_err(), "another key");
        assert!(Checksums::new(&[8; 32]).open(Table::Hot, b"key", &row).is_err(), "another database");
        assert!(checksums.open(Table::Hot, b"key", b"short").is_err());
    }
}
