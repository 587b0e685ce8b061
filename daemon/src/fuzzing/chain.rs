//! The audit chain as it comes back: checkpoints in a log, and the place from which a verification goes on.

use hallpass_protocol::codec;

use crate::ctl::fuzzed::exported;
use crate::domain::retention::gone_upto;
use crate::keys::{Checkpoint, CheckpointKey, Genuine, MasterKey};
use crate::store::Walk;

/// The key of the checkpoints that are genuine.
pub(super) fn key() -> CheckpointKey {
    CheckpointKey::new(&MasterKey::from_bytes(&[1; 32]), [2; 16])
}

/// A line of a log, an entry that is exported, or a place in the chain: the first byte says which.
///
/// # Panics
/// If a checkpoint is genuine that the key has not made, an exported entry is not one line that says what the entry says, or a place changes on its way.
pub fn audit(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    match which % 3 {
        0 => {
            let Ok(line) = std::str::from_utf8(rest) else { return };
            let _ = gone_upto(line);
            let Some(found) = Checkpoint::find(line) else { return };
            assert_eq!(Checkpoint::find(&found.to_string()).as_ref(), Some(&found));
            let right = key().text(found.number, &found.hash, found.stamp);
            assert_eq!(key().judge(&found) == Genuine::Yes, found.to_string() == right, "{line}");
        }
        1 => exported(rest),
        _ => {
            let Ok(walk) = codec::decode::<Walk>(rest) else { return };
            let bytes = codec::encode(&walk).expect("it was decoded");
            assert_eq!(codec::decode::<Walk>(&bytes).expect("it was written"), walk);
        }
    }
}
