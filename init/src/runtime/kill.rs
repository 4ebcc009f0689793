//! `pidone kill`: signals to a container's first process, or to all of them.

use super::Caller;
use super::options::Name;
use super::state::{self, Container};
use crate::abi::{Errno, signal};
use crate::apply;
use crate::sys::process;
use crate::texts::CStr;

const DOING: &CStr = s!("kill");

pub(super) fn kill(caller: &Caller) -> u8 {
    let given = caller.options.extra.unwrap_or(s!("TERM")).to_bytes();
    // 0 only asks whether there is somebody.
    let signal = if given == b"0" { Some(0) } else { signal::number(given) };
    let Some(signal) = signal else { caller.refuse(DOING, c!("unknown signal")) };
    let Container { kept, status, .. } = caller.container();
    let group = kept.cgroup.unwrap_or_default();
    let all = caller.options.has(Name::All) && !group.is_empty();
    let mut reached = all;
    if !all && status.is_alive() {
        caller.must_do(DOING, caller.must(state::process(kept)).signal(signal));
        reached = true;
    }
    // With a pid namespace of its own, the first process takes all others along. There need be none.
    if all || signal == signal::KILL && !group.is_empty() {
        let killed = apply::each_process(group, &mut |pid| {
            reached = true;
            match process::kill(pid, signal) {
                // It has ended meanwhile.
                Err(Errno::SRCH) => Ok(()),
                result => result,
            }
        });
        match killed {
            // systemd removes a group in which nobody is left.
            Err(Errno::NOENT | Errno::NODEV) if !(all && status.is_alive()) => {}
            killed => caller.must_do(c!("kill all processes"), killed),
        }
    }
    if !reached {
        caller.refuse(DOING, c!("container not running"));
    }
    0
}
