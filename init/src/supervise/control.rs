//! The control socket: where commands ask how the machine is, and what is to change.
//!
//! PID 1 reads nothing of what a client sends and waits for none. It lets the client in, asks the kernel which user that
//! is, and forks an *answerer* with the connection, which by that has a picture of the table as it is now. One that takes
//! too long is killed, whatever holds it up: there is always a place again.

use super::NEVER;
use crate::abi::{Errno, signal};
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::{self, Pid};
use crate::sys::socket::{self, Kind};
use crate::sys::{AsFd, BorrowedFd, OwnedFd, Result, identity, wait};
use crate::text::Value;

/// The directory of the socket, and its name. It is not in /run/pidone: there a container could have the same name.
pub const PLACE: (&crate::texts::CStr, &crate::texts::CStr) = (s!("/run"), s!("pidone.control"));

/// The last message of every answer, one byte: how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// All has been said and done.
    Done,
    /// As many as PID 1 answers at once are being answered.
    Busy,
    /// The kernel has no process for the answer.
    NoProcess,
    /// What came is no request.
    Nonsense,
    /// Others than root may look only.
    NotRoot,
    /// There is no container of this name, or, for a change, no service.
    Unknown,
    /// It has never run.
    NeverRan,
    /// The machine is not up yet, or going down.
    NotNow,
    /// Never sent: there was no answer, or it broke off.
    NoAnswer,
}

impl End {
    /// All of them, by their numbers.
    pub const ALL: [End; 9] = [
        End::Done,
        End::Busy,
        End::NoProcess,
        End::Nonsense,
        End::NotRoot,
        End::Unknown,
        End::NeverRan,
        End::NotNow,
        End::NoAnswer,
    ];

    /// Ends an answer. On a connection that was just made it does not wait.
    pub fn send(self, connection: BorrowedFd) -> Result<()> {
        wait::send(connection, &[self as u8])
    }
}

/// A client that was let in.
pub struct Client {
    /// The connection to it.
    pub connection: OwnedFd,
    /// Its user, from the kernel.
    pub user: u32,
}

/// The socket, and who answers those that came by it.
pub(super) struct Control {
    listening: Option<OwnedFd>,
    /// A connection that was let in and is not answered yet.
    waiting: Option<OwnedFd>,
    /// Whether what was said before it came has been heard.
    is_heard: bool,
    /// Answerers at work, and until when they may be; process 0 is a free place.
    places: [(Pid, u64); limits::ANSWERERS_MAX],
    /// How many they are.
    taken: usize,
    /// Nobody is let in before.
    paused_until_us: u64,
}

impl Control {
    /// Opens the socket. A machine without one runs, but cannot be asked.
    pub(super) fn open() -> Control {
        // Anybody may look.
        identity::set_umask(0);
        let listening = file::open(CWD, PLACE.0, Open::Place)
            .and_then(|directory| socket::serve(Kind::Messages, directory.as_fd(), PLACE.1))
            .and_then(|socket| crate::sys::signal::announce(socket.as_fd()).map(|()| socket));
        identity::set_umask(0o022);
        if let Err(errno) = listening {
            log::warning(t!("make the control socket: {}"), &[Value::Kernel(errno)]);
        }
        Control {
            listening: listening.ok(),
            waiting: None,
            is_heard: false,
            places: [(0, 0); _],
            taken: 0,
            paused_until_us: 0,
        }
    }

