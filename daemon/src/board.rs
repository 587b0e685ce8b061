//! The daemon's side of the board: which file it is, its lease, and what each commit puts on it.
//!
//! The file outlives the daemon, so a client that has mapped it sees the next daemon on the same page. Where that cannot be, the old one is closed for
//! good first; and where even that cannot be, nothing is acknowledged until its lease has run out by itself.

mod abandoned;
mod file;
mod lease;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub(crate) use abandoned::Abandoned;
pub(crate) use file::BoardError;
pub(crate) use lease::LeaseThread;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_protocol::auth::BoardPlace;
use hallpass_protocol::board::{self, WriteMapping};
use hallpass_protocol::time::{Millis, Stamp};

use crate::clock::monotonic_nanos;
use crate::domain::raise::Raise;
use file::{Found, Places};

/// The board of a running daemon. It may have none for a while: then every verification asks, and is answered.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    places: Places,
    present: Option<Present>,
    /// Whether the daemon serves. Before that and afterwards there is no lease.
    open: bool,
    /// What the board says, or would if there were one.
    life: Stamp,
    visible: Stamp,
    keys: Stamp,
    /// When the next try to make a board is due, in nanoseconds of the monotonic clock.
    retry_at: u64,
}

/// The file that is the board now.
#[derive(Debug)]
struct Present {
    writer: board::Writer<WriteMapping>,
    place: BoardPlace,
}

/// How long after a failure to make a board it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What a board is made with.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The daemon's own directory for what callers may look at. It is locked as long as the board lives.
    pub(crate) runtime_dir: PathBuf,
    /// Where the database lies, and beside it the note of which board has a lease.
    pub(crate) state_dir: PathBuf,
    /// How many slots it has.
    pub(crate) slots: u32,
    /// The database whose changes it shows.
    pub(crate) database: [u8; 16],
    /// For a new board: spreads identifiers over its slots.
    pub(crate) hash_key: [u8; 32],
    /// No stamp of an earlier daemon lies above this; a board that says so is damaged.
    pub(crate) highest: Stamp,
}

impl Board {
    /// Takes over the board that an earlier daemon has left, or makes one. The caller holds the lock of the state directory.
    ///
    /// # Errors
    /// A runtime directory that another daemon has locked. A board that cannot be made is no error: it is tried again later.
    pub(crate) fn claim(parts: Parts) -> Result<Self, BoardError> {
        let places = Places::lock(parts)?;
        let mut state = State {
            places,
            present: None,
            open: false,
            life: Stamp::default(),
            visible: Stamp::default(),
            keys: Stamp::default(),
            retry_at: 0,
        };
        state.find();
        Ok(Self { state: Mutex::new(state) })
    }

    /// The newest stamp on it: what clients may hold can bear this one.
    pub(crate) fn visible(&self) -> Stamp {
        let state = self.lock();
        state.present.as_ref().map_or(state.visible, |present| present.writer.visible())
    }

    /// How long a board that is out of reach may still be believed. Until then nothing may be acknowledged.
    pub(crate) fn others_lease(&self) -> Duration {
        self.lock().places.others_lease(monotonic_nanos())
    }

    /// Where it is, for callers.
    pub(crate) fn place(&self) -> Option<BoardPlace> {
        let state = self.lock();
        state.present.as_ref().filter(|_| state.open).map(|present| present.place.clone())
    }

    /// Begins to serve: everything below `floor` is to be asked about. The floor is durable by now, and from now on it names this life of the daemon.
    pub(crate) fn open(&self, floor: Stamp, keys: Stamp, time: Millis) {
        let mut state = self.lock();
        (state.open, state.life, state.keys) = (true, floor, keys);
        state.visible = state.visible.max(floor);
        state.begin(floor, time);
    }

