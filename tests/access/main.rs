//! Nobody gets in who does not belong: every operation by every kind of caller, what can be told from refusals, and what one app can do to another.
#![cfg(test)]

mod errand;
mod fairness;
mod frames;
mod matrix;
mod oracle;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../hostile/raw.rs"]
mod raw;
mod statistics;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;
mod worst;
