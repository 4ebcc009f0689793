//! Memory whose size is known only when the machine runs: mmap(2). For those who have a process of their own and read
//! whole files; everybody else is lent a fixed region.

use core::ffi::CStr;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::abi::Errno;
use linux_raw_sys::general::{__NR_mmap, __NR_munmap, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE};

use super::file::{self, Open};
use super::{AsFd, BorrowedFd, Result, raw};

/// Private memory of the process, or the content of a file in it. Dropping it gives it back.
///
/// A file is read and not mapped: bytes that somebody else can change, or cut off, are no `&[u8]`.
pub struct Map {
    start: NonNull<u8>,
    mapped: usize,
    length: usize,
}

impl Map {
    /// No memory.
    pub const fn empty() -> Map {
        Map { start: NonNull::dangling(), mapped: 0, length: 0 }
    }

    /// `length` zeros. Pages that are never touched cost nothing.
    pub fn zeroed(length: usize) -> Result<Map> {
        if length == 0 {
            return Ok(Map::empty());
        }
        let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        let call = [0, length, protection as usize, flags as usize, -1_isize as usize];
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that anybody has.
        let start = unsafe { raw::address(__NR_mmap, call) };
        // From -4095 to -1 it is an error number.
        let start = Some(start).filter(|start| *start < -4095_isize as usize).ok_or(Errno::NOMEM)?;
        let start = NonNull::new(start as *mut u8).ok_or(Errno::NOMEM)?;
        Ok(Map { start, mapped: length, length })
    }

    /// The content of a regular file, as long as it is now.
    pub fn read(directory: BorrowedFd, path: &CStr) -> Result<Map> {
        let file = file::open(directory, path, Open::Read)?;
        let mut map = Map::zeroed(file::size_of_file(file.as_fd())?)?;
        let length = file::read_all(file.as_fd(), &mut map)?.len();
        map.truncate(length);
        Ok(map)
    }

    /// Forgets what is behind the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `length <= mapped` initialised bytes that belong to this value (or none at a dangling place), and are
        // not written while they are borrowed.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Map {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the borrow is the only one.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.mapped > 0 {
            // SAFETY: the mapping was made with this size, and with `self` the last way to it goes.
            let _ = unsafe { raw::call(__NR_munmap, self.start.as_ptr() as usize, self.mapped, 0) };
        }
    }
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
            assert!(Map::read(CWD, &path).unwrap()[..] == content);
        }
        std::fs::remove_file(&directory).unwrap();
        assert_eq!(Map::read(CWD, &path).err(), Some(Errno::NOENT));
    }
}
