//! Names and meanings of error numbers, as errno(3) gives them.

use super::Errno;
use crate::text::{Line, Print};

/// Number, name and meaning of those that a system call made by pidone can return.
static NAMES: &[(Errno, &str, &str)] = &[
    (Errno::PERM, "EPERM", "operation not permitted"),
    (Errno::NOENT, "ENOENT", "no such file or directory"),
    (Errno::SRCH, "ESRCH", "no such process"),
    (Errno::INTR, "EINTR", "interrupted"),
    (Errno::IO, "EIO", "input or output error"),
    (Errno::NXIO, "ENXIO", "no such device or address"),
    (Errno::TOOBIG, "E2BIG", "argument list too long"),
    (Errno::NOEXEC, "ENOEXEC", "not an executable format"),
    (Errno::BADF, "EBADF", "bad file descriptor"),
    (Errno::CHILD, "ECHILD", "no child process"),
    (Errno::AGAIN, "EAGAIN", "try again, or a limit was reached"),
    (Errno::NOMEM, "ENOMEM", "out of memory"),
    (Errno::ACCESS, "EACCES", "permission denied"),
    (Errno::FAULT, "EFAULT", "bad address"),
    (Errno::NOTBLK, "ENOTBLK", "not a block device"),
    (Errno::BUSY, "EBUSY", "busy"),
    (Errno::EXIST, "EEXIST", "exists already"),
    (Errno::XDEV, "EXDEV", "crosses devices, or leaves the root"),
    (Errno::NODEV, "ENODEV", "the kernel does not have this file system or device"),
    (Errno::NOTDIR, "ENOTDIR", "not a directory"),
    (Errno::ISDIR, "EISDIR", "is a directory"),
    (Errno::INVAL, "EINVAL", "invalid argument"),
    (Errno::NFILE, "ENFILE", "too many open files in the system"),
    (Errno::MFILE, "EMFILE", "too many open files"),
    (Errno::TXTBSY, "ETXTBSY", "file is being written"),
    (Errno::FBIG, "EFBIG", "file too large"),
    (Errno::NOSPC, "ENOSPC", "no space left"),
    (Errno::ROFS, "EROFS", "read-only file system"),
    (Errno::MLINK, "EMLINK", "too many links"),
    (Errno::PIPE, "EPIPE", "broken pipe"),
    (Errno::RANGE, "ERANGE", "out of range"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG", "name too long"),
    (Errno::NOSYS, "ENOSYS", "the kernel does not have this system call"),
    (Errno::NOTEMPTY, "ENOTEMPTY", "directory not empty"),
    (Errno::LOOP, "ELOOP", "a symbolic link where none may be, or too many of them"),
    (Errno::NODATA, "ENODATA", "no data"),
    (Errno::OVERFLOW, "EOVERFLOW", "value too large"),
    (Errno::NOTSUP, "EOPNOTSUPP", "not supported"),
    (Errno::AFNOSUPPORT, "EAFNOSUPPORT", "address family not supported"),
    (Errno::NOBUFS, "ENOBUFS", "no buffer space"),
    (Errno::TIMEDOUT, "ETIMEDOUT", "timed out"),
    (Errno::STALE, "ESTALE", "stale file handle"),
    (Errno::DQUOT, "EDQUOT", "quota exceeded"),
    (Errno::NOKEY, "ENOKEY", "module signature required"),
    (Errno::KEYREJECTED, "EKEYREJECTED", "module signature rejected"),
];

impl Print for Errno {
    /// `ENOENT (no such file or directory)`, or `errno 134` for one without a name here.
    fn print(&self, line: &mut Line) {
        match NAMES.iter().find(|(errno, ..)| errno == self) {
            Some((_, name, meaning)) => line.text(name).text(" (").text(meaning).text(")"),
            None => line.text("errno ").signed(i64::from(self.raw_os_error())),
        };
    }
}
