//! The standard descriptors of PID 1, and every console that the operator named.

use crate::sys::{AsFd, BorrowedFd, OwnedFd, process, tty};

use super::lines::words;
use crate::sys::Result;
use crate::sys::file::{self, CWD, Open};
use crate::text::Line;

/// Consoles named by `console=` that output is copied to; the kernel itself has at most 8 (MAX_CMDLINECONSOLES).
const CONSOLES_MAX: usize = 8;

/// Opens /dev/console as standard input, output and error; /dev/null where the machine has no console.
pub fn open_standard_descriptors() -> Result<()> {
    let console = file::open(CWD, s!("/dev/console"), Open::Terminal)
        .or_else(|_| file::open(CWD, s!("/dev/null"), Open::Terminal))?;
    file::set_blocking(console.as_fd())?;
    process::set_standard(console.as_fd(), 0)?;
    process::set_standard(console.as_fd(), 1)?;
    process::set_standard(console.as_fd(), 2)
}

/// Writes to every console the kernel uses. A console that does not take it is skipped.
pub fn write_to_all(bytes: &[u8]) {
    for_each(&mut |console| _ = file::write_all(console, bytes));
}

/// Waits until every console has sent what was written to it.
pub fn drain_all() {
    for_each(&mut tty::drain);
}

/// Calls `act` with every console of /sys/class/tty/console/active that can be opened.
fn for_each(act: &mut dyn FnMut(BorrowedFd)) {
    let mut buffer = [0; 256];
    let Ok(active) = file::read_file(s!("/sys/class/tty/console/active"), &mut buffer) else {
        return act(file::standard_output());
    };
    for name in words(active).take(CONSOLES_MAX) {
        if let Ok(console) = open(name) {
            act(console.as_fd());
        }
    }
}

fn open(name: &[u8]) -> Result<OwnedFd> {
    let mut path = [0; 64];
    let mut line = Line::new(&mut path);
    line.say(t!("/dev/")).raw(name);
    let path = line.terminated().ok_or(crate::abi::Errno::NAMETOOLONG)?;
    let console = file::open(CWD, path, Open::Terminal)?;
    file::set_blocking(console.as_fd())?;
    Ok(console)
}
