//! The file that this process runs, as others see it: /proc/PID/exe.
//!
//! Whoever is in a container and finds there the file of a process of ours could write to it, and has then a program on the
//! machine that its root will run again (CVE-2019-5736). That we cannot be looked into does not help: a container's program
//! may itself be a link or a script that leads to /proc/self/exe, and then the container runs our file, openly. That a
//! running file cannot be written to does not help either: it will not run for ever. So it must be a file that nobody can
//! write to: on a read-only file system, somebody else's, or none of the machine's. [`leave`] is the cheap way: the process
//! goes on in the same file by a mount of its own, which is read-only and in no namespace. Where the kernel or a policy does
//! not let it, there is [`execute_copy`]: of a copy in memory that is sealed; or where the machine lets no such copy be
//! executed (`vm.memfd_noexec=2`), of the file by such a mount.
//!
//! PID 1 needs none of this: its own file runs as long as there are containers.

use super::texts::CStr;
use core::ops::Range;

use linux_raw_sys::general::{
    __NR_execveat, __NR_fcntl, __NR_memfd_create, __NR_mmap, __NR_prctl, __NR_sendfile, AT_EMPTY_PATH, F_ADD_SEALS,
    F_GET_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, MAP_ANONYMOUS, MAP_FIXED, MAP_POPULATE,
    MAP_PRIVATE, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, PROT_EXEC, PROT_READ, PROT_WRITE,
};
use linux_raw_sys::prctl::{PR_SET_MM, PR_SET_MM_MAP, prctl_mm_map};

use super::file::{self, CWD, Open};
use super::path::{decimal, join};
use super::process::Vector;
use super::{AsFd, OwnedFd, Result, mount, raw};
use crate::abi::Errno;

const FILE: &CStr = s!("/proc/self/exe");

/// Whether this process's user may write to the file that it runs.
pub fn is_writable() -> bool {
    file::is_writable(FILE)
}

/// Executes a sealed copy of the file, with these arguments, unless this process runs it already.
pub fn execute_copy(arguments: &Vector, environment: &Vector) -> Result<()> {
    let image = file::open(CWD, FILE, Open::Read)?;
    // SAFETY: a borrowed descriptor and numbers.
    let seals = unsafe { raw::value(__NR_fcntl, [image.as_fd().argument(), F_GET_SEALS as usize, 0, 0, 0]) };
    if seals.is_ok_and(|seals| seals & F_SEAL_WRITE != 0) {
        return Ok(());
    }
    let copy = match sealed(&image) {
        Err(Errno::ACCESS) => readonly_file()?,
        copy => copy?,
    };
    let (arguments, environment) = (arguments.pointer(), environment.pointer());
    let call = [copy.as_fd().argument(), s!("").as_ptr() as usize, arguments, environment, AT_EMPTY_PATH as usize];
    // SAFETY: a borrowed descriptor, a C string, and two vectors that end in NULL, all alive during the call.
    unsafe { raw::value(__NR_execveat, call) }.map(drop)
}

/// The file by a mount that nobody can find, and that stays as it is: nobody can copy or change one that is in no namespace,
/// and it is in none from when `tree` is closed.
fn readonly_file() -> Result<OwnedFd> {
    let tree = mount::clone_readonly(CWD, FILE, false)?;
    let (mut path, mut digits) = ([0; 32], [0; 10]);
    let digits = decimal(&mut digits, tree.as_fd().number());
    file::open(CWD, join(&mut path, &[b"/proc/self/fd/", digits])?, Open::Read)
}

const PAGE: usize = 4096;

