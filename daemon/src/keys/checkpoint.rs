//! Checkpoints of the audit chain: how far it had come, under a MAC whose key is made from the master key. Whoever can write the database and the
//! note beside it, and does not have that, can make none.

use hallpass_protocol::time::Stamp;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KEY_BYTES, MasterKey, Sealer, hmac};
use crate::domain::reseal::MasterId;
use crate::hex;

/// What a checkpoint's text begins with.
const WORD: &str = "hallpass-audit-1";

/// How far the audit chain of a database had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Whose chain.
    pub(crate) database: [u8; 16],
    /// The number of its newest entry then.
    pub(crate) number: u64,
    /// The hash of that.
    pub(crate) hash: [u8; 32],
    /// Its stamp.
    pub(crate) stamp: Stamp,
    key: String,
    mac: String,
}

/// What a checkpoint is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Genuine {
    /// It was made with this master key.
    Yes,
    /// It says that it was made with this master key, and was not.
    No,
    /// It was made with another master key, so nobody can say without that.
    Unknown,
}

/// Makes checkpoints of one database and tells those that are genuine.
#[derive(Clone)]
pub(crate) struct CheckpointKey {
    database: [u8; 16],
    master: MasterId,
    mac: Hmac<Sha256>,
}

impl Sealer {
    /// The key of the checkpoints of this database.
    pub(crate) fn checkpoints(&self) -> CheckpointKey {
        CheckpointKey::new(&self.master, self.database)
    }
}

impl CheckpointKey {
    /// The key of the checkpoints of a database under this master key.
    pub(crate) fn new(master: &MasterKey, database: [u8; 16]) -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        // The only length that HKDF refuses is one of more than 255 hashes.
        let _ = Hkdf::<Sha256>::new(Some(b"hallpass audit checkpoint v1"), master.0.as_ref())
            .expand(&database, key.as_mut());
        Self { database, master: master.id(), mac: hmac(&key) }
    }

    /// The text of a checkpoint: one line without spaces at its ends.
    pub(crate) fn text(&self, number: u64, hash: &[u8; 32], stamp: Stamp) -> String {
        let says = format!(
            "{WORD} {} {number} {} {} {}",
            hex::encode(&self.database),
            hex::encode(hash),
            stamp.0,
            self.master
        );
        let mac = self.over(&says);
        format!("{says} {mac}")
    }

    /// What a checkpoint is worth.
    pub(crate) fn judge(&self, checkpoint: &Checkpoint) -> Genuine {
        let Checkpoint { database, number, hash, stamp, key, mac } = checkpoint;
        if *key != self.master.to_string() {
            return Genuine::Unknown;
        }
        let hash = hex::encode(hash);
        let wanted =
            self.over(&format!("{WORD} {} {number} {hash} {} {key}", hex::encode(database), stamp.0));
        if bool::from(wanted.as_bytes().ct_eq(mac.as_bytes())) { Genuine::Yes } else { Genuine::No }
    }

    fn over(&self, text: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        let mac: [u8; 32] = mac.finalize().into_bytes().into();
        hex::encode(&mac)
    }
}

impl Checkpoint {
    /// Whether it says that this master key has made it.
    pub(crate) fn is_by(&self, master: MasterId) -> bool {
        self.key == master.to_string()
    }

    /// The first checkpoint in a line, whatever a journal has put before and behind it.
    pub(crate) fn find(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(WORD)?;
        let rest = rest.split(['"', '\\']).next()?;
        let [database, number, hash, stamp, key, mac] =
            rest.split_whitespace().take(6).collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            database: hex::decode(database)?,
            number: number.parse().ok()?,
            hash: hex::decode(hash)?,
            stamp: Stamp(stamp.parse().ok()?),
            key: key.to_owned(),
            mac: mac.to_owned(),
        })
    }
}

impl std::fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { database, number, hash, stamp, key, mac } = self;
        let (database, hash) = (hex::encode(database), hex::encode(hash));
        write!(f, "{WORD} {database} {number} {hash} {} {key} {mac}", stamp.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_genuine_as_it_was_made_and_no_other_way() {
        let key = CheckpointKey::new(&MasterKey::from_bytes(&[1; 32]), [2; 16]);
        let text = key.text(7, &[3; 32], Stamp(9));
        let checkpoint = Checkpoint::find(&text).unwrap();
        assert_eq!((checkpoint.number, checkpoint.hash, checkpoint.stamp), (7, [3; 32], Stamp(9)));
        assert_eq!(key.judge(&checkpoint), Genuine::Yes);
        let line = format!("Nov 24 host hallpassd[7]: INFO audit checkpoint checkpoint=\"{text}\" entries=7");
        assert_eq!(Checkpoint::find(&line), Some(checkpoint.clone()), "as a journal has it");
        assert_eq!(checkpoint.to_string(), text);
        for forged in [
            Checkpoint { number: 8, ..checkpoint.clone() },
            Checkpoint { hash: [4; 32], ..checkpoint.clone() },
            Checkpoint { stamp: Stamp(10), ..checkpoint.clone() },
            Checkpoint { database: [5; 16], ..checkpoint.clone() },
            Checkpoint { mac: String::new(), ..checkpoint.clone() },
        ] {
            assert_eq!(key.judge(&forged), Genuine::No, "{forged:?}");
        }
        let other = CheckpointKey::new(&MasterKey::from_bytes(&[6; 32]), [2; 16]);
        assert_eq!(other.judge(&checkpoint), Genuine::Unknown, "another master key");
        let elsewhere = CheckpointKey::new(&MasterKey::from_bytes(&[1; 32]), [9; 16]);
        assert_eq!(elsewhere.judge(&checkpoint), Genuine::No, "another database");
        for text in ["", WORD, "hallpass-audit-1 00 x", "hallpass-audit-1 é é é é é é"] {
            assert_eq!(Checkpoint::find(text), None);
        }
    }
}
