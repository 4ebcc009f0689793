//! A command of an annotation, executed in a container that runs, as `pidone exec` does: is it ready, is it well?
//!
//! Its processes are in a control group of their own below the container's, so that none outlives it. One that cannot die
//! keeps the group, and as long as it does, checks fail without being begun.

use super::{scripts, survey};
use crate::abi::{Errno, signal};
use crate::arena::Arena;
use crate::config::cmdline;
use crate::limits;
use crate::supervise::{Slot, group_file};
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::{self, Ended, Fork, Handle, Pid};
use crate::sys::region::Regions;
use crate::sys::{self, AsFd, BorrowedFd, wait};
use crate::text::Line;
use crate::texts::CStr;

/// Where a check's processes are.
const GROUP: &CStr = s!("pidone.check");

/// Whether the command in an annotation of the container, whose first process is `main`, succeeds within a time. One that
/// does not end is told to.
pub fn run(container: &Slot, main: Pid, annotation: &CStr, timeout_us: u64, regions: &mut Regions) -> bool {
    let mut ended = Err(Errno::NOENT);
    // Who has no group of his own is in nobody's way.
    let group = group_file(main, b"", Open::Directory);
    if let Some(group) = &group {
        if !clear(group.as_fd()) {
            return false;
        }
        let _ = file::make_directory_in(group.as_fd(), GROUP, 0o755);
    }
    survey::annotations(container, regions, &mut |_, pairs, arena| {
        if let Some(pair) = pairs.iter().find(|pair| pair.name == annotation) {
            let started = start(container.name(), group.is_some(), pair.value.to_bytes(), arena);
            ended = started.and_then(|pid| await_end(pid, timeout_us));
        }
    });
    if let Some(group) = &group {
        clear(group.as_fd());
    }
    ended == Ok(Some(Ended::Exited(0)))
}

/// Whether a container has ended, or does now: that ends what is executed in it, a little before it is seen to end itself.
pub fn has_ended(main: Pid) -> bool {
    Handle::open(main).and_then(|main| wait::ready(&[Some(main.as_fd())], Some(limits::CHECK_END_US))) != Ok(0)
}

/// Kills what there is of a check in a container's group, and waits a little until it has gone: whether it has.
fn clear(group: BorrowedFd) -> bool {
    if let Ok(kill) = file::open(group, s!("pidone.check/cgroup.kill"), Open::Write) {
        let _ = file::write(kill.as_fd(), b"1");
    }
    for _ in 0..limits::CHECK_LOOKS {
        if let Ok(()) | Err(Errno::NOENT) = file::remove_directory(group, GROUP) {
            return true;
        }
        wait::pause();
    }
    false
}

fn start<'a>(name: &CStr, is_apart: bool, command: &[u8], arena: &mut Arena<'a>) -> sys::Result<Pid> {
    let mut rest = command.strip_prefix(b"command:").unwrap_or(command);
    let name = arena.copy(name.to_bytes());
    let mut words = arena.list();
    // An empty one is the container's.
    let group = if is_apart { s!("--cgroup=pidone.check") } else { s!("--cgroup=") };
    for word in [s!("pidone"), s!("exec"), group, name] {
        arena.push(&mut words, word);
    }
    let mut buffer = [0; limits::WORD_BYTES_MAX];
    while let Some(word) = cmdline::next_raw(&mut rest) {
        let mut line = Line::new(&mut buffer);
        cmdline::plain(word, &mut line);
        let word = arena.copy(line.bytes());
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
