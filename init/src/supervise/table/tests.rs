//! Lives of a machine on paper, and what the table makes of them.

use super::*;
use crate::config::policy::{Key, Wishes};
use crate::sys::process::Ended;

mod change;

const POLICY: Policy = Policy {
    fail: None,
    idle: None,
    onshutdown_us: 500,
    one_shot: false,
    one_shot_panics: false,
    watchdog_seconds: 0,
    timing: false,
    wishes: Wishes::DEFAULT,
};
const GRACE_US: u64 = 10_000_000;
const GOOD: Ended = Ended::Exited(0);

/// A machine on paper: it forks pids from 100 up and has the containers it is given.
struct Machine<'a> {
    table: Table<'a>,
    containers: &'a [(Section, &'a CStr)],
    now_us: u64,
    forked: Vec<(Child, Pid)>,
    fork_fails: bool,
    /// Whether the surveyor's end is up to the test. Otherwise it has nothing to say, and its work is not shown.
    survey_by_hand: bool,
}

impl<'a> Machine<'a> {
    fn new(slots: &'a mut [Slot], policy: Policy, containers: &'a [(Section, &'a CStr)]) -> Machine<'a> {
        let edges = Vec::leak(vec![Edge::NONE; 64]);
        let table = Table::new(slots, edges, policy, 1);
        Machine { table, containers, now_us: 1, forked: Vec::new(), fork_fails: false, survey_by_hand: false }
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
                Action::Start(Task::Survey) if !self.survey_by_hand => {
                    self.fork(Child::Worker(Task::Survey));
                    let pid = self.pid(Child::Worker(Task::Survey));
                    self.table.handle(Event::Ended { pid, ended: GOOD }, self.now_us);
                    continue;
                }
                Action::Start(task) => self.fork(Child::Worker(task)),
                Action::Launch(slot) => {
                    self.check_launch(slot);
                    self.fork(Child::Launcher(slot));
                }
                Action::Check(slot) => self.fork(Child::Checker(slot)),
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
        self.happen(Event::Told { pid: Self::main(slot), message: Message::Announced { slot } })
    }

    fn main_ends(&mut self, slot: u16, ended: Ended) -> Vec<Action> {
        self.happen(Event::Ended { pid: Self::main(slot), ended })
    }

    /// What must be so whenever a launcher is about to be forked.
    fn check_launch(&self, index: u16) {
        let slot = self.table.slot(index).unwrap();
        assert!(slot.main().is_none() && slot.helper().is_none(), "{index} is launched twice");
        let down = self.table.phase() >= Phase::Stopping;
        assert_eq!(down, slot.section() == Onshutdown, "{index} is launched in the wrong phase");
        for edge in self.table.edges.iter().take(self.table.edge_count).filter(|edge| edge.slot == index) {
            let on = self.table.slot(edge.on).unwrap();
            assert!(on.ready_us() != 0 || on.restarts() > 0 || on.stage() == Stage::Done || on.released, "{edge:?}");
            assert!(!edge.requires || !on.has_failed(), "{edge:?}");
        }
    }

    /// Up to where the first container is launched, the surveyor having told this.
    fn survey(&mut self, messages: &[Message]) -> Vec<Action> {
        self.survey_by_hand = true;
        self.set_up();
        self.survey_by_hand = false;
        let pid = self.pid(Child::Worker(Task::Survey));
        for message in messages {
            assert_eq!(self.happen(Event::Told { pid, message: *message }), []);
        }
        self.end(Child::Worker(Task::Survey), GOOD)
    }

    /// Its launcher says that the program runs.
    fn execute(&mut self, slot: u16) -> Vec<Action> {
        assert_eq!(self.announce(slot), []);
        let (pid, time_us) = (self.pid(Child::Launcher(slot)), self.now_us);
        self.happen(Event::Told { pid, message: Message::Executed { slot, time_us } })
    }

    fn ready(&mut self, slot: u16) -> Vec<Action> {
        let (pid, time_us) = (self.pid(Child::Launcher(slot)), self.now_us);
        self.happen(Event::Told { pid, message: Message::Ready { slot, time_us } })
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
    let containers = [(Onboot, s!("000-a")), (Services, s!("web")), (Onshutdown, s!("000-z"))];
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
        [(Onboot, s!("010-b")), (Onboot, s!("000-a")), (Onboot, s!("010-a")), (Services, s!("b")), (Services, s!("a"))];
    let mut machine = Machine::new(&mut slots, POLICY, &containers);
    machine.set_up();
    let names: Vec<_> = machine.table.slots().iter().map(|slot| slot.name().core().to_str().unwrap()).collect();
    assert_eq!(names, ["000-a", "010-a", "010-b", "a", "b"]);
}

#[test]
fn one_container_too_many_and_a_name_too_long_are_refused() {
    let mut slots = [Slot::EMPTY; 2];
    let mut table = Table::new(&mut slots, &mut [], POLICY, 1);
    let long = std::ffi::CString::new([b'x'; limits::NAME_BYTES_MAX + 1]).unwrap();
    let longest = std::ffi::CString::new([b'x'; limits::NAME_BYTES_MAX]).unwrap();
    assert!(!table.add(Onboot, CStr::of(&long)));
    assert!(table.add(Onboot, CStr::of(&longest)));
    assert!(table.add(Onboot, s!("a")));
    assert!(!table.add(Onboot, s!("b")));
    assert_eq!(table.slot(1).unwrap().name().to_bytes(), longest.to_bytes());
}

#[test]
fn onboot_containers_run_strictly_one_after_the_other() {
    let mut slots = [Slot::EMPTY; 8];
    let containers = [(Onboot, s!("a")), (Onboot, s!("b"))];
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
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("a"))]);
    machine.set_up();
    assert_eq!(machine.announce(0), []);
    assert_eq!(machine.main_ends(0, Ended::Exited(42)), []);
    assert_eq!(machine.end(Child::Launcher(0), GOOD), [Report(Note::Ended(0)), Clean(0)]);
    assert_eq!(machine.table.slot(0).unwrap().status(), Some(Ended::Exited(42)));
}

#[test]
fn a_failed_launch_is_reported_once_and_the_boot_goes_on() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("a")), (Services, s!("b")), (Services, s!("c"))]);
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
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
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
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("a"))]);
    machine.set_up();
    assert_eq!(machine.end(Child::Launcher(0), GOOD), [Report(Note::NeverAnnounced(0)), Clean(0)]);
}

