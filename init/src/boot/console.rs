//! The standard descriptors of PID 1, and every console that the operator named.

use super::lines::words;
use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::sys::{AsFd, OwnedFd, Result, process, tty, wait};
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

/// Writes to every console the kernel uses. What one does not take in time is dropped.
pub fn write_to_all(bytes: &[u8]) {
    for_each(&mut |console| {
        let (mut left, mut patience) = (bytes, limits::LOG_PATIENCE);
        while !left.is_empty() && patience > 0 {
            match file::write_some(console.as_fd(), left) {
                Ok(count) => (left, patience) = (left.get(count as usize..).unwrap_or_default(), limits::LOG_PATIENCE),
                Err(_) => {
                    patience -= 1;
                    wait::pause();
                }
            }
        }
    });
}

/// Waits until every console has sent what was written to it.
pub fn drain_all() {
    for_each(&mut |console| tty::drain(console.as_fd()));
}

/// Calls `act` with every console of /sys/class/tty/console/active that can be opened. Nobody waits for one.
pub fn for_each(act: &mut dyn FnMut(OwnedFd)) {
    let mut buffer = [0; 256];
    let active = file::read_file(s!("/sys/class/tty/console/active"), &mut buffer);
    for name in words(active.as_deref().unwrap_or(b"console")).take(CONSOLES_MAX) {
        if let Ok(console) = open(name) {
            act(console);
        }
    }
}

fn open(name: &[u8]) -> Result<OwnedFd> {
    let mut path = [0; 64];
    let mut line = Line::new(&mut path);
    line.say(t!("/dev/")).raw(name);
    let path = line.terminated().ok_or(crate::abi::Errno::NAMETOOLONG)?;
    file::open(CWD, path, Open::Terminal)
}
