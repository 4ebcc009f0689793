//! What PID 1 knows, and what it decides: a state machine without a single system call.
//!
//! [`Table::handle`] takes in one [`Event`]; [`Table::next`] is then asked for [`Action`]s until it has none. Each action
//! is marked as done when it is given out, so that nothing is done twice; what a fork gave is told with
//! [`Table::forked`].
//!
//! # Who is who
//! PID 1 has four kinds of children: the *worker* of the phase (at most one), *helpers* (the launcher or cleaner of a
//! container), the *main* process of each container, and orphans. Workers and helpers are known by what fork returned;
//! a main process by its announcement ([`super::message`]); all others are orphans, which are only counted. A pid in
//! the table cannot be another process's: it is taken out when the process is reaped, and only PID 1 reaps its
//! children, so until then the kernel keeps the number. No pidfd could know better.

//!
//! Reading order: [`terms`] (what happens, what is done), [`slot`] (one container), this file (the phases), `life` (one
//! container's runs), `restart` and `order` (the decisions in them), `change` (what the operator asks).

mod change;
mod life;
mod order;
mod restart;
pub mod slot;
pub mod terms;

use super::message::Message;
use crate::abi::{Errno, signal};
use crate::config::policy::Key;
use crate::limits;
use crate::sys::process::Pid;
use crate::texts::CStr;
pub use change::Change;
pub use order::{Edge, cycle};
use slot::Launch;
pub use slot::{Slot, Stage};
pub use terms::{Action, Child, Event, Note, Phase, Policy, Power, Section, Task, Why};

/// The exit code that stands for "it could not be started", as container tools have it.
const NOT_STARTED: u8 = 125;

/// See the module's documentation.
// In this order: what is behind the first 128 bytes of it costs more code at each use.
#[repr(C)]
pub struct Table<'a> {
    slots: &'a mut [Slot],
    count: usize,
    phase: Phase,
    /// How far the phase is; each gives its own meaning.
    step: u8,
    /// When the phase, or the container it waits for, has had enough time; 0 for never.
    deadline_us: u64,
    /// The phase's worker; 0 when there is none.
    worker: Pid,
    /// Whether the worker was killed for being late.
    abandoned: bool,
    /// Helpers at work, and launchers whose container runs and is not ready.
    helpers: usize,
    watchers: usize,
    /// No container's time is up before.
    soonest_us: u64,
    /// What becomes of the machine.
    power: Power,
    /// Set while a way down has been asked for and not begun.
    why: Option<Why>,
    /// What an event leaves to be said or done at once; one event leaves at most one of each.
    note: Option<Note>,
    kill: Option<u16>,
    stray: Option<Pid>,
    childless: bool,
    /// The container that ends the machine with its code.
    blamed: Option<u16>,
    orphans: u64,
    edges: &'a mut [Edge],
    edge_count: usize,
    policy: Policy,
    entered_us: [u64; Phase::ALL.len()],
}

/// What a phase says when it is asked for more.
enum Progress {
    Act(Action),
    Wait,
    Over,
}

use Progress::{Act, Over, Wait};

impl<'a> Table<'a> {
    /// A table over `slots` and `edges`, all of them empty, at the beginning of the first phase.
    pub fn new(slots: &'a mut [Slot], edges: &'a mut [Edge], policy: Policy, now_us: u64) -> Table<'a> {
        let mut table = Table {
            slots,
            count: 0,
            phase: Phase::Setup,
            step: 0,
            deadline_us: 0,
            worker: 0,
            abandoned: false,
            helpers: 0,
            watchers: 0,
            soonest_us: u64::MAX,
            power: Power::PowerOff,
            why: None,
            note: None,
            kill: None,
            stray: None,
            childless: false,
            blamed: None,
            orphans: 0,
            edges,
            edge_count: 0,
            policy,
            entered_us: [0; _],
        };
        table.enter(Phase::Setup, now_us);
        table
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When each phase was entered, in the order of [`Phase::ALL`]; 0 for those that were not.
    pub fn entered_us(&self) -> &[u64; Phase::ALL.len()] {
        &self.entered_us
    }

    /// Whether it knows a child by its pid; all others are orphans.
    pub fn knows(&self, pid: Pid) -> bool {
        pid == self.worker || self.with(pid).is_some()
    }

