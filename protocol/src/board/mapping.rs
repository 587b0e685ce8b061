//! A file as shared words. This is the one place that names memory by its address.
#![expect(unsafe_code, reason = "mapping a file and looking at its bytes as words have no safe form")]

use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::{Memory, MemoryMut};

// A load of a word that is only readable must be a plain load, which it is where words are as wide as pointers.
const _: () = assert!(usize::BITS == 64);

/// A file mapped to be read.
#[derive(Debug)]
pub struct ReadMapping(Mapping);

/// A file mapped to be read and written.
#[derive(Debug)]
pub struct WriteMapping(Mapping);

impl ReadMapping {
    /// Maps the first `bytes` bytes of a file. The file has at least as many and is never cut.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn new(file: &File, bytes: usize) -> io::Result<Self> {
        Mapping::new(file, bytes, ProtFlags::PROT_READ).map(Self)
    }
}

impl WriteMapping {
    /// Maps the first `bytes` bytes of a file. The file has at least as many and is never cut.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn new(file: &File, bytes: usize) -> io::Result<Self> {
        Mapping::new(file, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map(Self)
    }
}

impl Memory for ReadMapping {
    #[inline]
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.0.words()[word].load(order)
    }
}

impl Memory for WriteMapping {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.0.words()[word].load(order)
    }
}

impl MemoryMut for WriteMapping {
    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.0.words()[word].store(value, order);
    }
}

/// Pages that are shared with other processes until this is dropped.
struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the pages belong to the value and stay where they are until it is dropped; all that is done with them are atomic loads and stores.
unsafe impl Send for Mapping {}
// SAFETY: as above; atomics may be used from several threads at once.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &File, bytes: usize, protection: ProtFlags) -> io::Result<Self> {
        let length = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of this process.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { start: start.cast(), words: bytes / 8 })
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` is the beginning of a page and so aligned; `words` words from there are mapped until `self` is dropped, and any bits are
        // a valid word. Other processes change them, which atomics allow. Words that are mapped to be read only are never stored to: of the two
        // types that wrap this, only the one that was mapped to be written has a store.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the pages were mapped by `new` with this length, and nothing borrowed from `self` is left.
        let unmapped = unsafe { munmap(self.start.cast::<c_void>(), self.words * 8) };
        debug_assert!(unmapped.is_ok(), "the mapping was there");
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("words", &self.words).finish_non_exhaustive()
    }
}
