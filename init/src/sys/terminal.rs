//! Terminals: pty(7), ioctl_tty(2).

use linux_raw_sys::general::{__NR_ioctl, O_CLOEXEC, O_NOCTTY, O_RDWR};
use linux_raw_sys::ioctl::{TCGETS, TCSETS, TIOCGPTPEER, TIOCGWINSZ, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ};

use super::{BorrowedFd, OwnedFd, Result, raw};

/// Unlocks the other end of a pseudoterminal and opens it, wherever its file is.
pub fn open_other_end(master: BorrowedFd) -> Result<OwnedFd> {
    let unlock = 0_u32;
    // SAFETY: the kernel reads one `int`.
    unsafe { raw::call(__NR_ioctl, master.argument(), TIOCSPTLCK as usize, &raw const unlock as usize) }?;
    let flags = (O_RDWR | O_NOCTTY | O_CLOEXEC) as usize;
    // SAFETY: a borrowed descriptor and numbers.
    let fd = unsafe { raw::value(__NR_ioctl, [master.argument(), TIOCGPTPEER as usize, flags, 0, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    Ok(unsafe { OwnedFd::new(fd) })
}

/// Lines and columns.
pub type Size = [u16; 2];

/// The size of a terminal.
pub fn size(terminal: BorrowedFd) -> Result<Size> {
    // `struct winsize`: lines, columns, and two fields that nobody uses.
    let mut size = [0_u16; 4];
    // SAFETY: the kernel writes one `struct winsize`.
    unsafe { raw::call(__NR_ioctl, terminal.argument(), TIOCGWINSZ as usize, size.as_mut_ptr() as usize) }?;
    let [lines, columns, ..] = size;
    Ok([lines, columns])
}

/// Sets the size of a terminal.
pub fn set_size(terminal: BorrowedFd, [lines, columns]: Size) -> Result<()> {
    let size = [lines, columns, 0, 0];
    // SAFETY: the kernel reads one `struct winsize`.
    unsafe { raw::call(__NR_ioctl, terminal.argument(), TIOCSWINSZ as usize, size.as_ptr() as usize) }
}

/// Makes a terminal that of this process's session, which must have none.
pub fn control(terminal: BorrowedFd) -> Result<()> {
    // SAFETY: a borrowed descriptor and numbers.
    unsafe { raw::call(__NR_ioctl, terminal.argument(), TIOCSCTTY as usize, 0) }
}

/// `struct termios` of the kernel: four words of flags, the line discipline and 19 control characters.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Mode {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    rest: [u8; 20],
}

impl Mode {
    /// A terminal's mode.
    pub fn of(terminal: BorrowedFd) -> Result<Mode> {
        let mut mode = Mode { input: 0, output: 0, control: 0, local: 0, rest: [0; 20] };
        // SAFETY: the kernel writes one `struct termios`.
        unsafe { raw::call(__NR_ioctl, terminal.argument(), TCGETS as usize, &raw mut mode as usize) }?;
        Ok(mode)
    }

    /// Gives a terminal this mode.
    pub fn set(&self, terminal: BorrowedFd) -> Result<()> {
        // SAFETY: the kernel reads one `struct termios`.
        unsafe { raw::call(__NR_ioctl, terminal.argument(), TCSETS as usize, &raw const *self as usize) }
    }

    /// The same with nothing done to what is typed or written: cfmakeraw(3).
    pub fn raw(mut self) -> Mode {
        // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON; OPOST; ECHO ECHONL ICANON ISIG IEXTEN; CSIZE PARENB, CS8.
        self.input &= !0o2753;
        self.output &= !1;
        self.local &= !0o100_113;
        self.control = self.control & !0o460 | 0o60;
        self
    }
}