    /// The container whose process or helper it is.
    fn with(&self, pid: Pid) -> Option<u16> {
        self.first(&|slot| slot.main == pid || slot.helper == pid)
    }

    /// Whether a worker or a helper is at work, and may announce something.
    pub fn is_at_work(&self) -> bool {
        self.worker != 0 || self.helpers > 0 || self.watchers > 0
    }

    /// The containers.
    pub fn slots(&self) -> &[Slot] {
        self.slots.get(..self.count).unwrap_or(&[])
    }

    /// One container.
    pub fn slot(&self, slot: u16) -> Option<&Slot> {
        self.slots().get(usize::from(slot))
    }

    /// The exit code of the machine: that of the container that ended it, or of what it was there for, once it is known;
    /// [`NOT_STARTED`] if that was never started.
    pub fn code(&self) -> Option<u8> {
        let index = self.blamed.or(self.first(&|slot| slot.section == Section::OneShot))?;
        let slot = self.slot(index)?;
        match slot.status() {
            Some(status) if slot.launch == Launch::Succeeded => Some(status.code()),
            _ => Some(NOT_STARTED),
        }
    }

    /// Whether every critical container that has begun is as it should be. On the way down nobody asks.
    pub fn is_well(&self) -> bool {
        let is_ill = |slot: &Slot| slot.wishes.get(Key::Critical) != 0 && slot.is_ill();
        self.phase >= Phase::Stopping || self.first(&is_ill).is_none()
    }

    /// Orphans reaped so far.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }

    /// What the operator wants.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// When [`Table::next`] must be asked again even if nothing happens.
    pub fn deadline_us(&self) -> Option<u64> {
        let phase_us = if self.deadline_us == 0 { u64::MAX } else { self.deadline_us };
        let soonest_us = phase_us.min(self.soonest_us);
        (soonest_us != u64::MAX).then_some(soonest_us)
    }

    /// Adds a container, in name order among those of its section. `false`: the table is full, or the name too long.
    pub fn add(&mut self, section: Section, name: &CStr) -> bool {
        let bytes = name.to_bytes();
        if bytes.len() > limits::NAME_BYTES_MAX {
            return false;
        }
        let Some(free) = self.slots.get_mut(self.count) else { return false };
        *free = Slot { section, wishes: self.policy.wishes, ..Slot::EMPTY };
        if section != Section::Services {
            // Others run once, and their failure is for `pidone.fail`, unless they say otherwise themselves.
            for key in [Key::Restart, Key::RestartLast, Key::Critical] {
                free.wishes.set(key as usize, 0);
            }
        }
        for (to, from) in free.name.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.count += 1;
        // Sections are listed one after the other and none is launched while it is listed: those to pass all wait.
        let mut end = self.count;
        while let Some([.., before, added]) = self.slots.get_mut(..end) {
            if before.section != section || before.name <= added.name {
                break;
            }
            core::mem::swap(before, added);
            end -= 1;
        }
        true
    }

    /// Takes in what happened.
    pub fn handle(&mut self, event: Event, now_us: u64) {
        match event {
            Event::Ended { pid, ended } => self.child_ended(pid, ended, now_us),
            Event::Told { pid, message } => self.told(pid, message, now_us),
            Event::Power(power) => self.request(power, Why::Asked),
            Event::Orphans(count) => self.orphans += u64::from(count),
            Event::Childless => self.childless = true,
        }
    }

    /// Takes in a message. Each counts only from who may send it.
    fn told(&mut self, pid: Pid, message: Message, now_us: u64) {
        let is_surveyor = pid == self.worker && self.task() == Some(Task::Survey);
        match message {
            Message::Announced { slot } => self.announced(slot, pid),
            Message::Executed { slot, time_us } => self.executed(slot, pid, time_us),
            Message::Ready { slot, time_us } => self.ready(slot, pid, time_us),
            Message::Wish { slot, place, number } if is_surveyor => {
                if let Some(slot) = self.get(slot) {
                    slot.wishes.set(usize::from(place), number);
                }
            }
            Message::Order { slot, on, requires } if is_surveyor => {
                if !self.order(slot, on, requires) {
                    self.refuse(slot);
                }
            }
            Message::Refused { slot } if is_surveyor => self.refuse(slot),
            Message::OutOfMemory { slot, kills } => {
                if let Some(slot) = self.get(slot).filter(|slot| slot.helper == pid) {
                    slot.oom_kills = slot.oom_kills.saturating_add(kills);
                }
            }
            // From an answerer: others are not listened to before it comes to this.
            Message::Change { slot, change } => self.change(slot, change, now_us),
            Message::Wish { .. } | Message::Order { .. } | Message::Refused { .. } => {}
        }
    }

