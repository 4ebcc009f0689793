//! The kernel's random numbers: random(4).

use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl::RNDADDENTROPY;

use super::file::{self, CWD, Open};
use super::path::copy;
use super::{AsFd, Result, raw};

/// Bytes of one request.
const PIECE_BYTES: usize = 128;

/// `struct rand_pool_info` of linux/random.h.
#[repr(C)]
struct Pool {
    bits: i32,
    bytes: i32,
    buffer: [u8; PIECE_BYTES],
}

/// Adds bytes to the kernel's pool and says that every bit of them is random.
pub fn credit(bytes: &[u8]) -> Result<()> {
    let device = file::open(CWD, s!("/dev/random"), Open::Write)?;
    for piece in bytes.chunks(PIECE_BYTES) {
        let mut pool = Pool { bits: 8 * piece.len() as i32, bytes: piece.len() as i32, buffer: [0; PIECE_BYTES] };
        copy(&mut pool.buffer, piece);
        let argument = &raw const pool as usize;
        // SAFETY: a borrowed descriptor and a whole `struct rand_pool_info`, whose buffer is as long as it says at least.
        unsafe { raw::call(__NR_ioctl, device.as_fd().argument(), RNDADDENTROPY as usize, argument) }?;
    }
    Ok(())
}