/// Where the file's code and data are in memory, in whole pages, by its own headers.
fn segments() -> [Range<usize>; 2] {
    unsafe extern "C" {
        /// Where the linker has put the ELF header.
        static __ehdr_start: [u8; 64];
    }
    /// `e_phoff`, `PT_LOAD` headers, which come first, and fields of them: elf(5).
    const FIRST: usize = 64;
    const HEADER: usize = 56;
    const ADDRESS: usize = 16;
    const BYTES: usize = 32;
    let start = &raw const __ehdr_start as *const u8;
    [0, 1].map(|number| {
        // SAFETY: the linker script puts the header and those of two segments at the beginning of the first one.
        let field = |at: usize| unsafe { start.add(FIRST + HEADER * number + at).cast::<usize>().read_unaligned() };
        let address = field(ADDRESS);
        let end = address.saturating_add(field(BYTES)).saturating_add(PAGE - 1);
        address & !(PAGE - 1)..end & !(PAGE - 1)
    })
}

/// Goes on in another mapping of the file's segments, and takes what that is of for the file that it runs. Costs a tenth of
/// executing a copy. What `ps` shows as the command line and the environment stays what it was.
pub fn leave(arguments: Range<usize>, environment: Range<usize>) -> Result<()> {
    let [code, data] = segments();
    let file = readonly_file()?;
    map_code(&code, &file)?;
    renew(&data)?;
    let here = &raw const file as u64;
    let map = prctl_mm_map {
        start_code: code.start as u64,
        end_code: code.end as u64,
        start_data: data.start as u64,
        end_data: data.end as u64,
        start_brk: data.end as u64,
        brk: data.end as u64,
        start_stack: here,
        arg_start: arguments.start as u64,
        arg_end: arguments.end as u64,
        env_start: environment.start as u64,
        env_end: environment.end as u64,
        auxv: core::ptr::null_mut(),
        auxv_size: 0,
        exe_fd: file.as_fd().number(),
    };
    let (option, pointer) = (PR_SET_MM as usize, &raw const map as usize);
    // SAFETY: a whole `prctl_mm_map` of the size given. What it says is for others to read; the kernel refuses to let go of
    // a file that is still mapped.
    unsafe { raw::value(__NR_prctl, [option, PR_SET_MM_MAP as usize, pointer, size_of::<prctl_mm_map>(), 0]) }.map(drop)
}

/// Maps the same code in its place, from where the file begins.
fn map_code(code: &Range<usize>, file: &OwnedFd) -> Result<()> {
    let Range { start, end } = *code;
    let (protection, flags) = (PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE);
    let call = [start, end - start, protection as usize, flags as usize, file.as_fd().argument()];
    // SAFETY: every byte is what it was: it is the file that this process runs, which nobody can write to meanwhile, and
    // the linker script puts the segment at its beginning. Nobody writes to what is mapped.
    let mapped = unsafe { raw::address(__NR_mmap, call) };
    if mapped == start { Ok(()) } else { Err(Errno::NOMEM) }
}

/// Puts memory of this process's own in the place of what it can write to, with the same content.
fn renew(data: &Range<usize>) -> Result<()> {
    // It is little: what does not begin as zeros.
    let mut content = [0_u8; 2 * PAGE];
    let (start, length) = (data.start, data.len());
    if length > content.len() {
        return Err(Errno::NOMEM);
    }
    // SAFETY: the pages are mapped, and readable; there is room.
    unsafe { core::ptr::copy_nonoverlapping(start as *const u8, content.as_mut_ptr(), length) };
    let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE);
    let call = [start, length, protection as usize, flags as usize, -1_isize as usize];
    // SAFETY: there is one thread, and before the content is there again it uses its stack and its registers only: not even
    // the addresses of functions are among what can be written to (`linker/pidone.ld`).
    let mapped = unsafe { raw::address(__NR_mmap, call) };
    if mapped != start {
        return Err(Errno::NOMEM);
    }
    // SAFETY: the pages were just mapped there, to be written to.
    unsafe { core::ptr::copy_nonoverlapping(content.as_ptr(), start as *mut u8, length) };
    Ok(())
}

/// A copy in memory that nobody can write to.
fn sealed(image: &OwnedFd) -> Result<OwnedFd> {
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    // SAFETY: a C string and a number.
    let make = |flags: u32| unsafe {
        raw::value(__NR_memfd_create, [s!("pidone").as_ptr() as usize, flags as usize, 0, 0, 0])
    };
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
