//! `pidone start`, `stop` and `restart` of a service of the machine.

use super::client::{ask, ask_about};
use super::wire::{ENDED, PAUSING, RUNNING, STATES, Words, verb};
use super::{Asked, say};
use crate::limits;
use crate::supervise::{End, Section};
use crate::sys::file;
use crate::sys::path::join;
use crate::sys::wait;
use crate::text::{Value, word};
use crate::texts::CStr;

/// Has it done, and comes back when it is: the exit code.
pub(super) fn change(asked: &Asked, wanted: usize) -> Result<u8, End> {
    let verb = verb::CHANGES.get(wanted).copied().unwrap_or_default();
    let end = ask(verb, asked.name, &mut None, &mut |_, _| true);
    if end != End::Done {
        return Err(end);
    }
    loop {
        let [_, _, state, ..] = ask_about(verb::LOOK, asked.name, &mut None)?;
        if matches!(state, RUNNING | PAUSING | ENDED..) {
            let good = if verb == b'-' { state >= ENDED } else { matches!(state, RUNNING | ENDED) };
            return Ok(say(asked.name, Value::Quoted(word(STATES, state as usize)), u8::from(!good)));
        }
        let _ = wait::ready(&[], Some(limits::WAIT_US));
    }
}

/// Whether `start` of this name means a service, and not a container that waits to be started.
pub(super) fn is_service(name: &CStr) -> bool {
    let mut path = [0; limits::PATH_BYTES_MAX];
    let gate = join(&mut path, &[b"/run/pidone/", name.to_bytes(), b"/start"]);
    let is_service = |[_, section, ..]: Words| section == Section::Services as u64;
    ask_about(verb::LOOK, name, &mut None).is_ok_and(is_service) && !gate.is_ok_and(file::exists)
}
