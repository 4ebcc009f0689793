//! Log files. Their names are LinuxKit's: of a service `/var/log/NAME.log` holds standard error and `/var/log/NAME.out.log`
//! standard output; those of one-shot containers are under /run/log. Each file is named for its stream.

use crate::texts::CStr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;
use crate::sys::{AsFd, Result};

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

/// Writes bytes at the end of a stream's file, in place of one that is long enough then. `at` is where they begin: what
/// was begun there, and has not come to its end, is written there again.
pub(super) fn write(place: Place, source: &[u8], bytes: &[u8], most: u64, at: &AtomicU64) -> Result<()> {
    let (mut buffer, mut old) = ([0; PATH_BYTES], [0; PATH_BYTES]);
    let path = path(&mut buffer, place, source, b"")?;
    let mut opened = file::open(CWD, path, Open::Keep)?;
    let mut start = at.load(Ordering::Relaxed);
    if start == END {
        start = file::size_of_file(opened.as_fd())? as u64;
        if start > 0 && start + bytes.len() as u64 > most {
            file::rename(CWD, path, self::path(&mut old, place, source, OLD)?)?;
            opened = file::open(CWD, path, Open::Keep)?;
            start = 0;
        }
        at.store(start, Ordering::Relaxed);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = file::write_at(opened.as_fd(), start, rest)?;
        start += u64::from(written);
        rest = rest.get(written as usize..).filter(|_| written > 0).unwrap_or_default();
    }
    Ok(())
}
