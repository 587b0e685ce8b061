//! The control command on a real terminal: its colours, how far it is, and what it does not do to one.
#![cfg(test)]

mod colours;
mod progress;
mod pty;
#[expect(dead_code, reason = "each test file uses its part")]
#[path = "../support/mod.rs"]
mod support;
