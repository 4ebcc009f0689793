//! Kernel modules: finit_module(2).

use super::texts::CStr;
use crate::abi::Errno;
use linux_raw_sys::general::__NR_finit_module;

use super::{BorrowedFd, Result, raw};

/// `MODULE_INIT_COMPRESSED_FILE` of `linux/module.h`.
const COMPRESSED: usize = 4;

/// Loads a module from its file. One that is there already is as good as loaded; one that is being loaded by somebody
/// else is waited for, by the kernel. The kernel unpacks a `compressed` file itself (Linux 5.17 with
/// CONFIG_MODULE_DECOMPRESS).
pub fn load(file: BorrowedFd, parameters: &CStr, compressed: bool) -> Result<()> {
    let flags = if compressed { COMPRESSED } else { 0 };
    // SAFETY: a borrowed descriptor, a C string and a number.
    match unsafe { raw::call(__NR_finit_module, file.argument(), parameters.as_ptr() as usize, flags) } {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}
