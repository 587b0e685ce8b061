//! Tokens as requests bring them: each a text that was just read, in no order.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// As much text as is copied at once: it stays in the processor's nearest caches, as what was just read from a socket does.
const NEAR: usize = 24 << 10;

/// An order of so many tokens that nothing foresees, the same in each run.
pub fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for at in (1..count).rev() {
        // The step of splitmix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        order.swap(at, (mixed >> 33) as usize % (at + 1));
    }
    order
}

/// Nanoseconds that one look takes, of this many. The time in which texts are copied does not count.
pub fn nanos_each<T>(tokens: &[&str], order: &[usize], looks: usize, look: impl Fn(&str) -> T) -> f64 {
    let longest = tokens.iter().map(|token| token.len()).max().unwrap_or(1);
    let mut texts = vec![String::with_capacity(longest); (NEAR / longest).clamp(1, order.len())];
    let (mut next, mut looked, mut spent) = (order.iter().cycle(), 0, Duration::ZERO);
    while looked < looks {
        for (text, number) in texts.iter_mut().zip(&mut next) {
            text.clear();
            text.push_str(tokens[*number]);
        }
        let begun = Instant::now();
        for text in &texts {
            black_box(look(black_box(text)));
        }
        spent += begun.elapsed();
        looked += texts.len();
    }
    spent.as_secs_f64() * 1e9 / looked as f64
}

/// Looks a second by threads that run at the same time, each on a core of its own: all of them together. Every thread has its own copy of every text,
/// and nothing is done in between that would keep them out of each other's way.
pub fn a_second<T>(tokens: &[&str], cores: &[usize], looks: usize, look: impl Fn(&str) -> T + Sync) -> f64 {
    let start = std::sync::Barrier::new(cores.len());
    let run = |core: usize| {
        // Where a thread cannot be put, it runs where it may.
        let _ = crate::place::here(core);
        let order = shuffled(tokens.len(), core as u64);
        let texts: Vec<String> = order.iter().map(|number| tokens[*number].to_owned()).collect();
        let round = || texts.iter().for_each(|text| drop(black_box(look(black_box(text)))));
        round();
        start.wait();
        let begun = Instant::now();
        for _ in 0..looks / texts.len() {
            round();
        }
        let took = begun.elapsed().as_secs_f64();
        (looks / texts.len() * texts.len()) as f64 / took
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores.iter().map(|core| scope.spawn(|| run(*core))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}
