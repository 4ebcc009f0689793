//! `pidone wait`: until a container's program ends.

use super::Asked;
use super::client::ask_about;
use super::wire::{NONE, verb};
use crate::limits;
use crate::supervise::End;
use crate::sys::{AsFd, wait};

/// The code of the run that is, or was the last.
pub(super) fn wait(asked: &Asked) -> Result<u8, End> {
    let mut run = 0;
    loop {
        let mut process = None;
        let [_, _, state, pid, _, _, code, signal, _, _, _, forked, ..] =
            ask_about(verb::WAIT, asked.name, &mut process)?;
        if pid == 0 || (run != 0 && run != forked) {
            if code != NONE {
                return Ok(code as u8);
            }
            if signal != 0 {
                return Ok((signal as u8).saturating_add(128));
            }
            if state > 1 {
                return Err(End::NeverRan);
            }
        }
        let until = process.is_none().then_some(limits::WAIT_US);
        if process.is_some() {
            run = forked;
        }
        let _ = wait::ready(&[process.as_ref().map(AsFd::as_fd)], until);
    }
}
