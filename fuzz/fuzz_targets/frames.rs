//! See `hallpassd::fuzzing::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::frames(data));
