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

use core::ffi::CStr;

use crate::abi::{Errno, signal};
use crate::limits;
use crate::sys::process::{Ended, Pid};
use crate::texts::until_nul;

/// The kinds of containers, by the directory under /containers that they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// One after the other, in name order, before the services.
    Onboot,
    /// All together.
    Services,
    /// One after the other, in name order, when the services have ended.
    Onshutdown,
    /// The one command or bundle that the machine is there for. When it ends, the machine does.
    OneShot,
}

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Stopped, with power.
    Halt,
    /// Off.
    PowerOff,
    /// Started again.
    Reboot,
    /// Into the kernel that kexec_load(2) has put in place; started again if there is none.
    Kexec,
    /// A kernel panic, at once: the operator's `panic=` says what then.
    Panic,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of the machine when an onboot container fails. `None`: report it and go on.
    pub fail: Option<Power>,
    /// What becomes of the machine when no container is left running. `None`: it stays.
    pub idle: Option<Power>,
    /// How long containers have to end after they were asked to.
    pub grace_us: u64,
    /// How long each onshutdown container, and the executables of /etc/shutdown.d together, may take.
    pub onshutdown_us: u64,
    /// Whether there is a [`Section::OneShot`].
    pub one_shot: bool,
    /// Whether its failure ends in a panic.
    pub one_shot_panics: bool,
    /// Seconds without a sign of life after which a watchdog resets the machine; 0 for none.
    pub watchdog_seconds: u32,
    /// Whether the timeline is printed.
    pub timing: bool,
}

/// What PID 1 does, in this order, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The machine is made ready: modules, devices, settings.
    Setup,
    /// Executables in /etc/init.d.
    Scripts,
    /// /containers/volumes.
    Volumes,
    /// Onboot containers.
    Onboot,
    /// Services are launched.
    Services,
    /// Nothing to do but to reap.
    Running,
    /// Everything that runs is asked to end.
    Stopping,
    /// Onshutdown containers.
    Onshutdown,
    /// Executables in /etc/shutdown.d.
    ShutdownScripts,
    /// All other processes are asked to end.
    Terminating,
    /// All other processes are killed.
    Killing,
    /// File systems are unmounted and block devices released.
    Unmounting,
    /// What was written to consoles is on its way out; the host is told the exit code.
    Farewell,
    /// The end.
    Power,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Phase; 14] = [
        Phase::Setup,
        Phase::Scripts,
        Phase::Volumes,
        Phase::Onboot,
        Phase::Services,
        Phase::Running,
        Phase::Stopping,
        Phase::Onshutdown,
        Phase::ShutdownScripts,
        Phase::Terminating,
        Phase::Killing,
        Phase::Unmounting,
        Phase::Farewell,
        Phase::Power,
    ];

    fn following(self) -> Option<Phase> {
        Phase::ALL.get(self as usize + 1).copied()
    }
}

/// What a worker process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Makes the machine ready.
    Setup,
    /// Runs /etc/init.d.
    Scripts,
    /// Mounts the volumes.
    Volumes,
    /// Runs /etc/shutdown.d.
    ShutdownScripts,
    /// Unmounts everything.
    Unmount,
    /// Drains the consoles and tells the host the exit code.
    Farewell,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A child ended and was reaped.
    Ended {
        /// Which.
        pid: Pid,
        /// How.
        ended: Ended,
    },
    /// A container's first process says which one it is.
    Announced {
        /// The container.
        slot: u16,
        /// The process, from the kernel.
        pid: Pid,
    },
    /// A container's program runs.
    Executed {
        /// The container.
        slot: u16,
        /// Since when.
        time_us: u64,
    },
    /// Somebody asks for an end: a signal, a key, a button.
    Power(Power),
    /// PID 1 has no children.
    Childless,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the operator.
    Report(Note),
    /// Fork a worker; [`Table::forked`] wants to know.
    Start(Task),
    /// Kill the worker, which has this pid.
    Abandon(Pid),
    /// Look for power buttons: devices are there now.
    OpenButtons,
    /// [`Table::add`] every container of a section.
    List(Section),
    /// Fork a launcher; [`Table::forked`] wants to know.
    Launch(u16),
    /// Fork a cleaner; [`Table::forked`] wants to know.
    Clean(u16),
    /// Ask a container to end.
    Ask(u16),
    /// Kill a container with all that is in it, and its helper.
    Kill(u16),
    /// Kill a process that says it is a container nobody is launching: its launcher is gone.
    KillStray(Pid),
    /// Signal every process but PID 1.
    SignalAll(u8),
    /// The last one.
    End(Power),
}

/// What the operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A container ran and ended.
    Ended(u16),
    /// A container could not be launched; its launcher said why.
    NotLaunched(u16),
    /// A launcher ended in a way that launchers do not end by themselves.
    LauncherLost(u16, Ended),
    /// A launcher claims success, but there was no container.
    NeverAnnounced(u16),
    /// No launcher or cleaner could be forked for a container.
    NotForked(u16, Errno),
    /// A cleaner failed.
    NotCleaned(u16, Ended),
    /// A container did not end in time and is killed.
    Overdue(u16),
    /// A container does not even go when it is killed.
    Stuck(u16),
    /// A worker failed.
    WorkerFailed(Task, Ended),
    /// A worker could not be forked.
    WorkerNotForked(Task, Errno),
    /// A worker took too long and is killed.
    WorkerOverdue(Task),
    /// All services are launched.
    Ready,
    /// The machine is going down.
    Stopping(Power, Why),
    /// The machine is going down already, but the end is another now.
    Instead(Power),
    /// Some processes do not even go when they are killed.
    Survivors,
}

/// Why the machine is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked.
    Asked,
    /// This onboot container failed, and that is the policy.
    Failed(u16),
    /// Nothing is running, and that is the policy.
    Idle,
    /// What the machine was there for has ended.
    Done,
}

/// Which child a fork was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// The worker.
    Worker(Task),
    /// A container's launcher.
    Launcher(u16),
    /// A container's cleaner.
    Cleaner(u16),
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Waiting,
    /// Its launcher is at work.
    Launching,
    /// Its launcher has succeeded and ended.
    Running,
    /// It has ended, and something is left to clean.
    Ended,
    /// Its cleaner is at work.
    Cleaning,
    /// Nothing of it is left.
    Done,
}

