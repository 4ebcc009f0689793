//! Pipes, and moving what is in them without looking at it: pipe(7), splice(2).

use linux_raw_sys::general::{__NR_ioctl, __NR_pipe2, __NR_splice, O_CLOEXEC};
use linux_raw_sys::ioctl::FIONREAD;

use super::{AsFd, BorrowedFd, OwnedFd, Result, fd, process, raw};

/// A pipe: the end to read from, and the end to write to.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0_u32; 2];
    // SAFETY: the kernel writes two descriptors into `pair`.
    unsafe { raw::value(__NR_pipe2, [pair.as_mut_ptr() as usize, O_CLOEXEC as usize, 0, 0, 0]) }?;
    let [reader, writer] = pair;
    // SAFETY: the kernel just made both and nobody else knows them.
    Ok(unsafe { (OwnedFd::new(reader), OwnedFd::new(writer)) })
}

/// A pipe whose writing end has this number, in place of what had it, and is there for the programs that are executed.
/// The reading end is above all such numbers.
pub fn to_number(number: u32) -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pair()?;
    let (reader, writer) = (fd::moved_up(reader.as_fd())?, fd::moved_up(writer.as_fd())?);
    process::set_standard(writer.as_fd(), number)?;
    // SAFETY: the kernel just made it. Whoever had the number before has lost it, and never closes it: this process ends
    // by `process::exit`.
    Ok((reader, unsafe { OwnedFd::new(number) }))
}

/// Moves at most so many bytes, one end being a pipe's; how many: 0 at the end. A process that is killed has moved all of
/// them or none.
pub fn splice(from: BorrowedFd, to: BorrowedFd, most: usize) -> Result<usize> {
    // SAFETY: borrowed descriptors and numbers, no places; the flags are the sixth argument, 0.
    unsafe { raw::value(__NR_splice, [from.argument(), 0, to.argument(), 0, most]) }.map(|moved| moved as usize)
}

/// How many bytes a pipe holds: ioctl_pipe(2).
pub fn held(pipe: BorrowedFd) -> Result<usize> {
    let mut held = 0_u32;
    // SAFETY: a borrowed descriptor, and the kernel writes one `int`.
    unsafe { raw::call(__NR_ioctl, pipe.argument(), FIONREAD as usize, &raw mut held as usize) }?;
    Ok(held as usize)
}
