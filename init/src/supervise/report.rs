//! What the operator reads: notes and the timeline as lines of the log.

use super::table::{Note, Phase, Power, Section, Slot, Table, Task, Why};
use crate::log::{self, Level};
use crate::sys::process::Ended;
use crate::text::{Line, Phrase, Print, Value, fields};

impl Section {
    /// All of them, in the order of their numbers.
    pub const ALL: [Section; 4] = [Section::Onboot, Section::Services, Section::Onshutdown, Section::OneShot];

    /// What one of its containers is called.
    pub fn singular(self) -> &'static str {
        match self {
            Section::Onboot => "onboot",
            Section::Services => "service",
            Section::Onshutdown => "onshutdown",
            Section::OneShot => "one-shot",
        }
    }
}

impl Print for Slot {
    /// `service web`
    fn print(&self, line: &mut Line) {
        line.text(self.section().singular()).byte(b' ').quoted(self.name().to_bytes());
    }
}

impl Print for Ended {
    /// `ended with code 3`, `killed by signal 9`
    fn print(&self, line: &mut Line) {
        match *self {
            Ended::Exited(code) => line.say(t!("ended with code ")).number(u64::from(code)),
            Ended::Killed(signal) => line.say(t!("killed by signal ")).number(u64::from(signal)),
        };
    }
}

impl Print for Power {
    fn print(&self, line: &mut Line) {
        line.say(match self {
            Power::Halt => t!("halt"),
            Power::PowerOff => t!("power off"),
            Power::Reboot => t!("reboot"),
            Power::Kexec => t!("start the next kernel"),
            Power::Panic => t!("panic"),
        });
    }
}

impl Print for Task {
    fn print(&self, line: &mut Line) {
        line.say(match self {
            Task::Setup => t!("setting up the machine"),
            Task::Scripts => t!("running /etc/init.d"),
            Task::Volumes => t!("mounting volumes"),
            Task::Survey => t!("reading annotations"),
            Task::ShutdownScripts => t!("running /etc/shutdown.d"),
            Task::Unmount => t!("unmounting"),
            Task::Farewell => t!("telling the host"),
        });
    }
}

/// Writes a note into the log.
pub(super) fn note(table: &Table, note: Note) {
    log::record(level(table, note), t!("{}"), &[Value::Print(&InWords { table, note })]);
}

/// A note, and the table that knows the containers in it.
struct InWords<'t> {
    table: &'t Table<'t>,
    note: Note,
}

impl Print for InWords<'_> {
    fn print(&self, line: &mut Line) {
        use Value::{Kernel, Print};
        let about = |line: &mut Line, slot: u16, what: Phrase, values: &[Value]| {
            if let Some(slot) = self.table.slot(slot) {
                line.print(slot);
            }
            line.format(what, values);
        };
        match self.note {
            Note::Ended(slot) => {
                if let Some(slot) = self.table.slot(slot) {
                    let [started, _, ended] = slot.times_us();
                    let ms = Value::Number(ended.saturating_sub(started) / 1000);
                    let status = slot.status().unwrap_or(Ended::Exited(0));
                    line.format(t!("{}: {} after {} ms"), &[Print(slot), Print(&status), ms]);
                    next_start(line, slot);
                }
            }
            Note::NotLaunched(slot) => {
                about(line, slot, t!(": not started"), &[]);
                if let Some(slot) = self.table.slot(slot) {
                    next_start(line, slot);
                }
            }
            Note::LauncherLost(slot, ended) => {
                about(line, slot, t!(": not started: its launcher was {}"), &[Print(&ended)]);
            }
            Note::NeverAnnounced(slot) => about(line, slot, t!(": its launcher ended without starting it"), &[]),
            Note::NotForked(slot, errno) => about(line, slot, t!(": make a process: {}"), &[Kernel(errno)]),
            Note::NotCleaned(slot, ended) => {
                about(line, slot, t!(": not cleaned up: the process for it {}"), &[Print(&ended)]);
            }
            Note::NotReady(slot) => about(line, slot, t!(": not ready in time, killing it"), &[]),
            Note::Unhealthy(slot) => about(line, slot, t!(": unhealthy, killing it"), &[]),
            Note::Lacks(slot, other) => {
                if let Some(other) = self.table.slot(other) {
                    let other = Value::Quoted(other.name().to_bytes());
                    about(line, slot, t!(": not started: requires {}, which failed"), &[other]);
                }
            }
            Note::Overdue(slot) => about(line, slot, t!(": not ended in time, killing it"), &[]),
            Note::Stuck(slot) => about(line, slot, t!(": not even gone after it was killed, leaving it"), &[]),
            Note::WorkerFailed(task, ended) => {
                line.format(t!("{}: the process for it {}"), &[Print(&task), Print(&ended)]);
            }
            Note::WorkerNotForked(task, errno) => {
                line.format(t!("{}: make a process: {}"), &[Print(&task), Kernel(errno)]);
            }
            Note::WorkerOverdue(task) => _ = line.format(t!("{}: not done in time, giving up"), &[Print(&task)]),
            Note::Ready => _ = line.text("up"),
            Note::Stopping(power, why) => {
                line.format(t!("going down ({}): "), &[Print(&power)]);
                match why {
                    Why::Asked => _ = line.say(t!("asked to")),
                    Why::Failed(slot) => about(line, slot, t!(" failed"), &[]),
                    Why::Idle => _ = line.say(t!("no container is left")),
                    Why::Done => _ = line.say(t!("all is done")),
                }
            }
            Note::Instead(power) => _ = line.format(t!("going down: {} instead"), &[Print(&power)]),
            Note::Survivors => {
                line.say(t!("some processes are not even gone after they were killed, leaving them"));
            }
        }
    }
}

