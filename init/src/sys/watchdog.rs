//! Watchdogs: the kernel's Documentation/watchdog/watchdog-api.rst.

use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl::WDIOC_SETTIMEOUT;

use super::{BorrowedFd, Result, raw};

/// Sets how long a watchdog waits for a sign of life.
pub fn set_timeout(device: BorrowedFd, seconds: u32) -> Result<()> {
    let mut seconds = seconds;
    // SAFETY: a borrowed descriptor, and the kernel reads one `int` and writes what it made of it.
    unsafe { raw::call(__NR_ioctl, device.argument(), WDIOC_SETTIMEOUT as usize, &raw mut seconds as usize) }
}
