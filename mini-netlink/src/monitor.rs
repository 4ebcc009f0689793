//! What changes, when it changes: links, addresses and routes, for a caller that waits.
//!
//! The kernel tells everybody who listens. [`Monitor::next`] takes what was told and never waits; a caller with an event
//! loop of its own polls [`Monitor::as_fd`](AsFd) for reading. One without uses [`Monitor::wait`], up to a [`Deadline`].
//!
//! Listen first, then look: what changes in between is then told. When the kernel tells faster than the caller takes, it
//! drops messages and [`Event::Lost`] says so: look again.
//!
//! ```no_run
//! use core::time::Duration;
//! use mini_netlink::monitor::{Deadline, LINKS, Monitor, wait_until_running};
//! use mini_netlink::{BUFFER_BYTES, Error, LinkName, Socket};
//!
//! /// Whether the network is ready: `eth0` is there, up, and the other side answers.
//! fn network_ready() -> Result<bool, Error> {
//!     let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
//!     let mut monitor = Monitor::open(LINKS, &mut events)?;
//!     let mut socket = Socket::open(&mut answers)?;
//!     let deadline = Deadline::after(Duration::from_secs(10))?;
//!     wait_until_running(&LinkName::new(b"eth0")?, &mut socket, &mut monitor, &deadline)
//! }
//! ```
//!
//! What a message means can be asked without a socket:
//!
//! ```
//! use core::net::{IpAddr, Ipv4Addr};
//! use mini_netlink::monitor::{Change, Event};
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Action, Address, ChangeAddress};
//!
//! // What is asked of the kernel and what it tells has the same form.
//! let address = Address::new(3, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 24);
//! let mut buffer = [0; 64];
//! let length = encode(&ChangeAddress { action: Action::Delete, address }, 1, &mut buffer).expect("it fits");
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! assert_eq!(Event::read(&message), Ok(Some(Event::Address(Change::Deleted, address))));
//! ```
//!
//! Source: `include/uapi/linux/rtnetlink.h` (`enum rtnetlink_groups`), netlink(7).

use core::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketAddrAny, SocketFlags, SocketType, bind, recvfrom, socket_with};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use crate::address::Address;
use crate::error::Error;
use crate::link::{self, Link, LinkName};
use crate::route::Route;
use crate::socket::Socket;
use crate::wire::{HEADER_BYTES, Malformed, Message, Messages};

/// For [`Monitor::open`]: tell of links. `RTMGRP_LINK`
pub const LINKS: u32 = 1;
/// For [`Monitor::open`]: tell of addresses. `RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`
pub const ADDRESSES: u32 = 0x110;
/// For [`Monitor::open`]: tell of routes. `RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE`
pub const ROUTES: u32 = 0x440;

// Kinds of messages.
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;

/// How many datagrams one look takes in which there is nothing for the caller.
const DATAGRAMS_MAX: u32 = 1 << 10;

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new, or some of it changed.
    Made,
    /// It is gone; what is told of it is how it was.
    Deleted,
}

/// What the kernel told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'m> {
    /// Of a link. `RTM_NEWLINK`, `RTM_DELLINK`
    Link(Change, Link),
    /// Of an address of a link. `RTM_NEWADDR`, `RTM_DELADDR`
    Address(Change, Address),
    /// Of a route. `RTM_NEWROUTE`, `RTM_DELROUTE`
    Route(Change, Route<'m>),
    /// Events were lost, because they were not taken in time or were longer than the buffer: look again.
    Lost,
}

impl<'m> Event<'m> {
    /// Reads a message; `None` if it is of something else.
    pub fn read(message: &Message<'m>) -> Result<Option<Self>, Malformed> {
        // The number for "deleted" always follows the one for "new"; the rest is the same.
        let new = Message { kind: message.kind & !1, ..*message };
        let change = if message.kind == new.kind { Change::Made } else { Change::Deleted };
        Ok(match new.kind {
            // A bridge tells of its ports in its own words: one that is "deleted" has only left it. `AF_BRIDGE`
            link::NEW if message.payload.first() == Some(&0) => Link::read(&new)?.map(|link| Self::Link(change, link)),
            NEW_ADDRESS => Address::read(&new)?.map(|address| Self::Address(change, address)),
            NEW_ROUTE => Route::read(&new)?.map(|route| Self::Route(change, route)),
            _ => None,
        })
    }
}