/// `, starting it again in 200 ms (2)`, `, given up after 3 restarts`.
fn next_start(line: &mut Line, slot: &Slot) {
    if let Some(delay_us) = slot.delay_us() {
        let (ms, tries) = (Value::Number(delay_us / 1000), Value::Number(slot.restarts_in_a_row().into()));
        line.format(t!(", starting it again in {} ms ({})"), &[ms, tries]);
    } else if slot.has_failed() && slot.restarts_in_a_row() > 0 {
        line.format(t!(", given up after {} restarts"), &[Value::Number(slot.restarts_in_a_row().into())]);
    }
}

fn level(table: &Table, note: Note) -> Level {
    match note {
        Note::Ready | Note::Stopping(..) | Note::Instead(_) => Level::Info,
        // How a container ends that was told to is its own affair.
        Note::Ended(slot) => match table.slot(slot).and_then(Slot::status) {
            Some(Ended::Exited(0)) => Level::Info,
            _ if table.phase() == Phase::Stopping || table.slot(slot).is_some_and(Slot::is_held) => Level::Info,
            _ => Level::Error,
        },
        Note::Overdue(_) | Note::WorkerOverdue(_) => Level::Warning,
        _ => Level::Error,
    }
}

/// How many phases there are.
pub const PHASES: usize = Phase::ALL.len();

/// Names of moments in the timeline, in their order: pidone's start, and the beginning of each phase.
pub const MOMENTS: &[u8] = b"pidone setup /etc/init.d volumes survey onboot services up stopping onshutdown \
/etc/shutdown.d terminating killing unmounting farewell end";

/// Writes the timeline so far: when each phase began and how long each container took.
pub(super) fn timeline(table: &Table, started_us: u64) {
    // The clock starts with the kernel.
    moment(b"kernel", 0);
    moment(b"pidone", started_us);
    phases(table, 0);
    for slot in table.slots() {
        container(slot);
    }
}

/// Writes the part of the timeline that leads down.
pub(super) fn timeline_down(table: &Table) {
    phases(table, Phase::Stopping as usize);
}

fn phases(table: &Table, from: usize) {
    for (name, entered_us) in fields(MOMENTS, b' ').skip(1).zip(table.entered_us()).skip(from) {
        if *entered_us != 0 {
            moment(name, *entered_us);
        }
    }
}

fn moment(what: &[u8], at_us: u64) {
    log::info(t!("timing: {} {}"), &[Value::Print(&Ms(at_us)), Value::Quoted(what)]);
}

/// Writes the line of one container.
pub(super) fn container(slot: &Slot) {
    let [started, executed, ended] = slot.times_us();
    if started != 0 {
        let times = [executed, slot.ready_us(), ended].map(|at_us| at_us.saturating_sub(started));
        log::info(
            t!("timing: {} {}{}"),
            &[Value::Print(&Ms(started)), Value::Print(slot), Value::Print(&Times(times))],
        );
    }
}

/// `: executed after 3.100 ms, ready after 10.000 ms, ended after 20.123 ms`: what of it has happened.
pub struct Times(pub [u64; 3]);

impl Print for Times {
    fn print(&self, line: &mut Line) {
        let mut before = ": ";
        for (what, after_us) in ["executed", "ready", "ended"].iter().zip(self.0) {
            if after_us != 0 {
                line.format(
                    t!("{}{} after {} ms"),
                    &[Value::Text(before), Value::Text(what), Value::Print(&Ms(after_us))],
                );
                before = ", ";
            }
        }
    }
}

/// Microseconds as milliseconds with three digits after the point.
pub struct Ms(pub u64);

impl Print for Ms {
    fn print(&self, line: &mut Line) {
        let rest = self.0 % 1000;
        line.number(self.0 / 1000).byte(b'.').number(rest / 100).number(rest / 10 % 10).number(rest % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::word;

    #[test]
    fn times_have_three_digits_after_the_point() {
        let mut buffer = [0; 32];
        let mut line = Line::new(&mut buffer);
        line.print(&Ms(1_234_005)).byte(b' ').print(&Ms(7));
        assert_eq!(line.bytes(), b"1234.005 0.007");
    }

    #[test]
    fn every_phase_has_its_name() {
        for (position, phase) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, position);
        }
        let name = |phase| word(MOMENTS, phase as usize + 1);
        assert_eq!((name(Phase::Running), name(Phase::Power)), (&b"up"[..], &b"end"[..]));
        assert_eq!(fields(MOMENTS, b' ').count(), 1 + PHASES);
    }
}
