//! `pidone pause`, `resume`, `update` and `events`: a container by its control group.

use core::ffi::CStr;

use super::Caller;
use super::options::Name;
use super::packed::{Text, text};
use super::state::Status;
use crate::apply::{self, Applier};
use crate::arena::Arena;
use crate::config::spec::{Kept, Resources, Spec};
use crate::error::{Context, Error, Result};
use crate::plan::facts::Section;
use crate::sys::file::{self, CWD, Open};
use crate::sys::{AsFd, wait};
use crate::text::{Line, fields, number};
use crate::{config, limits, observe, plan};

const NO_GROUP: &CStr = c"the container has no control group";

/// The container, which must be where the command makes sense, and its control group.
fn load(caller: &Caller, doing: &'static CStr, wanted: fn(Status) -> bool) -> Result<(Kept<'static>, &'static CStr)> {
    let (kept, status) = caller.place()?.load()?;
    if !status.is_alive() {
        return Err(Error::wrong(doing, c"container not running"));
    }
    if !wanted(status) {
        return Err(Error::wrong(doing, c"container is in the wrong state"));
    }
    let group = kept.cgroup.ok_or(Error::wrong(doing, NO_GROUP))?;
    Ok((kept, group))
}

/// `pidone pause`.
pub(super) fn pause(caller: &Caller) -> Result<u8> {
    freeze(load(caller, c"pause", |status| status != Status::Paused)?.1, c"1")
}

/// `pidone resume`.
pub(super) fn resume(caller: &Caller) -> Result<u8> {
    freeze(load(caller, c"resume", |status| status == Status::Paused)?.1, c"0")
}

fn freeze(group: &CStr, how: &CStr) -> Result<u8> {
    const DOING: &CStr = c"freeze or thaw";
    apply::write_cgroup(group, c"cgroup.freeze", how).doing(DOING)?;
    let is_wanted = |value: &[u8]| Some(value) == how.to_bytes().get(..1);
    for _ in 0..limits::FREEZE_LOOKS {
        if value(group, c"cgroup.events", b"frozen", &mut [0; 128]).is_some_and(is_wanted) {
            return Ok(0);
        }
        wait::pause();
    }
    Err(Error::wrong(DOING, c"not done in time"))
}

/// What stands behind a word in a control file; without a word all of it.
fn value<'b>(group: &CStr, file: &CStr, word: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let text = apply::read_cgroup(group, file, buffer).ok()?.trim_ascii_end();
    if word.is_empty() {
        return Some(text);
    }
    fields(text, b'\n').find_map(|line| line.strip_prefix(word)?.strip_prefix(b" "))
}

/// `pidone update`.
pub(super) fn update(caller: &Caller) -> Result<u8> {
    const DOING: &CStr = c"update";
    let (kept, group) = load(caller, DOING, |_| true)?;
    let regions = &mut *caller.regions.borrow_mut();
    let mut arena = Arena::new(&mut regions.arena);
    let mut wanted = Resources::default();
    match caller.options.get(Name::Resources) {
        None => {}
        Some(file) => {
            let text = if file == c"-" {
                file::read_all(file::standard_input(), &mut regions.config)
            } else {
                file::open(CWD, file, Open::Read).and_then(|file| file::read_all(file.as_fd(), &mut regions.config))
            };
            config::read_resources(text.doing(c"read the resources")?, &mut arena, &mut wanted)?;
        }
    }
    flags(caller, &mut wanted).ok_or(Error::wrong(DOING, c"not a number"))?;
    let facts = observe::facts(Section::Other, c"", kept.bundle.unwrap_or_default(), &Spec::default());
    for step in plan::update(&wanted, group, &facts, &mut arena)? {
        Applier::new(&mut Arena::new(&mut [])).apply(step).map_err(|errno| {
            caller.report.failure(step, &Error::kernel(DOING, errno));
            Error::kernel(DOING, errno)
        })?;
    }
    Ok(0)
}