/// A socket that is told of changes in the network namespace that the caller was in when it was made.
#[derive(Debug)]
pub struct Monitor<'b> {
    descriptor: OwnedFd,
    buffer: &'b mut [u8],
    /// The part of the datagram in the buffer that was not taken yet.
    next: usize,
    end: usize,
}

impl<'b> Monitor<'b> {
    /// Begins to listen. `groups` is a sum of [`LINKS`] and so on, `buffer` has
    /// [`BUFFER_BYTES`](crate::BUFFER_BYTES) or more.
    pub fn open(groups: u32, buffer: &'b mut [u8]) -> Result<Self, Error> {
        let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        bind(&descriptor, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { descriptor, buffer, next: 0, end: 0 })
    }

    /// The next event that was told already; `None` if there is none. Never waits.
    #[expect(clippy::should_implement_trait, reason = "after `None` there may be more, and it can fail")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.find()? {
            Found::Event(place) => Ok(Event::read(&self.message(place)?)?),
            Found::Lost => Ok(Some(Event::Lost)),
            Found::Nothing => Ok(None),
        }
    }

    /// Waits for the next event, at most until `deadline`; `None` if there was none.
    pub fn wait(&mut self, deadline: &Deadline) -> Result<Option<Event<'_>>, Error> {
        loop {
            match self.find()? {
                Found::Event(place) => return Ok(Event::read(&self.message(place)?)?),
                Found::Lost => return Ok(Some(Event::Lost)),
                Found::Nothing => {}
            }
            let mut both = [PollFd::new(&self.descriptor, PollFlags::IN), PollFd::new(&deadline.timer, PollFlags::IN)];
            match poll(&mut both, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Errno(errno)),
            }
            let [_, timer] = both;
            if !timer.revents().is_empty() {
                return self.next();
            }
        }
    }

    /// Looks for the next message that is an event, in the buffer and then in the socket.
    fn find(&mut self) -> Result<Found, Error> {
        for _ in 0..DATAGRAMS_MAX {
            while self.next < self.end {
                let place = self.next;
                // Behind a bad length nothing can be found.
                self.next = self.end;
                let message = self.message(place)?;
                let next = place + (HEADER_BYTES + message.payload.len()).next_multiple_of(4);
                let told = Event::read(&message).map(|event| event.is_some());
                self.next = next;
                if told? {
                    return Ok(Found::Event(place));
                }
            }
            match receive(&self.descriptor, self.buffer) {
                Ok(Some(length)) if length <= self.buffer.len() => (self.next, self.end) = (0, length),
                Ok(Some(_)) | Err(Errno::NOBUFS) => return Ok(Found::Lost),
                // A signal came first, or it is from somebody who may not be believed.
                Ok(None) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(Error::Errno(errno)),
            }
        }
        Ok(Found::Nothing)
    }

    /// The message in the buffer that begins there.
    fn message(&self, place: usize) -> Result<Message<'_>, Malformed> {
        let datagram = self.buffer.get(place..self.end).unwrap_or_default();
        Messages::new(datagram).next().unwrap_or(Err(Malformed))
    }
}

/// What a look at buffer and socket found.
enum Found {
    /// An event, which begins here in the buffer.
    Event(usize),
    /// That something was lost.
    Lost,
    /// Nothing, for now.
    Nothing,
}

