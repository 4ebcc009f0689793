//! See `fuzz::systemd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::systemd(bytes));
