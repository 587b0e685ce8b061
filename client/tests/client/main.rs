//! The client against a daemon that misbehaves on demand.

#[cfg(feature = "admin")]
mod administering;
mod asking;
mod coalescing;
mod fake;
mod reaching;
mod renewing;
