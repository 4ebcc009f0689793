//! PID 1 when the machine runs: children, signals, power. It never ends, never waits for anything but events, and never
//! reads what a container's author wrote: that is for the processes it forks.
//!
//! Start with [`table`], which holds every decision; [`wait`] says where events come from, and why none is lost;
//! [`run`] carries the decisions out.

mod control;
pub mod message;
mod report;
mod shutdown;
pub mod table;
mod wait;
mod watchdog;

use crate::sys::{AsFd, BorrowedFd};
use crate::texts::CStr;

use crate::abi::Errno;
use crate::config::policy::Key;
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{power, region, signal, time};
use crate::text::Value;
use control::Control;
pub use control::{Client, End, PLACE};
use message::Message;
pub use report::{MOMENTS, Ms, PHASES, Times};
pub use shutdown::group_file;
use table::{Action, Child, Event, Note, Phase, Table, Task};
pub use table::{Change, Edge, Policy, Power, Section, Slot, Stage, cycle};
use wait::Events;
use watchdog::Watchdog;

/// What PID 1's children do. Each is called in a process of its own and returns its exit code. All signals are blocked
/// there: a program that is executed wants [`signal::unblock_all`] first.
pub trait Work {
    /// Makes the machine ready.
    fn set_up(&self) -> u8;
    /// Runs the executables of a directory.
    fn run_scripts(&self, directory: &CStr) -> u8;
    /// Mounts the volumes.
    fn mount_volumes(&self) -> u8;
    /// Finds out what containers that are not begun want, and sends it over `announcements`: [`message::Message::Wish`] and
    /// its like.
    fn survey(&self, containers: &[Slot], announcements: BorrowedFd) -> u8;
    /// Launches a container: 0 when its program runs; 1 when it does not, after saying why and taking everything back.
    /// The container's first process is a child of this process's parent (CLONE_PARENT) and sends
    /// [`message::Message::Announced`] over `announcements` before anything else.
    /// It stays until the container is ready, and tells so; any other code then means that it is not.
    fn launch(&self, slot: u16, container: &Slot, announcements: BorrowedFd) -> u8;
    /// Checks the health of a container that runs: 0 when it is well.
    fn check(&self, container: &Slot) -> u8;
    /// Removes what a container leaves when it has ended. Of a one-shot, sees to it first that its output arrives.
    fn clean(&self, slot: u16, container: &Slot, announcements: BorrowedFd) -> u8;
    /// Waits until the consoles have sent everything, and tells the host the exit code if there is one: by now nothing is
    /// mounted for writing any more, and ending the machine here is as good as anywhere.
    fn farewell(&self, code: Option<u8>) -> u8;
    /// Logs what containers write; goes on where the one before was, of which nothing may be left. It ends when it is
    /// asked to and nothing can come any more; with `last`, when nothing is there.
    fn log(&self, last: bool) -> u8;
    /// Answers a client of the control socket from this process's picture of PID 1. What is to change goes to PID 1 over
    /// `announcements`. Whoever takes too long over it is killed.
    fn answer(&self, picture: &Picture, client: &Client, announcements: BorrowedFd) -> u8;
}

/// What PID 1 knows, as answerers see it.
pub struct Picture<'m> {
    /// The containers and the phases.
    pub table: &'m Table<'m>,
    /// When pidone was started.
    pub started_us: u64,
}

/// Memory for the table of containers, in `.bss`.
static SLOTS: region::Lent<[Slot; limits::CONTAINERS_MAX]> = region::Lent::new([Slot::EMPTY; _]);
/// And for who waits for whom.
static EDGES: region::Lent<[Edge; limits::EDGES_MAX]> = region::Lent::new([Edge::NONE; _]);

