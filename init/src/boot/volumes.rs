//! `/containers/volumes/NAME`: directories that containers share, an overlay in memory over what the image has.

use crate::abi::Errno;
use crate::apply::Applier;
use crate::arena::Arena;
use crate::log;
use crate::plan;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, region};
use crate::text::Value;
use crate::texts::CStr;

const DIRECTORY: &CStr = s!("/containers/volumes");

/// Mounts every volume. One that cannot be mounted is reported, and the others are.
pub fn mount_all() {
    let Some(regions) = region::take() else { return };
    let listed = file::open(CWD, DIRECTORY, Open::Directory).and_then(|directory| {
        file::for_each_entry(directory.as_fd(), &mut |name, _| {
            mount(name, &mut regions.arena);
            Ok(())
        })
    });
    match listed {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => log::error(t!("list {}: {}"), &[Value::Raw(DIRECTORY), Value::Kernel(errno)]),
    }
}

fn mount(name: &CStr, memory: &mut [u8]) {
    let fail = |why| log::error(t!("volume {}: {}"), &[Value::Name(name), why]);
    let mut buffer = PathBuffer::empty();
    let path = match buffer.below(DIRECTORY, name) {
        Ok(path) => path,
        Err(errno) => return fail(Value::Kernel(errno)),
    };
    let mut arena = Arena::new(memory);
    let steps = match plan::volume(path, &mut arena) {
        Ok(steps) => steps,
        Err(error) => return fail(Value::Print(&error)),
    };
    let mut applier = Applier::new(&mut arena);
    for step in steps {
        if let Err(errno) = applier.apply(step) {
            return log::error(t!("volume {}: {}: {}"), &[Value::Name(name), Value::Print(step), Value::Kernel(errno)]);
        }
    }
}
