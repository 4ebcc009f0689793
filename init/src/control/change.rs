//! `pidone start`, `stop` and `restart` of a service of the machine.

use core::ffi::CStr;

use super::client::ask;
use super::wire::{CONTAINER, ENDED, PAUSING, RUNNING, STATES, verb};
use super::{Asked, complain, show};
use crate::limits;
use crate::supervise::{End, Section};
use crate::sys::file;
use crate::sys::path::join;
use crate::sys::wait;
use crate::text::{Line, Value, word};

/// Has it done, and comes back when it is: the exit code.
pub(super) fn change(asked: &Asked, wanted: usize) -> Result<u8, End> {
    let verb = verb::CHANGES.get(wanted).copied().unwrap_or_default();
    let mut end = ask(verb, asked.name, &mut |_, _| Ok(())).0;
    loop {
        if end != End::Done {
            return Err(end);
        }
        let mut found = None;
        end = state(asked.name, &mut found);
        let Some(state) = found else { return Err(End::Unknown) };
        if state == RUNNING || state == PAUSING || state >= ENDED {
            let stopped = state >= ENDED;
            let good = if verb == b'-' { stopped } else { !stopped && state != PAUSING || state == ENDED };
            return Ok(say(asked.name, word(STATES, state as usize), good));
        }
        let _ = wait::ready([None; 3], Some(limits::WAIT_US));
    }
}

fn say(name: &CStr, state: &[u8], good: bool) -> u8 {
    if !good {
        return complain(name, state, 1);
    }
    let mut buffer = [0; 512];
    let mut line = Line::new(&mut buffer);
    line.format("{}: ", &[Value::Name(name)]).raw(state).byte(b'\n');
    u8::from(show(line.bytes()).is_err())
}

/// The state of a service.
fn state(name: &CStr, state: &mut Option<u64>) -> End {
    let each = &mut |words: &super::wire::Words, _: &CStr| {
        let [kind, section, found, ..] = words;
        if *kind == CONTAINER && *section == Section::Services as u64 {
            *state = Some(*found);
        }
        Ok(())
    };
    ask(verb::LOOK, name, each).0
}

/// Whether `start` of this name means a service, and not a container that waits to be started.
pub(super) fn is_service(name: &CStr) -> bool {
    let (mut found, mut path) = (None, [0; limits::PATH_BYTES_MAX]);
    state(name, &mut found);
    let gate = join(&mut path, &[b"/run/pidone/", name.to_bytes(), b"/start"]);
    found.is_some() && !gate.is_ok_and(file::exists)
}
