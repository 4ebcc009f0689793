//! The kernel's calls: typed outside, `unsafe` inside, one file a concern. Each function is one system call or one
//! indivisible habit, returns the bare error number, and says in its documentation which man page it follows.
//!
//! All calls are made through [`raw`], which is compiled once, with what is common to them.

pub mod arena;
pub mod block;
pub mod board;
pub mod bpf;
pub mod epoll;
pub mod fd;
pub mod file;
pub mod identity;
pub mod image;
pub mod input;
pub mod machine;
pub mod map;
pub mod module;
pub mod mount;
pub mod namespace;
pub mod path;
pub mod pio;
pub mod pipe;
pub mod power;
pub mod process;
pub mod random;
mod raw;
pub mod record;
pub mod region;
pub mod scheduling;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod texts;
pub mod time;
pub mod tty;
pub mod wait;
pub mod watchdog;

pub use fd::{AsFd, BorrowedFd, OwnedFd};

/// What a system call returns: a value, or the kernel's bare error number.
pub type Result<T> = core::result::Result<T, crate::abi::Errno>;