    /// The socket, while clients are let in by it.
    pub(super) fn listening(&self) -> Option<BorrowedFd<'_>> {
        self.listening.as_ref().filter(|_| self.paused_until_us == 0).map(AsFd::as_fd)
    }

    /// Lets nobody in any more: what is running is about to be killed.
    pub(super) fn close(&mut self) {
        (self.listening, self.waiting) = (None, None);
    }

    /// Lets the next client in.
    pub(super) fn let_in(&mut self, now_us: u64) {
        if self.waiting.is_some() {
            return;
        }
        match self.listening().map(socket::accept) {
            Some(Ok(connection)) => self.waiting = Some(connection),
            None | Some(Err(Errno::AGAIN)) => {}
            // It stays ready: looking again at once would keep PID 1 busy.
            Some(Err(_)) => self.paused_until_us = now_us.saturating_add(limits::CLIENTS_PAUSE_US),
        }
    }

    /// What was said to PID 1 before the last client came has been heard: whether there is one.
    pub(super) fn heard(&mut self) -> bool {
        self.is_heard = self.waiting.is_some();
        self.is_heard
    }

    /// The client that was let in last, once all that was said before is heard, and done: it is to see that.
    pub(super) fn next(&mut self) -> Option<Client> {
        let connection = self.waiting.take_if(|_| self.is_heard)?;
        self.is_heard = false;
        // The overflow id for who cannot be known.
        let user = socket::peer(connection.as_fd()).map_or(65534, |(_, user)| user);
        Some(Client { connection, user })
    }

    /// The place of an answerer; of process 0, a free one.
    #[inline(never)]
    fn place(&self, answerer: Pid) -> Option<usize> {
        self.places.iter().position(|(taken, _)| *taken == answerer)
    }

    /// Puts another process, and until when it may be, in the place of one: whether there was such a place.
    fn replace(&mut self, answerer: Pid, by: (Pid, u64)) -> bool {
        let place = self.place(answerer).and_then(|at| self.places.get_mut(at));
        place.map(|place| *place = by).is_some()
    }

    /// Whether there is a place for an answerer of this user's.
    pub(super) fn has_place(&self, user: u32) -> bool {
        self.taken < if user == 0 { limits::ANSWERERS_MAX } else { limits::ANSWERERS_MAX - limits::ANSWERERS_OF_ROOT }
    }

    /// An answerer is at work.
    pub(super) fn begun(&mut self, answerer: Pid, now_us: u64) {
        self.taken += usize::from(self.replace(0, (answerer, now_us.saturating_add(limits::ANSWER_US))));
    }

    /// Whether a child is an answerer.
    pub(super) fn knows(&self, child: Pid) -> bool {
        self.is_at_work() && self.place(child).is_some()
    }

    /// Whether an answerer is at work.
    pub(super) fn is_at_work(&self) -> bool {
        self.taken > 0
    }

    /// A child has ended: whether it was an answerer.
    pub(super) fn ended(&mut self, child: Pid) -> bool {
        let was_one = self.replace(child, (0, 0));
        self.taken -= usize::from(was_one);
        was_one
    }

    /// Kills those that take too long; when to look again, if ever.
    pub(super) fn look(&mut self, now_us: u64) -> u64 {
        if now_us >= self.paused_until_us {
            self.paused_until_us = 0;
        }
        let mut next_us = if self.paused_until_us == 0 { NEVER } else { self.paused_until_us };
        for (answerer, deadline_us) in self.places.iter_mut().filter(|(answerer, _)| *answerer != 0) {
            if now_us >= *deadline_us {
                // Its place is free when it is gone: until then the id is taken.
                *deadline_us = NEVER;
                let _ = process::kill(*answerer, signal::KILL);
            }
            next_us = next_us.min(*deadline_us);
        }
        next_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Control {
        Control { listening: None, waiting: None, is_heard: false, places: [(0, 0); _], taken: 0, paused_until_us: 0 }
    }

    #[test]
    fn some_places_are_for_root_alone_and_all_are_free_again() {
        let mut control = control();
        let everybodys = limits::ANSWERERS_MAX - limits::ANSWERERS_OF_ROOT;
        let all: Vec<Pid> = (1..=limits::ANSWERERS_MAX as Pid).collect();
        for &pid in &all {
            assert_eq!((control.has_place(1000), control.has_place(0)), (pid as usize <= everybodys, true));
            control.begun(pid, 7);
        }
        assert!(!control.has_place(0) && !control.ended(99));
        assert!(all.iter().all(|pid| control.ended(*pid)) && !control.ended(1) && control.has_place(1000));
    }

    #[test]
    fn an_answerer_that_takes_too_long_is_killed_and_keeps_its_place_until_it_is_gone() {
        let process::Fork::Parent(pid) = process::fork().unwrap() else {
            loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
        };
        let mut control = control();
        control.begun(pid, 10);
        let end_us = 10 + limits::ANSWER_US;
        assert_eq!(control.look(end_us - 1), end_us);
        assert_eq!(control.look(end_us), NEVER);
        assert_eq!(process::reap(pid, true), Ok(Some(process::Ended::Killed(9))));
        assert!(control.ended(pid));
    }

    #[test]
    fn every_end_has_its_number() {
        for (number, end) in End::ALL.iter().enumerate() {
            assert_eq!(*end as usize, number);
        }
    }
}
