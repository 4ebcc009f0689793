//! Names and meanings of error numbers, as errno(3) gives them.

use core::num::NonZero;

use linux_raw_sys::errno as numbers;

use crate::text::{Line, Phrase, Print, fields};

/// An error number of the kernel (errno(3)). Never 0, so that a result without a value is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(NonZero<u32>);

impl Errno {
    /// The error of that number; 0 is none.
    pub const fn new(number: u32) -> Errno {
        match NonZero::new(number) {
            Some(number) => Errno(number),
            None => Errno(NonZero::<u32>::MIN),
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0.get() as u16
    }
}

/// The constants that are used by name.
macro_rules! named {
    ($($name:ident = $number:ident),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($number), "`")]
                pub const $name: Errno = Errno::new(numbers::$number);
            )*
        }
    };
}

named! {
    ACCESS = EACCES,
    AFNOSUPPORT = EAFNOSUPPORT,
    AGAIN = EAGAIN,
    BADMSG = EBADMSG,
    BUSY = EBUSY,
    CANCELED = ECANCELED,
    CHILD = ECHILD,
    CONNRESET = ECONNRESET,
    DQUOT = EDQUOT,
    EXIST = EEXIST,
    FBIG = EFBIG,
    INTR = EINTR,
    INVAL = EINVAL,
    KEYREJECTED = EKEYREJECTED,
    LOOP = ELOOP,
    NAMETOOLONG = ENAMETOOLONG,
    NOBUFS = ENOBUFS,
    NODATA = ENODATA,
    NODEV = ENODEV,
    NOENT = ENOENT,
    NOEXEC = ENOEXEC,
    NOKEY = ENOKEY,
    NOMEM = ENOMEM,
    NOSYS = ENOSYS,
    NOTDIR = ENOTDIR,
    NOTEMPTY = ENOTEMPTY,
    NOTSUP = EOPNOTSUPP,
    NXIO = ENXIO,
    OVERFLOW = EOVERFLOW,
    OWNERDEAD = EOWNERDEAD,
    PERM = EPERM,
    PROTO = EPROTO,
    RANGE = ERANGE,
    ROFS = EROFS,
    SRCH = ESRCH,
    STALE = ESTALE,
    TIMEDOUT = ETIMEDOUT,
    TOOBIG = E2BIG,
    TXTBSY = ETXTBSY,
    XDEV = EXDEV,
}

/// Those that a system call made by pidone can return, each at the place of its number. One text, packed.
const NAMES: Phrase = t!("\
    |EPERM (operation not permitted)|ENOENT (no such file or directory)|ESRCH (no such process)|\
    EINTR (interrupted)|EIO (input or output error)|ENXIO (no such device or address)|\
    E2BIG (argument list too long)|ENOEXEC (not an executable format)|EBADF (bad file descriptor)|\
    ECHILD (no child process)|EAGAIN (try again, or a limit was reached)|ENOMEM (out of memory)|\
    EACCES (permission denied)|EFAULT (bad address)|ENOTBLK (not a block device)|EBUSY (busy)|\
    EEXIST (exists already)|EXDEV (crosses devices, or leaves the root)|\
    ENODEV (the kernel does not have this file system or device)|ENOTDIR (not a directory)|\
    EISDIR (is a directory)|EINVAL (invalid argument)|ENFILE (too many open files in the system)|\
    EMFILE (too many open files)||ETXTBSY (file is being written)|EFBIG (file too large)|\
    ENOSPC (no space left)||EROFS (read-only file system)|EMLINK (too many links)|EPIPE (broken pipe)||\
    ERANGE (out of range)||ENAMETOOLONG (name too long)||\
    ENOSYS (the kernel does not have this system call)|ENOTEMPTY (directory not empty)|\
    ELOOP (a symbolic link where none may be, or too many of them)|||||||||||||||||||||\
    ENODATA (no data)||||||||||||||EOVERFLOW (value too large)||||||||||||||||||||\
    EOPNOTSUPP (not supported)||EAFNOSUPPORT (address family not supported)||||||||\
    ENOBUFS (no buffer space)|||||ETIMEDOUT (timed out)||||||ESTALE (stale file handle)||||||\
    EDQUOT (quota exceeded)|||ECANCELED (it failed)|ENOKEY (module signature required)|||\
    EKEYREJECTED (module signature rejected)");

impl Print for Errno {
    /// `ENOENT (no such file or directory)`, or `errno 134` for one without a name here.
    fn print(&self, line: &mut Line) {
        let number = self.number();
        let mut names = [0; 1600];
        let mut text = Line::new(&mut names);
        match fields(text.say(NAMES).bytes(), b'|').nth(number.into()) {
            Some(b"") | None => line.say(t!("errno ")).number(number.into()),
            Some(name) => line.raw(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        for (errno, expected) in [
            (Errno::PERM, "EPERM (operation not permitted)"),
            (Errno::TXTBSY, "ETXTBSY (file is being written)"),
            (Errno::ROFS, "EROFS (read-only file system)"),
            (Errno::NAMETOOLONG, "ENAMETOOLONG (name too long)"),
            (Errno::LOOP, "ELOOP (a symbolic link where none may be, or too many of them)"),
            (Errno::NODATA, "ENODATA (no data)"),
            (Errno::OVERFLOW, "EOVERFLOW (value too large)"),
            (Errno::NOTSUP, "EOPNOTSUPP (not supported)"),
            (Errno::AFNOSUPPORT, "EAFNOSUPPORT (address family not supported)"),
            (Errno::NOBUFS, "ENOBUFS (no buffer space)"),
            (Errno::TIMEDOUT, "ETIMEDOUT (timed out)"),
            (Errno::STALE, "ESTALE (stale file handle)"),
            (Errno::DQUOT, "EDQUOT (quota exceeded)"),
            (Errno::CANCELED, "ECANCELED (it failed)"),
            (Errno::NOKEY, "ENOKEY (module signature required)"),
            (Errno::KEYREJECTED, "EKEYREJECTED (module signature rejected)"),
            (Errno::OWNERDEAD, "errno 130"),
            (Errno::new(25), "errno 25"),
        ] {
            let mut buffer = [0; 80];
            let mut line = Line::new(&mut buffer);
            errno.print(&mut line);
            assert_eq!(core::str::from_utf8(line.bytes()), Ok(expected));
        }
    }
}
