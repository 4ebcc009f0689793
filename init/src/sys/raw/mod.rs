//! System calls by number: syscall(2). Not one of them takes a sixth argument other than 0.
//!
//! What is common to all is compiled once, and arguments stay in registers: calls are most of what this program does.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{clone_here, port_in, port_out};

#[cfg(target_arch = "x86_64")]
use x86_64::system_call;

use crate::abi::Errno;

/// Makes a system call with up to three arguments of which only the success counts.
///
/// # Safety
/// The arguments must be what the call's man page asks for: pointers to live memory of the right size and kind, and
/// descriptors that the caller owns or borrows.
#[inline(always)]
pub(super) unsafe fn call(number: u32, a: usize, b: usize, c: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise is the same.
    unsafe { success(a, b, c, number) }
}

/// Makes a system call with up to five arguments that returns a descriptor, an id or a count.
///
/// # Safety
/// See [`call`].
#[inline(always)]
pub(super) unsafe fn value(number: u32, [a, b, c, d, e]: [usize; 5]) -> Result<u32, Errno> {
    // SAFETY: the caller's promise is the same.
    unsafe { checked(a, b, c, d, e, number) }
}

/// Makes a system call with up to five arguments that returns an address or an error's negated number.
///
/// # Safety
/// See [`call`].
#[inline(always)]
pub(super) unsafe fn address(number: u32, [a, b, c, d, e]: [usize; 5]) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { system_call(a, b, c, d, e, number) }
}

/// # Safety
/// See [`call`].
#[inline(never)]
unsafe fn success(a: usize, b: usize, c: usize, number: u32) -> Result<(), Errno> {
    // SAFETY: the caller's promise is the same.
    unsafe { checked(a, b, c, 0, 0, number) }.map(drop)
}

/// A result from -4095 to -1 is an error number (syscall(2)).
///
/// # Safety
/// See [`call`].
#[inline(never)]
unsafe fn checked(a: usize, b: usize, c: usize, d: usize, e: usize, number: u32) -> Result<u32, Errno> {
    // SAFETY: the caller's promise is the same.
    let result = unsafe { system_call(a, b, c, d, e, number) };
    if result > -4096_isize as usize {
        return Err(Errno::new((result as u32).wrapping_neg()));
    }
    Ok(result as u32)
}
