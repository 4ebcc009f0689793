//! Where events come from: signals, the announcement socket, ended children, power buttons.
//!
//! # Why no exit status is lost or given to the wrong container
//! As long as somebody may announce something, [`Events::next`] does four things in this order for each child that ended:
//! 1. *peek*: the kernel names a child that has ended; it stays a zombie, so its pid stays taken;
//! 2. *drain*: all announcements that are in the socket's queue are handed out;
//! 3. *reap*: that very child, by its pid;
//! 4. hand out its end.
//!
//! Whatever a process sent was in the queue before it ended, so after step 2 the table knows the child if anybody ever
//! will, even when it lived for a microsecond. Between 1 and 3 nobody else can take the zombie away or its pid over,
//! since only PID 1 waits for its children. So the status of step 3 belongs to the process that the table knows under
//! that pid. SIGCHLD is only the reason to look: how many of them there were does not matter.
//!
//! When none of those who may announce something is at work, the socket is closed. A child whose launcher was killed can
//! still have it, but what it says is heard by nobody. So all that will ever be known is known, and children are reaped as
//! fast as they come: orphans by the thousand, at one system call each.
//!
//! # What is waited for
//! Signals alone: to take the next one and to look for a child is two system calls, which is as few as there can be for
//! one that ended. Of all else, the kernel says by SIGIO that there is something to read; only then, and as long as there
//! was something, is it asked where. The kernel gives the lowest signal first, so SIGCHLD in a storm would hide those
//! above it: once in [`limits::REAPS_PER_LOOK`] all the others are looked at.

use crate::abi::Errno;
use crate::sys::{AsFd, BorrowedFd, OwnedFd};
use crate::texts::CStr;

use super::message::{self, Message};
use super::table::{Event, Power};
use crate::abi::signal;
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::below;
use crate::sys::process::{self, Pid};
use crate::sys::{self, input, signal as signals, wait};
use crate::text::Value;

/// Sources of events.
pub(super) struct Events {
    /// Where children announce things, and the end of it that they inherit.
    announcements: Option<(OwnedFd, OwnedFd)>,
    buttons: [Option<OwnedFd>; limits::BUTTONS_MAX],
    /// The signal that was taken and not looked at; 0 is none.
    signal: u8,
    /// Whether something besides signals may be ready.
    is_more: bool,
    /// What was ready at the last look and has not been read since: see [`Events::wait`].
    ready: u8,
    /// How many more children are reaped, or signals taken, before all that is looked at.
    reaps_left: u32,
    /// Whether no more children had ended when they were last looked for.
    is_done: bool,
    /// Orphans that were reaped and not told.
    orphans: u32,
    /// The child that ended and is not reaped yet.
    peeked: Option<Pid>,
    /// Whether it was said already that there are no children.
    childless: bool,
}

/// Bits of what is ready, in the order of what is waited for. The last of them are the buttons.
const CLIENTS: u8 = 2;
const FIRST_BUTTON: u8 = 4;

impl Events {
    /// None yet. All signals must be blocked.
    pub(super) fn new() -> Events {
        Events {
            announcements: None,
            buttons: [const { None }; limits::BUTTONS_MAX],
            signal: 0,
            is_more: true,
            ready: 0,
            reaps_left: limits::REAPS_PER_LOOK,
            is_done: false,
            orphans: 0,
            peeked: None,
            childless: false,
        }
    }

    /// Opens the socket that children inherit to announce things, unless it is open.
    pub(super) fn hear(&mut self) -> sys::Result<()> {
        if self.announcements.is_none() {
            let sockets = wait::announcement_sockets()?;
            signals::announce(sockets.0.as_fd())?;
            self.announcements = Some(sockets);
        }
        Ok(())
    }

