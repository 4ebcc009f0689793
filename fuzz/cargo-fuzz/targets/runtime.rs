//! See `fuzz::runtime`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::runtime(bytes));
