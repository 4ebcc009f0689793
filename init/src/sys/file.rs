//! Files and directories, always by descriptors that are close-on-exec from birth.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, Mode, OFlags, RawDir, ResolveFlags, StatxAttributes, StatxFlags};
pub use rustix::fs::{CWD, FileType};
use rustix::io::Errno;

use super::Result;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading.
    Read,
    /// For writing, an existing file, its content kept.
    Write,
    /// For writing at the end; made when missing, 0644.
    Append,
    /// For reading and writing, never as the controlling terminal, never waiting.
    Terminal,
    /// For reading what comes, never waiting.
    Events,
    /// As a place only: O_PATH.
    Place,
    /// As a place only, a final symbolic link not followed.
    PlaceItself,
    /// A directory, for its entries.
    Directory,
    /// For writing, a new file, 0644; one that is there already is an error.
    New,
}

impl Open {
    fn flags(self) -> OFlags {
        OFlags::CLOEXEC
            | match self {
                Open::Read => OFlags::RDONLY,
                Open::Write => OFlags::WRONLY,
                Open::Append => OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
                Open::Terminal => OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK,
                Open::Events => OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK,
                Open::Place => OFlags::PATH,
                Open::PlaceItself => OFlags::PATH | OFlags::NOFOLLOW,
                Open::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
                Open::New => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
            }
    }

    /// Permissions of a file that is made: openat2(2) refuses any where none can be.
    fn mode(self) -> Mode {
        Mode::from_raw_mode(if matches!(self, Open::Append | Open::New) { 0o644 } else { 0 })
    }
}

/// Opens a path relative to a directory ([`CWD`] for a path of the machine): openat(2).
pub fn open(directory: BorrowedFd, path: &CStr, how: Open) -> Result<OwnedFd> {
    rustix::fs::openat(directory, path, how.flags(), how.mode())
}

/// Opens a path inside `root`, which no link, `..` or mount trick can leave: openat2(2) with RESOLVE_IN_ROOT and without
/// magic links.
pub fn open_in_root(root: BorrowedFd, path: &CStr, how: Open) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // EAGAIN: a rename or mount elsewhere raced with the walk (openat2(2)). Bounded: a hostile racer must not hold us.
    for _ in 0..64 {
        match rustix::fs::openat2(root, path, how.flags(), how.mode(), resolve) {
            Err(Errno::AGAIN) => continue,
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Makes reads and writes wait again: a terminal is opened without waiting for a carrier, but used with.
pub fn set_blocking(file: BorrowedFd) -> Result<()> {
    rustix::fs::fcntl_setfl(file, rustix::fs::fcntl_getfl(file)? - OFlags::NONBLOCK)
}

/// Reads until the end of the file or the buffer; what was read.
pub fn read_all<'a>(file: BorrowedFd, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let mut used = 0;
    while let Some(free) = buffer.get_mut(used..).filter(|free| !free.is_empty()) {
        match rustix::io::read(file, free) {
            Ok(0) => break,
            Ok(count) => used += count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
    buffer.get_mut(..used).ok_or(Errno::INVAL)
}

/// Reads a file of the machine. A file that fills the buffer may be longer: give one byte more than the bound.
pub fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    read_all(open(CWD, path, Open::Read)?.as_fd(), buffer)
}

/// Writes everything.
pub fn write_all(file: BorrowedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or(&[]),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes a text into an existing file of the machine in one write(2), as procfs and sysfs want it.
pub fn write_file(path: &CStr, text: &[u8]) -> Result<()> {
    rustix::io::write(open(CWD, path, Open::Write)?, text).map(drop)
}

/// The type of what a path leads to, links followed.
pub fn kind(directory: BorrowedFd, path: &CStr) -> Result<FileType> {
    let stat = rustix::fs::statat(directory, path, AtFlags::empty())?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// The type of what a descriptor is open on.
pub fn kind_of(file: BorrowedFd) -> Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

/// How long a file is.
pub fn size_of(file: BorrowedFd) -> Result<usize> {
    usize::try_from(rustix::fs::fstat(file)?.st_size).map_err(|_| Errno::FBIG)
}

/// Whether this process may execute a file.
pub fn is_executable(directory: BorrowedFd, path: &CStr) -> bool {
    rustix::fs::accessat(directory, path, Access::EXEC_OK, AtFlags::empty()).is_ok()
}

/// Where a symbolic link leads: readlink(2). A target that fills the buffer may be longer.
pub fn read_link<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let length = rustix::fs::readlinkat_raw(CWD, path, &mut *buffer)?;
    buffer.get_mut(..length).ok_or(Errno::INVAL)
}

/// Makes a directory: mkdir(2). One that is there is left as it is.
pub fn make_directory(path: &CStr, mode: u32) -> Result<()> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// Whether a path of the machine leads anywhere.
pub fn exists(path: &CStr) -> bool {
    kind(CWD, path).is_ok()
}

/// Whether there is anything at a path of the machine, if only a link that leads nowhere.
pub fn exists_itself(path: &CStr) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Whether a path of the machine is the root of a mount: statx(2), Linux 5.8.
pub fn is_mount_point(path: &CStr) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether a descriptor is open on the root of a mount.
pub fn is_mount_root(file: BorrowedFd) -> Result<bool> {
    let found = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a directory for its entries, and not what a link in its place leads to.
pub fn open_itself(directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    rustix::fs::openat(directory, name, Open::Directory.flags() | OFlags::NOFOLLOW, Mode::empty())
}

/// The current directory: getcwd(2). Outside the root, the kernel's answer does not begin with a slash.
pub fn current_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    let call = [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    let length = unsafe { super::raw::call(linux_raw_sys::general::__NR_getcwd, call) }?;
    // The length counts the final NUL.
    buffer.get(..length.saturating_sub(1)).ok_or(Errno::RANGE)
}

/// Calls `each` with the name and type of every entry of a directory but `.` and `..`, in the order the kernel has them,
/// until it returns an error.
pub fn for_each_entry(directory: BorrowedFd, each: &mut dyn FnMut(&CStr, FileType) -> Result<()>) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            each(name, entry.file_type())?;
        }
    }
    Ok(())
}

/// Standard output.
pub fn standard_output() -> BorrowedFd<'static> {
    // SAFETY: nothing here closes the standard descriptors: PID 1 opens them at start and programs are given them. A
    // caller that closed one gets EBADF from the kernel, not undefined behaviour.
    unsafe { rustix::stdio::stdout() }
}

/// Standard error.
pub fn standard_error() -> BorrowedFd<'static> {
    // SAFETY: as for standard output.
    unsafe { rustix::stdio::stderr() }
}
