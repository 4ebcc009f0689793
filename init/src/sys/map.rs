//! Memory whose size is known only when the machine runs: mmap(2). For processes of their own that read whole files and
//! soon end: it is never given back. Everybody else is lent a fixed region.

use core::ffi::CStr;

use crate::abi::Errno;
use linux_raw_sys::general::{__NR_mmap, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE};

use super::file::{self, Open};
use super::{AsFd, BorrowedFd, Result, raw};

/// `length` zeros. Pages that are never touched cost nothing.
pub fn zeroed(length: usize) -> Result<&'static mut [u8]> {
    if length == 0 {
        return Ok(&mut []);
    }
    let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    let call = [0, length, protection as usize, flags as usize, -1_isize as usize];
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory that anybody has.
    let start = unsafe { raw::address(__NR_mmap, call) };
    // From -4095 to -1 it is an error number.
    if start >= -4095_isize as usize {
        return Err(Errno::NOMEM);
    }
    // SAFETY: the kernel just mapped `length` zeros there, nobody else knows them, and they are never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut u8, length) })
}

/// The content of a regular file, as long as it is now. It is read and not mapped: bytes that somebody else can change, or
/// cut off, are no `&[u8]`.
pub fn read(directory: BorrowedFd, path: &CStr) -> Result<&'static [u8]> {
    let file = file::open(directory, path, Open::Read)?;
    let content = zeroed(file::size_of_file(file.as_fd())?)?;
    Ok(file::read_all(file.as_fd(), content)?)
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
            assert!(read(CWD, &path).unwrap()[..] == content);
        }
        std::fs::remove_file(&directory).unwrap();
        assert_eq!(read(CWD, &path).err(), Some(Errno::NOENT));
    }
}
