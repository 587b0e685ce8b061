//! The Hallpass daemon and its control command, as a library: the two binaries only name what they are.

mod admin_service;
mod auth_service;
mod backup;
mod board;
mod budget;
mod caller;
mod clock;
mod config;
mod connection;
mod ctl;
mod daemon;
mod daemon_main;
mod domain;
mod door;
mod entropy;
mod export;
mod files;
mod followed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod hex;
mod jwks;
mod keys;
mod listener;
mod live;
mod log;
#[cfg(feature = "bench")]
mod measured;
mod metrics;
mod near;
mod notify;
#[cfg(test)]
mod pages;
mod passed;
mod password;
mod publish;
mod refused;
mod reseal;
mod restore;
mod running;
mod shared;
mod slices;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timing;
mod turns;
#[cfg(test)]
mod vectors;
mod verify;

pub use ctl::ctl_main;
pub use daemon_main::daemon_main;
#[cfg(feature = "bench")]
pub use measured::measured_main;