    /// Puts on the board what a commit has changed. This happens after the commit and before any answer.
    pub(crate) fn publish(&self, raises: &[(Raise, Stamp)], keys: Option<Stamp>, upto: Stamp) {
        let mut state = self.lock();
        state.visible = upto;
        state.keys = keys.unwrap_or(state.keys);
        if !state.open {
            return;
        }
        let Some(Present { writer, .. }) = &state.present else { return };
        put(writer, raises, keys, upto);
    }

    /// Ends it: no lease, from now on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        if let Some(present) = &state.present {
            present.writer.close();
            state.places.forget_lease();
        }
    }

    /// Extends the lease, and finds out whether the file is still where callers look for it. The lease's thread calls this.
    pub(crate) fn tend(&self, time: Millis) {
        let mut state = self.lock();
        if !state.open {
            return;
        }
        let lost = state.present.as_ref().is_some_and(|present| !state.places.holds(&present.place));
        if lost {
            tracing::warn!("the board is not where it was put; closing it and making another");
            if let Some(present) = state.present.take() {
                present.writer.close();
            }
        }
        if state.present.is_none() && (lost || state.retry_at <= monotonic_nanos()) {
            state.find();
            let floor = state.visible;
            state.begin(floor, time);
        }
        if let Some(present) = &state.present {
            present.writer.extend(monotonic_nanos(), time);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slots and floor, then the keys, then `visible`: whoever sees a word sees those before it.
pub(crate) fn put<M: board::MemoryMut>(
    writer: &board::Writer<M>,
    raises: &[(Raise, Stamp)],
    keys: Option<Stamp>,
    upto: Stamp,
) {
    for (raise, stamp) in raises {
        match raise {
            Raise::Session(session) => writer.raise(session.as_bytes(), *stamp),
            Raise::User(user) => writer.raise(user.as_bytes(), *stamp),
            Raise::Everything => writer.raise_floor(*stamp),
        }
    }
    if let Some(version) = keys {
        writer.set_keys(version);
    }
    writer.set_visible(upto);
}

/// What a board says when it begins to be believed.
#[derive(Debug)]
pub(crate) struct Says {
    /// Which start of the daemon writes it.
    pub(crate) life: Stamp,
    /// What bears an older stamp is to be asked about.
    pub(crate) floor: Stamp,
    /// The version of the present key set.
    pub(crate) keys: Stamp,
    /// The newest stamp that answers bear.
    pub(crate) visible: Stamp,
}

/// All that it says, and only then a lease.
pub(crate) fn begin<M: board::MemoryMut>(
    writer: &board::Writer<M>,
    says: &Says,
    monotonic: u64,
    time: Millis,
) {
    writer.open(says.life, says.floor, says.keys);
    writer.set_visible(says.visible);
    writer.extend(monotonic, time);
}

/// Where a life of the daemon begins: above every stamp that anybody can hold, so that what they hold is asked about. That is the mark on disk, what the
/// board says if there is one, and the time.
pub(crate) fn floor(mark: Stamp, visible: Stamp, wall_micros: u64) -> Stamp {
    Stamp(mark.max(visible).0.max(wall_micros) + 1)
}

impl State {
    /// Takes over or makes the file. Without one the daemon serves all the same.
    fn find(&mut self) {
        match self.places.find() {
            Ok(Found { writer, place }) => self.present = Some(Present { writer, place }),
            Err(error) => {
                tracing::warn!(%error, "there is no board for now: every verification asks the daemon; trying again");
                self.retry_at = monotonic_nanos().saturating_add(nanos(RETRY));
            }
        }
    }

    /// The note first: a daemon that is killed after its first lease has left word of it.
    fn begin(&mut self, floor: Stamp, time: Millis) {
        let Some(Present { writer, place }) = &self.present else { return };
        if let Err(error) = self.places.note_lease(place) {
            tracing::warn!(%error, "there is no board for now: its lease cannot be written down; trying again");
            self.present = None;
            self.retry_at = monotonic_nanos().saturating_add(nanos(RETRY));
            return;
        }
        let says = Says { life: self.life, floor, keys: self.keys, visible: self.visible };
        begin(writer, &says, monotonic_nanos(), time);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
