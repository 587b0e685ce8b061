//! What is fuzzed: for each place that reads what somebody else has written, a check that takes any bytes and panics where a promise is broken.
//!
//! `fuzz/` calls them with a fuzzer behind it; the tests here call them with its seeds, so that no input that broke a promise once does it again.

mod chain;
#[cfg(test)]
mod seeds;
mod settings;
mod tokens;
mod wire;

pub use crate::ctl::fuzzed::users;
pub use crate::store::fuzzed::rows;
pub use chain::audit;
pub use settings::config;
pub use tokens::{jwks, jws, token};
pub use wire::{frames, hello};
