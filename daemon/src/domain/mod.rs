//! The rules, as plain functions: facts and a command in, effects and an outcome out.
//!
//! Nothing here reads a clock, draws randomness or touches a file. Time and fresh randomness are arguments, so every edge can be tested.

pub(crate) mod account;
pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod decide;
pub(crate) mod effect;
pub(crate) mod family;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod keyset;
pub(crate) mod login;
pub(crate) mod opening;
pub(crate) mod policy;
pub(crate) mod raise;
pub(crate) mod reseal;
pub(crate) mod retention;
pub(crate) mod revocation;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod time;
