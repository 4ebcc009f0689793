//! `pidone kill`: signals to a container's first process, or to all of them.

use super::Caller;
use super::options::Name;
use super::state;
use crate::abi::{Errno, signal};
use crate::apply;
use crate::error::{Context, Error, Result};
use crate::sys::process;

pub(super) fn kill(caller: &Caller) -> Result<u8> {
    let given = caller.options.extra.unwrap_or(c"TERM").to_bytes();
    let signal = signal::number(given).ok_or(Error::wrong(c"kill", c"unknown signal"))?;
    let (kept, status) = caller.place()?.load()?;
    if caller.options.has(Name::All) {
        let group = kept.cgroup.unwrap_or_default();
        if !group.is_empty() {
            let killed = apply::each_process(group, &mut |pid| match process::kill(pid, signal) {
                // It has ended meanwhile.
                Err(Errno::SRCH) => Ok(()),
                result => result,
            });
            return match killed {
                // systemd removes a group in which nobody is left.
                Err(Errno::NOENT | Errno::NODEV) => Ok(0),
                killed => killed.map(|()| 0).doing(c"kill all processes"),
            };
        }
    }
    if !status.is_alive() {
        return Err(Error::wrong(c"kill", c"container not running"));
    }
    state::process(&kept)?.signal(signal).map(|()| 0).doing(c"kill")
}
