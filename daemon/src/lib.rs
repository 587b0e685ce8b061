//! The Hallpass daemon and its control command, as a library: the two binaries only name what they are.

mod admin_service;
mod auth_service;
mod backup;
mod board;
mod caller;
mod clock;
mod config;
mod connection;
mod ctl;
mod daemon;
mod daemon_main;
mod domain;
mod entropy;
mod export;
mod files;
mod held;
mod hex;
mod keys;
mod listener;
mod notify;
mod passed;
mod password;
mod publish;
mod reseal;
mod restore;
mod running;
mod shared;
mod store;
#[cfg(test)]
mod vectors;
mod verify;

pub use ctl::ctl_main;
pub use daemon_main::daemon_main;
