//! The bytes that received frames may take up together: so many in all, and a share of them for each user. They are set aside before a frame is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// What is counted in, in bytes.
const UNIT: usize = 1024;
/// One user can have this part of all of it: a quarter.
const SHARES: usize = 4;

/// The bytes there are.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    share: usize,
    by_uid: Arc<Mutex<HashMap<u32, Weak<Semaphore>>>>,
}

/// Bytes that are set aside, until it is dropped.
#[derive(Debug)]
pub(crate) struct Aside {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

/// A connection's room for the frame that it reads next.
#[derive(Debug)]
pub(crate) struct Room {
    aside: Aside,
    own: PollSemaphore,
    all: PollSemaphore,
    missing: u32,
    of_own: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// This many MiB in all.
    pub(crate) fn new(mib: usize) -> Self {
        let units = mib * (1 << 20) / UNIT;
        Self { all: Arc::new(Semaphore::new(units)), share: units / SHARES, by_uid: Arc::default() }
    }

    /// Room for a connection of this user whose frames are at most so long, if there is any.
    pub(crate) fn room(&self, uid: u32, longest: usize) -> Option<Room> {
        let (own, all, units) = (self.share_of(uid), Arc::clone(&self.all), units(longest));
        let aside = Aside {
            own: Arc::clone(&own).try_acquire_many_owned(units).ok()?,
            all: Arc::clone(&all).try_acquire_many_owned(units).ok()?,
        };
        Some(Room {
            aside,
            own: PollSemaphore::new(own),
            all: PollSemaphore::new(all),
            missing: 0,
            of_own: None,
        })
    }

    /// The user's share, which is there as long as anything of it is set aside.
    fn share_of(&self, uid: u32) -> Arc<Semaphore> {
        let mut shares = self.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&uid).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(uid, Arc::downgrade(&share));
        share
    }
}

impl Room {
    /// What a frame of this length takes up goes along with what was in it.
    pub(crate) fn lend(&mut self, length: usize) -> Option<Aside> {
        let units = units(length);
        let count = units as usize;
        let lent = Aside { own: self.aside.own.split(count)?, all: self.aside.all.split(count)? };
        self.missing += units;
        Some(lent)
    }

    /// Waits until there is room for the longest frame again.
    pub(crate) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.missing == 0 {
            return Poll::Ready(());
        }
        if self.of_own.is_none() {
            self.of_own = ready!(self.own.poll_acquire_many(cx, self.missing));
        }
        let of_all = ready!(self.all.poll_acquire_many(cx, self.missing));
        // Neither is ever closed.
        if let Some((of_own, of_all)) = self.of_own.take().zip(of_all) {
            self.aside.own.merge(of_own);
            self.aside.all.merge(of_all);
            self.missing = 0;
        }
        Poll::Ready(())
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{FutureExt, poll_fn};

    const LONGEST: usize = 64 * 1024;

    #[test]
    fn e7_one_user_has_a_quarter_and_all_together_no_more_than_there_is() {
        let budget = Budget::new(1);
        let of = |uid| std::iter::from_fn(|| budget.room(uid, LONGEST)).collect::<Vec<_>>();
        let held: Vec<_> = (0..4).map(of).collect();
        assert!(held.iter().all(|rooms| rooms.len() == 4), "a quarter of 1 MiB each");
        assert!(budget.room(9, LONGEST).is_none(), "there is nothing left for anybody");
        drop(held);
        assert_eq!(of(9).len(), 4);
        assert_eq!(budget.all.available_permits(), 1024, "all of it is back");
        drop(budget.room(8, 1));
        assert_eq!(budget.by_uid.lock().unwrap().len(), 1, "nobody is remembered who has nothing");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e9_the_next_frame_waits_until_there_is_room_again() {
        let budget = Budget::new(1);
        let mut rooms: Vec<_> = std::iter::from_fn(|| budget.room(7, LONGEST)).collect();
        let mut room = rooms.pop().expect("a connection");
        poll_fn(|cx| room.poll_whole(cx)).await;
        let lent = room.lend(10_000).expect("it was read, so there was room");
        assert!(poll_fn(|cx| room.poll_whole(cx)).now_or_never().is_none());
        drop(lent);
        poll_fn(|cx| room.poll_whole(cx)).await;
        // Whatever is lent goes back, whoever is dropped first.
        let lent = room.lend(LONGEST);
        drop((room, rooms));
        assert_eq!(budget.all.available_permits(), 1024 - 64);
        drop(lent);
        assert_eq!(budget.all.available_permits(), 1024);
    }
}
