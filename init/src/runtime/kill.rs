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
    let Some(signal) = signal::number(given) else { caller.refuse(DOING, c!("unknown signal")) };
    let Container { kept, status, .. } = caller.container();
    if caller.options.has(Name::All) {
        let group = kept.cgroup.unwrap_or_default();
        if !group.is_empty() {
            let killed = apply::each_process(group, &mut |pid| match process::kill(pid, signal) {
                // It has ended meanwhile.
                Err(Errno::SRCH) => Ok(()),
                result => result,
            });
            match killed {
                // systemd removes a group in which nobody is left.
                Err(Errno::NOENT | Errno::NODEV) if !status.is_alive() => {}
                killed => caller.must_do(c!("kill all processes"), killed),
            }
            return 0;
        }
    }
    if !status.is_alive() {
        caller.refuse(DOING, c!("container not running"));
    }
    caller.must_do(DOING, caller.must(state::process(kept)).signal(signal));
    0
}
