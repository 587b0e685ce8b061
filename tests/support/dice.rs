//! Choices that a seed repeats, for tests that try at random.

use std::io::Write;

/// Names a seed to try again with.
pub(crate) const SEED_VARIABLE: &str = "HALLPASS_SEED";

/// A small generator of random-looking numbers (splitmix64). If the test fails while it lives, it says how to roll the same again.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// The dice with the seed that the environment names, or a fresh one.
    pub(crate) fn new() -> Self {
        let named = std::env::var(SEED_VARIABLE).ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = named.unwrap_or_else(|| getrandom::u64().expect("the system has random bits"));
        Self { seed, state: seed }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that does so `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, if there are any.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        let index = self.below(from.len() as u64);
        usize::try_from(index).ok().and_then(|index| from.get(index)).copied()
    }

    /// Dice of their own for somebody else, so that the order in which the two roll does not matter.
    pub(crate) fn split(&mut self) -> Self {
        Self { seed: self.seed, state: self.next() }
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "to choose the same again: {SEED_VARIABLE}={}", self.seed);
        }
    }
}

/// A number from the environment, such as how many rounds to run, or what holds without it.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |number| number.parse().expect("a number"))
}

/// Says what a long run came to, past the capture of the test harness.
pub(crate) fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
