//! See `hallpassd::fuzzing::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::config(data));