    /// Takes in what a fork gave.
    pub fn forked(&mut self, child: Child, result: Result<Pid, Errno>, now_us: u64) {
        match (child, result) {
            (Child::Worker(_), Ok(pid)) => self.worker = pid,
            (Child::Worker(task), Err(errno)) => self.note = Some(Note::WorkerNotForked(task, errno)),
            (Child::Launcher(index), Ok(pid)) => {
                if let Some(slot) = self.get(index) {
                    slot.helper = pid;
                    slot.started_us = now_us;
                }
            }
            (Child::Cleaner(index) | Child::Checker(index), Ok(pid)) => {
                if let Some(slot) = self.get(index) {
                    slot.helper = pid;
                }
            }
            (Child::Checker(index), Err(_)) => {
                self.watchers = self.watchers.saturating_sub(1);
                self.check_later(index, now_us);
            }
            (Child::Launcher(index) | Child::Cleaner(index), Err(errno)) => {
                self.helpers = self.helpers.saturating_sub(1);
                self.note = Some(Note::NotForked(index, errno));
                if child == Child::Launcher(index) {
                    self.conclude(index, false, now_us);
                }
                self.rest(index);
            }
        }
    }

    /// What is to be done next; `None` when there is nothing to do but to wait for an event or the deadline.
    pub fn next(&mut self, now_us: u64) -> Option<Action> {
        if let Some(note) = self.note.take() {
            return Some(Action::Report(note));
        }
        if let Some(slot) = self.kill.take() {
            return Some(Action::Kill(slot));
        }
        if let Some(pid) = self.stray.take() {
            return Some(Action::KillStray(pid));
        }
        if let Some(why) = self.why.take() {
            return Some(self.stop(why, now_us));
        }
        if let Some(action) = self.time_is_up(now_us).or_else(|| self.ask_held(now_us)) {
            return Some(action);
        }
        if let Some(index) =
            self.first(&|slot| slot.stage == Stage::Ended).filter(|_| self.helpers < limits::HELPERS_MAX)
        {
            self.helpers += 1;
            if let Some(slot) = self.get(index) {
                slot.stage = Stage::Cleaning;
            }
            return Some(Action::Clean(index));
        }
        // Every phase is entered once at most, so this ends.
        loop {
            match self.proceed(now_us) {
                Act(action) => return Some(action),
                Wait => return None,
                Over => self.enter(self.phase.following()?, now_us),
            }
        }
    }

    fn proceed(&mut self, now_us: u64) -> Progress {
        match self.phase {
            Phase::Setup => self.worker(Task::Setup, 0, 0, now_us),
            Phase::Scripts => self.worker(Task::Scripts, 0, 0, now_us),
            Phase::Volumes => self.worker(Task::Volumes, 0, 0, now_us),
            Phase::Survey if self.step < 2 => {
                Act(Action::List(if self.advance() == 0 { Section::Onboot } else { Section::Services }))
            }
            Phase::Survey => self.worker(Task::Survey, 2, limits::SURVEY_US, now_us),
            Phase::Onboot => self.one_by_one(Section::Onboot, now_us),
            Phase::Services => self.all_together(now_us),
            Phase::Running => self.running(now_us),
            Phase::Stopping => self.stopping(now_us),
            Phase::Onshutdown => match self.step {
                0 => {
                    self.step = 1;
                    Act(Action::List(Section::Onshutdown))
                }
                1 | 2 => match self.worker(Task::Survey, 1, limits::SURVEY_US, now_us) {
                    Over => {
                        (self.step, self.deadline_us, self.abandoned) = (3, 0, false);
                        self.one_by_one(Section::Onshutdown, now_us)
                    }
                    other => other,
                },
                _ => self.one_by_one(Section::Onshutdown, now_us),
            },
            Phase::ShutdownScripts => self.worker(Task::ShutdownScripts, 0, self.policy.onshutdown_us, now_us),
            Phase::Terminating => self.signal_all(signal::TERM, limits::TERMINATE_US, now_us),
            Phase::Killing => self.signal_all(signal::KILL, limits::KILL_US, now_us),
            Phase::Unmounting => self.worker(Task::Unmount, 0, limits::UNMOUNT_US, now_us),
            Phase::Farewell => self.worker(Task::Farewell, 0, limits::FAREWELL_US, now_us),
            Phase::Power => match self.advance() {
                0 if self.policy.one_shot_panics && self.code().is_some_and(|code| code != 0) => {
                    Act(Action::End(Power::Panic))
                }
                0 => Act(Action::End(self.power)),
                _ => Wait,
            },
        }
    }

