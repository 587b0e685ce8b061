//! How much room the writer has for certain, and what it goes without when that gets little.
//!
//! Room is what redb can use without the disk: what is free inside the file, and what is set aside beyond its end. How much is free inside, redb says to
//! nobody for less than a walk through all of it; so it is tried: rows of so many bytes are put into a transaction, the ground notes whether the file
//! would have had to grow for them, and the transaction is taken back.

use std::io;
use std::time::Duration;

use hallpass_protocol::time::Millis;
use redb::{StorageBackend, TableDefinition};

use super::StoreError;
use super::handle::Handle;
use super::site::{ENOUGH, Site};

/// What is tried first, so that it need not be tried often.
const PLENTY: u64 = 4 * ENOUGH;
/// The least with which a command can be committed.
const LEAST: u64 = 256 << 10;
/// How long between two looks at a disk that had none.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Rows of these sizes are tried, with room for what redb keeps with each: few large ones first; what is free may be in pieces.
const PIECES: [usize; 3] = [1 << 20, 64 << 10, 4 << 10];
/// What of a piece is left to redb.
const OVERHEAD: usize = 1 << 10;
/// The table of the rows that are never committed.
const TRIED: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("room");

/// What is known of the room.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// What was found free in the file, and how much had been written then: whatever was used since was written.
    tried: Option<(u64, u64)>,
    looked: Option<Millis>,
    little: bool,
}

impl Room {
    /// Whether there is too little room to begin anything new.
    pub(super) fn is_little(&self) -> bool {
        self.little
    }

    /// Looks whether there is enough for the next batch, and sees to it if it can. Says whether that has changed.
    pub(super) fn look(&mut self, handle: &Handle, now: Millis) -> Result<bool, StoreError> {
        let was_little = self.little;
        let site = handle.site()?;
        if self.is_enough(&site).map_err(of_disk)? {
            self.little = false;
        } else if !was_little
            || self.looked.is_none_or(|looked| now.since(looked) >= LOOK_AGAIN || now < looked)
        {
            self.looked = Some(now);
            self.little = !self.sees_to_it(handle, &site)?;
        }
        Ok(self.little != was_little)
    }

    /// Whether one command can be committed, however full the disk is.
    pub(super) fn has_least(handle: &Handle) -> Result<bool, StoreError> {
        let site = handle.site()?;
        Ok(site.is_whole().map_err(of_disk)?
            && (site.beyond().map_err(of_disk)? >= LEAST || fits(handle, &site, LEAST)?))
    }

    fn is_enough(&self, site: &Site) -> io::Result<bool> {
        let inside = self.tried.map_or(0, |(free, written)| free.saturating_sub(site.written() - written));
        Ok(site.is_whole()? && inside + site.beyond()? >= ENOUGH)
    }

    /// Room beyond the end is the first choice where the disk has plenty, and otherwise the last.
    fn sees_to_it(&mut self, handle: &Handle, site: &Site) -> Result<bool, StoreError> {
        if site.is_cheap() {
            site.make_room(ENOUGH);
        }
        let lacking = ENOUGH.saturating_sub(site.beyond().map_err(of_disk)?);
        let length = site.len().map_err(of_disk)?;
        for free in [PLENTY, PLENTY / 2, PLENTY / 3, lacking] {
            if self.is_enough(site).map_err(of_disk)? {
                return Ok(true);
            }
            if (lacking..length).contains(&free) && fits(handle, site, free)? {
                self.tried = Some((free, site.written()));
            }
        }
        if !self.is_enough(site).map_err(of_disk)? {
            site.make_room(ENOUGH);
        }
        self.is_enough(site).map_err(of_disk)
    }
}

fn of_disk(error: io::Error) -> StoreError {
    redb::StorageError::Io(error).into()
}

/// Whether so much is free in the file.
fn fits(handle: &Handle, site: &Site, bytes: u64) -> Result<bool, StoreError> {
    for piece in PIECES {
        let outgrown = site.would_outgrow(|| {
            let txn = handle.begin_write()?;
            {
                let mut table = txn.open_table(TRIED)?;
                for number in 0..bytes.div_ceil(piece as u64) {
                    table.insert_reserve(number, piece - OVERHEAD)?;
                    if site.has_outgrown() {
                        break;
                    }
                }
            }
            Ok::<_, StoreError>(txn.abort()?)
        })?;
        if !outgrown {
            return Ok(true);
        }
    }
    Ok(false)
}
