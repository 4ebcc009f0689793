//! Staying with a process: `run` and `exec` without `--detach`. Signals go on to it, its terminal is shown on ours, its
//! end is ours.

use super::Caller;
use super::options::Name;
use super::process::socket_of;
use crate::abi::signal;
use crate::sys::process::{self, Ended, Pid};
use crate::sys::signal::{SignalFd, block_all};
use crate::sys::terminal::{self, Mode};
use crate::sys::{AsFd, BorrowedFd, OwnedFd, file, socket, wait};

/// Whoever stays with a process, or does not.
pub(super) struct Attended {
    /// Where the process sends the other end of its terminal.
    socket: Option<OwnedFd>,
    /// Where we receive that, if it is for us; and what there is to know about the process.
    ours: Option<(OwnedFd, SignalFd)>,
}

impl Attended {
    /// Before the process is made: so that no signal is lost.
    pub(super) fn open(caller: &Caller, stays: bool) -> Attended {
        let socket = caller.must_do(c!("connect to the console socket"), socket_of(caller, Name::ConsoleSocket));
        if !stays || caller.options.has(Name::Detach) {
            return Attended { socket, ours: None };
        }
        const DOING: &crate::texts::CStr = c!("wait for the process");
        block_all();
        let signals = caller.must_do(DOING, SignalFd::open());
        let (ours, theirs) = caller.must_do(DOING, wait::sockets());
        Attended { socket: socket.or(Some(theirs)), ours: Some((ours, signals)) }
    }

    /// Where the process sends the other end of its terminal; `None` if nobody would take it.
    pub(super) fn console(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Whether somebody stays with the process.
    pub(super) fn stays(&self) -> bool {
        self.ours.is_some()
    }

    /// Stays until the process has ended; the exit code, 0 if nobody stays.
    pub(super) fn attend(self, caller: &Caller, pid: Pid) -> u8 {
        let Attended { socket, ours: Some((ours, signals)) } = self else { return 0 };
        // With our end of the pair closed, there is either a terminal to be received or the end.
        drop(socket);
        let mut master = None;
        if !caller.options.has(Name::ConsoleSocket) {
            master = socket::receive_descriptor(ours.as_fd()).ok();
        }
        let mode = master.as_ref().and_then(|_| Mode::of(file::standard_input()).ok());
        if let Some(mode) = mode {
            let _ = mode.raw().set(file::standard_input());
        }
        let ended = relay(pid, &signals, master);
        if let Some(mode) = mode {
            let _ = mode.set(file::standard_input());
        }
        ended.code()
    }
}

/// Hands on what is typed, what is written and what is signalled, until the process has ended.
fn relay(pid: Pid, signals: &SignalFd, mut master: Option<OwnedFd>) -> Ended {
    let mut has_input = true;
    resize(&master);
    let mut ended = None;
    loop {
        if let (Some(ended), None) = (ended, &master) {
            return ended;
        }
        let shown = master.as_ref().map(AsFd::as_fd);
        let typed = shown.and(has_input.then(file::standard_input));
        // What the terminal still has is shown before the end.
        let timeout = if ended.is_some() { Some(0) } else { None };
        let ready = wait::ready(&[Some(signals.as_fd()), shown, typed], timeout).unwrap_or_default();
        if let (Some(master), true) = (shown, ready & 4 != 0) {
            has_input = copy(file::standard_input(), master);
        }
        if let (Some(other), true) = (shown, ready & 2 != 0)
            && !copy(other, file::standard_output())
        {
            master = None;
        } else if let Some(ended) = ended
            && ready & 2 == 0
        {
            return ended;
        }
        for signal in signals.read() {
            match signal {
                0 => {}
                signal::CHLD => ended = ended.or(process::reap(pid, false).ok().flatten()),
                signal::WINCH => resize(&master),
                // It may have ended meanwhile.
                signal => _ = process::kill(pid, signal),
            }
        }
    }
}

/// Gives the process's terminal the size of ours.
fn resize(master: &Option<OwnedFd>) {
    if let Some(master) = master
        && let Ok(size) = terminal::size(file::standard_input())
    {
        let _ = terminal::set_size(master.as_fd(), size);
    }
}

/// Copies what there is. False at the end.
fn copy(from: BorrowedFd, to: BorrowedFd) -> bool {
    let mut buffer = [0; 4096];
    let length = file::read(from, &mut buffer).unwrap_or_default() as usize;
    length > 0 && file::write_all(to, buffer.get(..length).unwrap_or_default()).is_ok()
}
