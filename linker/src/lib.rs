//! What a C library's start files would give a program, and nothing more: the entry point, the argument vector, the
//! memory routines the compiler calls, and (beside this file) the linker script.
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

mod memory;
pub mod start;

pub use start::Start;
