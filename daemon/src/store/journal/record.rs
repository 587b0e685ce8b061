//! How the journal looks: a sector that says which life of it counts, and two halves full of records.
//!
//! A record is one commit: where its pieces belong, the pieces, and checksums by which one that was cut short is known. It counts if it is of the
//! present life and follows the one before. All numbers are little-endian.

use std::collections::BTreeMap;
use std::io;

use redb::StorageBackend;

use crate::entropy::{RandomSource, SystemRandom};

/// What is compared of a database file to know that a journal is its own: all that changes with each commit, in one sector of the disk.
pub(super) const HEAD: usize = 320;

/// What the sector of the life begins with.
const MAGIC: [u8; 8] = *b"HPJRNL01";
/// Bytes of a record before the list of its pieces.
const FIXED: usize = 8 + 8 + 8 + 8 + 4 + 4 + HEAD + 4;
/// A head that a failed write has left half done is made of two that were written, in pieces of which this many bytes are compared.
const GRAIN: usize = 16;
/// Bytes of the list for each piece.
const ENTRY: usize = 8 + 4 + 4;

/// One life of a journal. Records of another count for nothing, however whole they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life(u64);

impl Life {
    /// What is kept for it before the halves.
    pub(super) const BYTES: u64 = 4096;
    /// What is written where no life is.
    pub(super) const NONE: [u8; 20] = [0; 20];

    pub(super) fn new() -> io::Result<Self> {
        let mut number = [0; 8];
        SystemRandom.fill(&mut number).map_err(io::Error::other)?;
        Ok(Self(u64::from_le_bytes(number)))
    }

    /// How it is written, which is all in one sector.
    pub(super) fn bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.0.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8; 20]) -> Option<Self> {
        let life = Self(u64::from_le_bytes(bytes[8..16].try_into().ok()?));
        (life.bytes() == *bytes).then_some(life)
    }
}

/// Where the next record is written, and what it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    life: Life,
    /// How often the halves were changed in this life.
    turn: u64,
    /// The number of the record in this life.
    number: u64,
    half: u64,
    at: u64,
    /// The database's head when this half was begun.
    base: [u8; HEAD],
}

impl Place {
    /// The first of a life.
    pub(super) fn first(life: Life, half: u64, head: &[u8; HEAD]) -> Self {
        Self { life, turn: 0, number: 0, half, at: 0, base: *head }
    }

    pub(super) fn offset(&self) -> u64 {
        Life::BYTES + (self.turn % 2) * self.half + self.at
    }

    pub(super) fn has_room(&self, size: u64) -> bool {
        self.at + size <= self.half
    }

    /// The beginning of the other half.
    pub(super) fn turned_over(self, head: &[u8; HEAD]) -> Self {
        Self { turn: self.turn + 1, at: 0, base: *head, ..self }
    }

    pub(super) fn after(self, record: &Record) -> Self {
        Self { number: self.number + 1, at: self.at + record.0.len() as u64, ..self }
    }
}

/// One commit, as it is written.
pub(super) struct Record(Vec<u8>);