/// Runs the machine until its end. `started_us` is when pidone was started, for the timeline.
pub fn run(work: &impl Work, policy: Policy, started_us: u64) -> ! {
    signal::block_all();
    // Only PID 1 of the machine may; in a container Ctrl-Alt-Del is not ours.
    let _ = power::catch_ctrl_alt_del();
    let (Some(slots), Some(edges)) = (SLOTS.take(), EDGES.take()) else { run_twice() };
    // Never PID 1, when memory is short. Its children take that back.
    let _ = file::write_file(OOM_SCORE, b"-1000");
    let table = Table::new(slots, edges, policy, time::monotonic_us());
    let control = Control::open();
    // From here on PID 1 has little to do, and for long.
    region::forget();
    let (events, logger, logger_us) = (Events::new(), 0, 0);
    let mut supervisor = Supervisor { table, watchdog: None, events, control, work, started_us, logger, logger_us };
    supervisor.run()
}

/// How gladly the kernel kills this process when memory is short.
const OOM_SCORE: &CStr = s!("/proc/self/oom_score_adj");

/// A new process, which the kernel may kill like any other when memory is short.
#[inline(never)]
fn fork() -> crate::sys::Result<Fork> {
    let forked = process::fork();
    if forked == Ok(Fork::Child) {
        let _ = file::write_file(OOM_SCORE, b"0");
    }
    forked
}

/// Two loops over the same table would be worse than the kernel's panic.
fn run_twice() -> ! {
    log::error(t!("run twice"), &[]);
    process::exit(1)
}

/// Asks PID 1 for an end of the machine; the exit code of the command.
pub fn request(power: Power) -> u8 {
    let Some(signal) = wait::signal_for(power) else { return 1 };
    match process::kill(1, signal) {
        Ok(()) => 0,
        Err(errno) => {
            log::error(t!("{}: signal process 1: {}"), &[Value::Print(&power), Value::Kernel(errno)]);
            1
        }
    }
}

/// A moment that does not come.
const NEVER: u64 = u64::MAX;

struct Supervisor<'a, W> {
    table: Table<'a>,
    watchdog: Option<Watchdog>,
    events: Events,
    control: Control,
    work: &'a W,
    started_us: u64,
    /// The logger's process; 0 when there is none. And when the next one may be forked.
    logger: Pid,
    logger_us: u64,
}

