//! One container, as PID 1 knows it.

use super::terms::Section;
use crate::config::policy::Wishes;
use crate::limits;
use crate::sys::process::{Ended, Pid};
use crate::texts::CStr;
use crate::texts::until_nul;

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Waiting,
    /// Its launcher is at work.
    Launching,
    /// Its program runs, and its launcher waits for it to be ready.
    Starting,
    /// Its launcher has succeeded and ended.
    Running,
    /// It has ended, and something is left to clean.
    Ended,
    /// Its cleaner is at work.
    Cleaning,
    /// Nothing of it is left; it is started again when its delay is over.
    Pausing,
    /// Nothing of it is left.
    Done,
}

/// How a launcher ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    Unknown,
    Succeeded,
    /// It has said why and taken everything back.
    Failed,
    Lost,
}

/// One container.
// In this order: what is behind the first 128 bytes of it costs more code at each use.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Slot {
    pub(super) section: Section,
    pub(super) stage: Stage,
    pub(super) launch: Launch,
    /// Exit status of the main process of the present run, once it has `ended`; until then that of the last one.
    pub(super) status: Ended,
    pub(super) ended: bool,
    pub(super) announced: bool,
    /// Whether it was asked to end, and whether it was killed.
    pub(super) asked: bool,
    pub(super) killed: bool,
    /// The launcher, checker or cleaner; 0 when there is none.
    pub(super) helper: Pid,
    /// The container's first process; 0 when there is none.
    pub(super) main: Pid,
    /// How many of those that it must wait for are neither ready nor over.
    pub(super) waits: u16,
    /// Whether those that wait for it need not any more: it was ready, or is over.
    pub(super) released: bool,
    /// Whether it will be started again; meaningless while it runs.
    pub(super) again: bool,
    /// Whether it has failed for good.
    pub(super) failed: bool,
    /// How many checks of its health in a row have failed; when it is over, how many of its cleaners were killed.
    pub(super) failed_checks: u8,
    /// Whether the operator has it stopped, and whether it is started again when it has.
    pub(super) held: bool,
    pub(super) renewed: bool,
    /// How many of its processes the kernel has killed because memory was short, in its runs so far.
    pub(super) oom_kills: u32,
    /// How often it was started again in all, and how often in a row.
    pub(super) restarts: u32,
    pub(super) tries: u32,
    /// When something is to happen to it whatever else does, by its stage: its next start, its being killed; 0 for never.
    pub(super) due_us: u64,
    pub(super) started_us: u64,
    pub(super) executed_us: u64,
    pub(super) ready_us: u64,
    pub(super) ended_us: u64,
    pub(super) wishes: Wishes,
    pub(super) name: [u8; limits::NAME_BYTES_MAX + 1],
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
        waits: 0,
        released: false,
        again: false,
        failed: false,
        failed_checks: 0,
        held: false,
        renewed: false,
        oom_kills: 0,
        restarts: 0,
        tries: 0,
        wishes: Wishes::NONE,
        due_us: 0,
        started_us: 0,
        executed_us: 0,
        ready_us: 0,
        ended_us: 0,
    };

    /// The container's name.
    pub fn name(&self) -> &CStr {
        until_nul(&self.name).unwrap_or(s!(""))
    }

    /// The container's section.
    pub fn section(&self) -> Section {
        self.section
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The exit status of its first process, if that has ended in the present run.
    pub fn status(&self) -> Option<Ended> {
        self.ended.then_some(self.status)
    }

    /// The exit status of its first process, the last time that one ended.
    pub fn last_status(&self) -> Option<Ended> {
        (self.ended || self.restarts > 0).then_some(self.status)
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether it has failed and is not started again.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether it was told to stop.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// How many of its processes the kernel has killed because memory was short, in the runs that are over.
    pub fn oom_kills(&self) -> u32 {
        self.oom_kills
    }

    /// How long after its end it is started again, if that is so.
    pub fn delay_us(&self) -> Option<u64> {
        self.again.then_some(self.due_us.saturating_sub(self.ended_us))
    }

    /// How often in a row it was, or is to be, started again.
    pub fn restarts_in_a_row(&self) -> u32 {
        self.tries
    }

    /// What it wants.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// The container's first process.
    pub fn main(&self) -> Option<Pid> {
        (self.main != 0).then_some(self.main)
    }

    /// The launcher, checker or cleaner.
    pub fn helper(&self) -> Option<Pid> {
        (self.helper != 0).then_some(self.helper)
    }

    /// When its launcher was forked, its program executed, its first process reaped. 0 for what has not happened in the
    /// present run.
    pub fn times_us(&self) -> [u64; 3] {
        [self.started_us, self.executed_us, self.ended_us]
    }

    /// When it was ready in the present run; 0 if it was not.
    pub fn ready_us(&self) -> u64 {
        self.ready_us
    }

    /// When something is to happen to it whatever else does.
    pub(super) fn due_us(&self) -> Option<u64> {
        // The next start is put off until the last one is cleaned up.
        let counts = self.due_us != 0 && (!self.again || self.stage == Stage::Pausing);
        counts.then_some(self.due_us)
    }

    /// Whether something of it is left, or will be.
    pub(super) fn alive(&self) -> bool {
        !matches!(self.stage, Stage::Waiting | Stage::Done)
    }

    /// Whether its program is at work, as far as anybody knows.
    pub(super) fn runs(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Running)
    }

    /// Whether it has begun, and is neither at work and healthy nor done with its work.
    pub(super) fn is_ill(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Launching | Stage::Starting => self.again,
            Stage::Running => self.failed_checks > 0,
            Stage::Ended | Stage::Cleaning | Stage::Pausing | Stage::Done => self.again || self.failed,
        }
    }

    /// Forgets the last run, but for what is told of it.
    pub(super) fn begin(&mut self) {
        if self.again {
            self.restarts = self.restarts.saturating_add(1);
        }
        *self = Slot {
            stage: Stage::Launching,
            launch: Launch::Unknown,
            ended: false,
            announced: false,
            asked: false,
            killed: false,
            again: false,
            failed_checks: 0,
            due_us: 0,
            executed_us: 0,
            ready_us: 0,
            ended_us: 0,
            ..*self
        };
    }
}

// All of them are PID 1's memory for good: 224 KiB of `.bss`, of which the pages of the used ones are touched.
const _: () = assert!(size_of::<Slot>() <= 224);
