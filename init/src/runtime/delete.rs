//! `pidone delete`: takes back what a container left, and gives its id free.

use super::Caller;
use super::create::source;
use super::options::Name;
use super::state::{self, ABSENT, Container, Place};
use crate::abi::{Errno, signal};
use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::spec::Kept;
use crate::plan::step::Step;
use crate::sys::{AsFd, wait};
use crate::text::Value;
use crate::texts::CStr;
use crate::{launch, limits, log};

const DOING: &CStr = s!("delete");

pub(super) fn delete(caller: &Caller) -> u8 {
    let force = caller.options.has(Name::Force);
    let Container { place, kept, status } = match caller.find(true) {
        Err(error) if force && error.is(ABSENT) => return 0,
        found => caller.must(found),
    };
    if status.is_alive() {
        if !force {
            caller.refuse(DOING, c!("cannot delete a container that is not stopped"));
        }
        end(caller, kept);
    }
    remove(caller, place, kept);
    0
}

/// Kills the first process, and waits until it is gone.
fn end(caller: &Caller, kept: &Kept) {
    let process = match state::process(kept) {
        // It has ended meanwhile.
        Err(_) if !state::is_alive(kept) => return,
        process => caller.must(process),
    };
    match process.signal(signal::KILL) {
        Err(Errno::SRCH) => return,
        result => caller.must_do(s!("kill"), result),
    }
    let waited = wait::ready(&[Some(process.as_fd())], Some(limits::KILL_US)).map(drop);
    caller.must_do(c!("wait for its end"), waited);
}

const LEFT: &CStr = c!("something of the container is left");

/// Takes back what the container left. Whatever fails is said, and keeps its id, so that it can be tried again.
pub(super) fn remove(caller: &Caller, place: &Place, kept: &Kept) {
    // First, and whatever may keep it from being planned again.
    if let Some(path) = kept.cgroup {
        let step = Step::RemoveCgroup { path };
        if let Err(errno) = Applier::new(&mut Arena::new(&mut [])).apply(&step) {
            log::warning(
                t!("container {}: {}: {}"),
                &[Value::Name(place.id), Value::Print(&step), Value::Kernel(errno)],
            );
            if kept.only_group {
                caller.refuse(DOING, LEFT);
            }
        }
    }
    // Without the bundle nothing was done yet.
    if let Some(bundle) = kept.bundle
        && !kept.only_group
    {
        let regions = &mut caller.regions.borrow_mut();
        let clean = launch::clean(&source(place, bundle), regions, &|_| {}, &|failure, _| {
            log::warning(t!("container {}: clean up: {}"), &[Value::Name(place.id), Value::Print(failure)]);
        });
        if !clean {
            caller.refuse(DOING, LEFT);
        }
    }
    caller.must(place.remove());
}
