//! See `hallpassd::fuzzing::rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::rows(data));
