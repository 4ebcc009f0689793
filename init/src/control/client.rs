//! Asking PID 1.

use super::wire::{self, BYTES, CONTAINER, NAME_AT, WORDS, Words};
use crate::abi::Errno;
use crate::limits;
use crate::supervise::{End, PLACE, Section};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;
use crate::sys::socket::{self, Kind};
use crate::sys::texts::until_nul;
use crate::sys::{AsFd, OwnedFd, wait};
use crate::texts::CStr;

/// What to do with each message of an answer, and the name in it. `false` breaks it off.
pub(super) type Each<'e> = dyn FnMut(&Words, &CStr) -> bool + 'e;

/// Asks, and hands on each message of the answer: how it ended. `process` becomes the first process of the container if
/// it was asked for and there is one.
pub(super) fn ask(verb: u8, name: &CStr, process: &mut Option<OwnedFd>, each: &mut Each) -> End {
    for _ in 0..limits::ASKS_MAX {
        match ask_once(verb, name, process, each) {
            Some(End::Busy) => wait::pause(),
            end => return end.unwrap_or(End::NoAnswer),
        }
    }
    End::Busy
}

/// What is said of the container of a name, of the service if there are others of that name.
pub(super) fn ask_about(verb: u8, name: &CStr, process: &mut Option<OwnedFd>) -> Result<Words, End> {
    let mut found = [0; WORDS];
    let end = ask(verb, name, process, &mut |words, _| {
        let [kind, section, ..] = words;
        if *kind == CONTAINER && (found == [0; WORDS] || *section == Section::Services as u64) {
            found = *words;
        }
        true
    });
    if end == End::Done { Ok(found) } else { Err(end) }
}

fn ask_once(verb: u8, name: &CStr, process: &mut Option<OwnedFd>, each: &mut Each) -> Option<End> {
    let mut buffer = [0; wire::REQUEST_BYTES];
    // What is longer is no container's name.
    let Ok(request) = join(&mut buffer, &[&[verb], name.to_bytes()]) else { return Some(End::Unknown) };
    let directory = file::open(CWD, PLACE.0, Open::Place).ok()?;
    let connection = socket::connect(Kind::Messages, directory.as_fd(), PLACE.1).ok()?;
    // The connection of one that PID 1 is too busy for may be closed already: the answer says it.
    let _ = wait::send(connection.as_fd(), request.to_bytes());
    loop {
        let mut message = [0; BYTES];
        let length = match socket::receive(connection.as_fd(), &mut message, false) {
            // It was closed over an unread request. What was said before that comes next.
            Err(Errno::CONNRESET) => continue,
            Err(_) | Ok((0, _)) => return None,
            Ok((length, received)) => {
                *process = received;
                length
            }
        };
        if length == 1 {
            let [number, ..] = message;
            return End::ALL.get(usize::from(number)).copied();
        }
        if !each(&wire::decode(&message), message.get(NAME_AT..).and_then(until_nul).unwrap_or_default()) {
            return None;
        }
    }
}
