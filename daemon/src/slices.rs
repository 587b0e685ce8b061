//! Time on the one thread that serves everybody. However many connections a user has, one of them is read from at a time and not for long, and then
//! it is looked whether others have come by now: so all of them together hold up others no more than one connection does.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// What is read of a user before others have their turn, in bytes of frames. The frame that goes beyond is still read.
const SLICE: usize = 4 * 1024;
/// What a frame counts beyond its length.
const FRAME: usize = 128;

/// The slices of every user that is connected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slices(Arc<Mutex<HashMap<u32, Weak<Mutex<Queue>>>>>);

/// A connection's part in the slices of its user.
#[derive(Debug)]
pub(crate) struct Slice {
    queue: Arc<Mutex<Queue>>,
    id: u64,
    pause: Pause,
}

/// What comes between the end of a slice and the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Nothing: the slice goes on, or has not begun.
    No,
    /// It was asked to be woken once others have had their turn.
    Begun,
    /// It has gone to sleep.
    Taken,
}

/// Connections of one user.
#[derive(Debug, Default)]
struct Queue {
    /// The one that is read from, and what may still be read of it.
    reading: Option<(u64, usize)>,
    waiting: VecDeque<(u64, Waker)>,
    made: u64,
}

impl Slices {
    /// A part in the slices of this user.
    pub(crate) fn of(&self, uid: u32) -> Slice {
        let mut by_uid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = by_uid.get(&uid).and_then(Weak::upgrade).unwrap_or_else(|| {
            by_uid.retain(|_, queue| queue.strong_count() > 0);
            let queue = Arc::default();
            by_uid.insert(uid, Arc::downgrade(&queue));
            queue
        });
        drop(by_uid);
        let mut own = queue.lock().unwrap_or_else(PoisonError::into_inner);
        own.made += 1;
        let id = own.made;
        drop(own);
        Slice { queue, id, pause: Pause::No }
    }
}

impl Slice {
    /// Waits until this connection may be read from.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.retain(|(id, _)| *id != self.id);
        match queue.reading {
            Some((id, 0)) if id == self.id && self.pause == Pause::No => {
                self.pause = Pause::Begun;
                // The runtime wakes this when nobody else is ready any more and it has looked for what has come in.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                return Poll::Pending;
            }
            Some((id, 0)) if id == self.id && !queue.waiting.is_empty() => {
                self.pause = Pause::No;
                queue.waiting.push_back((self.id, cx.waker().clone()));
                queue.pass_on();
                return Poll::Pending;
            }
            Some((id, left)) if id == self.id && left > 0 => return Poll::Ready(()),
            Some((id, _)) if id != self.id => {
                queue.waiting.push_back((self.id, cx.waker().clone()));
                return Poll::Pending;
            }
            _ => {}
        }
        self.pause = Pause::No;
        queue.reading = Some((self.id, SLICE));
        Poll::Ready(())
    }

    /// A frame of this length was read.
    pub(crate) fn spend(&mut self, length: usize) {
        if let Some((id, left)) = &mut self.lock().reading
            && *id == self.id
        {
            *left = left.saturating_sub(length + FRAME);
        }
    }

    /// There is nothing more to read for now. Where its slice was over it still keeps the others of its user waiting, until everybody else has had
    /// their turn.
    pub(crate) fn release(&mut self) {
        if self.pause == Pause::Begun {
            self.pause = Pause::Taken;
            return;
        }
        self.pause = Pause::No;
        let mut queue = self.lock();
        if queue.reading.is_some_and(|(id, _)| id == self.id) {
            queue.pass_on();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whoever comes first reads next; the one that has waited longest is told to come.
    fn pass_on(&mut self) {
        self.reading = None;
        if let Some((_, waker)) = self.waiting.pop_front() {
            waker.wake();
        }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let mut queue = self.lock();
        queue.waiting.retain(|(id, _)| *id != self.id);
        // It may have been told to come, and does not.
        if queue.reading.is_none_or(|(id, _)| id == self.id) {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection, how often it was woken, and what it does when it is looked at.
    struct Reader(Slice, Arc<Woken>);

    impl Reader {
        fn of(slices: &Slices, uid: u32) -> Self {
            Self(slices.of(uid), Arc::default())
        }

        fn may_read(&mut self) -> bool {
            let waker = Waker::from(Arc::clone(&self.1));
            self.0.poll(&mut Context::from_waker(&waker)).is_ready()
        }

        fn woken(&self) -> usize {
            self.1.0.swap(0, Ordering::Relaxed)
        }
    }

    #[test]
    fn one_connection_of_a_user_is_read_from_at_a_time_and_not_for_long() {
        let slices = Slices::default();
        let [mut one, mut two, mut other] = [7, 7, 8].map(|uid| Reader::of(&slices, uid));
        assert!(one.may_read() && !two.may_read() && other.may_read(), "another user is not concerned");
        let mut frames = 0;
        while one.may_read() {
            one.0.spend(100);
            frames += 1;
        }
        assert_eq!(frames, SLICE.div_ceil(100 + FRAME));
        one.0.release();
        assert_eq!((one.woken(), two.woken()), (1, 0), "first everybody else has their turn");
        assert!(!two.may_read() && !one.may_read());
        assert_eq!((one.woken(), two.woken()), (0, 1));
        assert!(two.may_read() && !one.may_read());
        two.0.spend(64 * 1024);
        assert!(!two.may_read(), "one long frame is a slice");
        two.0.release();
        assert_eq!((one.woken(), two.woken()), (0, 1));
        assert!(!two.may_read());
        assert_eq!(one.woken(), 1);
        assert!(one.may_read());
        one.0.release();
        assert_eq!(two.woken(), 1, "with nothing more to read it does not keep the others waiting");
    }

    #[test]
    fn alone_it_goes_on_after_everybody_who_is_ready() {
        let slices = Slices::default();
        let mut one = Reader::of(&slices, 7);
        assert!(one.may_read());
        one.0.spend(SLICE);
        assert!(!one.may_read());
        one.0.release();
        assert_eq!(one.woken(), 1);
        assert!(one.may_read());
    }

    #[test]
    fn one_that_cannot_go_on_after_its_pause_lets_the_others() {
        let slices = Slices::default();
        let [mut one, mut two] = [7, 7].map(|uid| Reader::of(&slices, uid));
        assert!(one.may_read() && !two.may_read());
        one.0.spend(SLICE);
        assert!(!one.may_read());
        one.0.release();
        // Woken, it finds that its answers are not read, and does not come as far as its slice.
        one.0.release();
        assert_eq!(two.woken(), 1);
        assert!(two.may_read());
    }

    #[test]
    fn whoever_goes_lets_the_others_go_on() {
        let slices = Slices::default();
        let [mut one, mut two, mut three] = [7, 7, 7].map(|uid| Reader::of(&slices, uid));
        assert!(one.may_read() && !two.may_read() && !three.may_read());
        drop(one);
        assert_eq!(two.woken(), 1);
        // It was told to come and goes instead.
        drop(two);
        assert_eq!(three.woken(), 1);
        assert!(three.may_read());
        drop(three);
        assert_eq!(slices.of(8).id, 1);
        assert_eq!(slices.0.lock().unwrap().len(), 1, "nobody is remembered who is not connected");
    }
}
