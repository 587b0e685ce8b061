//! The threads that hash: as many as hashes may run at once, each with memory that it uses again for the next.
//!
//! Memory that comes and goes on any thread stays with each of them: the allocator keeps it for that thread. On these it is bounded by their number.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use argon2::Block;
use hallpass_protocol::error::{ErrorCode, Refusal};
use tokio::sync::oneshot;
use zeroize::Zeroize;

use crate::clock::Stopwatch;
use crate::metrics::{DURATIONS, Histogram};
use crate::turns::{NoRoom, Turns};

/// Hashes that may run or wait; more are `busy`.
pub(super) const QUEUE: usize = 256;
/// Most of those that wait for one app, so that one that floods leaves room for the others.
pub(super) const SHARE: usize = QUEUE / 2;
/// How many more may wait of those that go first: whoever fills the queue must not keep an owner out.
const RESERVE: usize = 64;

/// Who waits for whom. Whatever an app has waiting, it takes turns with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn<'a> {
    /// For whom the hash is made.
    app: &'a str,
    is_first: bool,
}

impl<'a> Turn<'a> {
    /// In the order in which those of this app came.
    pub(crate) const fn usual(app: &'a str) -> Self {
        Self { app, is_first: false }
    }

    /// Before all of those: a login on a known device, of which nobody can make many.
    pub(crate) const fn first(app: &'a str) -> Self {
        Self { app, is_first: true }
    }
}

/// What a thread does with its memory.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The way to the threads. They end when the last one is gone. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    way: Arc<Way>,
    queued: Arc<AtomicUsize>,
    hashed: Arc<Hashed>,
}

/// What the threads have done and do.
#[derive(Debug)]
pub(crate) struct Hashed {
    /// How many threads there are.
    pub(crate) threads: usize,
    running: Arc<AtomicUsize>,
    /// Nanoseconds that hashes took, without their waiting.
    pub(crate) took: Histogram,
}

impl Hashed {
    /// Hashes that run.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed) as u64
    }
}

/// Closes the queue when nobody is left who could add to it.
struct Way(Arc<Queue>);

impl Drop for Way {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

/// What the threads take their jobs from.
struct Queue {
    lanes: Mutex<Lanes>,
    ready: Condvar,
}

struct Lanes {
    first: Turns<Job>,
    usual: Turns<Job>,
    closed: bool,
}

impl Queue {
    fn push(&self, turn: Turn<'_>, job: Job) -> Result<(), NoRoom> {
        let mut lanes = self.lock();
        let lane = if turn.is_first { &mut lanes.first } else { &mut lanes.usual };
        lane.push(turn.app, job)?;
        drop(lanes);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for the next job. None, when there will be no more.
    fn next(&self) -> Option<Job> {
        let mut lanes = self.lock();
        loop {
            let job = lanes.first.pop().or_else(|| lanes.usual.pop());
            if job.is_some() || lanes.closed {
                return job;
            }
            lanes = self.ready.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No job runs under this lock, so what is behind it is never left half changed.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Starts so many threads, one of them with this memory. What they keep is as large as this.
    pub(super) fn start(threads: usize, memory: Memory) -> std::io::Result<Self> {
        let (first, usual) = (Turns::new(QUEUE + RESERVE, SHARE), Turns::new(QUEUE, SHARE));
        let lanes = Mutex::new(Lanes { first, usual, closed: false });
        let queue = Arc::new(Queue { lanes, ready: Condvar::new() });
        // Made before the threads: where one cannot be started, those that were end.
        let way = Arc::new(Way(Arc::clone(&queue)));
        let others = (1..threads).map(|_| Memory::new(memory.kept)).collect::<Vec<_>>();
        for memory in others.into_iter().chain([memory]) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("hash".into()).spawn(move || work(&queue, memory))?;
        }
        let hashed = Hashed { threads, running: Arc::default(), took: Histogram::new(&DURATIONS) };
        Ok(Self { way, queued: Arc::default(), hashed: Arc::new(hashed) })
    }

    /// Has this done by the next thread that is free.
    ///
    /// What has begun goes to its end even if the caller stops waiting, and keeps its place until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        turn: Turn<'_>,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let most = if turn.is_first { QUEUE + RESERVE } else { QUEUE };
        let place = Place::take(&self.queued, most).ok_or(ErrorCode::Busy)?;
        let (answer, answered) = oneshot::channel();
        let hashed = Arc::clone(&self.hashed);
        let job = move |memory: &mut Memory| {
            if answer.is_closed() {
                return;
            }
            let running = Place::take(&hashed.running, usize::MAX);
            let begun = Stopwatch::start();
            let outcome = work(memory);
            hashed.took.add(begun.nanos());
            drop((running, place));
            // A caller who left is no matter.
            let _ = answer.send(outcome);
        };
        self.way.0.push(turn, Box::new(job)).map_err(|NoRoom| ErrorCode::Busy)?;
        answered.await.map_err(|_| Refusal::new(ErrorCode::Internal))
    }

    /// What the threads have done and do.
    pub(super) fn hashed(&self) -> &Hashed {
        &self.hashed
    }

    /// Hashes that run or wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

fn work(queue: &Queue, mut memory: Memory) {
    while let Some(job) = queue.next() {
        // A panic has said what it is; whoever waited for the job is told that it failed, and the next one gets memory that is clean.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            memory.clear();
        }
    }
}

/// A place in the queue, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(queued: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Arc::clone(queued)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Argon2's memory, for one hash after another. Between them it holds zeros.
pub(super) struct Memory {
    blocks: Vec<Block>,
    kept: usize,
}

impl Memory {
    /// Memory of which so many blocks of 1 KiB are kept from one hash to the next.
    pub(super) fn new(kept: usize) -> Self {
        Self { blocks: Vec::new(), kept }
    }

