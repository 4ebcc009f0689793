//! The file that this process runs, as others see it: /proc/PID/exe.
//!
//! Whoever is in a container and finds there the file of a process of ours could write to it, and has then a program on the
//! machine that its root will run again (CVE-2019-5736). That we cannot be looked into does not help: a container's program
//! may itself be a link or a script that leads to /proc/self/exe, and then the container runs our file, openly. That a
//! running file cannot be written to does not help either: it will not run for ever. So it must be a file that nobody can
//! write to: on a read-only file system, somebody else's, or a copy in memory that is sealed; or where the machine lets no
//! such copy be executed (`vm.memfd_noexec=2`), the same file by a mount of its own, which is read-only and in no namespace.
//!
//! PID 1 needs none of this: its own file runs as long as there are containers.

use core::ffi::CStr;

use linux_raw_sys::general::{
    __NR_execveat, __NR_faccessat, __NR_fcntl, __NR_memfd_create, __NR_sendfile, AT_EMPTY_PATH, F_ADD_SEALS,
    F_GET_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, W_OK,
};

use super::file::{self, CWD, Open};
use super::process::Vector;
use super::{AsFd, OwnedFd, Result, mount, raw};
use crate::abi::Errno;
use crate::abi::mount::MOUNT_ATTR_RDONLY;

const FILE: &CStr = c"/proc/self/exe";

/// Returns when nobody with this process's rights or fewer can write to the file that it runs; for that it may have to
/// execute a copy, with these arguments.
pub fn protect(arguments: &Vector, environment: &Vector) -> Result<()> {
    // SAFETY: a C string and numbers.
    if unsafe { raw::call(__NR_faccessat, CWD.argument(), FILE.as_ptr() as usize, W_OK as usize) }.is_err() {
        return Ok(());
    }
    let image = file::open(CWD, FILE, Open::Read)?;
    // SAFETY: a borrowed descriptor and numbers.
    let seals = unsafe { raw::value(__NR_fcntl, [image.as_fd().argument(), F_GET_SEALS as usize, 0, 0, 0]) };
    if seals.is_ok_and(|seals| seals & F_SEAL_WRITE != 0) {
        return Ok(());
    }
    let copy = match sealed_copy(&image) {
        Err(Errno::ACCESS) => readonly_mount()?,
        copy => copy?,
    };
    let (arguments, environment) = (arguments.pointer(), environment.pointer());
    let call = [copy.as_fd().argument(), c"".as_ptr() as usize, arguments, environment, AT_EMPTY_PATH as usize];
    // SAFETY: a borrowed descriptor, a C string, and two vectors that end in NULL, all alive during the call.
    unsafe { raw::value(__NR_execveat, call) }.map(drop)
}

/// The file by a mount that nobody can find, and that stays as it is: who is in another mount namespace can neither copy
/// nor change one that is in none.
fn readonly_mount() -> Result<OwnedFd> {
    let tree = mount::clone_tree(FILE, false)?;
    mount::set_attributes(tree.as_fd(), MOUNT_ATTR_RDONLY, 0, 0, false)?;
    Ok(tree)
}

fn sealed_copy(image: &OwnedFd) -> Result<OwnedFd> {
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    // SAFETY: a C string and a number.
    let make =
        |flags: u32| unsafe { raw::value(__NR_memfd_create, [c"pidone".as_ptr() as usize, flags as usize, 0, 0, 0]) };
    // Kernels before 6.3 do not know MFD_EXEC, and do not need it.
    let made = make(flags | MFD_EXEC).or_else(|errno| if errno == Errno::INVAL { make(flags) } else { Err(errno) })?;
    // SAFETY: the kernel just made it and nobody else knows it.
    let copy = unsafe { OwnedFd::new(made) };
    loop {
        const PIECE: usize = 1 << 20;
        // SAFETY: two borrowed descriptors and numbers; the file's own position is used.
        if unsafe { raw::value(__NR_sendfile, [copy.as_fd().argument(), image.as_fd().argument(), 0, PIECE, 0]) }? == 0
        {
            break;
        }
    }
    let seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    // SAFETY: a borrowed descriptor and numbers.
    unsafe { raw::call(__NR_fcntl, copy.as_fd().argument(), F_ADD_SEALS as usize, seals as usize) }?;
    Ok(copy)
}
