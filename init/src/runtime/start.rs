//! `pidone start`: lets a created container execute its program.

use core::ffi::CStr;

use super::create::source;
use super::state::{Place, START, Status};
use super::{Caller, FAILED};
use crate::config::spec::Kept;
use crate::error::{Context, Error, Result};
use crate::launch;
use crate::sys::{AsFd, file};
use crate::text::Print;

const DOING: &CStr = c"start";

pub(super) fn start(caller: &Caller) -> Result<u8> {
    let place = caller.place()?;
    place.lock()?;
    let (kept, status) = place.load()?;
    match status {
        Status::Created => {}
        Status::Stopped => return Err(Error::wrong(DOING, c"cannot start a container that has stopped")),
        _ => return Err(Error::wrong(DOING, c"cannot start an already running container")),
    }
    let connection = place.connect().doing(DOING)?;
    let failed = launch::start(connection).doing(DOING)?;
    // Nobody listens any more.
    let _ = file::remove(place.directory.as_fd(), START);
    match failed {
        None if kept.poststart => poststart(caller, &place, &kept),
        None => Ok(0),
        Some((number, errno)) => Err(Error::program(number, errno)),
    }
}

/// Runs the hooks that wait for the program. When one fails, the container ends and is deleted.
fn poststart(caller: &Caller, place: &Place, kept: &Kept) -> Result<u8> {
    let source = source(place, kept.bundle.unwrap_or_default());
    let regions = &mut caller.regions.borrow_mut();
    let fail = |failure: &dyn Print, error: &Error| caller.report.failure(failure, error);
    if launch::poststart(&source, kept.pid(), regions, &fail) {
        return Ok(0);
    }
    place.remove()?;
    Ok(FAILED)
}
