//! Kernel modules: finit_module(2).

use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::Result;

/// `MODULE_INIT_COMPRESSED_FILE` of `linux/module.h`.
const COMPRESSED: i32 = 4;

/// Loads a module from its file. One that is there already is as good as loaded; one that is being loaded by somebody
/// else is waited for, by the kernel. The kernel unpacks a `compressed` file itself (Linux 5.17 with
/// CONFIG_MODULE_DECOMPRESS).
pub fn load(file: BorrowedFd, parameters: &CStr, compressed: bool) -> Result<()> {
    match rustix::system::finit_module(file, parameters, if compressed { COMPRESSED } else { 0 }) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}