impl AsFd for Monitor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Waits until a link with this name is up and the other side answers (`IFF_UP`, `IFF_RUNNING`); `false` if that took
/// longer than the deadline. The link need not exist yet.
///
/// The monitor listens to [`LINKS`], and was opened in the same network namespace as the socket.
pub fn wait_until_running(
    name: &LinkName,
    socket: &mut Socket<'_>,
    monitor: &mut Monitor<'_>,
    deadline: &Deadline,
) -> Result<bool, Error> {
    const READY: u32 = link::UP | link::RUNNING;
    loop {
        match socket.link(name) {
            Ok(link) if link.flags & READY == READY => return Ok(true),
            Ok(_) => {}
            Err(error) if error.errno() == Some(Errno::NODEV) => {}
            Err(error) => return Err(error),
        }
        loop {
            match monitor.wait(deadline)? {
                None => return Ok(false),
                Some(Event::Link(_, link)) if link.name != *name => {}
                Some(_) => break,
            }
        }
    }
}

/// A moment by which waiting ends. One deadline serves for many waits: it does not begin anew.
#[derive(Debug)]
pub struct Deadline {
    /// A timer needs no clock to be read, and cannot be prolonged by signals.
    timer: OwnedFd,
}

impl Deadline {
    /// So long from now.
    pub fn after(timeout: Duration) -> Result<Self, Error> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        // At zero the timer would never go off.
        let timeout = timeout.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: once, it_value: value })?;
        Ok(Self { timer })
    }
}

/// The length of the next datagram, without waiting; `None` if the kernel did not send it.
fn receive(descriptor: &OwnedFd, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
    let (_, length, sender) = recvfrom(descriptor, buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
    Ok(is_kernel(sender).then_some(length))
}

/// Whether an address is the kernel's, port 0. Whoever may configure the network may also speak to its listeners.
fn is_kernel(sender: Option<SocketAddrAny>) -> bool {
    sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()).is_some_and(|sender| sender.pid() == 0)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::capture::{bytes, for_every_damage};

    fn read(capture: &[u8]) -> Result<Option<Event<'_>>, Malformed> {
        Event::read(&Messages::new(capture).next().unwrap().unwrap())
    }

    #[test]
    fn new_and_deleted_links_are_told_and_ports_of_bridges_are_not() {
        let mut capture = bytes(include_str!("../captures/link.txt"));
        let Ok(Some(Event::Link(Change::Made, made))) = read(&capture) else { panic!("{:?}", read(&capture)) };
        capture[4] = 17; // RTM_DELLINK
        assert_eq!(read(&capture), Ok(Some(Event::Link(Change::Deleted, made))));
        capture[HEADER_BYTES] = 7; // AF_BRIDGE
        assert_eq!(read(&capture), Ok(None));
        capture[HEADER_BYTES] = 0;
        capture[4] = 3; // NLMSG_DONE
        assert_eq!(read(&capture), Ok(None));
    }

    #[test]
    fn no_damage_to_an_event_panics() {
        for_every_damage(&bytes(include_str!("../captures/link.txt")), |damaged| {
            for message in Messages::new(damaged).flatten() {
                let _ = Event::read(&message);
            }
        });
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(kind in proptest::sample::select(vec![16_u16, 17, 20, 21, 24, 25]), bytes: Vec<u8>) {
            let _ = Event::read(&Message { kind, flags: 0, sequence: 0, port: 0, payload: &bytes });
        }
    }

    #[test]
    fn several_messages_in_a_datagram_are_told_one_by_one_and_a_bad_one_ends_it() {
        let one = bytes(include_str!("../captures/link.txt"));
        let mut buffer = [&one[..], &one, &[7, 0, 0]].concat();
        let end = buffer.len();
        let mut monitor = Monitor::open(0, &mut buffer).unwrap();
        monitor.end = end;
        for _ in 0..2 {
            assert!(matches!(monitor.next(), Ok(Some(Event::Link(Change::Made, _)))));
        }
        assert_eq!(monitor.next(), Err(Error::Malformed));
        assert_eq!(monitor.next(), Ok(None));
    }

    #[test]
    fn a_deadline_passes_even_if_it_is_now() {
        let mut monitor = Monitor::open(0, &mut []).unwrap();
        for timeout in [Duration::ZERO, Duration::from_millis(20)] {
            let begin = std::time::Instant::now();
            assert_eq!(monitor.wait(&Deadline::after(timeout).unwrap()), Ok(None));
            assert!(begin.elapsed() >= timeout);
        }
    }
}