/// What the options say, in the place of what the file says.
fn flags<'a>(caller: &Caller, wanted: &mut Resources<'a>) -> Option<()> {
    let get = |name| caller.options.get(name).map(CStr::to_bytes);
    let amount = |name: Name, to: &mut Option<i64>| {
        let Some(text) = get(name) else { return Some(()) };
        let (digits, sign) = text.strip_prefix(b"-").map_or((text, 1), |digits| (digits, -1));
        *to = Some(i64::try_from(number(digits, 10)?).ok()? * sign);
        Some(())
    };
    let natural = |name: Name, to: &mut Option<u64>| {
        if let Some(text) = get(name) {
            *to = Some(number(text, 10)?);
        }
        Some(())
    };
    amount(Name::MemoryLimit, &mut wanted.memory.limit)?;
    amount(Name::MemoryReservation, &mut wanted.memory.reservation)?;
    amount(Name::MemorySwap, &mut wanted.memory.swap)?;
    amount(Name::PidsLimit, &mut wanted.pids.limit)?;
    amount(Name::CpuQuota, &mut wanted.cpu.quota)?;
    natural(Name::CpuPeriod, &mut wanted.cpu.period)?;
    natural(Name::CpuBurst, &mut wanted.cpu.burst)?;
    natural(Name::CpuShare, &mut wanted.cpu.shares)?;
    wanted.cpu.cpus = caller.options.get(Name::CpusetCpus).or(wanted.cpu.cpus);
    wanted.cpu.mems = caller.options.get(Name::CpusetMems).or(wanted.cpu.mems);
    let mut weight = None;
    natural(Name::BlkioWeight, &mut weight)?;
    if let Some(weight) = weight {
        wanted.block_io.weight = Some(u16::try_from(weight).ok()?);
    }
    Some(())
}

/// `pidone events`.
pub(super) fn events(caller: &Caller) -> Result<u8> {
    let seconds = interval(caller).ok_or(Error::wrong(c"--interval", c"must be like 5s or 500ms"))?;
    let template = text(Text::Stats);
    loop {
        let place = caller.place()?;
        let (kept, status) = place.load()?;
        let group = kept.cgroup.filter(|_| status.is_alive());
        let Some(group) = group else {
            return if caller.options.has(Name::Stats) {
                Err(Error::wrong(c"events", c"container not running"))
            } else {
                Ok(0)
            };
        };
        let mut buffer = [0; 2048];
        let mut line = Line::new(&mut buffer);
        // Text, and between two `@` what there is to be read; nothing is the id.
        let mut is_text = false;
        for piece in fields(template, b'@') {
            is_text = !is_text;
            if is_text {
                line.raw(piece);
            } else if piece.is_empty() {
                line.raw(place.id.to_bytes());
            } else {
                stat(&mut line, group, piece);
            }
        }
        file::write_all(file::standard_output(), line.bytes()).doing(c"write events")?;
        if caller.options.has(Name::Stats) {
            return Ok(0);
        }
        let _ = wait::readable(core::iter::empty(), Some(seconds));
    }
}

/// A number of a control file, `FILE WORD`, times 1000 behind a `*`; 0 where the kernel has none, and the largest one for no limit.
fn stat(line: &mut Line, group: &CStr, piece: &[u8]) {
    let (piece, factor) = piece.strip_prefix(b"*").map_or((piece, 1), |piece| (piece, 1000));
    let mut parts = fields(piece, b' ');
    let (mut name, mut buffer) = ([0; 32], [0; 4096]);
    let file = crate::sys::path::copied(&mut name, parts.next().unwrap_or_default()).unwrap_or_default();
    let text = value(group, file, parts.next().unwrap_or_default(), &mut buffer).unwrap_or_default();
    let number = if text == b"max" { u64::MAX } else { number(text, 10).unwrap_or(0) };
    line.number(number.saturating_mul(factor));
}

/// `--interval` in microseconds.
fn interval(caller: &Caller) -> Option<u64> {
    let given = caller.options.get(Name::Interval).unwrap_or(c"5s").to_bytes();
    let (digits, factor) = match given {
        [digits @ .., b'm', b's'] => (digits, 1000),
        [digits @ .., b's'] => (digits, 1_000_000),
        digits => (digits, 1_000_000),
    };
    number(digits, 10)?.checked_mul(factor)
}
