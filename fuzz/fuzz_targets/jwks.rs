//! See `hallpassd::fuzzing::jwks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::jwks(data));
