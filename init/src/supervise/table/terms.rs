//! The words in which the machine is told what happened, and tells what is to be done.

use super::super::message::Message;
use crate::abi::Errno;
use crate::config::policy::Wishes;
use crate::sys::process::{Ended, Pid};
use crate::texts::CStr;

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

impl Section {
    /// Where its bundles are; of a one-shot, nowhere.
    pub fn directory(self) -> &'static CStr {
        match self {
            Section::Onboot => s!("/containers/onboot"),
            Section::Services => s!("/containers/services"),
            Section::Onshutdown => s!("/containers/onshutdown"),
            Section::OneShot => s!(""),
        }
    }
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
    /// What every container wants that does not say otherwise.
    pub wishes: Wishes,
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
    /// What containers want is found out.
    Survey,
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
    pub const ALL: [Phase; 15] = [
        Phase::Setup,
        Phase::Scripts,
        Phase::Volumes,
        Phase::Survey,
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

    pub(super) fn following(self) -> Option<Phase> {
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
    /// Finds out what the containers want that are listed and not begun, and sends it in messages.
    Survey,
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
    /// A message came.
    Told {
        /// Who sent it, from the kernel.
        pid: Pid,
        /// What it says.
        message: Message,
    },
    /// Somebody asks for an end: a signal, a key, a button.
    Power(Power),
    /// So many children ended that nobody knew, and were reaped.
    Orphans(u32),
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
    /// Fork a checker; [`Table::forked`] wants to know.
    Check(u16),
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
    /// A container was not ready in time and is killed.
    NotReady(u16),
    /// Too many checks of a container's health in a row have failed: it is killed.
    Unhealthy(u16),
    /// A container is not launched, since another one has failed that it requires.
    Lacks(u16, u16),
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
    /// This container failed, and that is the policy.
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
    /// Who checks a container's health.
    Checker(u16),
}