impl<W: Work> Supervisor<'_, W> {
    fn run(&mut self) -> ! {
        let mut now_us = time::monotonic_us();
        loop {
            while let Some(action) = self.table.next(now_us) {
                self.perform(action);
                now_us = time::monotonic_us();
            }
            if let Some(client) = self.control.next() {
                self.answer(&client);
            }
            // As long as it gets here. Within a storm of events, too.
            let mut deadline_us = self.control.look(now_us).min(self.table.deadline_us().unwrap_or(NEVER));
            if let Some(watchdog) = &mut self.watchdog {
                deadline_us = deadline_us.min(watchdog.pet(now_us, self.table.is_well()));
            }
            deadline_us = deadline_us.min(self.keep_logger(now_us).unwrap_or(NEVER));
            if self.events.has_client() {
                now_us = time::monotonic_us();
                self.control.let_in(now_us);
            }
            let is_known = |pid| pid == self.logger || self.table.knows(pid) || self.control.knows(pid);
            let event = self.events.next(&is_known);
            // There are no messages any more then, so all from before the client came are in the table.
            let client = matches!(event, None | Some(Event::Ended { .. } | Event::Orphans(_))) && self.control.heard();
            match event {
                Some(Event::Ended { pid, .. }) if pid == self.logger => self.logger = 0,
                Some(Event::Ended { pid, .. }) if self.control.ended(pid) => {}
                Some(Event::Told { pid, message: Message::Change { .. } }) if !self.control.knows(pid) => {}
                Some(event) => {
                    // Orphans come by the thousand, and when is all the same.
                    if !matches!(event, Event::Orphans(_)) {
                        now_us = time::monotonic_us();
                    }
                    self.table.handle(event, now_us);
                }
                None if client => {}
                None => {
                    if !self.table.is_at_work() && !self.control.is_at_work() {
                        self.events.hear_nobody();
                    }
                    self.events.wait(self.control.listening(), deadline_us.saturating_sub(now_us));
                    // Where nothing waits for a time, only what happens next has one.
                    if deadline_us != NEVER {
                        now_us = time::monotonic_us();
                    }
                }
            }
        }
    }

    fn answer(&mut self, client: &Client) {
        let refused = if !self.control.has_place(client.user) {
            End::Busy
        } else {
            match self.events.hear().and_then(|()| fork()) {
                Ok(Fork::Child) => {
                    let picture = Picture { table: &self.table, started_us: self.started_us };
                    process::exit(
                        self.events.announcements().map_or(1, |socket| self.work.answer(&picture, client, socket)),
                    )
                }
                Ok(Fork::Parent(pid)) => return self.control.begun(pid, time::monotonic_us()),
                Err(_) => End::NoProcess,
            }
        };
        // If it has gone nobody needs to know.
        let _ = refused.send(client.connection.as_fd());
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Report(note) => self.report(note),
            Action::Start(task) => self.fork(Child::Worker(task)),
            Action::Launch(slot) => self.fork(Child::Launcher(slot)),
            Action::Clean(slot) => self.fork(Child::Cleaner(slot)),
            Action::Check(slot) => self.fork(Child::Checker(slot)),
            Action::Abandon(pid) | Action::KillStray(pid) => kill(pid),
            Action::OpenButtons => {
                self.events.open_buttons();
                // The drivers are there, its own too.
                self.watchdog = Watchdog::arm(self.table.policy().watchdog_seconds);
            }
            Action::List(section) => self.list(section),
            Action::Ask(slot) => {
                if let Some(slot) = self.table.slot(slot)
                    && let Some(main) = slot.main()
                {
                    shutdown::ask(main, slot.wishes().get(Key::StopSignal) as u8);
                }
            }
            Action::Kill(slot) => self.kill_container(slot),
            Action::SignalAll(signal) => self.signal_all(signal),
            Action::End(power) => {
                if self.table.policy().timing {
                    report::timeline_down(&self.table);
                }
                if let Some(watchdog) = self.watchdog.as_ref().filter(|_| power == Power::Halt) {
                    // A machine that has stopped is to stay so.
                    watchdog.disarm();
                }
                shutdown::end(power, self.table.code());
            }
        }
    }

    fn fork(&mut self, child: Child) {
        let result = match self.events.hear().and_then(|()| fork()) {
            Ok(Fork::Child) => process::exit(self.become_child(child)),
            Ok(Fork::Parent(pid)) => Ok(pid),
            Err(errno) => Err(errno),
        };
        if result.is_err() && child == Child::Worker(Task::Unmount) {
            // Nobody is there to unmount; what is cached must not be lost with it.
            power::sync();
        }
        self.table.forked(child, result, time::monotonic_us());
    }

    /// In the new process; its exit code.
    fn become_child(&self, child: Child) -> u8 {
        let Some(announcements) = self.events.announcements() else { return 1 };
        match child {
            Child::Worker(Task::Setup) => self.work.set_up(),
            Child::Worker(Task::Scripts) => self.work.run_scripts(s!("/etc/init.d")),
            Child::Worker(Task::Volumes) => self.work.mount_volumes(),
            Child::Worker(Task::Survey) => self.work.survey(self.table.slots(), announcements),
            Child::Worker(Task::ShutdownScripts) => self.work.run_scripts(s!("/etc/shutdown.d")),
            Child::Worker(Task::Unmount) => {
                // There may be one that does not even go when it is killed.
                if self.logger == 0 {
                    self.work.log(true);
                }
                shutdown::unmount_all()
            }
            Child::Worker(Task::Farewell) => self.work.farewell(self.table.code()),
            Child::Launcher(index) => {
                self.table.slot(index).map_or(1, |slot| self.work.launch(index, slot, announcements))
            }
            Child::Cleaner(index) => {
                self.table.slot(index).map_or(1, |slot| self.work.clean(index, slot, announcements))
            }
            Child::Checker(index) => self.table.slot(index).map_or(1, |slot| self.work.check(slot)),
        }
    }

    /// Sees to it that there is a logger as long as something may come; if not yet, when. What is left when the last one
    /// has ended is the unmounting worker's.
    fn keep_logger(&mut self, now_us: u64) -> Option<u64> {
        let phase = self.table.phase();
        if self.logger != 0 || phase < Phase::Onboot || phase >= Phase::Terminating {
            return None;
        }
        if now_us >= self.logger_us {
            self.logger_us = now_us.saturating_add(limits::LOGGER_PAUSE_US);
            // It keeps PID 1's exemption from being killed when memory is short: it is to tell of that, what it takes is
            // bounded by limits.rs and no container's, and killed it would only be forked again.
            match process::fork() {
                Ok(Fork::Child) => process::exit(self.work.log(false)),
                Ok(Fork::Parent(pid)) => {
                    self.logger = pid;
                    return None;
                }
                // Memory or processes are short now.
                Err(_) => {}
            }
        }
        Some(self.logger_us)
    }

    fn report(&self, note: Note) {
        report::note(&self.table, note);
        if !self.table.policy().timing {
            return;
        }
        match note {
            Note::Ready => report::timeline(&self.table, self.started_us),
            // Those that ended before are in the timeline.
            Note::Ended(slot) if self.table.phase() >= Phase::Running => {
                if let Some(slot) = self.table.slot(slot) {
                    report::container(slot);
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, section: Section) {
        let directory = section.directory();
        if section == Section::OneShot {
            if !self.table.add(section, s!("run")) {
                refuse(directory, s!("run"));
            }
            return;
        }
        let opened = match file::open(CWD, directory, Open::Directory) {
            Err(Errno::NOENT) => return,
            opened => opened,
        };
        let listed = opened.and_then(|opened| {
            file::for_each_entry(opened.as_fd(), &mut |name, kind| {
                if is_directory(opened.as_fd(), name, kind) && !self.table.add(section, name) {
                    refuse(directory, name);
                }
                Ok(())
            })
        });
        if let Err(errno) = listed {
            log::error(t!("list {}: {}"), &[Value::Name(directory), Value::Kernel(errno)]);
        }
    }

    fn kill_container(&self, slot: u16) {
        let Some(slot) = self.table.slot(slot) else { return };
        if let Some(main) = slot.main() {
            shutdown::kill_container(main);
        }
        if let Some(helper) = slot.helper() {
            kill(helper);
        }
    }

    fn signal_all(&mut self, signal: u8) {
        self.control.close();
        if process::kill(-1, signal) == Err(Errno::SRCH) {
            self.table.handle(Event::Childless, time::monotonic_us());
        }
        // Those that are stopped could not act on it.
        let _ = process::kill(-1, crate::abi::signal::CONT);
    }
}

/// Kills a child of ours. It may have ended already, but its pid is taken until it is reaped.
fn kill(child: Pid) {
    let _ = process::kill(child, crate::abi::signal::KILL);
}

fn is_directory(parent: BorrowedFd, name: &CStr, kind: FileType) -> bool {
    match kind {
        FileType::DIRECTORY => true,
        // A link to one, or a file system that does not say.
        FileType::SYMLINK | FileType::UNKNOWN => file::kind(parent, name) == Ok(FileType::DIRECTORY),
        _ => false,
    }
}

fn refuse(directory: &CStr, name: &CStr) {
    let length = name.to_bytes().len();
    let (what, found, most) = if length > limits::NAME_BYTES_MAX {
        ("bytes in the name", length, limits::NAME_BYTES_MAX)
    } else {
        ("containers", limits::CONTAINERS_MAX + 1, limits::CONTAINERS_MAX)
    };
    let (found, most) = (Value::Number(found as u64), Value::Number(most as u64));
    let values = [Value::Name(directory), Value::Name(name), Value::Text(what), found, most];
    log::error(t!("{}/{}: not started: too many {}: {}, at most {}"), &values);
}
