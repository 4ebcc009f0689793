//! What the operator asks of services.

use super::*;

/// A machine that runs, with these services, the first of them from slot 0.
fn up<'a>(slots: &'a mut [Slot], containers: &'a [(Section, &'a CStr)]) -> Machine<'a> {
    let mut machine = Machine::new(slots, POLICY, containers);
    machine.set_up();
    for slot in 0..containers.len() as u16 {
        machine.launch(slot);
    }
    assert_eq!(machine.table.phase(), Phase::Running);
    machine
}

impl Machine<'_> {
    fn change(&mut self, slot: u16, change: Change) -> Vec<Action> {
        self.happen(Event::Told { pid: 77, message: Message::Change { slot, change } })
    }

    fn stage(&self) -> Stage {
        self.table.slot(0).unwrap().stage()
    }
}

const WEB: [(Section, &CStr); 1] = [(Services, s!("web"))];

#[test]
fn a_service_that_is_told_to_stop_is_asked_and_stays_so_whatever_its_policy() {
    for ended in [GOOD, Ended::Exited(1), Ended::Killed(15)] {
        let mut slots = [Slot::EMPTY; 1];
        let mut machine = up(&mut slots, &WEB);
        machine.table.slots[0].wishes.take(b"restart", b"always").unwrap();
        assert_eq!(machine.change(0, Change::Stop), [Ask(0)]);
        assert_eq!(machine.change(0, Change::Stop), []);
        assert_eq!(machine.main_ends(0, ended), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.end(Child::Cleaner(0), GOOD), []);
        let slot = machine.table.slot(0).unwrap();
        assert_eq!((slot.stage(), slot.is_held(), slot.has_failed()), (Stage::Done, true, false));
        assert_eq!(machine.later(1_000_000_000), []);
        assert_eq!(machine.change(0, Change::Start), [Launch(0)]);
        machine.launch(0);
        assert_eq!(machine.main_ends(0, ended), [Report(Note::Ended(0)), Clean(0)]);
        assert_eq!(machine.end(Child::Cleaner(0), GOOD), []);
        assert_eq!(machine.later(100_000), [Launch(0)], "its policy holds again");
    }
}

#[test]
fn one_that_does_not_listen_is_killed_after_its_grace_time() {
    let mut slots = [Slot::EMPTY; 1];
    let mut machine = up(&mut slots, &WEB);
    assert_eq!(machine.change(0, Change::Stop), [Ask(0)]);
    assert_eq!(machine.later(GRACE_US - 1), []);
    assert_eq!(machine.later(1), [Report(Note::Overdue(0)), Kill(0)]);
    assert_eq!(machine.main_ends(0, Ended::Killed(9)), [Report(Note::Ended(0)), Clean(0)]);
    machine.end(Child::Cleaner(0), GOOD);
    assert_eq!((machine.stage(), machine.later(1_000_000_000)), (Stage::Done, vec![]));
}

#[test]
fn a_restart_is_a_stop_and_a_start_and_counts_as_one() {
    let mut slots = [Slot::EMPTY; 1];
    let mut machine = up(&mut slots, &WEB);
    assert_eq!(machine.change(0, Change::Restart), [Ask(0)]);
    assert_eq!(machine.main_ends(0, Ended::Killed(15)), [Report(Note::Ended(0)), Clean(0)]);
    assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(0)]);
    machine.launch(0);
    assert_eq!((machine.stage(), machine.table.slot(0).unwrap().restarts()), (Stage::Running, 1));
    assert_eq!(machine.change(0, Change::Start), [], "it runs");
}

#[test]
fn a_start_brings_one_back_that_is_on_its_way_out() {
    let mut slots = [Slot::EMPTY; 1];
    let mut machine = up(&mut slots, &WEB);
    assert_eq!(machine.change(0, Change::Stop), [Ask(0)]);
    assert_eq!(machine.change(0, Change::Start), []);
    assert_eq!(machine.main_ends(0, GOOD), [Report(Note::Ended(0)), Clean(0)]);
    assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(0)]);
    machine.launch(0);
    machine.main_ends(0, GOOD);
    // While it is cleaned up.
    for change in [Change::Start, Change::Stop, Change::Restart] {
        assert_eq!(machine.change(0, change), []);
    }
    assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(0)]);
}

#[test]
fn one_that_is_being_launched_is_asked_when_that_is_over() {
    let mut slots = [Slot::EMPTY; 1];
    let mut machine = Machine::new(&mut slots, POLICY, &WEB);
    machine.set_up();
    assert_eq!(machine.change(0, Change::Stop), []);
    assert_eq!(machine.announce(0), []);
    assert!(machine.end(Child::Launcher(0), GOOD).contains(&Ask(0)));
    assert_eq!(machine.main_ends(0, GOOD), [Report(Note::Ended(0)), Clean(0)]);
    assert_eq!((machine.end(Child::Cleaner(0), GOOD), machine.stage()), (vec![], Stage::Done));
}

#[test]
fn one_that_waits_for_its_next_start_is_started_at_once_or_never() {
    for (change, expected) in [(Change::Start, vec![Launch(0)]), (Change::Stop, vec![])] {
        let mut slots = [Slot::EMPTY; 1];
        let mut machine = up(&mut slots, &WEB);
        machine.table.slots[0].wishes.take(b"restart", b"always").unwrap();
        machine.main_ends(0, GOOD);
        machine.end(Child::Cleaner(0), GOOD);
        assert_eq!(machine.stage(), Stage::Pausing);
        assert_eq!(machine.change(0, change), expected);
        assert_eq!(machine.later(1_000_000_000), []);
    }
}

#[test]
fn others_than_services_and_a_machine_that_goes_down_are_left_alone() {
    let mut slots = [Slot::EMPTY; 2];
    let mut machine = Machine::new(&mut slots, POLICY, &[(Onboot, s!("first")), (Services, s!("web"))]);
    machine.set_up();
    assert_eq!(machine.change(1, Change::Stop), [], "too early");
    machine.launch(0);
    machine.main_ends(0, GOOD);
    assert_eq!(machine.end(Child::Cleaner(0), GOOD), [Launch(1)]);
    machine.launch(1);
    for slot in [0, 2, u16::MAX] {
        assert_eq!(machine.change(slot, Change::Start), []);
    }
    machine.happen(Event::Power(Power::Halt));
    assert_eq!(machine.change(1, Change::Restart), []);
    assert!(!machine.main_ends(1, GOOD).contains(&Launch(1)));
}

#[test]
fn kills_for_want_of_memory_are_told_by_the_cleaner_alone_and_add_up() {
    let mut slots = [Slot::EMPTY; 1];
    let mut machine = up(&mut slots, &WEB);
    for run in 1..3 {
        machine.main_ends(0, Ended::Killed(9));
        let message = Message::OutOfMemory { slot: 0, kills: 2 };
        machine.happen(Event::Told { pid: 77, message });
        machine.happen(Event::Told { pid: machine.pid(Child::Cleaner(0)), message });
        assert_eq!(machine.table.slot(0).unwrap().oom_kills(), 2 * run);
        machine.end(Child::Cleaner(0), GOOD);
        machine.change(0, Change::Start);
        machine.launch(0);
    }
}