#[test]
fn announcements_for_nobody_are_strays() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("a"))]);
    machine.set_up();
    for slot in [1, 7, 8, u16::MAX] {
        assert_eq!(machine.happen(Event::Told { pid: 7, message: Message::Announced { slot } }), [KillStray(7)]);
    }
    machine.announce(0);
    assert_eq!(machine.happen(Event::Told { pid: 7, message: Message::Announced { slot: 0 } }), [KillStray(7)]);
    assert_eq!(machine.table.slot(0).unwrap().main(), Some(1000));
}

#[test]
fn orphans_change_nothing() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
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
    let containers: Vec<_> = names.iter().map(|name| (Services, CStr::of(name))).collect();
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
        let containers = [(Onboot, s!("a")), (Onboot, s!("b")), (Services, s!("c"))];

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
    let mut machine = Machine::new(&mut slots, policy, &[(Onboot, s!("a"))]);
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
    let mut machine = Machine::new(&mut slots, policy, &[(Services, s!("a"))]);
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
    let mut machine = Machine::new(&mut slots, policy, &[(Services, s!("a"))]);
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
        let containers = [(Onboot, s!("a")), (Services, s!("b")), (Onshutdown, s!("c"))];
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
        let last = machine.forked.last().unwrap().1;
        let actions = machine.happen(Event::Power(Power::Reboot));
        assert_eq!(actions[0], Report(Note::Stopping(Power::Reboot, Why::Asked)));
        // Whatever is there goes: workers and those being launched when they are killed, at the latest.
        let mut all = machine.later(GRACE_US);
        for slot in 0..2 {
            if let Some(pid) = machine.table.slot(slot).and_then(Slot::helper) {
                all.extend(machine.happen(Event::Ended { pid, ended: Ended::Killed(9) }));
            }
            if machine.table.slot(slot).and_then(Slot::main).is_some() {
                all.extend(machine.main_ends(slot, Ended::Killed(9)));
            }
        }
        if at < 3 {
            assert_eq!(actions[1], Abandon(last));
            all.extend(machine.happen(Event::Ended { pid: last, ended: Ended::Killed(9) }));
        }
        assert!(all.contains(&List(Onshutdown)), "{at}: {all:?}");
        assert_eq!(machine.table.phase(), Phase::Onshutdown, "{at}");
    }
}

