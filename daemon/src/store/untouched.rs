//! A database file that is looked at and never written. What opening and repairing it would write goes to memory.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, StorageBackend};

use super::StoreError;
use super::medium::CACHE_BYTES;

/// What is written is kept in pieces of this many bytes.
const PIECE: usize = 4096;

/// Opens a database without changing its file.
///
/// # Errors
/// A file that cannot be read, or that a daemon has open.
pub(super) fn open(path: &Path) -> Result<Result<Database, redb::DatabaseError>, StoreError> {
    let what = || format!("cannot look at {}", path.display());
    let file = File::open(path).map_err(StoreError::file(what()))?;
    let found = file.metadata().map_err(StoreError::file(what()))?;
    if !found.is_file() {
        return Err(StoreError::Layout(format!("{} is not a file; name a database", path.display())));
    }
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse(format!(
                "{} is in use by a hallpassd that runs; stop it first, or take a `hallpass backup` and look at that",
                path.display()
            )));
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::File { what: what(), source }),
    }
    let written = Written { length: found.len(), pieces: HashMap::new() };
    let untouched = Untouched { file, length: found.len(), written: Mutex::new(written) };
    Ok(redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(untouched))
}

/// The file, and what would have become of it.
#[derive(Debug)]
struct Untouched {
    file: File,
    length: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    pieces: HashMap<u64, Box<[u8; PIECE]>>,
}

impl Untouched {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of the file as it lies. Behind its end it is empty.
    fn piece(&self, number: u64) -> io::Result<Box<[u8; PIECE]>> {
        let mut piece = Box::new([0; PIECE]);
        let start = number * PIECE as u64;
        let there = usize::try_from(self.length.saturating_sub(start)).unwrap_or(PIECE).min(PIECE);
        self.file.read_exact_at(&mut piece[..there], start)?;
        Ok(piece)
    }
}

/// The pieces that some bytes of a file lie in: the number of each, where in it they begin, and how many they are.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, end) = (offset, offset + length as u64);
    std::iter::from_fn(move || {
        let within = usize::try_from(at % PIECE as u64).unwrap_or(0);
        let count = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE - within);
        let number = at / PIECE as u64;
        at += count as u64;
        (count > 0).then_some((number, within, count))
    })
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset + out.len() as u64 > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (number, within, count) in pieces(offset, out.len()) {
            let part = &mut out[done..done + count];
            match written.pieces.get(&number) {
                Some(piece) => part.copy_from_slice(&piece[within..within + count]),
                None => part.copy_from_slice(&self.piece(number)?[within..within + count]),
            }
            done += count;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        // Nothing makes a file shorter and longer again here, so what lies behind its end need not be forgotten.
        written.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let mut done = 0;
        for (number, within, count) in pieces(offset, data.len()) {
            let piece = match written.pieces.entry(number) {
                std::collections::hash_map::Entry::Occupied(piece) => piece.into_mut(),
                std::collections::hash_map::Entry::Vacant(free) => free.insert(self.piece(number)?),
            };
            piece[within..within + count].copy_from_slice(&data[done..done + count]);
            done += count;
        }
        Ok(())
    }
}
