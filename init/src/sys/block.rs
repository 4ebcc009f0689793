//! Letting go of block devices that stand on others: loop(4), and the device mapper's ioctl of linux/dm-ioctl.h.

use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl::DM_REMOVE_ALL;
use linux_raw_sys::loop_device::LOOP_CLR_FD;

use super::{BorrowedFd, Result, raw};

/// Detaches a loop device from its file: `LOOP_CLR_FD`. While somebody uses it, the kernel does so when the last one
/// closes it.
pub fn release_loop(device: BorrowedFd) -> Result<()> {
    // SAFETY: takes no third argument.
    unsafe { raw::call(__NR_ioctl, device.argument(), LOOP_CLR_FD as usize, 0) }
}

/// `sizeof(struct dm_ioctl)`, in words: version[3], data_size, data_start, and fields that this request leaves 0.
const HEADER_WORDS: usize = 78;
/// Major version of the interface since Linux 2.6.
const VERSION: u32 = 4;

/// Removes every mapped device that nobody uses: `DM_REMOVE_ALL`. `control` is /dev/mapper/control.
pub fn remove_mapped(control: BorrowedFd) -> Result<()> {
    let mut request = [0_u32; HEADER_WORDS];
    let [version, _, _, size, start, ..] = &mut request;
    (*version, *size, *start) = (VERSION, 4 * HEADER_WORDS as u32, 4 * HEADER_WORDS as u32);
    // SAFETY: one `struct dm_ioctl`, which says its own size; the kernel does not pass that.
    unsafe { raw::call(__NR_ioctl, control.argument(), DM_REMOVE_ALL as usize, request.as_mut_ptr() as usize) }
}
