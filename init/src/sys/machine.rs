//! What is the machine's own: its name, its kernel's release, its clock. uname(2), sethostname(2), clock_settime(2).

use super::texts::CStr;

use linux_raw_sys::general::{__NR_clock_settime, __NR_keyctl, __NR_setdomainname, __NR_sethostname, CLOCK_REALTIME};
pub use rustix::system::uname;

use super::{Result, raw};
use crate::abi::Errno;

/// Names the machine, or this process's uts namespace: sethostname(2).
pub fn set_hostname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { raw::call(__NR_sethostname, name.as_ptr() as usize, name.len(), 0) }
}

/// Sets the NIS domain name: setdomainname(2).
pub fn set_domainname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { raw::call(__NR_setdomainname, name.as_ptr() as usize, name.len(), 0) }
}

/// Sets the system's clock.
pub fn set_clock_seconds(seconds: u64) -> Result<()> {
    let time = [seconds, 0];
    // SAFETY: the kernel reads one `struct timespec`, two 64-bit words on the targets we build for.
    unsafe { raw::call(__NR_clock_settime, CLOCK_REALTIME as usize, time.as_ptr() as usize, 0) }
}

/// Gives this process a session keyring of its own: keyctl(2) KEYCTL_JOIN_SESSION_KEYRING. A kernel that has none, and a
/// user who may have no more, keep what is there, as runc does.
pub fn new_session_keyring(name: &CStr) -> Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    // SAFETY: a number and a C string.
    match unsafe { raw::call(__NR_keyctl, JOIN_SESSION_KEYRING, name.as_ptr() as usize, 0) } {
        Err(Errno::NOSYS | Errno::DQUOT) => Ok(()),
        result => result,
    }
}
