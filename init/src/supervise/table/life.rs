//! The runs of one container: what its processes tell, how each run ends, and what becomes of the container then.

use super::restart::{Verdict, verdict};
use super::slot::{Launch, Stage};
use super::{Action, Note, Phase, Power, Section, Table, Why};
use crate::config::policy::Key;
use crate::limits;
use crate::sys::process::{Ended, Pid};

/// The exit code of a launcher that has said why it failed and taken everything back.
const FAILED: u8 = 1;

impl Table<'_> {
    pub(super) fn announced(&mut self, index: u16, pid: Pid) {
        match self.get(index) {
            Some(slot) if slot.stage == Stage::Launching && !slot.announced => {
                slot.announced = true;
                slot.main = pid;
            }
            _ => self.stray = Some(pid),
        }
    }

    pub(super) fn executed(&mut self, index: u16, pid: Pid, time_us: u64) {
        let Some(slot) = self.get(index) else { return };
        if slot.stage == Stage::Launching && slot.helper == pid {
            slot.stage = Stage::Starting;
            slot.executed_us = time_us;
            // What is left to its launcher is to wait.
            self.helpers = self.helpers.saturating_sub(1);
            self.watchers += 1;
        }
    }

    pub(super) fn ready(&mut self, index: u16, pid: Pid, time_us: u64) {
        let Some(slot) = self.get(index) else { return };
        if slot.stage == Stage::Starting && slot.helper == pid && slot.ready_us == 0 {
            slot.ready_us = time_us;
            self.release(index);
        }
    }

    pub(super) fn child_ended(&mut self, pid: Pid, ended: Ended, now_us: u64) {
        if pid == self.worker {
            self.worker = 0;
            if let (false, false, Some(task)) = (ended == Ended::Exited(0), self.abandoned, self.task()) {
                self.note = Some(Note::WorkerFailed(task, ended));
            }
            return;
        }
        let Some(index) = self.with(pid) else {
            self.orphans += 1;
            return;
        };
        let Some(slot) = self.get(index) else { return };
        if slot.main == pid {
            slot.main = 0;
            slot.ended = true;
            slot.status = ended;
            slot.ended_us = now_us;
            if slot.helper != 0 && slot.runs() && (slot.ready_us == 0 || slot.stage == Stage::Running) {
                // Its launcher waits for what will never be, or its checker is of no use.
                self.kill = Some(index);
            }
        } else {
            slot.helper = 0;
            self.helper_is_gone(index);
            self.helper_ended(index, ended, now_us);
        }
        self.settle(index, now_us);
    }

    fn helper_is_gone(&mut self, index: u16) {
        let watches = self.slot(index).is_some_and(super::Slot::runs);
        let count = if watches { &mut self.watchers } else { &mut self.helpers };
        *count = count.saturating_sub(1);
    }

    fn helper_ended(&mut self, index: u16, ended: Ended, now_us: u64) {
        let Some(slot) = self.get(index) else { return };
        let good = ended == Ended::Exited(0);
        if slot.stage == Stage::Cleaning {
            let one_shot = slot.section == Section::OneShot;
            // Somebody has killed it, and not for its being late: what it left is still there.
            if matches!(ended, Ended::Killed(_)) && !slot.killed && slot.failed_checks < limits::CLEANERS_MAX {
                slot.failed_checks += 1;
                slot.stage = Stage::Ended;
                return;
            }
            self.rest(index);
            if !good {
                self.note = Some(Note::NotCleaned(index, ended));
            } else if one_shot {
                self.note = Some(Note::Ended(index));
            }
            return;
        }
        if slot.stage == Stage::Running {
            return self.checked(index, good, now_us);
        }
        let runs = slot.stage == Stage::Starting;
        slot.launch = match ended {
            _ if runs => Launch::Succeeded,
            Ended::Exited(0) => Launch::Succeeded,
            Ended::Exited(FAILED) => Launch::Failed,
            _ => Launch::Lost,
        };
        if good {
            if slot.ready_us == 0 {
                slot.ready_us = now_us;
                self.release(index);
            }
            return;
        }
        if runs && (slot.ended || slot.ready_us != 0) {
            return;
        }
        if slot.main != 0 {
            // Nobody will ever tell the process to go on, or that it is ready.
            self.kill_now(index, now_us);
        }
        self.note = Some(match ended {
            _ if runs => Note::NotReady(index),
            Ended::Exited(FAILED) => Note::NotLaunched(index),
            _ => Note::LauncherLost(index, ended),
        });
    }

    /// Takes in what a checker found.
    fn checked(&mut self, index: u16, good: bool, now_us: u64) {
        let Some(slot) = self.get(index) else { return };
        if slot.ended || slot.asked || slot.killed {
            return;
        }
        slot.failed_checks = if good { 0 } else { slot.failed_checks.saturating_add(1) };
        if u32::from(slot.failed_checks) < slot.wishes.get(Key::HealthRetries) {
            return self.check_later(index, now_us);
        }
        self.note = Some(Note::Unhealthy(index));
        self.kill_now(index, now_us);
    }

    /// Has a container's health checked after a while, if it wants that.
    pub(super) fn check_later(&mut self, index: u16, now_us: u64) {
        let Some(slot) = self.get(index) else { return };
        // Whoever goes down has another time to keep.
        if slot.wishes.get(Key::Health) != 0 && !slot.asked && slot.due_us == 0 {
            // Time must pass, or a machine that cannot fork would do nothing but try.
            let after_us = slot.wishes.us(Key::HealthInterval).max(1000);
            self.wake(index, now_us, after_us);
        }
    }

    /// Draws the conclusion when a launcher or a main process has ended. A run is over when both have: the launcher knows
    /// whether there was a container at all, the main process how it went.
    fn settle(&mut self, index: u16, now_us: u64) {
        let stopping = self.phase == Phase::Stopping;
        let Some(slot) = self.get(index) else { return };
        if !(slot.stage == Stage::Launching || slot.runs()) || slot.helper != 0 {
            return;
        }
        if slot.main != 0 {
            if slot.launch == Launch::Succeeded && slot.stage != Stage::Running {
                slot.stage = Stage::Running;
                self.check_later(index, now_us);
            }
            return;
        }
        // A launcher that failed has taken everything back by itself.
        let clean = slot.launch == Launch::Failed || stopping;
        let launched = slot.launch == Launch::Succeeded;
        let ended = slot.ended;
        let good = launched && ended && slot.status == Ended::Exited(0);
        slot.stage = Stage::Ended;
        slot.killed = false;
        slot.failed_checks = 0;
        // Nothing is said of a one-shot before its last words are out: the cleaner sees to that.
        if launched && slot.section != Section::OneShot {
            self.note = Some(if ended { Note::Ended(index) } else { Note::NeverAnnounced(index) });
        }
        self.wake(index, now_us, limits::CLEAN_US);
        self.conclude(index, good, now_us);
        if clean {
            self.rest(index);
        }
    }

    /// Decides what follows a run.
    pub(super) fn conclude(&mut self, index: u16, good: bool, now_us: u64) {
        let going_down = self.phase >= Phase::Stopping || self.why.is_some();
        let Some(slot) = self.get(index) else { return };
        let ran_us = if slot.executed_us == 0 { 0 } else { now_us.saturating_sub(slot.executed_us) };
        let told = slot.asked || slot.held;
        let renewed = core::mem::replace(&mut slot.renewed, false) && !going_down;
        let verdict = if renewed {
            slot.held = false;
            Verdict::Again { delay_ms: 0 }
        } else if going_down || told || slot.section == Section::OneShot {
            Verdict::Over { failed: !good && !told }
        } else {
            verdict(&slot.wishes, &mut slot.tries, ran_us, good)
        };
        match verdict {
            Verdict::Again { delay_ms } => {
                slot.again = true;
                slot.due_us = now_us.saturating_add(u64::from(delay_ms) * 1000);
            }
            Verdict::Over { failed } => {
                slot.failed = failed;
                self.release(index);
                if failed && !going_down {
                    self.has_failed(index);
                }
            }
        }
    }

    /// Nothing of a container is left: it is over, or waits for its next start.
    pub(super) fn rest(&mut self, index: u16) {
        let Some(slot) = self.get(index) else { return };
        if slot.again {
            slot.stage = Stage::Pausing;
        } else {
            slot.stage = Stage::Done;
            slot.due_us = 0;
        }
        if slot.section == Section::OneShot {
            self.done();
        }
        self.note_time(index);
    }

    /// A container is never launched.
    pub(super) fn refuse(&mut self, index: u16) {
        let Some(slot) = self.get(index).filter(|slot| slot.stage == Stage::Waiting) else { return };
        slot.stage = Stage::Done;
        slot.failed = true;
        self.release(index);
        self.has_failed(index);
    }

    /// What a container that has failed for good means for the machine.
    fn has_failed(&mut self, index: u16) {
        let Some(slot) = self.slot(index) else { return };
        let wanted = match slot.wishes.get(Key::RestartLast) {
            1 => Some(Power::PowerOff),
            2 => Some(Power::Reboot),
            3 => Some(Power::Halt),
            4 => Some(Power::Panic),
            _ => (slot.wishes.get(Key::Critical) != 0).then_some(Power::PowerOff),
        };
        let onboot = if slot.section == Section::Onboot { self.policy.fail } else { None };
        if wanted.is_some() {
            self.blamed = self.blamed.or(Some(index));
        }
        if let Some(power) = wanted.or(onboot) {
            self.request(power, Why::Failed(index));
        }
    }

    /// Has something happen to a container after a while.
    pub(super) fn wake(&mut self, index: u16, now_us: u64, after_us: u64) {
        if let Some(slot) = self.get(index) {
            slot.due_us = now_us.saturating_add(after_us);
        }
        self.note_time(index);
    }

    fn note_time(&mut self, index: u16) {
        if let Some(due_us) = self.slot(index).and_then(super::Slot::due_us) {
            self.soonest_us = self.soonest_us.min(due_us);
        }
    }

    /// What is to be done with the first container whose time is up.
    pub(super) fn time_is_up(&mut self, now_us: u64) -> Option<Action> {
        let is_up = self.phase < Phase::Stopping;
        while now_us >= self.soonest_us {
            let is_late = |slot: &super::Slot| slot.due_us().is_some_and(|due_us| due_us <= now_us);
            let Some(index) = self.first(&is_late) else {
                self.soonest_us = self.slots().iter().filter_map(super::Slot::due_us).min().unwrap_or(u64::MAX);
                break;
            };
            let slot = self.get(index)?;
            slot.due_us = 0;
            if slot.stage == Stage::Pausing {
                slot.stage = Stage::Waiting;
            } else if is_up
                && slot.stage == Stage::Running
                && slot.section == Section::Services
                && !slot.asked
                && !slot.killed
            {
                if self.watchers < limits::WATCHERS_MAX {
                    self.watchers += 1;
                    return Some(Action::Check(index));
                }
                self.check_later(index, now_us);
            } else if slot.killed {
                self.forget(index);
                return Some(Action::Report(Note::Stuck(index)));
            } else {
                self.kill_now(index, now_us);
                return Some(Action::Report(Note::Overdue(index)));
            }
        }
        None
    }

    /// Kills a container. When something waits for its end, that is given up after a while.
    fn kill_now(&mut self, index: u16, now_us: u64) {
        let is_awaited = self.phase != Phase::Services && self.phase != Phase::Running;
        self.kill = Some(index);
        let Some(slot) = self.get(index) else { return };
        slot.killed = true;
        slot.due_us = 0;
        if is_awaited {
            self.wake(index, now_us, limits::KILL_US);
        }
    }

    /// Gives up on a container that does not go when it is killed. When its processes come out of the kernel they will
    /// be orphans like any other.
    fn forget(&mut self, index: u16) {
        if self.slot(index).is_some_and(|slot| slot.helper != 0) {
            self.helper_is_gone(index);
        }
        let Some(slot) = self.get(index) else { return };
        (slot.stage, slot.main, slot.helper) = (Stage::Done, 0, 0);
        slot.failed = true;
        self.release(index);
    }
}
