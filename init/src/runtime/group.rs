//! `pidone pause`, `resume`, `update` and `events`: a container by its control group.

use super::Caller;
use super::options::Name;
use super::packed::{Text, text};
use super::process::delegated;
use super::state::{Container, Place, Status};
use crate::apply::{self, Applier};
use crate::arena::Arena;
use crate::config::spec::{Cpu, Kept, Resources, Spec};
use crate::error::Error;
use crate::plan::facts::Section;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, identity, wait};
use crate::text::{Line, fields, number};
use crate::texts::CStr;
use crate::{config, limits, observe, plan};

/// The container, which must run, and its control group.
fn load(caller: &Caller, doing: &'static CStr) -> (&'static Container, &'static CStr) {
    let container = caller.container();
    if !container.status.is_alive() {
        caller.refuse(doing, c!("container not running"));
    }
    let Some(group) = container.kept.cgroup else { caller.refuse(doing, c!("the container has no control group")) };
    (container, group)
}

/// `pidone pause`.
pub(super) fn pause(caller: &Caller) -> u8 {
    freeze(caller, s!("pause"), s!("1"))
}

/// `pidone resume`.
pub(super) fn resume(caller: &Caller) -> u8 {
    freeze(caller, s!("resume"), s!("0"))
}

fn freeze(caller: &Caller, doing: &'static CStr, how: &CStr) -> u8 {
    const DOING: &CStr = c!("freeze or thaw");
    let (container, group) = load(caller, doing);
    if (container.status == Status::Paused) == (how == s!("1")) {
        caller.refuse(doing, c!("container is in the wrong state"));
    }
    caller.must_do(DOING, apply::write_cgroup(group, s!("cgroup.freeze"), how));
    for _ in 0..limits::FREEZE_LOOKS {
        if value(group, s!("cgroup.events"), b"frozen", &mut [0; 128]) == Some(how.to_bytes()) {
            return 0;
        }
        wait::pause();
    }
    caller.refuse(DOING, c!("not done in time"))
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
pub(super) fn update(caller: &Caller) -> u8 {
    const DOING: &CStr = s!("update");
    let (container, group) = load(caller, DOING);
    let regions = &mut *caller.regions.borrow_mut();
    let mut arena = Arena::new(&mut regions.arena);
    let mut wanted = Resources::default();
    match caller.options.get(Name::Resources) {
        None => {}
        Some(file) => {
            let text = if file == s!("-") {
                file::read_all(file::standard_input(), &mut regions.config)
            } else {
                file::open(CWD, file, Open::Read).and_then(|file| file::read_all(file.as_fd(), &mut regions.config))
            };
            let text = caller.must_do(c!("read the resources"), text);
            caller.must(config::read_resources(text, &mut arena, &mut wanted));
        }
    }
    if flags(caller, &mut wanted).is_none() {
        caller.refuse(DOING, c!("not a number"));
    }
    keep_bandwidth(group, &mut wanted.cpu);
    let mut facts = observe::facts(Section::Other, s!(""), container.kept.bundle.unwrap_or_default(), &Spec::default());
    if !identity::is_root_of_machine() {
        facts.controllers = delegated(group);
    }
    for step in caller.must(plan::update(&wanted, group, &facts, &mut arena)) {
        if let Err(errno) = Applier::new(&mut Arena::new(&mut [])).apply(step) {
            let error = Error::kernel(DOING, errno);
            caller.report(step, &error);
            caller.end(error);
        }
    }
    0
}

/// Quota and period are in one file: who gives one of them leaves the other as it is.
fn keep_bandwidth(group: &CStr, cpu: &mut Cpu) {
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    let mut buffer = [0; 64];
    if (quota == 0) == (period == 0) {
        return;
    }
    let mut words = fields(value(group, s!("cpu.max"), b"", &mut buffer).unwrap_or_default(), b' ');
    let now = words.next().and_then(|word| number(word, 10));
    if quota == 0 {
        cpu.quota = now.map(|quota| quota as i64);
    } else {
        cpu.period = words.next().and_then(|word| number(word, 10));
    }
}

/// A number of bytes, perhaps with a unit: `52428800` or `50M`.
fn bytes(text: &[u8]) -> Option<u64> {
    let (unit, digits) = text.split_last()?;
    match b"kmgt".iter().position(|known| known == &(unit | 0x20)) {
        Some(place) => number(digits, 10)?.checked_mul(1 << (10 * (place + 1))),
        None => number(text, 10),
    }
}

/// What the options say, in the place of what the file says.
fn flags<'a>(caller: &Caller, wanted: &mut Resources<'a>) -> Option<()> {
    let get = |name| caller.options.get(name).map(CStr::to_bytes);
    let amount = |name: Name, to: &mut Option<i64>| {
        let Some(text) = get(name) else { return Some(()) };
        let (digits, sign) = text.strip_prefix(b"-").map_or((text, 1), |digits| (digits, -1));
        let is_memory = matches!(name, Name::MemoryLimit | Name::MemoryReservation | Name::MemorySwap);
        let amount = if is_memory { bytes(digits) } else { number(digits, 10) };
        *to = Some(i64::try_from(amount?).ok()? * sign);
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
pub(super) fn events(caller: &Caller) -> u8 {
    let Some(seconds) = interval(caller) else { caller.refuse(s!("--interval"), c!("must be like 5s or 500ms")) };
    let is_once = caller.options.has(Name::Stats);
    let template = text(Text::Stats);
    loop {
        let mut path = PathBuffer::empty();
        let mut kept = Kept::default();
        let place = caller.must(Place::find(&mut path, caller.root, caller.id()));
        let status = caller.must(place.load(&mut kept));
        let group = kept.cgroup.filter(|_| status.is_alive());
        let Some(group) = group else {
            if is_once {
                caller.refuse(s!("events"), c!("container not running"));
            }
            return 0;
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
        caller.show(c!("write events"), line.bytes());
        if is_once {
            return 0;
        }
        let _ = wait::ready(&[], Some(seconds));
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
    let given = caller.options.get(Name::Interval).unwrap_or(s!("5s")).to_bytes();
    let (digits, factor) = match given {
        [digits @ .., b'm', b's'] => (digits, 1000),
        [digits @ .., b's'] => (digits, 1_000_000),
        digits => (digits, 1_000_000),
    };
    number(digits, 10)?.checked_mul(factor)
}