#[test]
fn services_are_asked_together_and_only_the_late_ones_killed() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine =
        Machine::new(&mut slots, POLICY, &[(Services, s!("a")), (Services, s!("b")), (Services, s!("c"))]);
    machine.set_up();
    machine.launch(0);
    machine.launch(1);
    let off = Power::PowerOff;
    // The third is still being launched: it is asked when it can hear.
    let actions = machine.happen(Event::Power(off));
    assert_eq!(actions, [Report(Note::Stopping(off, Why::Asked)), Ask(0), Ask(1)]);
    assert_eq!(machine.launch(2), [Ask(2)]);
    assert_eq!(machine.later(GRACE_US - 1), []);
    assert_eq!(machine.main_ends(1, GOOD), [Report(Note::Ended(1))]);
    assert_eq!(machine.table.deadline_us(), Some(GRACE_US + 1));
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
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onshutdown, s!("a")), (Onshutdown, s!("b"))]);
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
    let mut machine = Machine::new(&mut slots, ONE_SHOT, &[(Services, s!("web")), (Section::OneShot, s!("run"))]);
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
        let mut machine = Machine::new(&mut slots, policy, &[(Section::OneShot, s!("run"))]);
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
        let mut machine = Machine::new(&mut slots, policy, &[(Section::OneShot, s!("run"))]);
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
    let containers = [(Onboot, s!("a")), (Services, s!("b")), (Onshutdown, s!("c"))];
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
    let helper = machine.table.slot(slot).and_then(Slot::helper);
    match numbers.below(14) {
        0 | 1 => machine.happen(Event::Told { pid: Machine::main(slot), message: Message::Announced { slot } }),
        2 => machine.main_ends(slot, ended),
        3 | 4 if !machine.forked.is_empty() => {
            let (_, pid) = machine.forked[numbers.below(machine.forked.len() as u64) as usize];
            machine.happen(Event::Ended { pid, ended })
        }
        5 => machine.happen(Event::Ended { pid: 7, ended }),
        6 => {
            let pid = machine.table.slot(slot).and_then(Slot::helper).unwrap_or(7);
            machine.happen(Event::Told { pid, message: Message::Executed { slot, time_us: 5 } })
        }
        7 if numbers.below(50) == 0 => machine.happen(Event::Childless),
        // What is more likely: a launch that succeeds, a time that passes.
        8..=10 if helper.is_some() => {
            let mut all = machine.announce(slot);
            all.extend(machine.happen(Event::Ended { pid: helper.unwrap_or(7), ended: GOOD }));
            all
        }
        11 | 12 => {
            let by_us = numbers.below(4000);
            machine.later(by_us)
        }
        _ => {
            let by_us = numbers.below(100);
            machine.later(by_us)
        }
    }
}

/// What the surveyor may say of the services 2 to 4, and of onboot containers.
fn any_wishes(numbers: &mut Numbers) -> Vec<Message> {
    let mut all = Vec::new();
    for slot in 0..5 {
        for (key, bound) in [
            (Key::Restart, 3),
            (Key::RestartCount, 3),
            (Key::RestartDelay, 50),
            (Key::Grace, 10),
            (Key::Timeout, 2),
            (Key::Health, 2),
            (Key::HealthInterval, 5),
            (Key::HealthRetries, 3),
        ] {
            let number = numbers.below(bound) as u32;
            all.push(Message::Wish { slot, place: key as u16, number });
        }
    }
    for (slot, on) in [(2, 3), (3, 4), (2, 4)] {
        if numbers.below(2) == 0 {
            all.push(Message::Order { slot, on, requires: numbers.below(2) == 0 });
        }
    }
    if numbers.below(10) == 0 {
        all.push(Message::Refused { slot: numbers.below(5) as u16 });
    }
    all
}