/// How a launcher ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Launch {
    Unknown,
    Succeeded,
    /// It has said why and taken everything back.
    Failed,
    Lost,
}

/// The exit code of a launcher that has said why it failed and taken everything back.
const FAILED: u8 = 1;

/// The exit code that stands for "it could not be started", as container tools have it.
const NOT_STARTED: u8 = 125;

/// One container.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    name: [u8; limits::NAME_BYTES_MAX + 1],
    section: Section,
    stage: Stage,
    launch: Launch,
    /// Exit status of the main process, once it has `ended`.
    status: Ended,
    ended: bool,
    announced: bool,
    /// Whether it was asked to end, and whether it was killed.
    asked: bool,
    killed: bool,
    /// The launcher or cleaner; 0 when there is none.
    helper: Pid,
    /// The container's first process; 0 when there is none.
    main: Pid,
    started_us: u64,
    executed_us: u64,
    ended_us: u64,
}

impl Slot {
    /// A free slot. All zeros, so that a table of them is `.bss`.
    pub const EMPTY: Slot = Slot {
        name: [0; _],
        section: Section::Onboot,
        stage: Stage::Waiting,
        launch: Launch::Unknown,
        status: Ended::Exited(0),
        ended: false,
        announced: false,
        asked: false,
        killed: false,
        helper: 0,
        main: 0,
        started_us: 0,
        executed_us: 0,
        ended_us: 0,
    };

    /// The container's name.
    pub fn name(&self) -> &CStr {
        until_nul(&self.name).unwrap_or(c"")
    }

