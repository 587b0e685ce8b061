//! The Hallpass session daemon and its control command.

mod ctl;

pub use ctl::ctl_main;
