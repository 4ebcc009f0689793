//! Descriptors: a number with an owner. Like the standard library's, which a freestanding program does not have.

use core::marker::PhantomData;
use core::num::NonZero;

use linux_raw_sys::general::{__NR_close, __NR_fcntl, __NR_setsockopt};

use super::{Result, raw};
use crate::limits;

/// The number of a descriptor, inverted: -1, which none has, becomes 0, so that one that may be missing is one number too.
#[derive(Clone, Copy, Debug)]
struct Number(NonZero<u32>);

impl Number {
    /// # Safety
    /// It is not -1.
    const unsafe fn new(number: u32) -> Number {
        // SAFETY: of -1 alone the inverse is 0.
        Number(unsafe { NonZero::new_unchecked(!number) })
    }

    const fn get(self) -> u32 {
        !self.0.get()
    }
}

/// An open descriptor, closed when it is dropped.
#[derive(Debug)]
pub struct OwnedFd(Number);

/// A descriptor that stays open while it is borrowed, or [`super::file::CWD`].
#[derive(Clone, Copy, Debug)]
pub struct BorrowedFd<'a>(Number, PhantomData<&'a OwnedFd>);

/// What has a descriptor to lend.
pub trait AsFd {
    /// Lends it.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl OwnedFd {
    /// Takes a descriptor over that the kernel just made.
    ///
    /// # Safety
    /// It is open, and nobody else knows it.
    pub(super) const unsafe fn new(number: u32) -> OwnedFd {
        // SAFETY: -1 is never open.
        OwnedFd(unsafe { Number::new(number) })
    }
}

impl BorrowedFd<'_> {
    /// # Safety
    /// It stays open for `'static`, or is -100 and stands for the current directory.
    pub(super) const unsafe fn always(number: i32) -> BorrowedFd<'static> {
        // SAFETY: -1 is neither.
        BorrowedFd(unsafe { Number::new(number as u32) }, PhantomData)
    }

    /// Its number, as system calls take it.
    pub(super) fn argument(self) -> usize {
        self.0.get() as usize
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl<'a> BorrowedFd<'a> {
    /// The same for rustix.
    pub fn for_rustix(self) -> rustix::fd::BorrowedFd<'a> {
        // SAFETY: it is open for `'a`.
        unsafe { rustix::fd::BorrowedFd::borrow_raw(self.0.get() as i32) }
    }
}

impl AsFd for OwnedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd(self.0, PhantomData)
    }
}

/// A copy of a descriptor, with a number that no program is ever given: fcntl(2).
pub fn moved_up(descriptor: BorrowedFd) -> Result<OwnedFd> {
    const F_DUPFD_CLOEXEC: usize = 1030;
    let call = [descriptor.argument(), F_DUPFD_CLOEXEC, limits::READY_DESCRIPTOR_MAX as usize + 1, 0, 0];
    // SAFETY: a borrowed descriptor and numbers.
    let number = unsafe { raw::value(__NR_fcntl, call) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    Ok(unsafe { OwnedFd::new(number) })
}

/// Closes a descriptor that this process has only because it was made by another one, whose it stays.
pub fn leave(descriptor: BorrowedFd) {
    // SAFETY: its owner is in the process that made this one: here nobody uses it again.
    let _ = unsafe { raw::call(__NR_close, descriptor.argument(), 0, 0) };
}

/// Turns an option of a socket on, if the kernel has it: setsockopt(2) with the number 1.
pub fn set_option(socket: rustix::fd::BorrowedFd, level: u32, option: u32) {
    use rustix::fd::AsRawFd;
    let on = 1_u32;
    let arguments =
        [socket.as_raw_fd() as usize, level as usize, option as usize, &raw const on as usize, size_of_val(&on)];
    // SAFETY: the value is as many bytes at `on` as the last argument says, and is only read.
    let _ = unsafe { raw::value(__NR_setsockopt, arguments) };
}

impl Drop for OwnedFd {
    fn drop(&mut self) {
        // SAFETY: it is ours, and with `self` the last way to it goes. What close(2) may report was lost before.
        let _ = unsafe { raw::call(__NR_close, self.0.get() as usize, 0, 0) };
    }
}