    fn enter(&mut self, phase: Phase, now_us: u64) {
        self.phase = phase;
        self.step = 0;
        self.deadline_us = 0;
        self.abandoned = false;
        if let Some(entered) = self.entered_us.get_mut(phase as usize) {
            *entered = now_us;
        }
    }

    /// The phase's step, which is then the next one.
    fn advance(&mut self) -> u8 {
        let step = self.step;
        self.step = step.saturating_add(1);
        step
    }

    fn late(&self, now_us: u64) -> bool {
        self.deadline_us != 0 && now_us >= self.deadline_us
    }

    #[inline(never)]
    fn get(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(..self.count)?.get_mut(usize::from(index))
    }

    #[inline(never)]
    fn first(&self, wanted: &dyn Fn(&Slot) -> bool) -> Option<u16> {
        self.slots().iter().position(wanted).map(|index| index as u16)
    }

    /// A phase, or what begins at step `first` of one, that is a worker process: for `bound_us` at most unless that is 0.
    fn worker(&mut self, task: Task, first: u8, bound_us: u64, now_us: u64) -> Progress {
        if self.step == first {
            if task == Task::Survey && self.startable().is_none() {
                return Over;
            }
            self.step = first + 1;
            self.deadline_us = if bound_us == 0 { 0 } else { now_us.saturating_add(bound_us) };
            return Act(Action::Start(task));
        }
        if self.worker != 0 {
            if !self.late(now_us) {
                return Wait;
            }
            if !self.abandoned {
                self.abandoned = true;
                self.deadline_us = now_us.saturating_add(limits::KILL_US);
                self.note = Some(Note::WorkerOverdue(task));
                return Act(Action::Abandon(self.worker));
            }
            // It is stuck in the kernel. When it comes out it will be an orphan like any other.
            self.worker = 0;
        }
        if task == Task::Setup && self.step == 1 {
            self.step = 2;
            return Act(Action::OpenButtons);
        }
        Over
    }

    /// Launches a container, unless one that it requires has failed.
    fn launch(&mut self, index: u16, now_us: u64) -> Progress {
        if let Some(note) = self.missing(index) {
            self.refuse(index);
            return Act(Action::Report(note));
        }
        self.helpers += 1;
        let onshutdown_us = self.policy.onshutdown_us;
        if let Some(slot) = self.get(index) {
            slot.begin();
            let bound_us = match (slot.section, slot.wishes.us(Key::Timeout)) {
                (Section::Onboot, bound_us) => bound_us,
                (Section::Onshutdown, 0) => onshutdown_us,
                (Section::Onshutdown, bound_us) => bound_us,
                _ => 0,
            };
            if bound_us != 0 {
                self.wake(index, now_us, bound_us);
            }
        }
        Act(Action::Launch(index))
    }

    /// Whether one more launcher may be at work.
    fn may_launch(&self) -> bool {
        self.helpers < limits::HELPERS_MAX && self.watchers < limits::WATCHERS_MAX
    }

    /// A section whose containers run one after the other.
    fn one_by_one(&mut self, section: Section, now_us: u64) -> Progress {
        let next = self.first(&|slot| slot.section == section && slot.stage != Stage::Done);
        match next.and_then(|index| self.slot(index).map(|slot| (index, slot.stage))) {
            None => Over,
            Some((index, Stage::Waiting)) => self.launch(index, now_us),
            Some(_) => Wait,
        }
    }

    /// Services are launched without waiting for each other, but for those that want to.
    fn all_together(&mut self, now_us: u64) -> Progress {
        let begins = |slot: &Slot| matches!(slot.stage, Stage::Waiting | Stage::Launching | Stage::Starting);
        match self.startable() {
            Some(index) if self.may_launch() => self.launch(index, now_us),
            None if self.first(&begins).is_none() => Over,
            _ => Wait,
        }
    }

