//! What the operator reads: notes and the timeline as lines of the log.

use super::table::{Note, Phase, Power, Section, Slot, Table, Task, Why};
use crate::log::{self, Level};
use crate::sys::process::Ended;
use crate::text::{Line, Print};

impl Section {
    /// What one of its containers is called.
    fn singular(self) -> &'static str {
        match self {
            Section::Onboot => "onboot",
            Section::Services => "service",
            Section::Onshutdown => "onshutdown",
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
            Ended::Exited(code) => line.text("ended with code ").number(u64::from(code)),
            Ended::Killed(signal) => line.text("killed by signal ").number(u64::from(signal)),
        };
    }
}

impl Print for Power {
    fn print(&self, line: &mut Line) {
        line.text(match self {
            Power::Halt => "halt",
            Power::PowerOff => "power off",
            Power::Reboot => "reboot",
            Power::Kexec => "start the next kernel",
            Power::Panic => "panic",
        });
    }
}

impl Print for Task {
    fn print(&self, line: &mut Line) {
        line.text(match self {
            Task::Setup => "setting up the machine",
            Task::Scripts => "running /etc/init.d",
            Task::Volumes => "mounting volumes",
            Task::ShutdownScripts => "running /etc/shutdown.d",
            Task::Unmount => "unmounting",
        });
    }
}

/// Writes a note into the log.
pub(super) fn note(table: &Table, note: Note) {
    log::record(level(table, note), |line| match note {
        Note::Ended(slot) => {
            if let Some(slot) = table.slot(slot) {
                let [started, _, ended] = slot.times_us();
                line.print(slot).text(": ").print(&slot.status().unwrap_or(Ended::Exited(0)));
                line.text(" after ").number(ended.saturating_sub(started) / 1000).text(" ms");
            }
        }
        Note::NotLaunched(slot) => about(line, table, slot, ": not started"),
        Note::LauncherLost(slot, ended) => {
            about(line, table, slot, ": not started: its launcher was ");
            line.print(&ended);
        }
        Note::NeverAnnounced(slot) => about(line, table, slot, ": its launcher ended without starting it"),
        Note::NotForked(slot, errno) => {
            about(line, table, slot, ": make a process: ");
            line.print(&errno);
        }
        Note::NotCleaned(slot, ended) => {
            about(line, table, slot, ": not cleaned up: the process for it ");
            line.print(&ended);
        }
        Note::Overdue(slot) => about(line, table, slot, ": not ended in time, killing it"),
        Note::Stuck(slot) => about(line, table, slot, ": not even gone after it was killed, leaving it"),
        Note::WorkerFailed(task, ended) => {
            line.print(&task).text(": the process for it ").print(&ended);
        }
        Note::WorkerNotForked(task, errno) => {
            line.print(&task).text(": make a process: ").print(&errno);
        }
        Note::WorkerOverdue(task) => {
            line.print(&task).text(": not done in time, giving up");
        }
        Note::Ready => {
            line.text("up");
        }
        Note::Stopping(power, why) => {
            line.text("going down (").print(&power).text("): ");
            match why {
                Why::Asked => {
                    line.text("asked to");
                }
                Why::Failed(slot) => about(line, table, slot, " failed"),
                Why::Idle => {
                    line.text("no container is left");
                }
            }
        }
        Note::Instead(power) => {
            line.text("going down: ").print(&power).text(" instead");
        }
        Note::Survivors => {
            line.text("some processes are not even gone after they were killed, leaving them");
        }
    });
}

fn about(line: &mut Line, table: &Table, slot: u16, text: &str) {
    if let Some(slot) = table.slot(slot) {
        line.print(slot);
    }
    line.text(text);
}

fn level(table: &Table, note: Note) -> Level {
    match note {
        Note::Ready | Note::Stopping(..) | Note::Instead(_) => Level::Info,
        // How a container ends that was told to is its own affair.
        Note::Ended(slot) => match table.slot(slot).and_then(Slot::status) {
            Some(Ended::Exited(0)) => Level::Info,
            _ if table.phase() == Phase::Stopping => Level::Info,
            _ => Level::Error,
        },
        Note::Overdue(_) | Note::WorkerOverdue(_) => Level::Warning,
        _ => Level::Error,
    }
}

/// Names of the phases in the timeline.
const PHASES: [&str; Phase::ALL.len()] = [
    "setup",
    "/etc/init.d",
    "volumes",
    "onboot",
    "services",
    "up",
    "stopping",
    "onshutdown",
    "/etc/shutdown.d",
    "terminating",
    "killing",
    "unmounting",
    "end",
];

/// Writes the timeline so far: when each phase began and how long each container took.
pub(super) fn timeline(table: &Table, started_us: u64) {
    moment("pidone", started_us);
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
    for (name, entered_us) in PHASES.iter().zip(table.entered_us()).skip(from).filter(|(_, entered)| **entered != 0) {
        moment(name, *entered_us);
    }
}

fn moment(what: &str, at_us: u64) {
    log::info(|line| {
        line.text("timing: ");
        at(line, at_us).byte(b' ').text(what);
    });
}

/// Writes the line of one container.
pub(super) fn container(slot: &Slot) {
    let [started, executed, ended] = slot.times_us();
    if started == 0 {
        return;
    }
    log::info(|line| {
        line.text("timing: ");
        at(line, started).byte(b' ').print(slot);
        for (what, then) in [(": executed after ", executed), (", ended after ", ended)] {
            if then != 0 {
                at(line.text(what), then.saturating_sub(started)).text(" ms");
            }
        }
    });
}

/// Milliseconds with three digits after the point.
fn at<'a, 'b>(line: &'a mut Line<'b>, time_us: u64) -> &'a mut Line<'b> {
    let rest = time_us % 1000;
    line.number(time_us / 1000).byte(b'.').number(rest / 100).number(rest / 10 % 10).number(rest % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_after_the_point() {
        let mut buffer = [0; 32];
        let mut line = Line::new(&mut buffer);
        at(at(&mut line, 1_234_005).byte(b' '), 7);
        assert_eq!(line.bytes(), b"1234.005 0.007");
    }

    #[test]
    fn every_phase_has_its_name() {
        for (position, phase) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, position);
        }
        assert_eq!((PHASES[Phase::Running as usize], PHASES[Phase::Power as usize]), ("up", "end"));
    }
}
