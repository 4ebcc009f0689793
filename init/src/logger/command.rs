//! The other end of the socket: `pidone logs`, and waiting for the end of a container's streams.

use super::client::{BOTH, END, TEXT};
use crate::abi::Errno;
use crate::limits::{self, LOG_SOURCE_BYTES};
use crate::sys::file::{self, CWD, Open};
use crate::sys::socket::{self, Kind};
use crate::sys::{AsFd, OwnedFd, Result, path, time, wait};
use crate::texts::CStr;

/// Its name, in /run.
pub(super) const SOCKET: &CStr = s!("memlogdq.sock");

/// A connection on which a question was asked.
fn ask(question: u8, name: &CStr) -> Result<OwnedFd> {
    let mut message = [question; 1 + LOG_SOURCE_BYTES];
    path::copy(message.get_mut(1..).unwrap_or_default(), name.to_bytes());
    let message = message.get(..1 + name.count_bytes()).ok_or(Errno::NAMETOOLONG)?;
    let run = file::open(CWD, s!("/run"), Open::Place)?;
    let connection = socket::connect(Kind::Stream, run.as_fd(), SOCKET)?;
    wait::send(connection.as_fd(), message)?;
    Ok(connection)
}

/// Writes to standard output the last lines of a container, or of all if the name is empty, and with `follow` those that
/// come, for ever. Whether there is such a container.
pub fn show(name: &CStr, follow: bool) -> Result<bool> {
    let connection = ask(TEXT | if follow { BOTH } else { 0 }, name)?;
    let mut buffer = [0; 4096];
    let mut known = false;
    loop {
        let length = match file::read(connection.as_fd(), &mut buffer) {
            Err(Errno::INTR) => continue,
            length => length?,
        };
        let mut text = buffer.get(..length as usize).unwrap_or_default();
        if text.is_empty() {
            return Ok(known);
        }
        if !known {
            known = text.starts_with(b"+");
            text = text.get(1..).unwrap_or_default();
        }
        file::write_all(file::standard_output(), text)?;
    }
}

/// Waits until all that a container wrote is in its files, as long as it is to be expected.
pub fn await_end(name: &CStr) {
    let deadline_us = time::monotonic_us() + limits::LOG_END_US;
    loop {
        let now_us = time::monotonic_us();
        if now_us >= deadline_us {
            return;
        }
        let mut answer = [0];
        if let Ok(connection) = ask(END, name)
            && wait::ready(&[Some(connection.as_fd())], Some(deadline_us - now_us)) != Ok(0)
            && file::read(connection.as_fd(), &mut answer) == Ok(1)
        {
            return;
        }
        // There is no logger at the moment: the next one goes on.
        wait::pause();
    }
}
