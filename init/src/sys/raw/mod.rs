//! System calls that rustix does not have, by number: syscall(2).

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
use x86_64::syscall6;

use rustix::io::Errno;

/// Makes a system call with up to six arguments. A result from -4095 to -1 is an error number (syscall(2)).
///
/// # Safety
/// The arguments must be what the call's man page asks for: pointers to live memory of the right size and kind, and
/// descriptors that the caller owns or borrows.
pub(super) unsafe fn call(number: u32, arguments: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise is the same.
    let result = unsafe { syscall6(number as usize, arguments) };
    if result > -4096_isize as usize {
        return Err(Errno::from_raw_os_error((result as isize).wrapping_neg() as i32));
    }
    Ok(result)
}