impl Record {
    /// Lays it out. `length` is that of the database file.
    pub(super) fn of(place: &Place, length: u64, pieces: &BTreeMap<u64, Vec<u8>>) -> Self {
        let data: usize = pieces.values().map(Vec::len).sum();
        let mut bytes = Vec::with_capacity(FIXED + pieces.len() * ENTRY + data);
        for number in [place.life.0, place.turn, place.number, length] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for count in [pieces.len(), data] {
            bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        bytes.extend_from_slice(&place.base);
        let sum_at = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        for (offset, piece) in pieces {
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&crc32fast::hash(piece).to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes);
        bytes[sum_at..sum_at + 4].copy_from_slice(&sum.to_le_bytes());
        for piece in pieces.values() {
            bytes.extend_from_slice(piece);
        }
        Self(bytes)
    }

    /// How long the one with these pieces is.
    pub(super) fn size(pieces: &BTreeMap<u64, Vec<u8>>) -> u64 {
        let data: usize = pieces.values().map(Vec::len).sum();
        (FIXED + pieces.len() * ENTRY + data) as u64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The records of a journal that count, from the oldest to the newest.
pub(crate) struct Scanned {
    halves: Vec<Vec<u8>>,
    found: Vec<Found>,
}

/// One of them.
struct Found {
    turn: u64,
    number: u64,
    length: u64,
    base: [u8; HEAD],
    /// Which half it lies in, and where its pieces lie there and belong in the database.
    half: usize,
    pieces: Vec<(u64, usize, usize)>,
}

impl Scanned {
    /// Reads a journal. There is none where nothing is, and nothing in one that was not begun.
    pub(super) fn of(log: &dyn StorageBackend, half: u64) -> io::Result<Option<Self>> {
        if log.len()? < Life::BYTES + 2 * half {
            return Ok(None);
        }
        let mut sector = [0; 20];
        log.read(0, &mut sector)?;
        let Some(life) = Life::parse(&sector) else { return Ok(None) };
        let (mut halves, mut found) = (Vec::new(), Vec::new());
        for number in 0..2 {
            let mut bytes = vec![0; usize::try_from(half).map_err(io::Error::other)?];
            log.read(Life::BYTES + number * half, &mut bytes)?;
            found.push(records(&bytes, life, halves.len()));
            halves.push(bytes);
        }
        found.sort_by_key(|records: &Vec<Found>| records.first().map(|record| record.turn));
        let mut counted: Vec<Found> = Vec::new();
        for record in found.into_iter().flatten() {
            if counted.last().is_some_and(|last| last.number + 1 != record.number) {
                // A cut has met the half before while it was begun anew. That was done only once all of it was durable in its places.
                counted.clear();
            }
            counted.push(record);
        }
        Ok((!counted.is_empty()).then_some(Self { halves, found: counted }))
    }

    /// Whether the database that begins with this is the one whose journal it is: as it was when the oldest half was begun, or after any commit since.
    pub(super) fn is_of(&self, head: &[u8; HEAD]) -> bool {
        let written: Vec<&[u8]> =
            self.pieces().filter(|(offset, _)| *offset == 0).map(|(_, piece)| piece).collect();
        let known = || self.found.iter().map(|record| &record.base[..]).chain(written.iter().copied());
        head.chunks(GRAIN).enumerate().all(|(number, grain)| {
            let at = number * GRAIN;
            known().any(|known| known.get(at..at + grain.len()) == Some(grain))
        })
    }

    /// How long the file is with all of it.
    pub(crate) fn length(&self) -> u64 {
        self.found.last().map_or(0, |record| record.length)
    }

    /// Where each piece belongs, and the piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.found.iter().flat_map(|record| {
            let half = &self.halves[record.half];
            record.pieces.iter().map(|&(offset, at, length)| (offset, &half[at..at + length]))
        })
    }
}

/// The records of one half that follow each other.
fn records(bytes: &[u8], life: Life, half: usize) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut at = 0;
    while let Some((record, next)) = record(bytes, at, life, half) {
        let follows =
            found.last().is_none_or(|last| last.turn == record.turn && last.number + 1 == record.number);
        if !follows {
            break;
        }
        found.push(record);
        at = next;
    }
    found
}

/// The record that begins here, and where it ends, if there is a whole one.
fn record(bytes: &[u8], at: usize, life: Life, half: usize) -> Option<(Found, usize)> {
    let fixed = bytes.get(at..at + FIXED)?;
    let long = |at: usize| fixed[at..at + 8].try_into().ok().map(u64::from_le_bytes);
    let short = |bytes: &[u8], at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if long(0)? != life.0 {
        return None;
    }
    let (count, data) = (short(fixed, 32)? as usize, short(fixed, 36)? as usize);
    let list = at + FIXED;
    let pieces_at = list.checked_add(count.checked_mul(ENTRY)?)?;
    let end = pieces_at.checked_add(data)?;
    let mut summed = bytes.get(at..pieces_at)?.to_vec();
    bytes.get(..end)?;
    summed[FIXED - 4..FIXED].fill(0);
    if crc32fast::hash(&summed) != short(fixed, FIXED - 4)? {
        return None;
    }
    let (mut pieces, mut place) = (Vec::with_capacity(count), pieces_at);
    for entry in bytes[list..pieces_at].chunks_exact(ENTRY) {
        let offset = u64::from_le_bytes(entry[..8].try_into().ok()?);
        let length = short(entry, 8)? as usize;
        let piece = bytes.get(place..place.checked_add(length)?)?;
        if crc32fast::hash(piece) != short(entry, 12)? {
            return None;
        }
        pieces.push((offset, place, length));
        place += length;
    }
    let base = fixed[40..40 + HEAD].try_into().ok()?;
    let found = Found { turn: long(8)?, number: long(16)?, length: long(24)?, base, half, pieces };
    (place == end).then_some((found, end))
}
