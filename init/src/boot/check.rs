//! A command of an annotation, executed in a container that runs, as `pidone exec` does: is it ready, is it well?

use super::{scripts, survey};
use crate::abi::{Errno, signal};
use crate::arena::Arena;
use crate::config::cmdline;
use crate::limits;
use crate::supervise::Slot;
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::{self, Ended, Fork, Handle, Pid};
use crate::sys::region::Regions;
use crate::sys::{self, AsFd, wait};
use crate::text::Line;
use crate::texts::CStr;

/// Whether the command in an annotation of the container succeeds within a time. One that does not end is told to.
pub fn run(container: &Slot, annotation: &CStr, timeout_us: u64, regions: &mut Regions) -> bool {
    let mut ended = Err(Errno::NOENT);
    survey::annotations(container, regions, &mut |_, pairs, arena| {
        if let Some(pair) = pairs.iter().find(|pair| pair.name == annotation) {
            let started = start(container.name(), pair.value.to_bytes(), arena);
            ended = started.and_then(|pid| await_end(pid, timeout_us));
        }
    });
    ended == Ok(Some(Ended::Exited(0)))
}

fn start<'a>(name: &CStr, command: &[u8], arena: &mut Arena<'a>) -> sys::Result<Pid> {
    let mut rest = command.strip_prefix(b"command:").unwrap_or(command);
    let name = arena.string(&[name.to_bytes()]);
    let mut words = arena.list();
    for word in [s!("pidone"), s!("exec"), name] {
        arena.push(&mut words, word);
    }
    let mut buffer = [0; limits::WORD_BYTES_MAX];
    while let Some(word) = cmdline::next_raw(&mut rest) {
        let mut line = Line::new(&mut buffer);
        cmdline::plain(word, &mut line);
        let word = arena.string(&[line.bytes()]);
        arena.push(&mut words, word);
    }
    let words: &'a [&'a CStr] = arena.finish(words);
    match process::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            // What it says is nobody's business, and would be said again and again.
            if let Ok(null) = file::open(CWD, s!("/dev/null"), Open::Console) {
                for number in 0..3 {
                    let _ = process::set_standard(null.as_fd(), number);
                }
            }
            scripts::execute(s!("/proc/self/exe"), words, arena);
            process::exit(127)
        }
    }
}

fn await_end(pid: Pid, timeout_us: u64) -> sys::Result<Option<Ended>> {
    let handle = Handle::open(pid)?;
    for (signal, after_us) in [(signal::TERM, timeout_us), (signal::KILL, limits::CHECK_TERM_US)] {
        if wait::ready(&[Some(handle.as_fd())], Some(after_us))? == 0 {
            // The command's process is told by the one that waits for it.
            process::kill(pid, signal)?;
        }
    }
    // One that is stuck in the kernel is not waited for.
    process::reap(pid, false)
}