    /// The container's section.
    pub fn section(&self) -> Section {
        self.section
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The exit status of its first process, if it has ended.
    pub fn status(&self) -> Option<Ended> {
        self.ended.then_some(self.status)
    }

    /// The container's first process.
    pub fn main(&self) -> Option<Pid> {
        (self.main != 0).then_some(self.main)
    }

    /// The launcher or cleaner.
    pub fn helper(&self) -> Option<Pid> {
        (self.helper != 0).then_some(self.helper)
    }

    /// When its launcher was forked, its program executed, its first process reaped. 0 for what has not happened.
    pub fn times_us(&self) -> [u64; 3] {
        [self.started_us, self.executed_us, self.ended_us]
    }

    /// Whether something of it is left.
    fn alive(&self) -> bool {
        !matches!(self.stage, Stage::Waiting | Stage::Done)
    }
}

// All of them are PID 1's memory for good: 112 KiB of `.bss`, of which the pages of the used ones are touched.
const _: () = assert!(size_of::<Slot>() <= 112);

/// See the module's documentation.
// In this order: what is behind the first 128 bytes of it costs more code at each use.
#[repr(C)]
pub struct Table<'a> {
    slots: &'a mut [Slot],
    count: usize,
    policy: Policy,
    phase: Phase,
    /// How far the phase is; each gives its own meaning.
    step: u8,
    /// When the phase, or the container it waits for, has had enough time; 0 for never.
    deadline_us: u64,
    /// The phase's worker; 0 when there is none.
    worker: Pid,
    /// Whether the worker was killed for being late.
    abandoned: bool,
    /// Helpers at work.
    helpers: usize,
    /// What becomes of the machine.
    power: Power,
    /// Set while a way down has been asked for and not begun.
    why: Option<Why>,
    /// What an event leaves to be said or done at once; one event leaves at most one of each.
    note: Option<Note>,
    kill: Option<u16>,
    stray: Option<Pid>,
    childless: bool,
    orphans: u64,
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
    /// A table over `slots`, all of them empty, at the beginning of the first phase.
    pub fn new(slots: &'a mut [Slot], policy: Policy, now_us: u64) -> Table<'a> {
        let mut table = Table {
            slots,
            count: 0,
            policy,
            phase: Phase::Setup,
            step: 0,
            deadline_us: 0,
            worker: 0,
            abandoned: false,
            helpers: 0,
            power: Power::PowerOff,
            why: None,
            note: None,
            kill: None,
            stray: None,
            childless: false,
            orphans: 0,
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

    /// The containers.
    pub fn slots(&self) -> &[Slot] {
        self.slots.get(..self.count).unwrap_or(&[])
    }

    /// One container.
    pub fn slot(&self, slot: u16) -> Option<&Slot> {
        self.slots().get(usize::from(slot))
    }

    /// The exit code of what the machine was there for, once it is known; [`NOT_STARTED`] if it was never started.
    pub fn code(&self) -> Option<u8> {
        let index = self.first(&|slot| slot.section == Section::OneShot)?;
        let slot = self.slot(index)?;
        match slot.status() {
            Some(status) if slot.launch == Launch::Succeeded => Some(status.code()),
            _ => Some(NOT_STARTED),
        }
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
        (self.deadline_us != 0).then_some(self.deadline_us)
    }

    /// Adds a container, in name order among those of its section. `false`: the table is full, or the name too long.
    pub fn add(&mut self, section: Section, name: &CStr) -> bool {
        let bytes = name.to_bytes();
        if bytes.len() > limits::NAME_BYTES_MAX {
            return false;
        }
        let Some(free) = self.slots.get_mut(self.count) else { return false };
        *free = Slot { section, ..Slot::EMPTY };
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
            Event::Announced { slot, pid } => self.announced(slot, pid),
            Event::Executed { slot, time_us } => {
                if let Some(slot) = self.get(slot) {
                    slot.executed_us = time_us;
                }
            }
            Event::Power(power) => self.request(power, Why::Asked),
            Event::Childless => self.childless = true,
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
            (Child::Cleaner(index), Ok(pid)) => {
                if let Some(slot) = self.get(index) {
                    slot.helper = pid;
                }
            }
            (Child::Launcher(index) | Child::Cleaner(index), Err(errno)) => {
                self.helpers = self.helpers.saturating_sub(1);
                self.note = Some(Note::NotForked(index, errno));
                if let Some(slot) = self.get(index) {
                    slot.stage = Stage::Done;
                }
                if self.slot(index).is_some_and(|slot| slot.section == Section::OneShot) {
                    self.done();
                } else if child == Child::Launcher(index) {
                    self.container_failed(index);
                }
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
            Phase::Setup => self.worker(Task::Setup, 0, now_us),
            Phase::Scripts => self.worker(Task::Scripts, 0, now_us),
            Phase::Volumes => self.worker(Task::Volumes, 0, now_us),
            Phase::Onboot => match self.advance() {
                0 => Act(Action::List(Section::Onboot)),
                1 => Act(Action::List(Section::Services)),
                _ => self.one_by_one(Section::Onboot, 0, now_us),
            },
            Phase::Services => self.all_together(Section::Services),
            Phase::Running => self.running(now_us),
            Phase::Stopping => self.stopping(now_us),
            Phase::Onshutdown => match self.advance() {
                0 => Act(Action::List(Section::Onshutdown)),
                _ => self.one_by_one(Section::Onshutdown, self.policy.onshutdown_us, now_us),
            },
            Phase::ShutdownScripts => self.worker(Task::ShutdownScripts, self.policy.onshutdown_us, now_us),
            Phase::Terminating => self.signal_all(signal::TERM, limits::TERMINATE_US, now_us),
            Phase::Killing => self.signal_all(signal::KILL, limits::KILL_US, now_us),
            Phase::Unmounting => self.worker(Task::Unmount, limits::UNMOUNT_US, now_us),
            Phase::Farewell => self.worker(Task::Farewell, limits::FAREWELL_US, now_us),
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

    fn get(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(..self.count)?.get_mut(usize::from(index))
    }

    #[inline(never)]
    fn first(&self, wanted: &dyn Fn(&Slot) -> bool) -> Option<u16> {
        self.slots().iter().position(wanted).map(|index| index as u16)
    }

    /// A phase that is one worker process, for `bound_us` at most unless that is 0.
    fn worker(&mut self, task: Task, bound_us: u64, now_us: u64) -> Progress {
        if self.step == 0 {
            self.step = 1;
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

    fn launch(&mut self, index: u16) -> Progress {
        self.helpers += 1;
        if let Some(slot) = self.get(index) {
            slot.stage = Stage::Launching;
        }
        Act(Action::Launch(index))
    }

    /// A section whose containers run one after the other, each for `bound_us` at most unless that is 0.
    fn one_by_one(&mut self, section: Section, bound_us: u64, now_us: u64) -> Progress {
        let Some(index) = self.first(&|slot| slot.section == section && slot.stage != Stage::Done) else { return Over };
        let Some(slot) = self.get(index) else { return Over };
        let (waiting, killed) = (slot.stage == Stage::Waiting, slot.killed);
        if waiting {
            self.deadline_us = if bound_us == 0 { 0 } else { now_us.saturating_add(bound_us) };
            return self.launch(index);
        }
        if !self.late(now_us) {
            return Wait;
        }
        self.deadline_us = now_us.saturating_add(limits::KILL_US);
        if killed {
            self.forget(index);
            return Act(Action::Report(Note::Stuck(index)));
        }
        self.kill_overdue(index)
    }

    fn kill_overdue(&mut self, index: u16) -> Progress {
        if let Some(slot) = self.get(index) {
            slot.killed = true;
        }
        self.kill = Some(index);
        Act(Action::Report(Note::Overdue(index)))
    }

    /// Gives up on a container that does not go when it is killed. When its processes come out of the kernel they will
    /// be orphans like any other.
    fn forget(&mut self, index: u16) {
        let Some(slot) = self.get(index) else { return };
        let helped = slot.helper != 0;
        (slot.stage, slot.main, slot.helper) = (Stage::Done, 0, 0);
        self.helpers = self.helpers.saturating_sub(usize::from(helped));
    }

    /// A section whose containers are launched without waiting for each other.
    fn all_together(&mut self, section: Section) -> Progress {
        let waiting = self.first(&|slot| slot.section == section && slot.stage == Stage::Waiting);
        match waiting {
            Some(index) if self.helpers < limits::HELPERS_MAX => self.launch(index),
            Some(_) => Wait,
            None if self.first(&|slot| slot.stage == Stage::Launching).is_some() => Wait,
            None => Over,
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
        if let Some(index) = self.first(&|slot| slot.stage == Stage::Waiting) {
            return self.launch(index);
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
        // What is over need not be cleaned any more: everything is unmounted soon.
        for slot in self.slots.iter_mut().filter(|slot| slot.stage == Stage::Ended) {
            slot.stage = Stage::Done;
        }
        Action::Report(Note::Stopping(self.power, why))
    }

    fn stopping(&mut self, now_us: u64) -> Progress {
        if self.step == 0 {
            self.step = 1;
            self.deadline_us = now_us.saturating_add(self.policy.grace_us);
            if self.worker != 0 {
                self.abandoned = true;
                return Act(Action::Abandon(self.worker));
            }
        }
        // Those that are being launched are asked when that is over: their program could not hear it yet.
        if let Some(index) = self.first(&|slot| slot.stage == Stage::Running && !slot.asked) {
            if let Some(slot) = self.get(index) {
                slot.asked = true;
            }
            return Act(Action::Ask(index));
        }
        let alive = self.first(&Slot::alive);
        if alive.is_none() && self.worker == 0 {
            return Over;
        }
        if !self.late(now_us) {
            return Wait;
        }
        if self.step == 1 {
            if let Some(index) = self.first(&|slot| slot.alive() && !slot.killed) {
                return self.kill_overdue(index);
            }
            self.step = 2;
            self.deadline_us = now_us.saturating_add(limits::KILL_US);
            return Wait;
        }
        if let Some(index) = alive {
            self.forget(index);
            return Act(Action::Report(Note::Stuck(index)));
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

    fn announced(&mut self, index: u16, pid: Pid) {
        match self.get(index) {
            Some(slot) if slot.stage == Stage::Launching && !slot.announced => {
                slot.announced = true;
                slot.main = pid;
            }
            _ => self.stray = Some(pid),
        }
    }

    fn child_ended(&mut self, pid: Pid, ended: Ended, now_us: u64) {
        if pid == self.worker {
            self.worker = 0;
            if let (false, false, Some(task)) = (ended == Ended::Exited(0), self.abandoned, self.task()) {
                self.note = Some(Note::WorkerFailed(task, ended));
            }
            return;
        }
        let Some(index) = self.first(&|slot| slot.main == pid || slot.helper == pid) else {
            self.orphans += 1;
            return;
        };
        let Some(slot) = self.get(index) else { return };
        if slot.main == pid {
            slot.main = 0;
            slot.ended = true;
            slot.status = ended;
            slot.ended_us = now_us;
        } else {
            slot.helper = 0;
            self.helpers = self.helpers.saturating_sub(1);
            self.helper_ended(index, ended);
        }
        self.settle(index);
    }

    /// What the worker of this phase does.
    fn task(&self) -> Option<Task> {
        match self.phase {
            Phase::Setup => Some(Task::Setup),
            Phase::Scripts => Some(Task::Scripts),
            Phase::Volumes => Some(Task::Volumes),
            Phase::ShutdownScripts => Some(Task::ShutdownScripts),
            Phase::Unmounting => Some(Task::Unmount),
            Phase::Farewell => Some(Task::Farewell),
            _ => None,
        }
    }

    fn helper_ended(&mut self, index: u16, ended: Ended) {
        let Some(slot) = self.get(index) else { return };
        if slot.stage == Stage::Cleaning {
            slot.stage = Stage::Done;
            let one_shot = slot.section == Section::OneShot;
            if ended != Ended::Exited(0) {
                self.note = Some(Note::NotCleaned(index, ended));
            } else if one_shot {
                self.note = Some(Note::Ended(index));
            }
            if one_shot {
                self.done();
            }
            return;
        }
        slot.launch = match ended {
            Ended::Exited(0) => Launch::Succeeded,
            Ended::Exited(FAILED) => Launch::Failed,
            _ => Launch::Lost,
        };
        if slot.launch == Launch::Succeeded {
            return;
        }
        if slot.main != 0 {
            // Nobody will ever tell the process to go on.
            slot.killed = true;
            self.kill = Some(index);
        }
        self.note = Some(if ended == Ended::Exited(FAILED) {
            Note::NotLaunched(index)
        } else {
            Note::LauncherLost(index, ended)
        });
    }

    /// Draws the conclusion when a launcher or a main process has ended. A container is over when both have: the
    /// launcher knows whether there was a container at all, the main process how it went.
    fn settle(&mut self, index: u16) {
        let stopping = self.phase == Phase::Stopping;
        let Some(slot) = self.get(index) else { return };
        if !matches!(slot.stage, Stage::Launching | Stage::Running) || slot.helper != 0 {
            return;
        }
        if slot.main != 0 {
            if slot.launch == Launch::Succeeded {
                slot.stage = Stage::Running;
            }
            return;
        }
        // A launcher that failed has taken everything back by itself.
        let clean = slot.launch == Launch::Failed || stopping;
        slot.stage = if clean { Stage::Done } else { Stage::Ended };
        if slot.section == Section::OneShot {
            // Nothing is said of it before its last words are out: the cleaner sees to that.
            if clean {
                self.done();
            }
            return;
        }
        let good = slot.launch == Launch::Succeeded && slot.ended && slot.status == Ended::Exited(0);
        if slot.launch == Launch::Succeeded {
            self.note = Some(if slot.ended { Note::Ended(index) } else { Note::NeverAnnounced(index) });
        }
        if !good {
            self.container_failed(index);
        }
    }

    /// The machine has done what it was there for.
    fn done(&mut self) {
        if self.phase < Phase::Stopping {
            self.request(self.policy.idle.unwrap_or(Power::PowerOff), Why::Done);
        }
    }

    fn container_failed(&mut self, index: u16) {
        if self.phase == Phase::Onboot
            && let Some(power) = self.policy.fail
        {
            self.request(power, Why::Failed(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        fail: None,
        idle: None,
        grace_us: 1000,
        onshutdown_us: 500,
        one_shot: false,
        one_shot_panics: false,
        watchdog_seconds: 0,
        timing: false,
    };
    const GOOD: Ended = Ended::Exited(0);

    /// A machine on paper: it forks pids from 100 up and has the containers it is given.
    struct Machine<'a> {
        table: Table<'a>,
        containers: &'a [(Section, &'a CStr)],
        now_us: u64,
        forked: Vec<(Child, Pid)>,
        fork_fails: bool,
    }

    impl<'a> Machine<'a> {
        fn new(slots: &'a mut [Slot], policy: Policy, containers: &'a [(Section, &'a CStr)]) -> Machine<'a> {
            let table = Table::new(slots, policy, 1);
            Machine { table, containers, now_us: 1, forked: Vec::new(), fork_fails: false }
        }

        fn fork(&mut self, child: Child) {
            let pid = 100 + self.forked.len() as Pid;
            let result = if self.fork_fails { Err(Errno::AGAIN) } else { Ok(pid) };
            self.table.forked(child, result, self.now_us);
            self.forked.push((child, pid));
        }

        /// Does all there is to do; what that was.
        fn act(&mut self) -> Vec<Action> {
            let mut done = Vec::new();
            while let Some(action) = self.table.next(self.now_us) {
                match action {
                    Action::Start(task) => self.fork(Child::Worker(task)),
                    Action::Launch(slot) => self.fork(Child::Launcher(slot)),
                    Action::Clean(slot) => self.fork(Child::Cleaner(slot)),
                    Action::List(section) => {
                        for (_, name) in self.containers.iter().filter(|(of, _)| *of == section) {
                            assert!(self.table.add(section, name));
                        }
                    }
                    _ => {}
                }
                done.push(action);
                assert!(done.len() < 10_000, "it never ends");
            }
            done
        }

        fn happen(&mut self, event: Event) -> Vec<Action> {
            self.table.handle(event, self.now_us);
            self.act()
        }

        fn pid(&self, child: Child) -> Pid {
            self.forked.iter().rev().find(|(forked, _)| *forked == child).expect("not forked").1
        }

        fn end(&mut self, child: Child, ended: Ended) -> Vec<Action> {
            let pid = self.pid(child);
            self.happen(Event::Ended { pid, ended })
        }

        fn main(slot: u16) -> Pid {
            1000 + Pid::from(slot)
        }

        fn announce(&mut self, slot: u16) -> Vec<Action> {
            self.happen(Event::Announced { slot, pid: Self::main(slot) })
        }

        fn main_ends(&mut self, slot: u16, ended: Ended) -> Vec<Action> {
            self.happen(Event::Ended { pid: Self::main(slot), ended })
        }

        /// Up to where the first container is launched.
        fn set_up(&mut self) -> Vec<Action> {
            self.act();
            self.end(Child::Worker(Task::Setup), GOOD);
            self.end(Child::Worker(Task::Scripts), GOOD);
            self.end(Child::Worker(Task::Volumes), GOOD)
        }

        fn launch(&mut self, slot: u16) -> Vec<Action> {
            assert_eq!(self.announce(slot), []);
            self.end(Child::Launcher(slot), GOOD)
        }

        fn later(&mut self, by_us: u64) -> Vec<Action> {
            self.now_us += by_us;
            self.act()
        }
    }

    use Action::*;
    use Section::{Onboot, Onshutdown, Services};

    #[test]
    fn a_whole_life_has_every_phase_in_order() {
        let mut slots = [Slot::EMPTY; 8];
        let containers = [(Onboot, c"000-a"), (Services, c"web"), (Onshutdown, c"000-z")];
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        assert_eq!(machine.act(), [Start(Task::Setup)]);
        assert_eq!(machine.end(Child::Worker(Task::Setup), GOOD), [OpenButtons, Start(Task::Scripts)]);
        assert_eq!(machine.end(Child::Worker(Task::Scripts), GOOD), [Start(Task::Volumes)]);
        assert_eq!(machine.end(Child::Worker(Task::Volumes), GOOD), [List(Onboot), List(Services), Launch(0)]);
        assert_eq!(machine.launch(0), []);
        assert_eq!(machine.main_ends(0, GOOD), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(1)]);
        assert_eq!(machine.launch(1), [Report(Note::Ready)]);
        assert_eq!(machine.table.phase(), Phase::Running);
        assert_eq!(
            machine.happen(Event::Power(Power::PowerOff)),
            [Report(Note::Stopping(Power::PowerOff, Why::Asked)), Ask(1)]
        );
        assert_eq!(machine.main_ends(1, GOOD), [Report(Note::Ended(1)), List(Onshutdown), Launch(2)]);
        assert_eq!(machine.launch(2), []);
        assert_eq!(machine.main_ends(2, GOOD), [Report(Note::Ended(2)), Clean(2)]);
        assert_eq!(machine.end(Child::Cleaner(2), GOOD), [Start(Task::ShutdownScripts)]);
        assert_eq!(machine.end(Child::Worker(Task::ShutdownScripts), GOOD), [SignalAll(signal::TERM)]);
        assert_eq!(machine.happen(Event::Childless), [Start(Task::Unmount)]);
        assert_eq!(machine.end(Child::Worker(Task::Unmount), GOOD), [Start(Task::Farewell)]);
        assert_eq!(machine.end(Child::Worker(Task::Farewell), GOOD), [End(Power::PowerOff)]);
        assert_eq!(machine.later(1_000_000_000), []);
        assert!(machine.table.entered_us().iter().all(|entered| *entered != 0));
    }

    #[test]
    fn containers_of_a_section_are_in_name_order_whatever_the_directory_says() {
        let mut slots = [Slot::EMPTY; 8];
        let containers =
            [(Onboot, c"010-b"), (Onboot, c"000-a"), (Onboot, c"010-a"), (Services, c"b"), (Services, c"a")];
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        machine.set_up();
        let names: Vec<_> = machine.table.slots().iter().map(|slot| slot.name().to_str().unwrap()).collect();
        assert_eq!(names, ["000-a", "010-a", "010-b", "a", "b"]);
    }

    #[test]
    fn one_container_too_many_and_a_name_too_long_are_refused() {
        let mut slots = [Slot::EMPTY; 2];
        let mut table = Table::new(&mut slots, POLICY, 1);
        let long = std::ffi::CString::new([b'x'; limits::NAME_BYTES_MAX + 1]).unwrap();
        let longest = std::ffi::CString::new([b'x'; limits::NAME_BYTES_MAX]).unwrap();
        assert!(!table.add(Onboot, &long));
        assert!(table.add(Onboot, &longest));
        assert!(table.add(Onboot, c"a"));
        assert!(!table.add(Onboot, c"b"));
        assert_eq!(table.slot(1).unwrap().name().to_bytes(), longest.to_bytes());
    }

    #[test]
    fn onboot_containers_run_strictly_one_after_the_other() {
        let mut slots = [Slot::EMPTY; 8];
        let containers = [(Onboot, c"a"), (Onboot, c"b")];
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        assert_eq!(machine.set_up().last(), Some(&Launch(0)));
        assert_eq!(machine.launch(0), []);
        assert_eq!(machine.later(1 << 40), []);
        assert_eq!(machine.main_ends(0, Ended::Exited(3)), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(1)]);
        assert_eq!(machine.table.slot(0).unwrap().status(), Some(Ended::Exited(3)));
    }

    #[test]
    fn a_container_that_ends_before_its_launcher_keeps_its_own_status() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, c"a")]);
        machine.set_up();
        assert_eq!(machine.announce(0), []);
        assert_eq!(machine.main_ends(0, Ended::Exited(42)), []);
        assert_eq!(machine.end(Child::Launcher(0), GOOD), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.table.slot(0).unwrap().status(), Some(Ended::Exited(42)));
    }

    #[test]
    fn a_failed_launch_is_reported_once_and_the_boot_goes_on() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, c"a"), (Services, c"b"), (Services, c"c")]);
        machine.set_up();
        assert_eq!(machine.announce(0), []);
        // Its first process is still there: it is killed, and its status is not the container's.
        assert_eq!(machine.end(Child::Launcher(0), Ended::Exited(1)), [Report(Note::NotLaunched(0)), Kill(0)]);
        assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Launch(1), Launch(2)]);
        assert_eq!(machine.end(Child::Launcher(1), Ended::Exited(1)), [Report(Note::NotLaunched(1))]);
        assert_eq!(machine.launch(2), [Report(Note::Ready)]);
    }

    #[test]
    fn a_launcher_that_was_killed_leaves_nothing_behind() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Services, c"a")]);
        machine.set_up();
        machine.announce(0);
        let lost = Ended::Killed(9);
        assert_eq!(machine.end(Child::Launcher(0), lost), [Report(Note::LauncherLost(0, lost)), Kill(0)]);
        assert_eq!(machine.main_ends(0, lost), [Clean(0), Report(Note::Ready)]);
        // A process of that launch that comes late has nobody to start it.
        assert_eq!(machine.announce(0), [KillStray(1000)]);
    }

    #[test]
    fn a_launcher_cannot_claim_a_container_that_never_was() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, c"a")]);
        machine.set_up();
        assert_eq!(machine.end(Child::Launcher(0), GOOD), [Report(Note::NeverAnnounced(0)), Clean(0)]);
    }

    #[test]
    fn announcements_for_nobody_are_strays() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, c"a")]);
        machine.set_up();
        for slot in [1, 7, 8, u16::MAX] {
            assert_eq!(machine.happen(Event::Announced { slot, pid: 7 }), [KillStray(7)]);
        }
        machine.announce(0);
        assert_eq!(machine.happen(Event::Announced { slot: 0, pid: 7 }), [KillStray(7)]);
        assert_eq!(machine.table.slot(0).unwrap().main(), Some(1000));
    }

    #[test]
    fn orphans_change_nothing() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Services, c"a")]);
        machine.set_up();
        machine.launch(0);
        for pid in 2000..12_000 {
            assert_eq!(machine.happen(Event::Ended { pid, ended: Ended::Exited(7) }), []);
        }
        assert_eq!(machine.table.orphans(), 10_000);
        assert_eq!(machine.table.slot(0).unwrap().stage(), Stage::Running);
    }

    #[test]
    fn services_are_launched_side_by_side_up_to_a_bound() {
        let mut slots = vec![Slot::EMPTY; limits::CONTAINERS_MAX];
        let names: Vec<_> = (0..40).map(|number| std::ffi::CString::new(format!("{number:02}")).unwrap()).collect();
        let containers: Vec<_> = names.iter().map(|name| (Services, name.as_c_str())).collect();
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        let launched = machine.set_up();
        assert_eq!(launched.iter().filter(|action| matches!(action, Launch(_))).count(), limits::HELPERS_MAX);
        machine.announce(3);
        assert_eq!(machine.end(Child::Launcher(3), GOOD), [Launch(16)]);
        for slot in (0..40).filter(|slot| *slot != 3) {
            machine.launch(slot);
        }
        assert_eq!(machine.table.phase(), Phase::Running);
        assert!(machine.table.slots().iter().all(|slot| slot.stage() == Stage::Running));
        // All of them end at once: cleaners are bounded too, and none is forgotten.
        for slot in 0..40 {
            machine.main_ends(slot, GOOD);
        }
        assert_eq!(machine.table.slots().iter().filter(|slot| slot.stage() == Stage::Cleaning).count(), 16);
        for slot in 0..40 {
            machine.end(Child::Cleaner(slot), GOOD);
        }
        assert!(machine.table.slots().iter().all(|slot| slot.stage() == Stage::Done));
    }

    #[test]
    fn the_failure_policy_is_obeyed_for_every_way_an_onboot_container_fails() {
        for power in [Power::Halt, Power::PowerOff, Power::Reboot] {
            let policy = Policy { fail: Some(power), ..POLICY };
            let down = Report(Note::Stopping(power, Why::Failed(0)));
            let containers = [(Onboot, c"a"), (Onboot, c"b"), (Services, c"c")];

            let mut slots = [Slot::EMPTY; 8];
            let mut machine = Machine::new(&mut slots, policy, &containers);
            machine.set_up();
            machine.launch(0);
            let actions = machine.main_ends(0, Ended::Killed(11));
            assert_eq!(actions, [Report(Note::Ended(0)), down, List(Onshutdown), Start(Task::ShutdownScripts)]);

            let mut slots = [Slot::EMPTY; 8];
            let mut machine = Machine::new(&mut slots, policy, &containers);
            machine.set_up();
            let actions = machine.end(Child::Launcher(0), Ended::Exited(1));
            assert_eq!(actions[..2], [Report(Note::NotLaunched(0)), down]);

            let mut slots = [Slot::EMPTY; 8];
            let mut machine = Machine::new(&mut slots, policy, &containers);
            machine.act();
            for task in [Task::Setup, Task::Scripts] {
                machine.end(Child::Worker(task), GOOD);
            }
            machine.fork_fails = true;
            let actions = machine.end(Child::Worker(Task::Volumes), GOOD);
            assert!(actions.contains(&Report(Note::NotForked(0, Errno::AGAIN))) && actions.contains(&down));
        }
    }

    #[test]
    fn panic_is_at_once() {
        let mut slots = [Slot::EMPTY; 8];
        let policy = Policy { fail: Some(Power::Panic), ..POLICY };
        let mut machine = Machine::new(&mut slots, policy, &[(Onboot, c"a")]);
        machine.set_up();
        machine.launch(0);
        let panic = Power::Panic;
        assert_eq!(
            machine.main_ends(0, Ended::Exited(1)),
            [Report(Note::Ended(0)), Report(Note::Stopping(panic, Why::Failed(0))), End(panic)]
        );
    }

    #[test]
    fn a_service_that_fails_does_not_count_as_an_onboot_failure() {
        let mut slots = [Slot::EMPTY; 8];
        let policy = Policy { fail: Some(Power::Halt), ..POLICY };
        let mut machine = Machine::new(&mut slots, policy, &[(Services, c"a")]);
        machine.set_up();
        machine.launch(0);
        assert_eq!(machine.main_ends(0, Ended::Exited(1)), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.table.phase(), Phase::Running);
    }

    #[test]
    fn an_idle_machine_does_what_the_policy_says_when_all_is_cleaned() {
        let off = Power::PowerOff;
        let policy = Policy { idle: Some(off), ..POLICY };
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, policy, &[(Services, c"a")]);
        machine.set_up();
        assert_eq!(machine.launch(0), [Report(Note::Ready)]);
        assert_eq!(machine.main_ends(0, GOOD), [Report(Note::Ended(0)), Clean(0)]);
        let actions = machine.end(Child::Cleaner(0), GOOD);
        assert_eq!(actions[0], Report(Note::Stopping(off, Why::Idle)));

        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, policy, &[]);
        assert!(machine.set_up().contains(&Report(Note::Stopping(off, Why::Idle))));

        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[]);
        assert_eq!(machine.set_up().last(), Some(&Report(Note::Ready)));
    }

    #[test]
    fn a_power_request_is_obeyed_in_every_phase_of_the_boot() {
        for at in 0..6 {
            let mut slots = [Slot::EMPTY; 8];
            let containers = [(Onboot, c"a"), (Services, c"b"), (Onshutdown, c"c")];
            let mut machine = Machine::new(&mut slots, POLICY, &containers);
            machine.act();
            let steps: [fn(&mut Machine); 5] = [
                |machine| drop(machine.end(Child::Worker(Task::Setup), GOOD)),
                |machine| drop(machine.end(Child::Worker(Task::Scripts), GOOD)),
                |machine| drop(machine.end(Child::Worker(Task::Volumes), GOOD)),
                |machine| drop(machine.launch(0)),
                |machine| {
                    machine.main_ends(0, GOOD);
                    machine.end(Child::Cleaner(0), GOOD);
                },
            ];
            for step in &steps[..at] {
                step(&mut machine);
            }
            let actions = machine.happen(Event::Power(Power::Reboot));
            assert_eq!(actions[0], Report(Note::Stopping(Power::Reboot, Why::Asked)));
            // Whatever is there goes: workers and those being launched when they are killed, at the latest.
            let mut all = machine.later(POLICY.grace_us);
            for slot in 0..2 {
                if let Some(pid) = machine.table.slot(slot).and_then(Slot::helper) {
                    all.extend(machine.happen(Event::Ended { pid, ended: Ended::Killed(9) }));
                }
                if machine.table.slot(slot).and_then(Slot::main).is_some() {
                    all.extend(machine.main_ends(slot, Ended::Killed(9)));
                }
            }
            if at < 3 {
                assert_eq!(actions[1], Abandon(machine.forked.last().unwrap().1));
                let pid = machine.forked.last().unwrap().1;
                all.extend(machine.happen(Event::Ended { pid, ended: Ended::Killed(9) }));
            }
            assert!(all.contains(&List(Onshutdown)), "{at}: {all:?}");
            assert_eq!(machine.table.phase(), Phase::Onshutdown, "{at}");
        }
    }

    #[test]
    fn services_are_asked_together_and_only_the_late_ones_killed() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Services, c"a"), (Services, c"b"), (Services, c"c")]);
        machine.set_up();
        machine.launch(0);
        machine.launch(1);
        let off = Power::PowerOff;
        // The third is still being launched: it is asked when it can hear.
        let actions = machine.happen(Event::Power(off));
        assert_eq!(actions, [Report(Note::Stopping(off, Why::Asked)), Ask(0), Ask(1)]);
        assert_eq!(machine.launch(2), [Ask(2)]);
        assert_eq!(machine.later(999), []);
        assert_eq!(machine.main_ends(1, GOOD), [Report(Note::Ended(1))]);
        assert_eq!(machine.table.deadline_us(), Some(1001));
        let actions = machine.later(1);
        assert_eq!(actions, [Report(Note::Overdue(0)), Kill(0), Report(Note::Overdue(2)), Kill(2)]);
        assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Report(Note::Ended(0))]);
        // The last one is stuck in the kernel: the machine goes down all the same.
        assert_eq!(machine.later(limits::KILL_US)[..2], [Report(Note::Stuck(2)), List(Onshutdown)]);
    }

    #[test]
    fn the_last_wish_for_the_end_counts() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[]);
        machine.set_up();
        machine.happen(Event::Power(Power::Reboot));
        assert_eq!(machine.happen(Event::Power(Power::Reboot)), []);
        let actions = machine.happen(Event::Power(Power::Halt));
        assert_eq!(actions, [Report(Note::Instead(Power::Halt))]);
        machine.end(Child::Worker(Task::ShutdownScripts), GOOD);
        machine.happen(Event::Childless);
        assert_eq!(machine.end(Child::Worker(Task::Unmount), GOOD), [Start(Task::Farewell)]);
        assert_eq!(machine.end(Child::Worker(Task::Farewell), GOOD), [End(Power::Halt)]);
    }

    #[test]
    fn onshutdown_containers_and_workers_that_hang_are_killed_in_the_end() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Onshutdown, c"a"), (Onshutdown, c"b")]);
        machine.set_up();
        machine.happen(Event::Power(Power::PowerOff));
        machine.launch(0);
        assert_eq!(machine.later(500), [Report(Note::Overdue(0)), Kill(0)]);
        assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(1)]);
        machine.launch(1);
        assert_eq!(machine.later(500), [Report(Note::Overdue(1)), Kill(1)]);
        assert_eq!(machine.later(limits::KILL_US), [Report(Note::Stuck(1)), Start(Task::ShutdownScripts)]);
        let pid = machine.pid(Child::Worker(Task::ShutdownScripts));
        let late = Report(Note::WorkerOverdue(Task::ShutdownScripts));
        let mut actions = machine.later(500);
        actions.sort_by_key(|action| *action == late);
        assert_eq!(actions, [Abandon(pid), late]);
        assert_eq!(machine.later(limits::KILL_US), [SignalAll(signal::TERM)]);
        assert_eq!(machine.later(limits::TERMINATE_US), [SignalAll(signal::KILL)]);
        assert_eq!(machine.later(limits::KILL_US), [Report(Note::Survivors), Start(Task::Unmount)]);
        let pid = machine.pid(Child::Worker(Task::Unmount));
        assert!(machine.later(limits::UNMOUNT_US).contains(&Abandon(pid)));
        assert_eq!(machine.later(limits::KILL_US), [Start(Task::Farewell)]);
        let pid = machine.pid(Child::Worker(Task::Farewell));
        assert!(machine.later(limits::FAREWELL_US).contains(&Abandon(pid)));
        assert_eq!(machine.later(limits::KILL_US), [End(Power::PowerOff)]);
    }

    const ONE_SHOT: Policy = Policy { one_shot: true, ..POLICY };

    #[test]
    fn a_one_shot_ends_the_machine_with_its_code_when_its_output_is_out() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, ONE_SHOT, &[(Services, c"web"), (Section::OneShot, c"run")]);
        machine.set_up();
        assert_eq!(machine.table.code(), None);
        assert_eq!(machine.launch(0), [Report(Note::Ready), List(Section::OneShot), Launch(1)]);
        assert_eq!(machine.launch(1), []);
        // Not a word before the cleaner has drained what it wrote.
        assert_eq!(machine.main_ends(1, Ended::Exited(3)), [Clean(1)]);
        assert_eq!(
            machine.end(Child::Cleaner(1), GOOD),
            [Report(Note::Ended(1)), Report(Note::Stopping(Power::PowerOff, Why::Done)), Ask(0)]
        );
        assert_eq!(machine.table.code(), Some(3));
        machine.main_ends(0, GOOD);
        machine.end(Child::Worker(Task::ShutdownScripts), GOOD);
        assert_eq!(machine.happen(Event::Childless), [Start(Task::Unmount)]);
        assert_eq!(machine.end(Child::Worker(Task::Unmount), GOOD), [Start(Task::Farewell)]);
        assert_eq!(machine.end(Child::Worker(Task::Farewell), GOOD), [End(Power::PowerOff)]);
    }

    #[test]
    fn a_one_shot_that_cannot_be_started_ends_the_machine_too() {
        for fork_fails in [false, true] {
            let mut slots = [Slot::EMPTY; 8];
            let policy = Policy { idle: Some(Power::Reboot), ..ONE_SHOT };
            let mut machine = Machine::new(&mut slots, policy, &[(Section::OneShot, c"run")]);
            let mut actions;
            if fork_fails {
                machine.fork_fails = true;
                actions = machine.act();
            } else {
                assert_eq!(machine.set_up().last(), Some(&Launch(0)));
                actions = machine.end(Child::Launcher(0), Ended::Exited(1));
            }
            actions.retain(|action| matches!(action, Report(Note::Stopping(..))));
            assert_eq!(actions, [Report(Note::Stopping(Power::Reboot, Why::Done))]);
            assert_eq!(machine.table.code(), Some(NOT_STARTED));
        }
    }

    #[test]
    fn a_one_shot_that_fails_ends_in_a_panic_if_that_is_how_the_host_is_told() {
        for (status, power) in [(GOOD, Power::PowerOff), (Ended::Killed(9), Power::Panic)] {
            let mut slots = [Slot::EMPTY; 8];
            let policy = Policy { one_shot_panics: true, ..ONE_SHOT };
            let mut machine = Machine::new(&mut slots, policy, &[(Section::OneShot, c"run")]);
            machine.set_up();
            machine.launch(0);
            machine.main_ends(0, status);
            machine.end(Child::Cleaner(0), GOOD);
            machine.end(Child::Worker(Task::ShutdownScripts), GOOD);
            machine.happen(Event::Childless);
            machine.end(Child::Worker(Task::Unmount), GOOD);
            assert_eq!(machine.end(Child::Worker(Task::Farewell), GOOD), [End(power)]);
        }
    }

    #[test]
    fn a_machine_that_cannot_fork_still_boots_and_goes_down() {
        let mut slots = [Slot::EMPTY; 8];
        let containers = [(Onboot, c"a"), (Services, c"b"), (Onshutdown, c"c")];
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        machine.fork_fails = true;
        let actions = machine.act();
        assert_eq!(actions.last(), Some(&Report(Note::Ready)));
        let failures = actions.iter().filter(|action| matches!(action, Report(Note::NotForked(..)))).count();
        assert_eq!(failures, 2);
        let actions = machine.happen(Event::Power(Power::PowerOff));
        assert_eq!(actions.last(), Some(&SignalAll(signal::TERM)));
        assert_eq!(machine.happen(Event::Childless).last(), Some(&End(Power::PowerOff)));
    }

    #[test]
    fn a_worker_that_dies_is_reported_and_passed() {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[]);
        machine.act();
        for (task, next) in [(Task::Setup, Task::Scripts), (Task::Scripts, Task::Volumes)] {
            let actions = machine.end(Child::Worker(task), Ended::Killed(9));
            assert_eq!(actions[0], Report(Note::WorkerFailed(task, Ended::Killed(9))));
            assert_eq!(actions.last(), Some(&Start(next)));
        }
    }

    /// A generator of numbers, always the same for the same seed (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    /// One thing that may happen to a machine at any time, likely or not.
    fn anything(machine: &mut Machine, numbers: &mut Numbers) -> Vec<Action> {
        let slot = numbers.below(7) as u16;
        let ended = match numbers.below(5) {
            0 => Ended::Exited(1),
            1 => Ended::Exited(77),
            2 => Ended::Killed(9),
            _ => GOOD,
        };
        machine.fork_fails = numbers.below(20) == 0;
        match numbers.below(9) {
            0 | 1 => machine.happen(Event::Announced { slot, pid: Machine::main(slot) }),
            2 => machine.main_ends(slot, ended),
            3 | 4 if !machine.forked.is_empty() => {
                let (_, pid) = machine.forked[numbers.below(machine.forked.len() as u64) as usize];
                machine.happen(Event::Ended { pid, ended })
            }
            5 => machine.happen(Event::Ended { pid: 7, ended }),
            6 => machine.happen(Event::Executed { slot, time_us: 5 }),
            7 if numbers.below(50) == 0 => machine.happen(Event::Childless),
            _ => {
                let by_us = numbers.below(100);
                machine.later(by_us)
            }
        }
    }

    #[test]
    fn whatever_happens_the_machine_goes_down_when_it_is_asked_to_and_each_phase_begins_once() {
        let containers =
            [(Onboot, c"a"), (Onboot, c"b"), (Services, c"c"), (Services, c"d"), (Services, c"e"), (Onshutdown, c"f")];
        for seed in 1..2000 {
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let mut slots = [Slot::EMPTY; 6];
            let mut machine = Machine::new(&mut slots, POLICY, &containers);
            let mut all = machine.act();
            for _ in 0..numbers.below(120) {
                all.extend(anything(&mut machine, &mut numbers));
            }
            all.extend(machine.happen(Event::Power(Power::Halt)));
            for _ in 0..numbers.below(60) {
                all.extend(anything(&mut machine, &mut numbers));
            }
            // Nobody does anything any more: only time passes, as much as all bounds together.
            for _ in 0..40 {
                let Some(deadline_us) = machine.table.deadline_us() else { break };
                machine.now_us = machine.now_us.max(deadline_us);
                all.extend(machine.act());
            }
            assert!(all.contains(&End(Power::Halt)), "seed {seed}: {:?} {all:?}", machine.table.phase());
            for (position, action) in all.iter().enumerate() {
                let once = matches!(action, Start(_) | List(_) | Launch(_) | Clean(_) | Ask(_) | SignalAll(_) | End(_));
                assert!(!once || !all[..position].contains(action), "seed {seed}: {action:?} twice");
            }
            let entered = machine.table.entered_us();
            let entered: Vec<_> = entered.iter().filter(|entered| **entered != 0).collect();
            assert!(entered.is_sorted(), "seed {seed}: {entered:?}");
        }
    }
}
