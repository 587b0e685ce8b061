//! The board on a file that is really mapped, as fast as it goes: one thread takes things back, another verifies, a third keeps the lease.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

/// How often something is taken back.
const ROUNDS: u64 = 100_000;
/// The newest stamp before that.
const BEFORE: u64 = 10;

/// What has come of the verifications.
#[derive(Debug, Default)]
struct Seen {
    refused: u64,
    good: u64,
    /// Stamps that were accepted, each with a newer one whose answer was heard before.
    wrong: Vec<(u64, u64)>,
}

#[test]
fn nothing_is_accepted_after_the_answer_that_took_it_back() {
    let house = House::new();
    let board = house.serving(BEFORE);
    let reader = read(&board);
    let (answered, over) = (AtomicU64::new(BEFORE), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        let taking_back = scope.spawn(|| take_back(&board, &answered));
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                board.tend(NOW);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let seen = verify(&reader, &answered, || taking_back.is_finished());
        over.store(true, Ordering::Relaxed);
        seen
    });
    assert_eq!(seen.wrong, [], "{} were refused", seen.refused);
    assert!(seen.refused > 0 && seen.good > 0, "{seen:?}");
    assert_eq!(check(&reader, BEFORE + ROUNDS), Ok(()), "all is quiet again");
}

/// Each round concerns the one session there is, by its own slot, by its user's or by the floor, and is answered once it is on the board.
fn take_back(board: &Board, answered: &AtomicU64) {
    for stamp in BEFORE + 1..=BEFORE + ROUNDS {
        let raise = match mixed(stamp) % 8 {
            0..4 => Raise::Session(SESSION),
            4..7 => Raise::User(USER),
            _ => Raise::Everything,
        };
        board.publish(&[(raise, Stamp(stamp))], None, Stamp(stamp));
        answered.store(stamp, Ordering::Release);
    }
}

/// Until all is over: what has seen the newest answer may stand, and what is older may not.
fn verify(reader: &Reader<ReadMapping>, answered: &AtomicU64, over: impl Fn() -> bool) -> Seen {
    let mut seen = Seen::default();
    loop {
        let last = over();
        let heard = answered.load(Ordering::Acquire);
        if heard > BEFORE {
            // The newest of them are those that only the last round has taken back.
            let older = heard - 1 - mixed(heard ^ seen.refused) % (heard - BEFORE).min(4);
            match check(reader, older) {
                Ok(()) => seen.wrong.push((older, heard)),
                Err(_) => seen.refused += 1,
            }
        }
        seen.good += u64::from(check(reader, heard).is_ok());
        if last || seen.wrong.len() > 10 {
            return seen;
        }
    }
}

/// Spreads numbers, so that neither thread goes by a pattern.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}
