//! What callers hear of a fault, and when.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::caller::daemon_itself;
use crate::domain::fixture;
use crate::store::Store;
use crate::store::model::house::{Manual, keys};

/// Fails where a commit is on disk already.
#[derive(Default)]
struct Faulty {
    closed: AtomicBool,
}

impl Audience for Faulty {
    fn committed(&self, _: &Committed) {
        panic!("a fault that the test asks for");
    }

    fn failed(&self) {
        // Long enough for a caller to be told too early.
        std::thread::sleep(Duration::from_millis(200));
        self.closed.store(true, Ordering::Release);
    }

    fn running_out(&self) {}
    fn prepare(&self, _: &Committed) -> Result<(), StoreError> {
        Ok(())
    }
    fn read_again(&self, _: &[Key], _: Stamp) -> Result<(), StoreError> {
        Ok(())
    }
    fn healed(&self, _: Stamp, _: Millis) {}
}

#[test]
fn nobody_hears_of_a_fault_before_the_board_is_closed() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("state"), [7; 48], |_, _| Ok(keys())).unwrap();
    let clock = Arc::new(Clock::starting_at(Arc::new(Manual::new()), 0));
    let (audience, (stopped, _)) = (Arc::new(Faulty::default()), oneshot::channel());
    let (writer, thread) =
        store.start_writer(clock, fixture::policy(), Stamp(1), audience.clone(), stopped).unwrap();

    let fresh = Fresh { id: [0; 10], jti: [0; 8], device: [0; 16], jitter: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = runtime.block_on(writer.submit(daemon_itself(), Command::Start, fresh));
    assert!(audience.closed.load(Ordering::Acquire), "told before: {told:?}");
    assert_eq!(told.unwrap_err().code, ErrorCode::Unknown);
    thread.join().unwrap_err();
}
