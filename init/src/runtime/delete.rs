//! `pidone delete`: takes back what a container left, and gives its id free.

use super::Caller;
use super::create::source;
use super::options::Name;
use super::state::{self, Place};
use crate::abi::{Errno, signal};
use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::spec::Kept;
use crate::error::{Context, Error, Result};
use crate::plan::step::Step;
use crate::sys::{AsFd, wait};
use crate::text::Value;
use crate::{launch, limits, log};

pub(super) fn delete(caller: &Caller) -> Result<u8> {
    let force = caller.options.has(Name::Force);
    let found = caller.place().and_then(|place| place.lock().map(|()| place));
    let place = match found {
        Err(error) if force && is_absence(&error) => return Ok(0),
        found => found?,
    };
    let (kept, status) = place.load()?;
    if status.is_alive() {
        if !force {
            return Err(Error::wrong(c"delete", c"cannot delete a container that is not stopped"));
        }
        end(&kept)?;
    }
    remove(caller, &place, &kept)?;
    Ok(0)
}

fn is_absence(error: &Error) -> bool {
    *error == Error::wrong(c"load the container", c"container does not exist")
}

/// Kills the first process, and waits until it is gone.
fn end(kept: &Kept) -> Result<()> {
    let process = match state::process(kept) {
        // It has ended meanwhile.
        Err(_) if !state::is_alive(kept) => return Ok(()),
        process => process?,
    };
    match process.signal(signal::KILL) {
        Err(Errno::SRCH) => return Ok(()),
        result => result.doing(c"kill")?,
    }
    wait::readable([process.as_fd()].into_iter(), Some(limits::KILL_US)).doing(c"wait for its end")
}

/// Takes back what the container left. Whatever fails is said, and keeps its id, so that it can be tried again.
pub(super) fn remove(caller: &Caller, place: &Place, kept: &Kept) -> Result<()> {
    // First, and whatever may keep it from being planned again.
    if let Some(path) = kept.cgroup {
        let step = Step::RemoveCgroup { path };
        if let Err(errno) = Applier::new(&mut Arena::new(&mut [])).apply(&step) {
            log::warning("container {}: {}: {}", &[Value::Name(place.id), Value::Print(&step), Value::Kernel(errno)]);
        }
    }
    // Without the bundle nothing was done yet.
    if let Some(bundle) = kept.bundle {
        let regions = &mut caller.regions.borrow_mut();
        let clean = launch::clean(&source(place, bundle), regions, &|failure, _| {
            log::warning("container {}: clean up: {}", &[Value::Name(place.id), Value::Print(failure)]);
        });
        if !clean {
            return Err(Error::wrong(c"delete", c"something of the container is left"));
        }
    }
    place.remove()
}
