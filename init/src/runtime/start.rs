//! `pidone start`: lets a created container execute its program.

use core::ffi::CStr;

use super::Caller;
use super::state::{START, Status};
use crate::error::{Context, Error, Result};
use crate::launch;
use crate::sys::{AsFd, file};

pub(super) fn start(caller: &Caller) -> Result<u8> {
    const DOING: &CStr = c"start";
    let place = caller.place()?;
    place.lock()?;
    let (_, status) = place.load()?;
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
        None => Ok(0),
        Some((number, errno)) => Err(Error::program(number, errno)),
    }
}
