//! `pidone wait`: until a container's program ends.

use super::Asked;
use super::client::ask;
use super::wire::{NONE, WORDS, verb};
use crate::limits;
use crate::supervise::End;
use crate::sys::{AsFd, wait};

/// The code of the run that is, or was the last.
pub(super) fn wait(asked: &Asked) -> Result<u8, End> {
    let mut run = NONE;
    loop {
        let mut found = [NONE; WORDS];
        let (end, process) = ask(verb::WAIT, asked.name, &mut |words, _| {
            found = *words;
            Ok(())
        });
        if end != End::Done {
            return Err(end);
        }
        let [_, _, state, pid, _, _, code, signal, _, _, _, forked, ..] = found;
        let over = pid == NONE || (run != NONE && run != forked);
        if over && code != NONE {
            return Ok(code as u8);
        }
        if over && signal != NONE {
            return Ok((signal as u8).saturating_add(128));
        }
        match process {
            Some(process) => {
                run = forked;
                let _ = wait::ready([Some(process.as_fd()), None, None], None);
            }
            None if over && state > 1 => return Err(End::NeverRan),
            None => _ = wait::ready([None; 3], Some(limits::WAIT_US)),
        }
    }
}
