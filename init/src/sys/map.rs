//! Memory whose size is known only when the machine runs: mmap(2). For processes of their own that read whole files and
//! soon end: it is never given back. Everybody else is lent a fixed region.

use super::texts::CStr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::abi::Errno;
use crate::limits::CONFIG_BYTES_MAX;
use linux_raw_sys::general::{__NR_mmap, MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE};

use super::file::{self, Open};
use super::{AsFd, BorrowedFd, Result, raw};

/// `length` zeros. Pages that are never touched cost nothing.
pub fn zeroed(length: usize) -> Result<&'static mut [u8]> {
    if length == 0 {
        return Ok(&mut []);
    }
    let start = map(length, MAP_PRIVATE | MAP_ANONYMOUS)?;
    // SAFETY: the kernel just mapped `length` zeros there, nobody else knows them, and they are never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut u8, length) })
}

/// Where so many zeros are.
fn map(length: usize, flags: u32) -> Result<usize> {
    let call = [0, length, (PROT_READ | PROT_WRITE) as usize, flags as usize, -1_isize as usize];
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory that anybody has.
    let start = unsafe { raw::address(__NR_mmap, call) };
    // From -4095 to -1 it is an error number.
    if start >= -4095_isize as usize { Err(Errno::NOMEM) } else { Ok(start) }
}

/// Memory that outlives the process that uses it: this process's children have the same. One of them at a time uses it.
pub struct Shared {
    start: usize,
    words: usize,
    bytes: usize,
    taken: AtomicBool,
}

impl Shared {
    /// So many zero words, and bytes behind them. Pages that are never touched cost nothing.
    pub fn new(words: usize, bytes: usize) -> Result<Shared> {
        let start = map(8 * words + bytes, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE)?;
        Ok(Shared { start, words, bytes, taken: AtomicBool::new(false) })
    }

    /// Lends it: once in each process, for good. The caller is the only process that does, or those before have ended.
    #[allow(clippy::mut_from_ref, reason = "the flag makes sure that there is only one")]
    pub fn take(&self) -> Option<(&'static [AtomicU64], &'static mut [u8])> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: `new` mapped so many words of zeros there, aligned to a page, for good; whoever has them changes them by
        // atomic operations only.
        let words = unsafe { core::slice::from_raw_parts(self.start as *const AtomicU64, self.words) };
        // SAFETY: `new` mapped so many bytes behind the words. The flag lets only one caller of this process get here, and
        // of all processes one at a time has them: what others may have done to them was done before.
        let bytes = unsafe { core::slice::from_raw_parts_mut((self.start + 8 * self.words) as *mut u8, self.bytes) };
        Some((words, bytes))
    }
}

/// The content of a regular file, as long as it is now, or what a pipe gives. It is read and not mapped: bytes that somebody else can change, or
/// cut off, are no `&[u8]`.
pub fn read(directory: BorrowedFd, path: &CStr) -> Result<&'static [u8]> {
    let file = file::open(directory, path, Open::Read)?;
    let bytes = match file::size_of_file(file.as_fd())? {
        0 => CONFIG_BYTES_MAX + 1,
        bytes => bytes,
    };
    Ok(file::read_all(file.as_fd(), zeroed(bytes)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::CWD;

    #[test]
    fn a_file_is_read_whole_and_an_empty_one_takes_no_memory() {
        let directory = std::env::temp_dir().join(format!("pidone-map-{}", std::process::id()));
        let path = std::ffi::CString::new(directory.to_str().unwrap()).unwrap();
        for content in [vec![], vec![7; 100_000]] {
            std::fs::write(&directory, &content).unwrap();
            assert!(read(CWD, CStr::of(&path)).unwrap()[..] == content);
        }
        std::fs::remove_file(&directory).unwrap();
        assert_eq!(read(CWD, CStr::of(&path)).err(), Some(Errno::NOENT));
    }
}
