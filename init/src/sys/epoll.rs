//! Waiting for many descriptors: epoll(7).

use linux_raw_sys::general::{
    __NR_epoll_create1, __NR_epoll_ctl, __NR_epoll_pwait, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLET, EPOLLIN, EPOLLOUT,
    O_CLOEXEC, epoll_event,
};

use super::{AsFd, BorrowedFd, OwnedFd, Result, raw};

/// Descriptors that are told of at once.
const READY_MAX: usize = 32;

/// A set of descriptors, each with a number of the caller's.
pub struct Epoll {
    set: OwnedFd,
    ready: [epoll_event; READY_MAX],
}

impl Epoll {
    /// An empty set.
    pub fn new() -> Result<Epoll> {
        // SAFETY: takes a number.
        let set = unsafe { raw::value(__NR_epoll_create1, [O_CLOEXEC as usize, 0, 0, 0, 0]) }?;
        // SAFETY: the kernel just made it and nobody else knows it.
        let set = unsafe { OwnedFd::new(set) };
        Ok(Epoll { set, ready: [epoll_event { events: 0, data: 0 }; READY_MAX] })
    }

    /// Adds a descriptor: with `edges`, when something new can be read or written; else as long as something can be read.
    pub fn add(&self, descriptor: BorrowedFd, number: u64, edges: bool) -> Result<()> {
        let events = if edges { EPOLLIN | EPOLLOUT | EPOLLET } else { EPOLLIN };
        self.control(EPOLL_CTL_ADD, descriptor, epoll_event { events, data: number })
    }

    /// Takes a descriptor out: its closing would not, while others have what it is open on.
    pub fn remove(&self, descriptor: BorrowedFd) {
        // It is in the set.
        let _ = self.control(EPOLL_CTL_DEL, descriptor, epoll_event { events: 0, data: 0 });
    }

    fn control(&self, operation: u32, descriptor: BorrowedFd, event: epoll_event) -> Result<()> {
        let set = self.set.as_fd().argument();
        let call = [set, operation as usize, descriptor.argument(), &raw const event as usize, 0];
        // SAFETY: borrowed descriptors, and the kernel reads one `struct epoll_event`.
        unsafe { raw::value(__NR_epoll_ctl, call) }.map(drop)
    }

    /// Waits until something can be said of a descriptor, for so many milliseconds at most, for ever if that is negative;
    /// of how many.
    pub fn wait(&mut self, milliseconds: i32) -> usize {
        let call = [self.set.as_fd().argument(), self.ready.as_mut_ptr() as usize, READY_MAX, milliseconds as usize, 0];
        // SAFETY: the kernel writes at most as many `struct epoll_event` as said; no signal mask.
        unsafe { raw::value(__NR_epoll_pwait, call) }.unwrap_or_default() as usize
    }

    /// The number of one of those.
    pub fn number(&self, index: usize) -> u64 {
        self.ready.get(index).map_or(0, |event| event.data)
    }
}