    fn running(&mut self, now_us: u64) -> Progress {
        if self.step == 0 {
            self.step = 1;
            return Act(Action::Report(Note::Ready));
        }
        if self.step == 1 && self.policy.one_shot {
            self.step = 2;
            return Act(Action::List(Section::OneShot));
        }
        if let Some(index) = self.startable().filter(|_| self.may_launch()) {
            return self.launch(index, now_us);
        }
        match self.policy.idle {
            Some(power) if self.first(&Slot::alive).is_none() => {
                self.power = power;
                Act(self.stop(Why::Idle, now_us))
            }
            _ => Wait,
        }
    }

    /// Begins the way down.
    fn stop(&mut self, why: Why, now_us: u64) -> Action {
        // A panic is for a look at the machine as it is: nothing is stopped, nothing unmounted.
        self.enter(if self.power == Power::Panic { Phase::Power } else { Phase::Stopping }, now_us);
        for index in 0..self.count as u16 {
            let Some(slot) = self.get(index) else { continue };
            slot.again = false;
            slot.due_us = 0;
            // What is over need not be cleaned any more: everything is unmounted soon.
            if matches!(slot.stage, Stage::Ended | Stage::Pausing) {
                slot.stage = Stage::Done;
            }
            if slot.alive() {
                let grace_us = slot.wishes.us(Key::Grace);
                self.wake(index, now_us, grace_us);
            }
        }
        Action::Report(Note::Stopping(self.power, why))
    }

    fn stopping(&mut self, now_us: u64) -> Progress {
        if self.step == 0 {
            self.step = 1;
            if self.worker != 0 {
                self.abandoned = true;
                self.deadline_us = now_us.saturating_add(limits::KILL_US);
                return Act(Action::Abandon(self.worker));
            }
        }
        // Those that are being launched are asked when that is over: their program could not hear it yet.
        if let Some(index) = self.first(&|slot| slot.runs() && !slot.asked) {
            if let Some(slot) = self.get(index) {
                slot.asked = true;
            }
            return Act(Action::Ask(index));
        }
        // One that is stuck in the kernel will be an orphan like any other when it comes out.
        let has_worker = self.worker != 0 && !self.late(now_us);
        if has_worker || self.first(&Slot::alive).is_some() {
            return Wait;
        }
        self.worker = 0;
        Over
    }

    /// Signals all processes and waits until none is left, for `bound_us` at most.
    fn signal_all(&mut self, signal: u8, bound_us: u64, now_us: u64) -> Progress {
        if self.step == 0 {
            self.step = 1;
            if self.childless && signal == signal::KILL {
                return Over;
            }
            self.childless = false;
            self.deadline_us = now_us.saturating_add(bound_us);
            return Act(Action::SignalAll(signal));
        }
        if self.childless {
            return Over;
        }
        if !self.late(now_us) {
            return Wait;
        }
        if signal == signal::KILL && self.step == 1 {
            self.step = 2;
            return Act(Action::Report(Note::Survivors));
        }
        Over
    }

    fn request(&mut self, power: Power, why: Why) {
        if self.phase < Phase::Stopping {
            // The first reason counts, the last wish does.
            self.why = self.why.or(Some(why));
        } else if power != self.power {
            self.note = Some(Note::Instead(power));
        }
        self.power = power;
    }

    /// What the worker of this phase does.
    fn task(&self) -> Option<Task> {
        match self.phase {
            Phase::Setup => Some(Task::Setup),
            Phase::Scripts => Some(Task::Scripts),
            Phase::Volumes => Some(Task::Volumes),
            Phase::Survey | Phase::Onshutdown => Some(Task::Survey),
            Phase::ShutdownScripts => Some(Task::ShutdownScripts),
            Phase::Unmounting => Some(Task::Unmount),
            Phase::Farewell => Some(Task::Farewell),
            _ => None,
        }
    }

    /// The machine has done what it was there for.
    fn done(&mut self) {
        if self.phase < Phase::Stopping {
            self.request(self.policy.idle.unwrap_or(Power::PowerOff), Why::Done);
        }
    }
}

#[cfg(test)]
mod tests;
