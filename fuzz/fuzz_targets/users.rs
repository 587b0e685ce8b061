//! See `hallpassd::fuzzing::users`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::users(data));
