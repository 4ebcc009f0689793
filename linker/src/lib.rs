//! What a C library's start files would give a program, and nothing more: the entry point, what is on the
//! initial stack, the memory routines the compiler calls, and (beside this file) the linker script.
//!
//! A freestanding program links this crate and defines
//!
//! ```ignore
//! #[unsafe(no_mangle)]
//! fn pidone_main(start: linker::Start) -> ! { ... }
//! ```
//!
//! Reading order: [`start`] (what happens before `pidone_main`), `memory` (memcpy and its kin), `pidone.ld` (the file's
//! segments and what they must not hold), `README.md` (flag, reason, bytes).
#![no_std]
// A test has a C library's entry point and memory routines: ours are only called there, by their paths.
#![cfg_attr(test, allow(dead_code))]

#[cfg(test)]
extern crate std;

mod memory;
pub mod start;

pub use start::Start;
