//! See `hallpassd::fuzzing::audit`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hallpassd::fuzzing::audit(data));
