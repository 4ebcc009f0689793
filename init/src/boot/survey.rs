//! What containers want of PID 1: the annotations of their bundles, read before anything is started, by a process of its
//! own. PID 1 gets numbers.

use core::ffi::CStr;

use crate::abi::Errno;
use crate::arena::Arena;
use crate::config::policy;
use crate::config::spec::Spec;
use crate::config::{self, place};
use crate::log;
use crate::supervise::message::Message;
use crate::supervise::{Slot, Stage};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::region::{self, Regions};
use crate::sys::{self, AsFd, BorrowedFd};
use crate::text::Value;

/// Reads what the containers want that are not begun, and sends PID 1 what it does not expect. The exit code.
pub fn run(containers: &[Slot], announcements: BorrowedFd) -> u8 {
    let Some(regions) = region::take() else { return 1 };
    for (index, container) in containers.iter().enumerate() {
        if container.stage() == Stage::Waiting
            && let Err(errno) = look_at(index as u16, container, announcements, regions)
        {
            log::error("{}: tell PID 1: {}", &[Value::Print(container), Value::Kernel(errno)]);
            return 1;
        }
    }
    0
}

/// Reads one bundle's annotations. What keeps it from being read at all is for its launcher to say.
fn look_at(index: u16, container: &Slot, announcements: BorrowedFd, regions: &mut Regions) -> sys::Result<()> {
    let Regions { config, arena, .. } = regions;
    let Ok(text) = read(container, config) else { return Ok(()) };
    // Most have none. A name may be written with escapes.
    if find(text, policy::PREFIX).is_none() && find(text, b"\\u").is_none() {
        return Ok(());
    }
    let mut arena = Arena::new(arena);
    let mut spec = Spec::default();
    if config::read_config(text, &mut arena, &mut spec).is_err() {
        return Ok(());
    }
    let known = *container.wishes();
    let mut wishes = known;
    for pair in spec.annotations {
        let Some(name) = pair.name.to_bytes().strip_prefix(policy::PREFIX) else { continue };
        let problem = match wishes.take(name, pair.value.to_bytes()) {
            Ok(true) => continue,
            Ok(false) => "unknown annotation",
            Err(problem) => problem,
        };
        let place = place::place(text, place_of(text, pair.name));
        let values = [Value::Print(container), Value::Print(&place), Value::Text(problem)];
        log::error("{}: not started: config.json: {}: {}", &values);
        return Message::Refused { slot: index }.send(announcements);
    }
    for (place, (number, known)) in wishes.numbers().iter().zip(known.numbers()).enumerate() {
        if number != known {
            Message::Wish { slot: index, place: place as u16, number: *number }.send(announcements)?;
        }
    }
    Ok(())
}

fn read<'t>(container: &Slot, buffer: &'t mut [u8]) -> Result<&'t [u8], Errno> {
    let mut path = PathBuffer::empty();
    let bundle = file::open(CWD, path.below(container.section().directory(), container.name())?, Open::Directory)?;
    let file = file::open(bundle.as_fd(), c"config.json", Open::Read)?;
    Ok(file::read_all(file.as_fd(), buffer)?)
}

/// Where an annotation stands in the text, as far as it is written there as it is read.
fn place_of(text: &[u8], name: &CStr) -> u32 {
    let start = find(text, b"\"annotations\"").unwrap_or(0);
    let at = text.get(start..).and_then(|rest| find(rest, name.to_bytes()));
    at.map_or(0, |at| (start + at).saturating_sub(1) as u32)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
