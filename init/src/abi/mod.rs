//! The kernel's and the specification's numbers, layouts and names. Data only: nothing here calls, allocates or decides.

pub mod bpf;
pub mod capability;
pub mod errno;
pub mod mount;
pub mod namespace;
pub mod rlimit;
pub mod scheduling;
pub mod seccomp;
pub mod signal;
pub mod syscall;

pub use errno::Errno;
