//! `/containers/volumes/NAME`: directories that containers share, an overlay in memory over what the image has.

use core::ffi::CStr;

use crate::abi::Errno;
use crate::apply::Applier;
use crate::arena::Arena;
use crate::log;
use crate::plan;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, region};
use crate::text::Line;

const DIRECTORY: &CStr = c"/containers/volumes";

/// Mounts every volume. One that cannot be mounted is reported, and the others are.
pub fn mount_all() {
    let Some(regions) = region::take() else { return };
    let listed = file::open(CWD, DIRECTORY, Open::Directory).and_then(|directory| {
        file::for_each_entry(directory.as_fd(), |name, _| {
            mount(name, &mut regions.arena);
            Ok::<(), Errno>(())
        })
    });
    match listed {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => log::error(|line| _ = line.text("list ").raw(DIRECTORY.to_bytes()).text(": ").print(&errno)),
    }
}

fn mount(name: &CStr, memory: &mut [u8]) {
    let mut buffer = PathBuffer::empty();
    let path = match buffer.join(&[DIRECTORY.to_bytes(), b"/", name.to_bytes()]) {
        Ok(path) => path,
        Err(errno) => return report(name, |line| _ = line.print(&errno)),
    };
    let mut arena = Arena::new(memory);
    let steps = match plan::volume(path, &mut arena) {
        Ok(steps) => steps,
        Err(error) => return report(name, |line| _ = line.print(&error)),
    };
    let mut applier = Applier::new(&mut arena);
    for step in steps {
        if let Err(errno) = applier.apply(step) {
            return report(name, |line| _ = line.print(step).text(": ").print(&errno));
        }
    }
}

fn report(name: &CStr, write: impl FnOnce(&mut Line)) {
    log::error(|line| {
        line.text("volume ").quoted(name.to_bytes()).text(": ");
        write(line);
    });
}
