//! Files and directories, always by descriptors that are close-on-exec from birth.

use super::texts::CStr;
use crate::abi::Errno;
use linux_raw_sys::general::{
    __NR_faccessat, __NR_faccessat2, __NR_fchmodat, __NR_fchownat, __NR_fcntl, __NR_flock, __NR_getcwd,
    __NR_getdents64, __NR_lseek, __NR_mkdirat, __NR_mknodat, __NR_newfstatat, __NR_openat, __NR_openat2, __NR_pread64,
    __NR_pwrite64, __NR_read, __NR_readlinkat, __NR_renameat, __NR_statfs, __NR_statx, __NR_symlinkat, __NR_unlinkat,
    __NR_write, AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, F_GETFD, F_GETFL, F_SETFL,
    LOCK_EX, LOCK_NB, LOCK_UN, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK,
    O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, SEEK_END, SEEK_SET,
    STATX_ATTR_MOUNT_ROOT, W_OK, X_OK, open_how, stat, statfs, statx,
};

use super::path::PathBuffer;
use super::texts::until_nul;
use super::{AsFd, BorrowedFd, OwnedFd, Result, raw};

/// The current directory, and where paths of the machine start.
// SAFETY: it is no descriptor at all.
pub const CWD: BorrowedFd<'static> = unsafe { BorrowedFd::always(AT_FDCWD) };

/// What a file is: the bits of `st_mode` (inode(7)), which are `d_type` of a directory's entry too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType(u8);

impl FileType {
    /// A file system that does not say.
    pub const UNKNOWN: FileType = FileType(0);
    /// A pipe with a name.
    pub const FIFO: FileType = FileType(0o01);
    /// A character device.
    pub const CHARACTER_DEVICE: FileType = FileType(0o02);
    /// A directory.
    pub const DIRECTORY: FileType = FileType(0o04);
    /// A block device.
    pub const BLOCK_DEVICE: FileType = FileType(0o06);
    /// A regular file.
    pub const REGULAR_FILE: FileType = FileType(0o10);
    /// A symbolic link.
    pub const SYMLINK: FileType = FileType(0o12);

    fn of(mode: u32) -> FileType {
        FileType((mode >> 12) as u8)
    }
}

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
    /// For reading and writing, never as the controlling terminal.
    Console,
    /// For reading what comes, never waiting.
    Events,
    /// As a place only: O_PATH.
    Place,
    /// As a place only, a final symbolic link not followed.
    PlaceItself,
    /// A directory, for its entries.
    Directory,
    /// A directory, for its entries, and not what a link in its place leads to.
    DirectoryItself,
    /// For writing, 0644; what was there is lost.
    Replace,
    /// For writing, a new file, 0644; one that is there already is an error.
    New,
    /// For writing, its content kept; made when missing, 0644. Neither what a link in its place leads to, nor waiting for
    /// who reads a pipe there.
    Keep,
}

impl Open {
    fn flags(self) -> u32 {
        O_CLOEXEC
            | match self {
                Open::Read => O_RDONLY,
                Open::Write => O_WRONLY,
                Open::Append => O_WRONLY | O_APPEND | O_CREAT,
                Open::Terminal => O_RDWR | O_NOCTTY | O_NONBLOCK,
                Open::Console => O_RDWR | O_NOCTTY,
                Open::Events => O_RDONLY | O_NOCTTY | O_NONBLOCK,
                Open::Place => O_PATH,
                Open::PlaceItself => O_PATH | O_NOFOLLOW,
                Open::Directory => O_RDONLY | O_DIRECTORY,
                Open::DirectoryItself => O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                Open::Replace => O_WRONLY | O_CREAT | O_TRUNC,
                Open::New => O_WRONLY | O_CREAT | O_EXCL,
                Open::Keep => O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
            }
    }

    /// Permissions of a file that is made: openat2(2) refuses any where none can be.
    fn mode(self) -> u32 {
        if matches!(self, Open::Append | Open::Replace | Open::New | Open::Keep) { 0o644 } else { 0 }
    }
}

