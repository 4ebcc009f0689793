//! What comes behind the end of a machine.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::Report;

/// Puts a kernel in place that the machine can go on with: kexec_file_load(2).
pub(crate) fn next_kernel(kernel: &str, initramfs: &str, command_line: &[&str], report: &mut Report) {
    report.outcome("next-kernel", kernel, load(kernel, initramfs, &command_line.join(" ")));
}

fn load(kernel: &str, initramfs: &str, command_line: &str) -> io::Result<()> {
    let (kernel, initramfs) = (File::open(kernel)?, File::open(initramfs)?);
    let command_line = CString::new(command_line)?;
    let length = command_line.as_bytes_with_nul().len();
    // SAFETY: two descriptors, and a string of that length, its NUL included.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initramfs.as_raw_fd(),
            length,
            command_line.as_ptr(),
            0_usize,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
