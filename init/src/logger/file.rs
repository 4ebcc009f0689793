//! Log files. Their names are LinuxKit's: of a service `/var/log/NAME.log` holds standard error and `/var/log/NAME.out.log`
//! standard output; those of one-shot containers are under /run/log. Each file is named for its stream.

use core::ffi::CStr;

use crate::abi::Errno;
use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;
use crate::sys::{AsFd, OwnedFd, Result};

/// Where a stream's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// /var/log.
    Machine,
    /// /run/log/onboot.
    Onboot,
    /// /run/log/shutdown.
    Shutdown,
}

impl Place {
    /// The place of that number.
    pub(super) fn from_number(number: u64) -> Place {
        match number {
            1 => Place::Onboot,
            2 => Place::Shutdown,
            _ => Place::Machine,
        }
    }

    fn directory(self) -> &'static [u8] {
        match self {
            Place::Machine => b"/var/log/",
            Place::Onboot => b"/run/log/onboot/",
            Place::Shutdown => b"/run/log/shutdown/",
        }
    }
}

/// Longest: `/run/log/shutdown/`, the stream's name, `.log.1`.
pub const PATH_BYTES: usize = 32 + limits::LOG_SOURCE_BYTES;

/// The path of a stream's file; of the one before with [`OLD`] behind it.
pub fn path<'b>(buffer: &'b mut [u8], place: Place, source: &[u8], suffix: &[u8]) -> Result<&'b CStr> {
    join(buffer, &[place.directory(), source, b".log", suffix])
}

/// What the name of a file ends in that was long enough.
pub const OLD: &[u8] = b".1";

/// Where a write begins when nobody knows yet.
pub(super) const END: u64 = u64::MAX;

/// Opens a stream's file for so many bytes more, in place of one that is long enough then, and finds its end.
pub(super) fn open(place: Place, source: &[u8], bytes: u64, most: u64, at: &mut u64) -> Result<OwnedFd> {
    let (mut buffer, mut old) = ([0; PATH_BYTES], [0; PATH_BYTES]);
    let path = path(&mut buffer, place, source, b"")?;
    let mut opened = file::open(CWD, path, Open::Keep)?;
    if *at == END {
        *at = file::size_of_file(opened.as_fd())? as u64;
        if *at > 0 && *at + bytes > most {
            file::rename(CWD, path, self::path(&mut old, place, source, OLD)?)?;
            opened = file::open(CWD, path, Open::Keep)?;
            *at = 0;
        }
    }
    Ok(opened)
}

/// Writes at a place of a file; how many bytes were not written, and why.
pub(super) fn write(file: &OwnedFd, at: u64, bytes: &[u8]) -> (usize, Option<Errno>) {
    let mut done = 0;
    loop {
        let rest = bytes.get(done..).unwrap_or_default();
        if rest.is_empty() {
            return (0, None);
        }
        match file::write_at(file.as_fd(), at + done as u64, rest) {
            Ok(0) => return (rest.len(), Some(Errno::NOBUFS)),
            Ok(count) => done += count as usize,
            Err(Errno::INTR) => {}
            Err(errno) => return (rest.len(), Some(errno)),
        }
    }
}