/// Opens a path relative to a directory ([`CWD`] for a path of the machine): openat(2).
pub fn open(directory: BorrowedFd, path: &CStr, how: Open) -> Result<OwnedFd> {
    let call = [directory.argument(), path.as_ptr() as usize, how.flags() as usize, how.mode() as usize, 0];
    // SAFETY: a borrowed descriptor, a C string and two numbers.
    let opened = unsafe { raw::value(__NR_openat, call) };
    // SAFETY: the kernel just made it and nobody else knows it.
    opened.map(|number| unsafe { OwnedFd::new(number) })
}

/// Opens a path inside `root`, which no link, `..` or mount trick can leave: openat2(2) with RESOLVE_IN_ROOT and without
/// magic links.
pub fn open_in_root(root: BorrowedFd, path: &CStr, how: Open) -> Result<OwnedFd> {
    let resolve = u64::from(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    let how = open_how { flags: u64::from(how.flags()), mode: u64::from(how.mode()), resolve };
    let call = [root.argument(), path.as_ptr() as usize, &raw const how as usize, size_of::<open_how>(), 0];
    // EAGAIN: a rename or mount elsewhere raced with the walk (openat2(2)). Bounded: a hostile racer must not hold us.
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..64 {
        // SAFETY: a borrowed descriptor, a C string and a whole `open_how` of the size given.
        opened = unsafe { raw::value(__NR_openat2, call) };
        if opened != Err(Errno::AGAIN) {
            break;
        }
    }
    // SAFETY: the kernel just made it and nobody else knows it.
    opened.map(|number| unsafe { OwnedFd::new(number) })
}

/// Makes reads and writes wait again: a terminal is opened without waiting for a carrier, but used with.
pub fn set_blocking(file: BorrowedFd) -> Result<()> {
    set_waiting(file, true)
}

/// Whether reads and writes wait until they can be done: fcntl(2).
pub fn set_waiting(file: BorrowedFd, waits: bool) -> Result<()> {
    // SAFETY: a borrowed descriptor and a number.
    let flags = unsafe { raw::value(__NR_fcntl, [file.argument(), F_GETFL as usize, 0, 0, 0]) }?;
    let flags = if waits { flags & !O_NONBLOCK } else { flags | O_NONBLOCK };
    // SAFETY: as above.
    unsafe { raw::call(__NR_fcntl, file.argument(), F_SETFL as usize, flags as usize) }
}

/// Reads what there is, up to the buffer's length: read(2).
pub fn read(file: BorrowedFd, buffer: &mut [u8]) -> Result<u32> {
    let call = [file.argument(), buffer.as_mut_ptr() as usize, buffer.len(), 0, 0];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    unsafe { raw::value(__NR_read, call) }
}

/// Reads what there is at a place, up to the buffer's length: pread(2).
pub fn read_at(file: BorrowedFd, at: u64, buffer: &mut [u8]) -> Result<u32> {
    let call = [file.argument(), buffer.as_mut_ptr() as usize, buffer.len(), at as usize, 0];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    unsafe { raw::value(__NR_pread64, call) }
}

/// Writes a text in one write(2), as procfs and sysfs want it.
pub fn write(file: BorrowedFd, bytes: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `bytes.len()` bytes.
    unsafe { raw::call(__NR_write, file.argument(), bytes.as_ptr() as usize, bytes.len()) }
}

/// Writes as much as there is room for; how much that was: write(2).
pub fn write_some(file: BorrowedFd, bytes: &[u8]) -> Result<u32> {
    let call = [file.argument(), bytes.as_ptr() as usize, bytes.len(), 0, 0];
    // SAFETY: the kernel reads `bytes.len()` bytes.
    unsafe { raw::value(__NR_write, call) }
}

/// Writes at a place, as much as there is room for; how much that was: pwrite(2).
pub fn write_at(file: BorrowedFd, at: u64, bytes: &[u8]) -> Result<u32> {
    let call = [file.argument(), bytes.as_ptr() as usize, bytes.len(), at as usize, 0];
    // SAFETY: the kernel reads `bytes.len()` bytes.
    unsafe { raw::value(__NR_pwrite64, call) }
}

/// Goes back to the beginning of a file: lseek(2).
pub fn rewind(file: BorrowedFd) -> Result<()> {
    // SAFETY: a borrowed descriptor and two numbers.
    unsafe { raw::call(__NR_lseek, file.argument(), 0, SEEK_SET as usize) }
}

/// Goes to where nothing is yet: lseek(2).
pub fn to_end(file: BorrowedFd) -> Result<()> {
    // SAFETY: a borrowed descriptor and two numbers.
    unsafe { raw::call(__NR_lseek, file.argument(), 0, SEEK_END as usize) }
}

/// Reads until the end of the file or the buffer; what was read.
pub fn read_all<'a>(file: BorrowedFd, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let mut used = 0;
    while let Some(free) = buffer.get_mut(used..).filter(|free| !free.is_empty()) {
        match read(file, free) {
            Ok(0) => break,
            Ok(count) => used += count as usize,
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

/// Reads the beginning of a file of the machine: what the kernel gives at once, which of most files in procfs is all.
pub fn read_start<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let length = read(open(CWD, path, Open::Read)?.as_fd(), buffer)?;
    buffer.get_mut(..length as usize).ok_or(Errno::INVAL)
}

/// Writes everything.
pub fn write_all(file: BorrowedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write_some(file, bytes) {
            Ok(count) => bytes = bytes.get(count as usize..).unwrap_or(&[]),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes a text into an existing file of the machine in one write(2), as procfs and sysfs want it.
pub fn write_file(path: &CStr, text: &[u8]) -> Result<()> {
    write(open(CWD, path, Open::Write)?.as_fd(), text)
}

/// What is known of a file: fstatat(2).
#[inline(never)]
fn status(directory: BorrowedFd, path: &CStr, flags: u32) -> Result<stat> {
    // SAFETY: a C structure of integers, for which all zeros are valid.
    let mut found: stat = unsafe { core::mem::zeroed() };
    let call = [directory.argument(), path.as_ptr() as usize, &raw mut found as usize, flags as usize, 0];
    // SAFETY: a borrowed descriptor, a C string, and the kernel writes one `struct stat`.
    unsafe { raw::value(__NR_newfstatat, call) }?;
    Ok(found)
}

/// What is known of what a descriptor is open on.
#[inline(never)]
fn own_status(file: BorrowedFd) -> Result<stat> {
    status(file, s!(""), AT_EMPTY_PATH)
}

/// The type of what a path leads to, links followed.
pub fn kind(directory: BorrowedFd, path: &CStr) -> Result<FileType> {
    let found = status(directory, path, 0)?;
    Ok(FileType::of(found.st_mode))
}

/// The type of what a descriptor is open on.
pub fn kind_of(file: BorrowedFd) -> Result<FileType> {
    let found = own_status(file)?;
    Ok(FileType::of(found.st_mode))
}

/// Part of what is known of a file.
#[derive(PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub kind: FileType,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Number of a device.
    pub device: u64,
}

/// What is known of what a descriptor is open on.
pub fn status_of(file: BorrowedFd) -> Result<Status> {
    status_in(file, s!(""))
}

/// What is known of what a directory has under a name, or with an empty one of what the descriptor is open on.
pub fn status_in(directory: BorrowedFd, name: &CStr) -> Result<Status> {
    let found = status(directory, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)?;
    let (kind, mode) = (FileType::of(found.st_mode), found.st_mode & 0o7777);
    Ok(Status { kind, mode, user: found.st_uid, group: found.st_gid, device: found.st_rdev })
}

/// Whether a descriptor is open on a node of this kind with this device number; a pipe has none.
pub fn is_node(file: BorrowedFd, kind: FileType, device: u64) -> Result<bool> {
    let found = own_status(file)?;
    Ok(FileType::of(found.st_mode) == kind && (kind == FileType::FIFO || found.st_rdev == device))
}

/// Whether two descriptors are open on files of the same file system.
pub fn are_on_same_device(one: BorrowedFd, other: BorrowedFd) -> Result<bool> {
    Ok(own_status(one)?.st_dev == own_status(other)?.st_dev)
}

/// The number that a file has in its file system.
pub fn number_of(path: &CStr) -> Result<u64> {
    let found = status(CWD, path, 0)?;
    Ok(found.st_ino)
}

/// Whether two paths of the machine lead to the same file.
pub fn are_same(one: &CStr, other: &CStr) -> bool {
    match (status(CWD, one, 0), status(CWD, other, 0)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// A number that no other file has, nor pipe nor socket, as long as this one is there.
pub fn identity(file: BorrowedFd) -> Result<u64> {
    let found = own_status(file)?;
    Ok(found.st_ino ^ found.st_dev.rotate_right(16))
}

/// How long a file is.
pub fn size_of_file(file: BorrowedFd) -> Result<usize> {
    let found = own_status(file)?;
    usize::try_from(found.st_size).map_err(|_| Errno::FBIG)
}

/// The magic number of the file system that a path of the machine is on: statfs(2).
pub fn file_system_of(path: &CStr) -> Result<u64> {
    // SAFETY: a C structure of integers, for which all zeros are valid.
    let mut found: statfs = unsafe { core::mem::zeroed() };
    // SAFETY: a C string, and the kernel writes one `struct statfs`.
    unsafe { raw::call(__NR_statfs, path.as_ptr() as usize, &raw mut found as usize, 0) }?;
    Ok(found.f_type as u64)
}

/// Whether this process may execute a file.
pub fn is_executable(directory: BorrowedFd, path: &CStr) -> bool {
    may(directory, path, X_OK)
}

/// Whether this process's user may write to a path of the machine.
pub fn is_writable(path: &CStr) -> bool {
    may(CWD, path, W_OK)
}

/// faccessat2(2), Linux 5.8, for who this process is now: the kernel need not make somebody else up to ask for. A filter that
/// does not know it has it denied.
#[inline(never)]
fn may(directory: BorrowedFd, path: &CStr, what: u32) -> bool {
    let call = [directory.argument(), path.as_ptr() as usize, what as usize, AT_EACCESS as usize, 0];
    // SAFETY: a borrowed descriptor, a C string and numbers.
    match unsafe { raw::value(__NR_faccessat2, call) } {
        // SAFETY: as above.
        Err(Errno::NOSYS | Errno::PERM) => unsafe { raw::value(__NR_faccessat, call) }.is_ok(),
        result => result.is_ok(),
    }
}

/// Where a symbolic link leads: readlink(2). A target that fills the buffer may be longer.
pub fn read_link<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    read_link_in(CWD, path, buffer)
}

/// [`read_link`] relative to a directory; an empty path is the link that the descriptor is open on.
pub fn read_link_in<'a>(directory: BorrowedFd, path: &CStr, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let call = [directory.argument(), path.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0];
    // SAFETY: a C string, and the kernel writes at most `buffer.len()` bytes into the buffer.
    let length = unsafe { raw::value(__NR_readlinkat, call) }?;
    buffer.get_mut(..length as usize).ok_or(Errno::INVAL)
}

/// Makes a directory: mkdir(2). One that is there is left as it is.
pub fn make_directory(path: &CStr, mode: u32) -> Result<()> {
    existing_is_fine(make_directory_in(CWD, path, mode))
}

/// Makes a directory that must not be there: mkdirat(2).
pub fn make_directory_in(directory: BorrowedFd, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a borrowed descriptor, a C string and a number.
    unsafe { raw::call(__NR_mkdirat, directory.argument(), path.as_ptr() as usize, mode as usize) }
}

/// Makes a device node, a pipe or an empty file: mknodat(2).
pub fn make_node(directory: BorrowedFd, name: &CStr, kind: FileType, mode: u32, device: u64) -> Result<()> {
    let mode = (mode | u32::from(kind.0) << 12) as usize;
    let call = [directory.argument(), name.as_ptr() as usize, mode, device as usize, 0];
    // SAFETY: a borrowed descriptor, a C string and two numbers.
    unsafe { raw::value(__NR_mknodat, call) }.map(drop)
}

/// Makes a symbolic link: symlinkat(2).
pub fn make_link(to: &CStr, directory: BorrowedFd, name: &CStr) -> Result<()> {
    // SAFETY: a borrowed descriptor and two C strings.
    unsafe { raw::call(__NR_symlinkat, to.as_ptr() as usize, directory.argument(), name.as_ptr() as usize) }
}

/// Turns `EEXIST` into success.
pub fn existing_is_fine(result: Result<()>) -> Result<()> {
    if result == Err(Errno::EXIST) { Ok(()) } else { result }
}

/// Removes what is no directory: unlinkat(2).
pub fn remove(directory: BorrowedFd, name: &CStr) -> Result<()> {
    // SAFETY: a borrowed descriptor, a C string and a number.
    unsafe { raw::call(__NR_unlinkat, directory.argument(), name.as_ptr() as usize, 0) }
}

/// Removes an empty directory: unlinkat(2).
pub fn remove_directory(directory: BorrowedFd, name: &CStr) -> Result<()> {
    // SAFETY: a borrowed descriptor, a C string and a number.
    unsafe { raw::call(__NR_unlinkat, directory.argument(), name.as_ptr() as usize, AT_REMOVEDIR as usize) }
}

/// Gives what is in a directory another name in it, in place of what had that name: renameat(2).
pub fn rename(directory: BorrowedFd, from: &CStr, to: &CStr) -> Result<()> {
    let (from, to) = (from.as_ptr() as usize, to.as_ptr() as usize);
    // SAFETY: a borrowed descriptor, twice, and two C strings.
    unsafe { raw::value(__NR_renameat, [directory.argument(), from, directory.argument(), to, 0]) }.map(drop)
}

/// Locks a file against others who lock it, until its last descriptor is closed: flock(2). `wait` for the lock;
/// otherwise EAGAIN says that somebody has it.
pub fn lock(file: BorrowedFd, wait: bool) -> Result<()> {
    let operation = LOCK_EX | if wait { 0 } else { LOCK_NB };
    loop {
        // SAFETY: a borrowed descriptor and a number.
        match unsafe { raw::call(__NR_flock, file.argument(), operation as usize, 0) } {
            Err(Errno::INTR) if wait => {}
            result => return result,
        }
    }
}

/// Lets others lock a file, whoever else has a copy of the descriptor: flock(2).
pub fn unlock(file: BorrowedFd) {
    // SAFETY: a borrowed descriptor and a number.
    let _ = unsafe { raw::call(__NR_flock, file.argument(), LOCK_UN as usize, 0) };
}

/// Whether there is a descriptor of that number.
pub fn is_open(number: u32) -> bool {
    // SAFETY: takes numbers.
    unsafe { raw::call(__NR_fcntl, number as usize, F_GETFD as usize, 0) }.is_ok()
}

/// Whether what a descriptor is open on has no name any more.
pub fn is_removed(file: BorrowedFd) -> Result<bool> {
    let found = own_status(file)?;
    Ok(found.st_nlink == 0)
}

/// A path from the root: a relative one begins in the current directory. No slash is at its end.
pub fn absolute<'b>(buffer: &'b mut PathBuffer, path: &CStr) -> Result<&'b CStr> {
    let path = path.to_bytes();
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    let path = path.get(..end).unwrap_or(path);
    if path.starts_with(b"/") {
        return buffer.join(&[path]);
    }
    let mut here = [0; 4096];
    let here = current_directory(&mut here)?;
    let path = if path == b"." { b"" } else { path };
    let here = here.strip_suffix(b"/").unwrap_or(here);
    buffer.join(&[here, if path.is_empty() { b"" } else { b"/" }, path])
}

/// Gives what a descriptor is open on to a user and a group: fchownat(2).
pub fn set_owner(file: BorrowedFd, user: u32, group: u32) -> Result<()> {
    let call = [file.argument(), s!("").as_ptr() as usize, user as usize, group as usize, AT_EMPTY_PATH as usize];
    // SAFETY: a borrowed descriptor, a C string and numbers.
    unsafe { raw::value(__NR_fchownat, call) }.map(drop)
}

/// Sets permissions, links followed: chmod(2).
pub fn set_mode(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a C string and a number.
    unsafe { raw::call(__NR_fchmodat, CWD.argument(), path.as_ptr() as usize, mode as usize) }
}

/// Makes a directory and its parents (0755), below the process's own root. Those that are there are left as they are.
pub fn make_directories(path: &CStr) -> Result<()> {
    let bytes = path.to_bytes();
    let mut buffer = PathBuffer::empty();
    for end in 1..=bytes.len() {
        if bytes.get(end).is_none_or(|byte| *byte == b'/') {
            make_directory(buffer.join(&[bytes.get(..end).unwrap_or_default()])?, 0o755)?;
        }
    }
    Ok(())
}

/// Whether a path of the machine leads anywhere.
pub fn exists(path: &CStr) -> bool {
    kind(CWD, path).is_ok()
}

/// Whether there is anything at a path of the machine, if only a link that leads nowhere.
pub fn exists_itself(path: &CStr) -> bool {
    status(CWD, path, AT_SYMLINK_NOFOLLOW).is_ok()
}

/// Whether a path of the machine is the root of a mount.
pub fn is_mount_point(path: &CStr) -> bool {
    mount_root(CWD, path) == Ok(true)
}

/// Whether a descriptor is open on the root of a mount.
pub fn is_mount_root(file: BorrowedFd) -> Result<bool> {
    mount_root(file, s!(""))
}

/// statx(2), Linux 5.8.
fn mount_root(directory: BorrowedFd, path: &CStr) -> Result<bool> {
    // SAFETY: a C structure of integers, for which all zeros are valid.
    let mut found: statx = unsafe { core::mem::zeroed() };
    let flags = AT_EMPTY_PATH as usize;
    let call = [directory.argument(), path.as_ptr() as usize, flags, 0, &raw mut found as usize];
    // SAFETY: a borrowed descriptor, a C string, and the kernel writes one `struct statx`.
    unsafe { raw::value(__NR_statx, call) }?;
    Ok(found.stx_attributes & u64::from(STATX_ATTR_MOUNT_ROOT) != 0)
}

/// Opens a directory for its entries, and not what a link in its place leads to.
pub fn open_itself(directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    open(directory, name, Open::DirectoryItself)
}

/// The current directory: getcwd(2). Outside the root, the kernel's answer does not begin with a slash.
pub fn current_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    let call = [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    let length = unsafe { raw::value(__NR_getcwd, call) }?;
    // The length counts the final NUL.
    buffer.get(..(length as usize).saturating_sub(1)).ok_or(Errno::RANGE)
}

/// Where the length, before the type, and the name of a directory's entry begin: `struct linux_dirent64` of getdents(2).
const ENTRY_LENGTH: usize = 16;
const ENTRY_NAME: usize = 19;

/// Calls `each` with the name and type of every entry of a directory but `.` and `..`, in the order the kernel has them,
/// until it returns an error.
pub fn for_each_entry(directory: BorrowedFd, each: &mut dyn FnMut(&CStr, FileType) -> Result<()>) -> Result<()> {
    let mut buffer = [0_u64; 256];
    loop {
        let call = [directory.argument(), buffer.as_mut_ptr() as usize, size_of_val(&buffer), 0, 0];
        // SAFETY: the kernel writes at most as many bytes as there are into the buffer, which is aligned for its entries.
        let length = unsafe { raw::value(__NR_getdents64, call) }? as usize;
        // SAFETY: the same memory as bytes; it is not written while they are borrowed.
        let bytes = unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), size_of_val(&buffer)) };
        let mut entries = bytes.get(..length).unwrap_or(&[]);
        if entries.is_empty() {
            return Ok(());
        }
        while let Some([low, high, kind, ..]) = entries.get(ENTRY_LENGTH..) {
            let name = until_nul(entries.get(ENTRY_NAME..).unwrap_or(&[])).unwrap_or_default();
            if name != s!(".") && name != s!("..") {
                each(name, FileType(*kind))?;
            }
            entries = entries.get(usize::from(u16::from_ne_bytes([*low, *high]))..).unwrap_or(&[]);
        }
    }
}

/// Standard input.
pub fn standard_input() -> BorrowedFd<'static> {
    // SAFETY: as for standard output.
    unsafe { BorrowedFd::always(0) }
}

/// Standard output.
pub fn standard_output() -> BorrowedFd<'static> {
    // SAFETY: nothing here closes the standard descriptors: PID 1 opens them at start and programs are given them. A
    // caller that closed one gets EBADF from the kernel, not undefined behaviour.
    unsafe { BorrowedFd::always(1) }
}

/// Standard error.
pub fn standard_error() -> BorrowedFd<'static> {
    // SAFETY: as for standard output.
    unsafe { BorrowedFd::always(2) }
}