    /// Lends so many blocks, and wipes them afterwards: the first ones would make guessing the password cheap. Nothing if there is not that much
    /// memory. More than is kept is taken in the place of what is kept, and given back.
    pub(super) fn lend<T>(&mut self, count: usize, hash: impl FnOnce(&mut [Block]) -> T) -> Option<T> {
        if self.blocks.len() < count {
            self.blocks = Vec::new();
            let wanted = count.max(self.kept);
            self.blocks.try_reserve_exact(wanted).ok()?;
            self.blocks.resize(wanted, Block::new());
        }
        let lent = self.blocks.get_mut(..count)?;
        let outcome = hash(lent);
        lent.iter_mut().for_each(Zeroize::zeroize);
        if self.blocks.len() > self.kept {
            self.blocks = Vec::new();
        }
        Some(outcome)
    }

    /// Wipes all of it.
    fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const SHOP: Turn<'static> = Turn::usual("shop");

    fn is_clean(memory: &Memory) -> bool {
        memory.blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0))
    }

    fn scribble(blocks: &mut [Block]) -> usize {
        for block in blocks.iter_mut() {
            block.as_mut().fill(7);
        }
        blocks.len()
    }

    #[test]
    fn memory_is_kept_as_far_as_it_is_usual_and_always_clean() {
        let mut memory = Memory::new(16);
        for (lent, kept) in [(16, 16), (8, 16), (24, 0), (8, 16)] {
            assert_eq!(memory.lend(lent, scribble), Some(lent));
            assert_eq!(memory.blocks.len(), kept, "after {lent}");
            assert!(is_clean(&memory), "after {lent}");
        }
        assert_eq!(memory.lend(usize::MAX, scribble), None);
        assert_eq!(memory.lend(16, scribble), Some(16));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_costs_its_own_job_only() {
        let pool = Pool::start(1, Memory::new(16)).unwrap();
        let bad = pool.run(SHOP, |memory| memory.lend(16, |blocks| assert_eq!(scribble(blocks), 0))).await;
        assert_eq!(bad.unwrap_err().code, ErrorCode::Internal);
        assert!(pool.run(SHOP, |memory| is_clean(memory)).await.unwrap());
        assert_eq!(pool.queued(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d6_a_hash_goes_on_without_its_caller_and_keeps_its_place() {
        let pool = Pool::start(1, Memory::new(16)).unwrap();
        let (go, wait) = channel::<()>();
        let (begun, begins) = oneshot::channel();
        let (done, ends) = oneshot::channel();
        let hash = pool.run(SHOP, move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
            let _ = done.send(());
        });
        let left = tokio::select! {
            _ = hash => false,
            _ = begins => true,
        };
        assert!(left && pool.queued() == 1, "the caller is gone, the hash is not");
        // One that has not begun is not begun for nobody.
        let mut waiting = Box::pin(pool.run(SHOP, |_| unreachable!("nobody waits for it")));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        drop(go);
        ends.await.unwrap();
        pool.run(SHOP, |_| ()).await.unwrap();
        assert_eq!(pool.queued(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d2_a_full_queue_keeps_no_known_device_waiting() {
        let pool = Pool::start(1, Memory::new(16)).unwrap();
        let (go, wait) = channel::<()>();
        let mut running = Box::pin(pool.run(SHOP, move |_| wait.recv()));
        assert!(futures_util::poll!(&mut running).is_pending());
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let order = Arc::clone(&order);
            move |_: &mut Memory| order.lock().unwrap().push(what)
        };
        let mut strangers: Vec<_> = (1..QUEUE)
            .map(|number| {
                let app = ["shop", "blog"][number % 2];
                Box::pin(pool.run(Turn::usual(app), note("stranger")))
            })
            .collect();
        for stranger in &mut strangers {
            assert!(futures_util::poll!(stranger).is_pending());
        }
        assert_eq!(pool.run(SHOP, note("late")).await.unwrap_err().code, ErrorCode::Busy);
        let mut owner = Box::pin(pool.run(Turn::first("shop"), note("owner")));
        assert!(futures_util::poll!(&mut owner).is_pending());
        drop(go);
        assert!(running.await.unwrap().is_err(), "its other end is gone");
        owner.await.unwrap();
        for stranger in strangers {
            stranger.await.unwrap();
        }
        let order = order.lock().unwrap();
        assert_eq!((order.len(), order[0]), (QUEUE, "owner"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d6_one_app_neither_fills_the_queue_nor_makes_another_wait_behind_all_of_it() {
        let pool = Pool::start(1, Memory::new(16)).unwrap();
        let (go, wait) = channel::<()>();
        let mut running = Box::pin(pool.run(SHOP, move |_| wait.recv()));
        assert!(futures_util::poll!(&mut running).is_pending());
        // Its thread may have taken it or not, so what waits is counted from here.
        while pool.way.0.lock().usual.len() > 0 {
            tokio::task::yield_now().await;
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let order = Arc::clone(&order);
            move |_: &mut Memory| order.lock().unwrap().push(what)
        };
        let mut flood: Vec<_> = (0..SHARE).map(|_| Box::pin(pool.run(SHOP, note("shop")))).collect();
        for hash in &mut flood {
            assert!(futures_util::poll!(hash).is_pending());
        }
        assert_eq!(pool.run(SHOP, note("late")).await.unwrap_err().code, ErrorCode::Busy);
        assert_eq!(pool.queued(), 1 + SHARE, "who was sent away keeps no place");
        let mut others: Vec<_> =
            (0..2).map(|_| Box::pin(pool.run(Turn::usual("blog"), note("blog")))).collect();
        for hash in &mut others {
            assert!(futures_util::poll!(hash).is_pending());
        }
        drop(go);
        assert!(running.await.unwrap().is_err(), "its other end is gone");
        for hash in others.into_iter().chain(flood) {
            hash.await.unwrap();
        }
        let order = order.lock().unwrap();
        assert_eq!(order[..5], ["shop", "blog", "shop", "blog", "shop"]);
        assert_eq!((order.len(), pool.queued()), (SHARE + 2, 0));
    }
}
