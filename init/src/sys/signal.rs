//! Signals without handlers: all blocked, waited for or read from a descriptor. rt_sigprocmask(2), rt_sigaction(2),
//! rt_sigtimedwait(2), signalfd(2).

use linux_raw_sys::general::{
    __NR_fcntl, __NR_ioctl, __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigtimedwait, __NR_signalfd4, F_SETOWN,
    O_CLOEXEC, O_NONBLOCK, SIG_SETMASK,
};
use linux_raw_sys::ioctl::FIOASYNC;

use super::{AsFd, BorrowedFd, OwnedFd, Result, file, process, raw, time};

/// `sizeof(sigset_t)` in the kernel: 64 signals.
const SET_BYTES: usize = 8;

fn set_mask(mask: u64) {
    let call = [SIG_SETMASK as usize, &raw const mask as usize, 0, SET_BYTES, 0];
    // SAFETY: the kernel reads one 64-bit set; the old one is not asked for. It cannot fail with a valid `how`.
    let _ = unsafe { raw::value(__NR_rt_sigprocmask, call) };
}

/// Blocks every signal that can be blocked.
pub fn block_all() {
    set_mask(!0);
}

/// Unblocks all: what a program that is executed expects.
pub fn unblock_all() {
    set_mask(0);
}

/// Gives signals their default disposition, signal 1 being the lowest bit: what a program that is executed expects. It
/// inherits what is ignored, and so did this process.
pub fn restore(signals: u64) {
    // A `struct sigaction` of zeros is SIG_DFL, no flags, no restorer, nothing masked. One spare word: its size differs
    // between architectures.
    let default = [0_u64; 5];
    for signal in 0..64 {
        if signals >> signal & 1 == 1 {
            // SAFETY: the kernel reads one `struct sigaction`. SIGKILL and SIGSTOP are refused, which is as well.
            let _ = unsafe { raw::value(__NR_rt_sigaction, [signal + 1, default.as_ptr() as usize, 0, SET_BYTES, 0]) };
        }
    }
}

/// Takes the next pending signal but `except`, or waits for one until `timeout_us` have passed: rt_sigtimedwait(2). 0 if
/// there is none. They must be blocked: [`block_all`].
pub fn take(except: u8, timeout_us: u64) -> u8 {
    let set = !(1_u64 << except >> 1);
    let timeout = time::span(timeout_us);
    // Of more than the machine will see the kernel needs no timer.
    let pointer = if timeout_us < u64::MAX / 2 { timeout.as_ptr() as usize } else { 0 };
    // SAFETY: the kernel reads one 64-bit set and a `struct timespec`, or none; what more there is to know of the signal is
    // not asked for.
    unsafe { raw::value(__NR_rt_sigtimedwait, [&raw const set as usize, 0, pointer, SET_BYTES, 0]) }.unwrap_or(0) as u8
}

/// Lets the kernel send this process SIGIO whenever there is something new to be read: fcntl(2), ioctl(2).
pub fn announce(descriptor: BorrowedFd) -> Result<()> {
    let (descriptor, on) = (descriptor.argument(), 1_u32);
    // SAFETY: a borrowed descriptor and numbers.
    unsafe { raw::call(__NR_fcntl, descriptor, F_SETOWN as usize, process::own_pid() as usize) }?;
    // SAFETY: a borrowed descriptor, and the kernel reads one `int`.
    unsafe { raw::call(__NR_ioctl, descriptor, FIOASYNC as usize, &raw const on as usize) }
}

/// Signals that are read at once. The standard ones do not queue, so there are seldom more.
pub const AT_ONCE: usize = 8;

/// A descriptor that reads blocked signals.
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// For every signal. They must be blocked: [`block_all`].
    pub fn open() -> Result<SignalFd> {
        let mask = !0_u64;
        // SFD_CLOEXEC and SFD_NONBLOCK are these by definition (signalfd(2)).
        let flags = (O_CLOEXEC | O_NONBLOCK) as usize;
        // SAFETY: the kernel reads one 64-bit set; -1 asks for a new descriptor.
        let fd =
            unsafe { raw::value(__NR_signalfd4, [-1_isize as usize, &raw const mask as usize, SET_BYTES, flags, 0]) }?;
        // SAFETY: the kernel just made it and nobody else knows it.
        Ok(SignalFd(unsafe { OwnedFd::new(fd) }))
    }

    /// The numbers of the next pending signals; 0 where there are no more.
    pub fn read(&self) -> [u8; AT_ONCE] {
        // `struct signalfd_siginfo` is 128 bytes; the first word is the signal.
        let mut infos = [[0_u8; 128]; AT_ONCE];
        // Without any it is an error.
        let _ = file::read(self.0.as_fd(), infos.as_flattened_mut());
        infos.map(|[signal, ..]| signal)
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
