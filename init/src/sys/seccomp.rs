//! Filters of system calls: seccomp(2).

use linux_raw_sys::general::__NR_seccomp;

use super::{Result, raw};
use crate::abi::bpf::Classic;

const SECCOMP_SET_MODE_FILTER: usize = 1;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    count: u16,
    instructions: *const Classic,
}

/// Filters this process's calls from now on; `flags` are `SECCOMP_FILTER_FLAG_*`. With a new listener its descriptor,
/// which is close-on-exec, is returned as a number: no call may be left with which to do something about it.
pub fn install(program: &[Classic], flags: u32) -> Result<u32> {
    let program = Program { count: program.len() as u16, instructions: program.as_ptr() };
    let call = [SECCOMP_SET_MODE_FILTER, flags as usize, &raw const program as usize, 0, 0];
    // SAFETY: a `struct sock_fprog` with as many instructions as it says (limits::FILTER_INSTRUCTIONS_MAX fit), which the
    // kernel checks and copies. All that can follow is that calls fail, which every caller expects.
    unsafe { raw::value(__NR_seccomp, call) }
}
