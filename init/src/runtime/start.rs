//! `pidone start`: lets a created container execute its program.

use super::create::source;
use super::state::{Container, Place, START, Status};
use super::{Caller, FAILED};
use crate::config::spec::Kept;
use crate::error::Error;
use crate::launch;
use crate::sys::{AsFd, file};
use crate::text::Print;
use crate::texts::CStr;

const DOING: &CStr = s!("start");

pub(super) fn start(caller: &Caller) -> u8 {
    let Container { place, kept, status } = caller.must(caller.find(true));
    match status {
        Status::Created => {}
        Status::Stopped => caller.refuse(DOING, c!("cannot start a container that has stopped")),
        _ => caller.refuse(DOING, c!("cannot start an already running container")),
    }
    let failed = caller.must_do(DOING, place.connection().and_then(launch::start));
    // Nobody listens any more.
    let _ = file::remove(place.directory.as_fd(), START);
    match failed {
        None if kept.poststart => poststart(caller, place, kept),
        None => 0,
        Some((number, errno)) => caller.end(Error::program(number, errno)),
    }
}

/// Runs the hooks that wait for the program. When one fails, the container ends and is deleted.
fn poststart(caller: &Caller, place: &Place, kept: &Kept) -> u8 {
    let source = source(place, kept.bundle.unwrap_or_default());
    let regions = &mut caller.regions.borrow_mut();
    let fail = |failure: &dyn Print, error: &Error| caller.report(failure, error);
    if launch::poststart(&source, kept.pid(), regions, &fail) {
        return 0;
    }
    caller.must(place.remove());
    FAILED
}
