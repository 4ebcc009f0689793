//! Asking PID 1.

use core::ffi::CStr;

use super::wire::{self, BYTES, NAME_AT, Words};
use crate::abi::Errno;
use crate::limits;
use crate::supervise::{End, PLACE};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;
use crate::sys::socket::{self, Kind};
use crate::sys::texts::until_nul;
use crate::sys::{AsFd, OwnedFd, Result, wait};

/// Asks, and hands on each message of the answer with the name in it: how it ended, and the first process of the
/// container if it was asked for and there is one. What `each` says ends it.
pub(super) fn ask(verb: u8, name: &CStr, each: &mut dyn FnMut(&Words, &CStr) -> Result<()>) -> (End, Option<OwnedFd>) {
    for _ in 0..limits::ASKS_MAX {
        let answer = ask_once(verb, name, each).unwrap_or((End::NoAnswer, None));
        if answer.0 != End::Busy {
            return answer;
        }
        wait::pause();
    }
    (End::Busy, None)
}

fn ask_once(
    verb: u8,
    name: &CStr,
    each: &mut dyn FnMut(&Words, &CStr) -> Result<()>,
) -> Result<(End, Option<OwnedFd>)> {
    let mut buffer = [0; wire::REQUEST_BYTES];
    // What is longer is no container's name.
    let Ok(request) = join(&mut buffer, &[&[verb], name.to_bytes()]) else { return Ok((End::Unknown, None)) };
    let directory = file::open(CWD, PLACE.0, Open::Place)?;
    let connection = socket::connect(Kind::Messages, directory.as_fd(), PLACE.1)?;
    // The connection of one that PID 1 is too busy for may be closed already: the answer says it.
    let _ = wait::send(connection.as_fd(), request.to_bytes());
    loop {
        let mut message = [0; BYTES];
        let (length, process) = match socket::receive(connection.as_fd(), &mut message, false) {
            // It was closed over an unread request. What was said before that comes next.
            Err(Errno::CONNRESET) => continue,
            received => received?,
        };
        if length < BYTES {
            let [number, ..] = message;
            // Nothing at all is an answer that was cut off.
            let end = if length == 0 { None } else { End::ALL.get(usize::from(number)).copied() };
            return Ok((end.unwrap_or(End::NoAnswer), process));
        }
        each(&wire::decode(&message), message.get(NAME_AT..).and_then(until_nul).unwrap_or_default())?;
    }
}
