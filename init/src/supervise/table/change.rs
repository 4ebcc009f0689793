//! What the operator asks of one service: that it runs, does not, or runs anew.

use super::slot::Stage;
use super::{Action, Phase, Section, Table};
use crate::config::policy::Key;
use crate::limits;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// That it runs.
    Start,
    /// That it does not, and is not started again.
    Stop,
    /// That it runs anew.
    Restart,
}

impl Change {
    /// All of them, by their numbers.
    pub const ALL: [Change; 3] = [Change::Start, Change::Stop, Change::Restart];
}

impl Table<'_> {
    /// Whether services may be told to start and to stop now: not while the machine begins or ends.
    pub fn may_change(&self) -> bool {
        matches!(self.phase, Phase::Services | Phase::Running)
    }

    /// Takes in what is asked of a service.
    pub fn change(&mut self, index: u16, change: Change, now_us: u64) {
        let may = self.may_change();
        let Some(slot) = self.get(index).filter(|slot| may && slot.section == Section::Services) else { return };
        let launched = matches!(slot.stage, Stage::Launching | Stage::Starting | Stage::Running);
        let begins = change != Change::Stop;
        slot.tries = 0;
        if launched {
            // One that is on its way out comes back.
            slot.renewed = begins && (change == Change::Restart || slot.held);
            slot.held = slot.held || change != Change::Start;
            return;
        }
        slot.held = !begins;
        match slot.stage {
            // First it is cleaned up.
            Stage::Ended | Stage::Cleaning => {
                slot.again = begins;
                slot.due_us = now_us.saturating_add(if begins { 0 } else { limits::CLEAN_US });
            }
            _ if begins => (slot.stage, slot.due_us, slot.failed) = (Stage::Waiting, 0, false),
            Stage::Done => {}
            _ => {
                (slot.stage, slot.due_us, slot.again) = (Stage::Done, 0, false);
                self.release(index);
            }
        }
    }

    /// Asks the next one to end that was told to stop. One that is being launched is asked when that is over.
    pub(super) fn ask_held(&mut self, now_us: u64) -> Option<Action> {
        let index = self.first(&|slot| slot.held && slot.runs() && !slot.asked)?;
        let slot = self.get(index)?;
        slot.asked = true;
        let grace_us = slot.wishes.us(Key::Grace);
        self.wake(index, now_us, grace_us);
        Some(Action::Ask(index))
    }
}
