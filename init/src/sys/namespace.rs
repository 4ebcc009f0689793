//! Namespaces: setns(2), unshare(2), and the descriptors a process has open: close_range(2).

use linux_raw_sys::general::{__NR_close_range, __NR_ioctl, __NR_setns, __NR_unshare};

use super::{BorrowedFd, Result, raw};

/// linux/close_range.h.
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

/// Joins the namespace that `file` is open on, which must be of the kind `flag` (`CLONE_NEW*`). A pid namespace is joined
/// by the children made from now on.
pub fn join(file: BorrowedFd, flag: u64) -> Result<()> {
    // SAFETY: takes a descriptor and a number. There is one thread, so nothing is shared that could be torn apart.
    unsafe { raw::call(__NR_setns, file.argument(), flag as usize, 0) }
}

/// The kind (`CLONE_NEW*`) of the namespace that `file` is open on: ioctl_ns(2). ENOTTY: it is no namespace.
pub fn kind(file: BorrowedFd) -> Result<u32> {
    /// `NS_GET_NSTYPE`.
    const GET_TYPE: usize = 0xb703;
    // SAFETY: a borrowed descriptor; the request takes nothing.
    unsafe { raw::value(__NR_ioctl, [file.argument(), GET_TYPE, 0, 0, 0]) }
}

/// Leaves a namespace for a new one of the kinds in `flags`.
pub fn unshare(flags: u64) -> Result<()> {
    // SAFETY: `CLONE_NEW*` flags only: they share no memory and no descriptors.
    unsafe { raw::call(__NR_unshare, flags as usize, 0, 0) }
}

/// Marks every descriptor from `first` up close-on-exec.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: takes three numbers, and closes nothing now.
    unsafe { raw::call(__NR_close_range, first as usize, u32::MAX as usize, CLOSE_RANGE_CLOEXEC as usize) }
}