    /// Their end of it.
    pub(super) fn announcements(&self) -> Option<BorrowedFd<'_>> {
        self.announcements.as_ref().map(|(_, sender)| sender.as_fd())
    }

    /// Nobody who may announce something is at work: for when [`Events::next`] had nothing any more.
    pub(super) fn hear_nobody(&mut self) {
        self.announcements = None;
    }

    /// The next event; `None` when it is time to [`Events::wait`]. `is_known` tells orphans from others, once all is known.
    pub(super) fn next(&mut self, is_known: &dyn Fn(Pid) -> bool) -> Option<Event> {
        if let Some(power) = self.next_request() {
            return Some(Event::Power(power));
        }
        if self.announcements.is_some() { self.next_announced() } else { self.next_known(is_known) }
    }

    /// A child's announcement or its end, in this order.
    fn next_announced(&mut self) -> Option<Event> {
        if self.peeked.is_none() && self.reaps_left > 0 && !self.is_done {
            match process::peek_ended() {
                Ok(found) => {
                    self.peeked = found;
                    self.childless = false;
                }
                Err(errno) if self.without_children(errno) => return Some(Event::Childless),
                Err(_) => {}
            }
            self.is_done = self.peeked.is_none();
        }
        if let Some(event) = self.next_announcement() {
            return Some(event);
        }
        let pid = self.peeked.take()?;
        self.reaps_left = self.reaps_left.saturating_sub(1);
        match process::reap(pid, false) {
            Ok(Some(ended)) => Some(Event::Ended { pid, ended }),
            // Cannot be: it was seen to have ended, and nobody else reaps. If it were, the next look would tell.
            Ok(None) | Err(_) => None,
        }
    }

    /// The end of a child that somebody knows, or how many others have ended.
    fn next_known(&mut self, is_known: &dyn Fn(Pid) -> bool) -> Option<Event> {
        let mut childless = false;
        while self.reaps_left > 0 && !self.is_done {
            match process::reap_ended() {
                Ok((0, _)) => self.is_done = true,
                Ok((pid, ended)) => {
                    self.reaps_left -= 1;
                    self.childless = false;
                    if is_known(pid) {
                        return Some(Event::Ended { pid, ended });
                    }
                    self.orphans += 1;
                }
                Err(errno) => {
                    childless = self.without_children(errno);
                    self.is_done = true;
                }
            }
        }
        match core::mem::take(&mut self.orphans) {
            0 => childless.then_some(Event::Childless),
            orphans => {
                // To be said next.
                self.childless &= !childless;
                self.is_done &= !childless;
                Some(Event::Orphans(orphans))
            }
        }
    }

    /// Whether there are no children, and that was not said.
    fn without_children(&mut self, errno: Errno) -> bool {
        let news = errno == Errno::CHILD && !self.childless;
        self.childless |= news;
        news
    }

    /// Waits until there may be an event or a client, for so long at most.
    pub(super) fn wait(&mut self, clients: Option<BorrowedFd>, timeout_us: u64) {
        let (mut except, mut timeout_us) = (0, timeout_us);
        self.ready = 0;
        if self.is_more || self.reaps_left == 0 {
            let [a, b, c, d] = self.buttons.each_ref().map(|button| button.as_ref().map(AsFd::as_fd));
            let announced = self.announcements.as_ref().map(|(receiver, _)| receiver.as_fd());
            // An error is no event, and there is nothing to do about it but to look again.
            self.ready = wait::ready(&[announced, clients, a, b, c, d], Some(0)).unwrap_or(u8::MAX);
            // Clients that come while none is let in are looked for when one is again.
            self.is_more = self.ready != 0 || clients.is_none();
            if self.ready != 0 || self.reaps_left == 0 {
                // There may be more children that have ended: only a look at the rest.
                (except, timeout_us) = (signal::CHLD, 0);
                self.reaps_left = limits::REAPS_PER_LOOK;
            }
        }
        self.signal = signals::take(except, timeout_us);
        self.is_more |= self.signal == signal::IO;
        self.reaps_left -= u32::from(self.signal != 0);
        // What can be read ends nobody.
        self.is_done &= self.signal == signal::IO;
    }

    /// Whether a client was there at the last look.
    pub(super) fn has_client(&mut self) -> bool {
        self.took(CLIENTS)
    }

    /// Whether this was ready; it is looked at now.
    fn took(&mut self, bit: u8) -> bool {
        let was = self.ready & bit != 0;
        self.ready &= !bit;
        was
    }

    /// A request that came as a signal or by a button.
    fn next_request(&mut self) -> Option<Power> {
        let power = requested_by(core::mem::take(&mut self.signal));
        power.or_else(|| (self.ready >= FIRST_BUTTON && self.button_pressed()).then_some(Power::PowerOff))
    }

    fn button_pressed(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.buttons.len() {
            if !self.took(FIRST_BUTTON << index) {
                continue;
            }
            let Some(place) = self.buttons.get_mut(index) else { continue };
            match place.as_ref().map(|button| input::pressed(button.as_fd())) {
                Some(Ok(pressed)) => any |= pressed,
                // It is gone: a descriptor that is always ready would keep PID 1 awake.
                Some(Err(_)) => *place = None,
                None => {}
            }
        }
        any
    }

    fn next_announcement(&self) -> Option<Event> {
        let (receiver, _) = self.announcements.as_ref()?;
        let mut bytes = [0; message::BYTES];
        loop {
            match wait::receive(receiver.as_fd(), &mut bytes) {
                Ok(Some(pid)) => {
                    if let Some(message) = Message::decode(bytes) {
                        return Some(Event::Told { pid, message });
                    }
                }
                // Not a message of ours; it is out of the queue.
                Err(Errno::BADMSG) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Opens the machine's power buttons.
    pub(super) fn open_buttons(&mut self) {
        let Ok(inputs) = file::open(CWD, s!("/sys/class/input"), Open::Directory) else { return };
        let _ = file::for_each_entry(inputs.as_fd(), &mut |name, _| {
            if name.to_bytes().starts_with(b"event") && is_button(inputs.as_fd(), name) {
                self.open_button(name);
            }
            Ok(())
        });
        self.is_more = true;
    }

    fn open_button(&mut self, name: &CStr) {
        let mut path = [0; 64];
        let Ok(path) = below(&mut path, s!("/dev/input"), name) else { return };
        let opened = file::open(CWD, path, Open::Events);
        match &opened {
            Ok(_) => log::debug(t!("power button {}"), &[Value::Name(path)]),
            Err(errno) => log::debug(t!("power button {}: {}"), &[Value::Name(path), Value::Kernel(*errno)]),
        }
        if let (Some(free), Ok(button)) = (self.buttons.iter_mut().find(|place| place.is_none()), opened)
            && signals::announce(button.as_fd()).is_ok()
        {
            *free = Some(button);
        }
    }
}

/// Whether an input device is a power button: ACPI's by their name, those of boards and arm64 machines by theirs.
fn is_button(inputs: BorrowedFd, event: &CStr) -> bool {
    let mut path = [0; 64];
    let Ok(path) = below(&mut path, event, s!("device/name")) else { return false };
    let mut name = [0; 32];
    let name = file::open(inputs, path, Open::Read).and_then(|file| file::read_all(file.as_fd(), &mut name));
    name.is_ok_and(|name| [&b"Power Button\n"[..], b"gpio-keys\n"].contains(&&*name))
}

/// What a signal asks of PID 1: busybox's meanings, SIGPWR, and systemd's real-time signals, which hosts send. Others
/// ask nothing.
fn requested_by(signal: u8) -> Option<Power> {
    const HALT: u8 = signal::RTMIN + 3;
    const POWER_OFF: u8 = signal::RTMIN + 4;
    const REBOOT: u8 = signal::RTMIN + 5;
    const KEXEC: u8 = signal::RTMIN + 6;
    match signal {
        signal::USR1 | HALT => Some(Power::Halt),
        signal::USR2 | signal::PWR | POWER_OFF => Some(Power::PowerOff),
        signal::TERM | signal::INT | REBOOT => Some(Power::Reboot),
        KEXEC => Some(Power::Kexec),
        _ => None,
    }
}

/// The signal by which the command line asks PID 1: one that every init understands.
pub(super) fn signal_for(power: Power) -> Option<u8> {
    match power {
        Power::Halt => Some(signal::USR1),
        Power::PowerOff => Some(signal::USR2),
        Power::Reboot => Some(signal::TERM),
        Power::Kexec => Some(signal::RTMIN + 6),
        Power::Panic => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Ended, Fork};
    use crate::sys::signal;

    #[test]
    fn signals_mean_what_the_command_line_sends() {
        for power in [Power::Halt, Power::PowerOff, Power::Reboot, Power::Kexec] {
            assert_eq!(signal_for(power).and_then(requested_by), Some(power));
        }
        for ignored in [1, 9, 13, 17, 18, 20, 33, 34, 36, 41, 64] {
            assert_eq!(requested_by(ignored), None);
        }
    }

    /// Set in the process that runs one of these tests alone.
    const ALONE: &str = "PIDONE_TEST_ALONE";

    /// Runs `body` in a process of its own that adopts orphans, as PID 1 does; `true` means that it held.
    ///
    /// That process comes from one that runs nothing but this test: to fork thousands of times costs what is in memory,
    /// and the other tests fill a lot of it.
    fn as_reaper(body: fn() -> bool) -> bool {
        let thread = std::thread::current();
        if let Some(test) = thread.name().filter(|name| name.contains("::"))
            && std::env::var_os(ALONE).is_none()
        {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            return command.args(["--exact", test]).env(ALONE, "1").status().unwrap().success();
        }
        let Fork::Parent(pid) = process::fork().unwrap() else {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
            signal::block_all();
            process::exit(u8::from(!body()))
        };
        process::reap(pid, true).unwrap() == Some(Ended::Exited(0))
    }

    /// Events until there are no children any more.
    fn all_events(events: &mut Events, known: Option<Pid>, mut each: impl FnMut(Event)) {
        loop {
            match events.next(&|pid| known == Some(pid)) {
                Some(Event::Childless) => return,
                Some(event) => each(event),
                None => events.wait(None, u64::MAX),
            }
        }
    }

    /// Whether ten thousand orphans at once, and one child of its own, are all told.
    fn survives(mut events: Events) -> bool {
        let Fork::Parent(parent) = process::fork().unwrap() else {
            for _ in 0..10_000 {
                // A process limit below ten thousand is no reason to fail: wait for some to go.
                if process::fork() == Ok(Fork::Child) {
                    process::exit(7)
                }
            }
            process::exit(42)
        };
        let (mut orphans, mut own) = (0, None);
        all_events(&mut events, Some(parent), |event| match event {
            Event::Ended { pid, ended } if pid == parent => own = Some(ended),
            Event::Ended { ended, .. } => orphans += u32::from(ended == Ended::Exited(7)),
            Event::Orphans(count) => orphans += count,
            _ => {}
        });
        orphans == 10_000 && own == Some(Ended::Exited(42))
    }

    #[test]
    fn ten_thousand_orphans_are_all_reaped_and_the_status_of_the_one_child_is_its_own() {
        assert!(as_reaper(|| {
            let mut events = Events::new();
            events.hear().unwrap();
            survives(events)
        }));
    }

    #[test]
    fn orphans_are_reaped_as_well_when_nobody_is_heard() {
        assert!(as_reaper(|| survives(Events::new())));
    }

    #[test]
    fn a_child_that_announces_itself_and_dies_at_once_is_known_before_its_end() {
        assert!(as_reaper(|| {
            let mut events = Events::new();
            events.hear().unwrap();
            let mut expected = [0; 500];
            for slot in 0..500_u16 {
                match process::fork().unwrap() {
                    Fork::Parent(pid) => expected[usize::from(slot)] = pid,
                    Fork::Child => {
                        let sent = Message::Announced { slot }.send(events.announcements().unwrap());
                        process::exit(if sent.is_ok() { slot as u8 } else { 255 })
                    }
                }
            }
            let mut announced = [0; 500];
            let mut right = 0;
            all_events(&mut events, None, |event| match event {
                Event::Told { pid, message: Message::Announced { slot } } => announced[usize::from(slot)] = pid,
                Event::Ended { pid, ended } => {
                    let slot = announced.iter().position(|known| *known == pid);
                    right += u32::from(slot.is_some_and(|slot| ended == Ended::Exited(slot as u8)));
                }
                _ => {}
            });
            right == 500 && announced == expected
        }));
    }

    #[test]
    fn children_that_end_without_pause_hide_no_request() {
        assert!(as_reaper(|| {
            let mut events = Events::new();
            process::kill(process::own_pid(), 38).unwrap();
            (0..2 * limits::REAPS_PER_LOOK).any(|_| {
                process::kill(process::own_pid(), crate::abi::signal::CHLD).unwrap();
                events.wait(None, u64::MAX);
                events.next(&|_| true) == Some(Event::Power(Power::PowerOff))
            })
        }));
    }

    #[test]
    fn a_stopped_child_is_no_event_and_a_signal_that_asks_for_power_is() {
        assert!(as_reaper(|| {
            let mut events = Events::new();
            let Fork::Parent(child) = process::fork().unwrap() else {
                loop {
                    std::thread::sleep(std::time::Duration::from_secs(1));
                }
            };
            process::kill(child, 19).unwrap();
            events.wait(None, u64::MAX);
            let quiet = events.next(&|_| true).is_none();
            for signal in [1, 34, 64, crate::abi::signal::USR2] {
                process::kill(process::own_pid(), signal).unwrap();
            }
            // The lowest come first, and ask nothing.
            let asked = (0..4).find_map(|_| {
                events.wait(None, u64::MAX);
                events.next(&|_| true)
            });
            process::kill(child, 9).unwrap();
            let mut ended = None;
            all_events(&mut events, Some(child), |event| ended = Some(event));
            quiet
                && asked == Some(Event::Power(Power::PowerOff))
                && ended == Some(Event::Ended { pid: child, ended: Ended::Killed(9) })
        }));
    }
}
