//! What a board says of itself, fixed for the life of its file.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{LAYOUT, MAGIC, SLOTS, word};

/// Length of the fixed part, in bytes.
pub(super) const BYTES: usize = word::FIXED * 8;
/// The word of the first slot.
#[expect(clippy::cast_possible_truncation, reason = "it is a page into the board")]
const FIRST_SLOT: u32 = word::SLOTS as u32;

/// What a board says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How many slots it has.
    pub slots: u32,
    /// Spreads identifiers over the slots. It is no secret: it keeps others from choosing identifiers that share one.
    pub hash_key: [u8; 32],
    /// The database whose changes it shows.
    pub database: [u8; 16],
    /// The boot of the machine that its lease counts from.
    pub boot: [u8; 16],
}

/// Not a board that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// It begins with something else.
    #[error("it is not a board of Hallpass")]
    NotABoard,
    /// Its words lie elsewhere.
    #[error("its layout has version {0} and this client knows {LAYOUT}; install the same release of both")]
    Layout(u32),
    /// Its slots are not a power of two within bounds.
    #[error("it has an impossible number of slots")]
    Slots,
}

impl Header {
    /// The header as the bytes that a board begins with.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        let shape = u64::from(LAYOUT) | u64::from(self.slots) << 32;
        bytes[8..16].copy_from_slice(&shape.to_ne_bytes());
        bytes[16..48].copy_from_slice(&self.hash_key);
        bytes[48..64].copy_from_slice(&self.database);
        bytes[64..80].copy_from_slice(&self.boot);
        bytes
    }

    /// Reads the bytes that a board begins with.
    ///
    /// # Errors
    /// See [`BadHeader`].
    pub fn from_bytes(bytes: &[u8; BYTES]) -> Result<Self, BadHeader> {
        if bytes[..8] != MAGIC {
            return Err(BadHeader::NotABoard);
        }
        let shape = u64::from_ne_bytes(array(&bytes[8..16]));
        let (layout, slots) = (low(shape), low(shape >> 32));
        if layout != LAYOUT {
            return Err(BadHeader::Layout(layout));
        }
        if !SLOTS.contains(&slots) || !slots.is_power_of_two() {
            return Err(BadHeader::Slots);
        }
        Ok(Self {
            slots,
            hash_key: array(&bytes[16..48]),
            database: array(&bytes[48..64]),
            boot: array(&bytes[64..80]),
        })
    }

    /// The word of the slot that this identifier maps to.
    #[must_use]
    pub(super) fn slot(&self, id: &[u8; 16]) -> u32 {
        // RFC 2104 pads a key that is shorter than the hash's block with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.hash_key);
        let mut mac = Hmac::<Sha256>::new((&block).into());
        mac.update(id);
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        let number = u64::from_be_bytes(array(&hash[..8])) % u64::from(self.slots);
        FIRST_SLOT + low(number)
    }
}

fn low(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0)
}

/// The bytes of a slice whose length is known where it is cut.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Which boot of the machine this is, as the kernel says, if it does.
#[must_use]
pub fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.trim().chars().filter(|character| *character != '-').collect();
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { slots: 65_536, hash_key: [3; 32], database: [4; 16], boot: [5; 16] }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Header::from_bytes(&header().to_bytes()), Ok(header()));
    }

    #[test]
    fn another_file_layout_or_shape_is_refused() {
        let mut bytes = header().to_bytes();
        bytes[0] ^= 1;
        assert_eq!(Header::from_bytes(&bytes), Err(BadHeader::NotABoard));
        let mut bytes = header().to_bytes();
        let newer = u64::from(LAYOUT + 1) | 65_536 << 32;
        bytes[8..16].copy_from_slice(&newer.to_ne_bytes());
        assert_eq!(Header::from_bytes(&bytes), Err(BadHeader::Layout(LAYOUT + 1)));
        for slots in [0, 1, 512, 65_535, 8_388_608, u32::MAX] {
            let bytes = Header { slots, ..header() }.to_bytes();
            assert_eq!(Header::from_bytes(&bytes), Err(BadHeader::Slots), "{slots}");
        }
    }

    #[test]
    fn identifiers_spread_over_the_slots_and_stay_inside() {
        let header = header();
        let mut hit = std::collections::HashSet::new();
        for number in 0..10_000_u128 {
            let slot = header.slot(&number.to_be_bytes());
            assert!((FIRST_SLOT..FIRST_SLOT + 65_536).contains(&slot));
            hit.insert(slot);
        }
        // Ten thousand balls in 65,536 boxes fill about 9,280 of them.
        assert!(hit.len() > 9_000, "{}", hit.len());
    }

    #[test]
    fn a_boot_has_an_identifier() {
        assert_eq!(boot_id(), boot_id());
        assert!(boot_id().is_some());
    }
}
