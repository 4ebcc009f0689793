//! Staying with a process: `run` and `exec` without `--detach`. Signals go on to it, its terminal is shown on ours, its
//! end is ours.

use core::cell::{Cell, OnceCell};

use super::Caller;
use super::options::Name;
use super::process::socket_of;
use crate::abi;
use crate::error::{Context, Result};
use crate::sys::process::{self, Ended, Pid};
use crate::sys::signal::{self, SignalFd, block_all};
use crate::sys::terminal::{self, Mode};
use crate::sys::{AsFd, BorrowedFd, OwnedFd, file, socket, wait};
use crate::texts::CStr;

const DOING: &CStr = c!("wait for the process");

/// Whoever stays with a process, or does not.
pub(super) struct Attended {
    /// Where the process sends the other end of its terminal.
    socket: OnceCell<OwnedFd>,
    /// Where we receive that, if it is for us.
    ours: Cell<Option<OwnedFd>>,
    stays: bool,
}

impl Attended {
    /// Before the process is made: so that no signal is lost.
    pub(super) fn open(caller: &Caller, stays: bool) -> Attended {
        let attended = Attended {
            socket: OnceCell::new(),
            ours: Cell::new(None),
            stays: stays && !caller.options.has(Name::Detach),
        };
        if let Some(given) = caller.must_do(c!("connect to the console socket"), socket_of(caller, Name::ConsoleSocket))
        {
            let _ = attended.socket.set(given);
        }
        if attended.stays {
            block_all();
        }
        attended
    }

    /// Prepares to receive the other end of a terminal, if nobody else does.
    pub(super) fn await_terminal(&self) -> Result<()> {
        if self.stays && self.socket.get().is_none() {
            let (ours, theirs) = wait::sockets().doing(DOING)?;
            self.ours.set(Some(ours));
            let _ = self.socket.set(theirs);
        }
        Ok(())
    }

    /// Whether somebody would take the other end of a terminal.
    pub(super) fn takes_terminal(&self) -> bool {
        self.stays || self.socket.get().is_some()
    }

    /// Where the process sends the other end of its terminal, if it has one that somebody takes.
    pub(super) fn socket(&self) -> &OnceCell<OwnedFd> {
        &self.socket
    }

    /// Whether somebody stays with the process.
    pub(super) fn stays(&self) -> bool {
        self.stays
    }

    /// Stays until the process has ended; the exit code, 0 if nobody stays.
    pub(super) fn attend(self, caller: &Caller, pid: Pid) -> u8 {
        if !self.stays {
            return 0;
        }
        // With our end of the pair closed, there is either a terminal to be received or the end.
        drop(self.socket);
        let master = self.ours.take().and_then(|ours| socket::receive_descriptor(ours.as_fd()).ok());
        let Some(master) = master else { return await_end(pid).code() };
        let signals = caller.must_do(DOING, SignalFd::open());
        let mode = Mode::of(file::standard_input()).ok();
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

/// Hands on what is signalled, until the process has ended.
fn await_end(pid: Pid) -> Ended {
    loop {
        if let Some(ended) = hand_on(signal::take(0, u64::MAX), pid) {
            return ended;
        }
    }
}

/// Hands a signal on; how the process has ended, if it says that.
fn hand_on(signal: u8, pid: Pid) -> Option<Ended> {
    match signal {
        0 | abi::signal::WINCH => None,
        abi::signal::CHLD => process::reap(pid, false).ok().flatten(),
        signal => {
            // It may have ended meanwhile.
            let _ = process::kill(pid, signal);
            None
        }
    }
}

/// Hands on what is typed, what is written and what is signalled, until the process has ended.
fn relay(pid: Pid, signals: &SignalFd, master: OwnedFd) -> Ended {
    let mut master = Some(master);
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
            if signal == abi::signal::WINCH {
                resize(&master);
            }
            ended = ended.or(hand_on(signal, pid));
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