/// What holds at each launch is in [`Machine::check_launch`].
#[test]
fn whatever_happens_the_machine_goes_down_when_it_is_asked_to_and_each_phase_begins_once() {
    let containers = [
        (Onboot, s!("a")),
        (Onboot, s!("b")),
        (Services, s!("c")),
        (Services, s!("d")),
        (Services, s!("e")),
        (Onshutdown, s!("f")),
    ];
    let (mut restarts, mut checks) = (0, 0);
    for seed in 1..4000 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut slots = [Slot::EMPTY; 6];
        let mut machine = Machine::new(&mut slots, POLICY, &containers);
        let mut all = Vec::new();
        if seed % 2 == 0 {
            let messages = any_wishes(&mut numbers);
            all.extend(machine.survey(&messages));
        }
        machine.survey_by_hand = true;
        all.extend(machine.act());
        for _ in 0..numbers.below(200) {
            all.extend(anything(&mut machine, &mut numbers));
        }
        restarts += machine.table.slots().iter().filter(|slot| slot.restarts() > 0).count();
        checks += all.iter().filter(|action| matches!(action, Check(_))).count();
        all.extend(machine.happen(Event::Power(Power::Halt)));
        for _ in 0..numbers.below(60) {
            all.extend(anything(&mut machine, &mut numbers));
        }
        // Nobody does anything any more: only time passes, as much as all bounds together.
        for _ in 0..60 {
            let Some(deadline_us) = machine.table.deadline_us() else { break };
            machine.now_us = machine.now_us.max(deadline_us);
            all.extend(machine.act());
        }
        assert!(all.contains(&End(Power::Halt)), "seed {seed}: {:?} {all:?}", machine.table.phase());
        for (position, action) in all.iter().enumerate() {
            let once =
                *action != Start(Task::Survey) && matches!(action, Start(_) | List(_) | Ask(_) | SignalAll(_) | End(_));
            assert!(!once || !all[..position].contains(action), "seed {seed}: {action:?} twice");
        }
        let entered = machine.table.entered_us();
        let entered: Vec<_> = entered.iter().filter(|entered| **entered != 0).collect();
        assert!(entered.is_sorted(), "seed {seed}: {entered:?}");
    }
    // These lives are worth looking at.
    assert!(restarts > 300 && checks > 50, "{restarts} {checks}");
}

fn wish(slot: u16, key: Key, number: u32) -> Message {
    Message::Wish { slot, place: key as u16, number }
}

const BAD: Ended = Ended::Exited(3);

#[test]
fn a_cleaner_that_is_killed_is_forked_again_a_bounded_number_of_times() {
    let killed = Ended::Killed(9);
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.set_up();
    machine.launch(0);
    assert_eq!(machine.main_ends(0, GOOD), [Report(Note::Ended(0)), Clean(0)]);
    for _ in 0..limits::CLEANERS_MAX {
        assert_eq!(machine.end(Child::Cleaner(0), killed), [Clean(0)]);
    }
    assert_eq!(machine.end(Child::Cleaner(0), killed), [Report(Note::NotCleaned(0, killed))]);
    assert_eq!(machine.table.slot(0).unwrap().stage(), Stage::Done);
}

#[test]
fn a_cleaner_that_is_killed_for_being_late_is_the_last() {
    let killed = Ended::Killed(9);
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.set_up();
    machine.launch(0);
    machine.main_ends(0, GOOD);
    assert_eq!(machine.later(limits::CLEAN_US), [Report(Note::Overdue(0)), Kill(0)]);
    assert_eq!(machine.end(Child::Cleaner(0), killed), [Report(Note::NotCleaned(0, killed))]);
}

#[test]
fn a_service_is_started_again_when_it_is_cleaned_up_and_its_delay_is_over_and_then_no_more() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    let launched = machine.survey(&[wish(0, Key::Restart, 1), wish(0, Key::RestartCount, 2)]);
    assert_eq!(launched, [Launch(0)]);
    machine.execute(0);
    machine.end(Child::Launcher(0), GOOD);
    assert_eq!(machine.main_ends(0, BAD), [Report(Note::Ended(0)), Clean(0)]);
    // The cleaner takes longer than the delay.
    assert_eq!(machine.later(200_000), []);
    assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(0)]);
    assert_eq!(machine.table.slot(0).unwrap().restarts(), 1);
    assert_eq!(machine.table.slot(0).unwrap().last_status(), Some(BAD));
    // One that cannot be launched has failed as well; there is nothing to clean.
    assert_eq!(machine.end(Child::Launcher(0), Ended::Exited(1)), [Report(Note::NotLaunched(0))]);
    assert_eq!(machine.later(199_999), []);
    assert_eq!(machine.later(1), [Launch(0)]);
    machine.launch(0);
    assert_eq!(machine.main_ends(0, BAD), [Report(Note::Ended(0)), Clean(0)]);
    machine.end(Child::Cleaner(0), GOOD);
    assert_eq!(machine.later(1 << 40), []);
    let slot = machine.table.slot(0).unwrap();
    assert_eq!((slot.stage(), slot.has_failed(), slot.restarts()), (Stage::Done, true, 2));
    assert_eq!(machine.table.deadline_us(), None);
}

