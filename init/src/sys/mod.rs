//! The kernel's calls: typed outside, `unsafe` inside, one file a concern. Each function is one system call or one
//! indivisible habit, returns the bare error number, and says in its documentation which man page it follows.
//!
//! rustix has most calls; the few it lacks are made through [`raw`].

pub mod arena;
pub mod block;
pub mod bpf;
pub mod file;
pub mod identity;
pub mod input;
pub mod machine;
pub mod map;
pub mod module;
pub mod mount;
pub mod namespace;
pub mod path;
pub mod power;
pub mod process;
mod raw;
pub mod region;
pub mod signal;
pub mod texts;
pub mod time;
pub mod wait;

pub use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a system call returns: a value, or the kernel's bare error number.
pub type Result<T> = core::result::Result<T, rustix::io::Errno>;
