//! Paths put together on the stack.

use core::mem::MaybeUninit;

use super::texts::CStr;
use crate::abi::Errno;

use super::Result;
use super::texts::until_nul;

/// The kernel's PATH_MAX, the final NUL included.
const PATH_BYTES: usize = 4096;

/// Room for one path. Nothing is written to what no path has needed yet: it mostly is a page of the stack.
pub struct PathBuffer {
    bytes: [MaybeUninit<u8>; PATH_BYTES],
    /// So many bytes from the first one on have been written.
    written: usize,
}

impl PathBuffer {
    /// Empty room.
    #[inline(always)]
    pub const fn empty() -> PathBuffer {
        PathBuffer { bytes: [MaybeUninit::uninit(); PATH_BYTES], written: 0 }
    }

    /// What was put together last.
    pub fn get(&self) -> &CStr {
        // SAFETY: so many bytes have been written.
        let written = unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.written) };
        until_nul(written).unwrap_or_default()
    }

    /// The path of a name in a directory, in place of what was there.
    #[inline(never)]
    pub fn below(&mut self, directory: &CStr, name: &CStr) -> Result<&CStr> {
        self.join(&[directory.to_bytes(), b"/", name.to_bytes()])
    }

    /// The pieces, one after the other, in place of what was there. A NUL inside a piece is refused.
    #[inline(never)]
    pub fn join(&mut self, pieces: &[&[u8]]) -> Result<&CStr> {
        self.written = 0;
        for piece in pieces.iter().chain(&[&b"\0"[..]]) {
            let free = self.bytes.get_mut(self.written..).unwrap_or_default();
            if free.len() < piece.len() {
                return Err(Errno::NAMETOOLONG);
            }
            free.iter_mut().zip(*piece).for_each(|(to, from)| _ = to.write(*from));
            self.written += piece.len();
        }
        let length = self.written;
        Some(self.get()).filter(|path| path.count_bytes() + 1 == length).ok_or(Errno::INVAL)
    }
}

/// The path of a name in a directory, in a buffer.
#[inline(never)]
pub fn below<'b>(buffer: &'b mut [u8], directory: &CStr, name: &CStr) -> Result<&'b CStr> {
    join(buffer, &[directory.to_bytes(), b"/", name.to_bytes()])
}

/// Bytes as a C string in a buffer. A NUL among them is refused.
#[inline(never)]
pub fn copied<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Result<&'b CStr> {
    join(buffer, &[bytes])
}

/// The pieces, one after the other, as a C string in a buffer. A NUL inside a piece is refused.
pub fn join<'b>(buffer: &'b mut [u8], pieces: &[&[u8]]) -> Result<&'b CStr> {
    let mut used = 0;
    for piece in pieces.iter().chain(&[&b"\0"[..]]) {
        let free = buffer.get_mut(used..).filter(|free| free.len() >= piece.len()).ok_or(Errno::NAMETOOLONG)?;
        copy(free, piece);
        used += piece.len();
    }
    until_nul(buffer).filter(|path| path.count_bytes() + 1 == used).ok_or(Errno::INVAL)
}

/// A number in decimal.
pub fn decimal(buffer: &mut [u8; 10], mut number: u32) -> &[u8] {
    let mut start = buffer.len();
    for place in buffer.iter_mut().rev() {
        if number == 0 && start < 10 {
            break;
        }
        *place = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
    }
    buffer.get(start..).unwrap_or_default()
}

/// Copies as much as there is room for. Unlike `copy_from_slice` it has nothing to panic about.
pub fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_byte_too_many_is_refused() {
        let mut buffer = PathBuffer::empty();
        assert_eq!(buffer.join(&[b"/lib/", b"modules"]), Ok(s!("/lib/modules")));
        assert_eq!(buffer.join(&[&[b'x'; 4095]]).map(CStr::count_bytes), Ok(4095));
        assert_eq!(buffer.join(&[&[b'x'; 4095], b"y"]), Err(Errno::NAMETOOLONG));
        assert_eq!(buffer.join(&[b"a\0b"]), Err(Errno::INVAL));
    }
}