#[test]
fn nothing_is_started_again_on_the_way_down() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a")), (Services, s!("b"))]);
    machine.survey(&[wish(0, Key::Restart, 2), wish(1, Key::Restart, 2)]);
    machine.launch(0);
    machine.launch(1);
    machine.main_ends(0, GOOD);
    machine.end(Child::Cleaner(0), GOOD);
    assert_eq!(machine.table.slot(0).unwrap().stage(), Stage::Pausing);
    machine.happen(Event::Power(Power::PowerOff));
    assert_eq!(machine.main_ends(1, GOOD)[..2], [Report(Note::Ended(1)), List(Onshutdown)]);
}

#[test]
fn a_service_waits_until_those_before_it_are_ready_or_over() {
    let mut slots = [Slot::EMPTY; 8];
    let containers = [(Services, s!("a")), (Services, s!("b")), (Services, s!("c")), (Services, s!("d"))];
    let mut machine = Machine::new(&mut slots, POLICY, &containers);
    let order = |slot, on, requires| Message::Order { slot, on, requires };
    let launched = machine.survey(&[order(0, 1, true), order(0, 2, false), order(3, 0, true)]);
    assert_eq!(launched, [Launch(1), Launch(2)]);
    assert_eq!(machine.execute(1), []);
    assert_eq!(machine.execute(2), []);
    // Nobody but its launcher can say that one is ready.
    let message = Message::Ready { slot: 1, time_us: 5 };
    assert_eq!(machine.happen(Event::Told { pid: 1001, message }), []);
    assert_eq!(machine.ready(1), []);
    assert_eq!(machine.table.phase(), Phase::Services);
    assert_eq!(machine.end(Child::Launcher(1), GOOD), []);
    // The launcher of one that has ended waits for nothing.
    assert_eq!(machine.main_ends(2, BAD), [Kill(2)]);
    assert_eq!(machine.end(Child::Launcher(2), Ended::Killed(9)), [Report(Note::Ended(2)), Clean(2), Launch(0)]);
    assert_eq!(machine.launch(0), [Launch(3)]);
    assert_eq!(machine.launch(3), [Report(Note::Ready)]);
}

#[test]
fn what_requires_a_failed_service_is_never_started_and_neither_is_what_requires_that() {
    let mut slots = [Slot::EMPTY; 8];
    let containers = [(Services, s!("a")), (Services, s!("b")), (Services, s!("c")), (Services, s!("d"))];
    let mut machine = Machine::new(&mut slots, POLICY, &containers);
    let order = |slot, on, requires| Message::Order { slot, on, requires };
    machine.survey(&[order(1, 0, true), order(2, 1, true), order(3, 2, false)]);
    let failed = machine.end(Child::Launcher(0), Ended::Exited(1));
    let lacks = [Report(Note::NotLaunched(0)), Report(Note::Lacks(1, 0)), Report(Note::Lacks(2, 1)), Launch(3)];
    assert_eq!(failed, lacks);
}

#[test]
fn only_the_surveyor_says_what_containers_want_and_only_while_it_works() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.survey(&[]);
    let surveyor = machine.pid(Child::Worker(Task::Survey));
    for pid in [surveyor, machine.pid(Child::Launcher(0)), 7] {
        for message in [Message::Refused { slot: 0 }, wish(0, Key::Restart, 2)] {
            assert_eq!(machine.happen(Event::Told { pid, message }), []);
        }
    }
    let slot = machine.table.slot(0).unwrap();
    assert_eq!((slot.stage(), *slot.wishes()), (Stage::Launching, Wishes::DEFAULT));
}

