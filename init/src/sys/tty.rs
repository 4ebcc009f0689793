//! Terminals: ioctl_tty(2).

use linux_raw_sys::general::{__NR_ioctl, TCOFLUSH};
use linux_raw_sys::ioctl::{TCFLSH, TCSBRK, TIOCOUTQ, TIOCSCTTY};

use super::{BorrowedFd, raw, time, wait};
use crate::limits;

/// Waits until a terminal has sent all that was written to it, or can be expected not to. Other files need no waiting.
pub fn drain(terminal: BorrowedFd) {
    let deadline_us = time::monotonic_us() + limits::DRAIN_US;
    let mut held = 1_u32;
    // SAFETY: a borrowed descriptor, and the kernel writes one `int`.
    while unsafe { raw::call(__NR_ioctl, terminal.argument(), TIOCOUTQ as usize, &raw mut held as usize) }.is_ok()
        && held > 0
        && time::monotonic_us() < deadline_us
    {
        wait::pause();
    }
    if held == 0 {
        // What the device itself holds; for that the drivers have bounds of their own.
        // SAFETY: a borrowed descriptor and a number.
        let _ = unsafe { raw::call(__NR_ioctl, terminal.argument(), TCSBRK as usize, 1) };
    }
}

/// Throws away what a terminal has not sent: its closing would wait for that, half a minute.
pub fn discard(terminal: BorrowedFd) {
    // SAFETY: a borrowed descriptor and a number.
    let _ = unsafe { raw::call(__NR_ioctl, terminal.argument(), TCFLSH as usize, TCOFLUSH as usize) };
}

/// Makes the terminal that is standard input, if it is one, the controlling terminal of this process's new session.
pub fn take_control() {
    // SAFETY: takes numbers.
    let _ = unsafe { raw::call(__NR_ioctl, 0, TIOCSCTTY as usize, 0) };
}