#[test]
fn a_container_that_does_not_get_ready_is_killed_and_started_again_by_its_policy() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.survey(&[wish(0, Key::Restart, 1)]);
    machine.execute(0);
    assert_eq!(
        machine.end(Child::Launcher(0), Ended::Exited(1)),
        [Report(Note::NotReady(0)), Kill(0), Report(Note::Ready)]
    );
    assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Report(Note::Ended(0)), Clean(0)]);
    machine.end(Child::Cleaner(0), GOOD);
    assert_eq!(machine.later(100_000), [Launch(0)]);
}

#[test]
fn health_is_checked_now_and_then_and_so_many_failures_in_a_row_are_the_end() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.survey(&[wish(0, Key::Health, 1), wish(0, Key::HealthRetries, 2), wish(0, Key::Critical, 1)]);
    machine.launch(0);
    let interval_us = Wishes::DEFAULT.us(Key::HealthInterval);
    assert_eq!(machine.later(interval_us - 1), []);
    for (ended, well) in [(BAD, false), (GOOD, true), (Ended::Killed(9), false)] {
        assert_eq!(machine.later(interval_us), [Check(0)]);
        // As long as one is at work there is no other.
        assert_eq!(machine.later(interval_us * 3), []);
        assert_eq!(machine.end(Child::Checker(0), ended), []);
        assert_eq!(machine.table.is_well(), well);
    }
    machine.later(interval_us);
    assert_eq!(machine.end(Child::Checker(0), BAD), [Report(Note::Unhealthy(0)), Kill(0)]);
    let off = Power::PowerOff;
    let ends = machine.main_ends(0, Ended::Killed(9));
    assert_eq!(
        ends,
        [
            Report(Note::Ended(0)),
            Report(Note::Stopping(off, Why::Failed(0))),
            List(Onshutdown),
            Start(Task::ShutdownScripts)
        ]
    );
    assert_eq!(machine.table.code(), Some(137));
}

#[test]
fn a_container_that_ends_while_it_is_checked_takes_the_checker_with_it() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a"))]);
    machine.survey(&[wish(0, Key::Health, 1)]);
    machine.launch(0);
    assert_eq!(machine.later(Wishes::DEFAULT.us(Key::HealthInterval)), [Check(0)]);
    assert_eq!(machine.main_ends(0, GOOD), [Kill(0)]);
    assert_eq!(machine.end(Child::Checker(0), Ended::Killed(9)), [Report(Note::Ended(0)), Clean(0)]);
}

#[test]
fn what_follows_the_last_failure_is_what_the_container_says_and_the_code_is_its() {
    for (last, power) in [(1, Power::PowerOff), (2, Power::Reboot), (3, Power::Halt), (4, Power::Panic)] {
        let mut slots = [Slot::EMPTY; 8];
        let mut machine = Machine::new(&mut slots, POLICY, &[(Services, s!("a")), (Services, s!("b"))]);
        machine.survey(&[wish(0, Key::RestartLast, last)]);
        machine.launch(0);
        machine.launch(1);
        let actions = machine.main_ends(0, BAD);
        assert!(actions.contains(&Report(Note::Stopping(power, Why::Failed(0)))), "{actions:?}");
        assert_eq!(machine.table.code(), Some(3));
    }
}

#[test]
fn each_container_has_its_own_grace_and_onboot_ones_their_time() {
    let mut slots = [Slot::EMPTY; 8];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("0")), (Services, s!("a")), (Services, s!("b"))]);
    let launched = machine.survey(&[wish(0, Key::Timeout, 7), wish(1, Key::Grace, 3)]);
    assert_eq!(launched, [Launch(0)]);
    machine.launch(0);
    assert_eq!(machine.later(7000), [Report(Note::Overdue(0)), Kill(0)]);
    assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Report(Note::Ended(0)), Clean(0)]);
    machine.end(Child::Cleaner(0), GOOD);
    machine.launch(1);
    machine.launch(2);
    machine.happen(Event::Power(Power::PowerOff));
    assert_eq!(machine.later(3000), [Report(Note::Overdue(1)), Kill(1)]);
    assert_eq!(machine.main_ends(1, Ended::Killed(9)), [Report(Note::Ended(1))]);
    assert_eq!(machine.later(GRACE_US - 3000), [Report(Note::Overdue(2)), Kill(2)]);
}
