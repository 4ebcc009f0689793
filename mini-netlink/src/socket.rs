//! The netlink socket: the only file with system calls.
//!
//! One exchange is one `send` of one or more requests, then `recv` until each of them has its verdict. The kernel works
//! a request off inside `send` (and tells a list inside `recv`), so an answer that is not there will never come:
//! nothing here ever waits.
//!
//! ```
//! use mini_netlink::{BUFFER_BYTES, Error, LOOPBACK, Link, Listed, Socket};
//!
//! /// How many links there are, and the bytes that came in by all of them.
//! fn received() -> Result<(u32, u64), Error> {
//!     let mut buffer = [0; BUFFER_BYTES];
//!     let mut socket = Socket::open(&mut buffer)?;
//!     let (mut links, mut bytes) = (0, 0);
//!     socket.links(&mut |listed: Listed<Link>| match listed {
//!         // Something changed meanwhile: what was told is void.
//!         Listed::Again => (links, bytes) = (0, 0),
//!         Listed::Object(link) => (links, bytes) = (links + 1, bytes + link.statistics.rx_bytes),
//!     })?;
//!     assert_eq!(socket.link_at(LOOPBACK)?.name.as_bytes(), b"lo");
//!     Ok((links, bytes))
//! }
//!
//! assert!(received().expect("anybody may look").0 >= 1);
//! ```
//!
//! The front page of this crate has an example of a [`Batch`]. Source: netlink(7), rtnetlink(7).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, connect, getsockname, recv, send,
    socket_with,
};

use crate::address::{Action, Address, ChangeAddress};
use crate::error::{Error, Explanation, Refusal};
use crate::generic::{Family, GetFamily};
use crate::link::{
    DeleteLink, GetLink, Link, LinkKind, LinkName, LinkSettings, Namespace, NewLink, Peer, SetLink, Veth,
};
use crate::neighbour::{ChangeNeighbour, Neighbour};
use crate::reply::Reply;
use crate::route::{ChangeRoute, Route};
use crate::rule::{AddRule, DeleteRule, Rule};
use crate::wire::{ACKNOWLEDGE, INTERRUPTED, Message, Messages, Request, encode};
use crate::wireguard::{self, GetDevice, Part, Reader, SetDevice};

/// A buffer that is long enough for every answer about links, and for some hundred requests at once.
///
/// The kernel cuts lists into datagrams of at most 8,192 bytes where a page is at most that long.
pub const BUFFER_BYTES: usize = 8192;

/// The options of a netlink socket that make it say more, as level and option of setsockopt(2). The value of each is the
/// number 1, four bytes. [`Socket::set_options`] turns them on.
/// - `NETLINK_CAP_ACK` (Linux 4.3): a failure does not repeat the request.
/// - `NETLINK_EXT_ACK` (Linux 4.12): a failure comes with the kernel's explanation.
/// - `NETLINK_GET_STRICT_CHK` (Linux 4.20): the kernel leaves out of a list what was not asked for, and what it does not
///   understand in a request for a list is an error.
pub const SOCKET_OPTIONS: [(u32, u32); 3] = [(SOL_NETLINK, 10), (SOL_NETLINK, 11), (SOL_NETLINK, 12)];
const SOL_NETLINK: u32 = 270;

/// Where the flags are in a message's header.
const FLAGS: usize = 6;

/// How often a signal may cut off one call. A caller with a storm of signals has other problems.
const SIGNALS_MAX: u32 = 64;
/// How many datagrams one exchange may take: a list of a million links fits, an endless one ends.
const DATAGRAMS_MAX: u32 = 1 << 18;
/// How often a list is asked for. Each time it was told, something changed meanwhile.
const DUMPS_MAX: u32 = 64;

/// A netlink socket for the network namespace that the caller was in when it was made.
#[derive(Debug)]
pub struct Socket<'b> {
    descriptor: OwnedFd,
    port: u32,
    /// The sequence number of the next request.
    sequence: u32,
    buffer: &'b mut [u8],
    explanation: Explanation,
}

impl<'b> Socket<'b> {
    /// Opens a socket that writes its requests into, and reads the answers from, `buffer`: [`BUFFER_BYTES`] or more.
    ///
    /// `NETLINK_ROUTE`: links, addresses, routes, neighbours, rules.
    pub fn open(buffer: &'b mut [u8]) -> Result<Self, Error> {
        Self::open_protocol(None, buffer) // `NETLINK_ROUTE` is number 0.
    }

    /// The same for `NETLINK_GENERIC`: see [`generic`](crate::generic) and [`wireguard`].
    pub fn open_generic(buffer: &'b mut [u8]) -> Result<Self, Error> {
        Self::open_protocol(Some(netlink::GENERIC), buffer)
    }

    fn open_protocol(protocol: Option<Protocol>, buffer: &'b mut [u8]) -> Result<Self, Error> {
        let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // The kernel has port 0. It lets nobody else send to a socket that is connected to it.
        connect(&descriptor, &SocketAddrNetlink::new(0, 0))?;
        let port = SocketAddrNetlink::try_from(getsockname(&descriptor)?)?.pid();
        Ok(Self { descriptor, port, sequence: 1, buffer, explanation: Explanation::EMPTY })
    }

    /// Turns [`SOCKET_OPTIONS`] on, as far as the kernel has them: [`Socket::explanation`] then has words.
    ///
    /// rustix has no safe setsockopt(2) for them and nothing here is `unsafe`, so the call is the caller's: `set` gets the
    /// descriptor, the level and the option, and is to set that to 1. Without the options all works the same, only failures
    /// have no words and lists come whole, whatever was asked for.
    ///
    /// # Errors
    /// What `set` says, except `ENOPROTOOPT`: an older kernel.
    pub fn set_options(&self, set: &dyn Fn(BorrowedFd<'_>, u32, u32) -> Result<(), Errno>) -> Result<(), Error> {
        for (level, option) in SOCKET_OPTIONS {
            match set(self.as_fd(), level, option) {
                Ok(()) | Err(Errno::NOPROTOOPT) => {}
                Err(errno) => return Err(Error::Errno(errno)),
            }
        }
        Ok(())
    }

    /// What the kernel said about the latest [`Error::Refused`].
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }

    /// The link with this name. A name that does not exist is refused with `ENODEV`.
    pub fn link(&mut self, name: &LinkName) -> Result<Link, Error> {
        self.get_link(&GetLink::Named(*name))
    }

    /// The link with this index. An index that does not exist is refused with `ENODEV`.
    pub fn link_at(&mut self, index: u32) -> Result<Link, Error> {
        self.get_link(&GetLink::Index(index))
    }

    /// The index of the link with this name.
    pub fn link_index(&mut self, name: &LinkName) -> Result<u32, Error> {
        let mut found = None;
        self.ask(&GetLink::Named(*name), &mut |message| {
            found = Link::index(message);
            Ok(())
        })?;
        found.ok_or(Error::Lost)
    }

    /// Asks for a list, and hands each message of it to `each`, however many datagrams it takes. `NLM_F_DUMP`
    ///
    /// If the list changes while it is told (`NLM_F_DUMP_INTR`), or the kernel has to drop a piece of it (`ENOBUFS`), it
    /// starts again from the first object: [`Listed::Again`] says that what was told so far is void. An error of `each`
    /// ends the telling, and is returned.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if it changed each of many times, [`Error::Lost`] if a piece was dropped the last time.
    pub fn dump(
        &mut self,
        request: &dyn Request,
        each: &mut dyn FnMut(Listed<&Message<'_>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(false);
        for attempt in 0..DUMPS_MAX {
            if attempt > 0 {
                each(Listed::Again)?;
                self.drain();
            }
            outcome = self.ask(request, &mut |message| each(Listed::Object(message)));
            match &outcome {
                Ok(true) | Err(Error::Lost) => {}
                // A list of which a piece was dropped is not told to its end: its rest comes with the next answer.
                Err(error) if error.errno() == Some(Errno::BUSY) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(*error),
            }
        }
        outcome.and(Err(Error::Interrupted))
    }

    /// Makes a pair of links that are connected to each other. Each end may be made in another namespace at once.
    pub fn veth(&mut self, end: &LinkSettings<'_>, peer: &Peer<'_>) -> Result<(), Error> {
        self.new_link(&Veth { peer: *peer }, end)
    }

    /// Makes a link of any other kind: a structure of [`kind`](crate::kind), or a name alone such as `&"dummy"`.
    pub fn new_link(&mut self, kind: &dyn LinkKind, settings: &LinkSettings<'_>) -> Result<(), Error> {
        self.request(&NewLink { kind, index: None, settings: *settings })
    }

    /// Changes a link: see [`SetLink`].
    pub fn set_link(&mut self, index: u32, settings: &LinkSettings<'_>) -> Result<(), Error> {
        self.request(&SetLink { index, settings: *settings })
    }

    /// Sets a link up. For [`LOOPBACK`](crate::link::LOOPBACK) the kernel also adds its addresses.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        self.set_link(index, &LinkSettings { up: Some(true), ..LinkSettings::NONE })
    }

    /// Sets a link down.
    pub fn set_down(&mut self, index: u32) -> Result<(), Error> {
        self.set_link(index, &LinkSettings { up: Some(false), ..LinkSettings::NONE })
    }

    /// Gives a link another name. Before Linux 6.2 it must be down.
    pub fn rename(&mut self, index: u32, name: &LinkName) -> Result<(), Error> {
        self.set_link(index, &LinkSettings::named(*name))
    }

    /// Moves a link to another namespace, where it is down, has no addresses, and has this name or else the same.
    pub fn move_link(&mut self, index: u32, namespace: Namespace<'_>, name: Option<&LinkName>) -> Result<(), Error> {
        self.set_link(index, &LinkSettings { name: name.copied(), ..LinkSettings::NONE }.inside(namespace))
    }

    /// Deletes a link; of a `veth` also the other end.
    pub fn delete_link(&mut self, index: u32) -> Result<(), Error> {
        self.request(&DeleteLink { index })
    }

    /// Adds, replaces or deletes an address.
    pub fn address(&mut self, action: Action, address: &Address) -> Result<(), Error> {
        self.request(&ChangeAddress { action, address: *address })
    }

    /// Adds, replaces or deletes a route.
    pub fn route(&mut self, action: Action, route: &Route<'_>) -> Result<(), Error> {
        self.request(&ChangeRoute { action, route: *route })
    }

    /// Adds, replaces or deletes a neighbour.
    pub fn neighbour(&mut self, action: Action, neighbour: &Neighbour) -> Result<(), Error> {
        self.request(&ChangeNeighbour { action, neighbour: *neighbour })
    }

    /// Adds a rule.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.request(&AddRule { rule: *rule })
    }

    /// Deletes a rule.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.request(&DeleteRule { rule: *rule })
    }

    /// The number of a family of generic netlink. One that there is none of is refused with `ENOENT`.
    pub fn family(&mut self, name: &[u8]) -> Result<u16, Error> {
        let mut found = None;
        self.ask(&GetFamily { name }, &mut |message| {
            found = Family::read(message)?;
            Ok(())
        })?;
        found.map(|family| family.id).ok_or(Error::Lost)
    }

    /// Tells `each` of a WireGuard device and its peers, in order. [`Listed::Again`]: see [`Socket::dump`].
    pub fn wireguard(&mut self, family: u16, index: u32, each: &mut dyn FnMut(Listed<Part>)) -> Result<(), Error> {
        let mut reader = Reader::default();
        self.dump(&GetDevice { family, index }, &mut |listed| {
            match listed {
                Listed::Again => {
                    reader = Reader::default();
                    each(Listed::Again);
                }
                Listed::Object(message) => reader.read(message, &mut |part| each(Listed::Object(part)))?,
            }
            Ok(())
        })
    }

    /// Changes a WireGuard device. If it does not fit in one message: first the device, then one peer after the other, if
    /// need be in several messages too.
    ///
    /// After an error the pieces before it are in effect. [`Error::Full`]: the buffer has no room for a single peer.
    pub fn set_wireguard(&mut self, device: &SetDevice<'_>) -> Result<(), Error> {
        match self.request(device) {
            Err(Error::Full) => {}
            done => return done,
        }
        self.request(&SetDevice { peers: &[], ..*device })?;
        device.peers.iter().try_for_each(|peer| self.set_wireguard_peer(device, peer))
    }

    fn set_wireguard_peer(&mut self, device: &SetDevice<'_>, peer: &wireguard::Peer<'_>) -> Result<(), Error> {
        let mut piece = *peer;
        let mut rest = if peer.remove { &[] } else { peer.allowed };
        let mut count = rest.len();
        loop {
            let Some((these, others)) = rest.split_at_checked(count) else { return Ok(()) };
            piece.allowed = these;
            match self.request(&SetDevice { peers: &[piece], ..SetDevice::new(device.family, device.index) }) {
                Err(Error::Full) if count > 1 => count /= 2,
                Err(error) => return Err(error),
                Ok(()) if others.is_empty() => return Ok(()),
                Ok(()) => {
                    // It exists now, or is not to exist.
                    piece = wireguard::Peer { update_only: true, ..wireguard::Peer::new(peer.public_key) };
                    rest = others;
                    count = count.min(rest.len());
                }
            }
        }
    }

    /// Has one request carried out.
    pub fn request(&mut self, request: &dyn Request) -> Result<(), Error> {
        self.ask(request, &mut |_| Ok(())).map(|_| ())
    }

    /// Begins a row of requests that are sent together.
    pub fn batch(&mut self) -> Batch<'_, 'b> {
        Batch { socket: self, bytes: 0, requests: 0, latest: 0 }
    }

    /// The one link that this asks for: by a long alternative name, for example. [`Error::Lost`] if it asks for a list.
    pub fn get_link(&mut self, request: &GetLink<'_>) -> Result<Link, Error> {
        let mut found = None;
        self.ask(request, &mut |message| {
            found = Link::read(message)?;
            Ok(())
        })?;
        found.ok_or(Error::Lost)
    }

    /// One request, and what to do with the objects in its answer. Tells whether those changed meanwhile.
    fn ask(&mut self, request: &dyn Request, each: &mut Each<'_>) -> Result<bool, Error> {
        let bytes = encode(request, self.sequence, self.buffer)?;
        self.exchange(bytes, 1, each)
    }

    /// Sends what is in the buffer, and reads until the last of the requests has its verdict.
    fn exchange(&mut self, bytes: usize, requests: u16, each: &mut Each<'_>) -> Result<bool, Error> {
        let mut exchange = Exchange {
            port: self.port,
            first: self.sequence,
            requests,
            complete: false,
            interrupted: false,
            outcome: Ok(()),
        };
        // Also after a failure: an answer that comes late must not be taken for that of a later request.
        self.sequence = self.sequence.wrapping_add(u32::from(requests));
        self.send(bytes)?;
        for _ in 0..DATAGRAMS_MAX {
            match receive(&self.descriptor, self.buffer) {
                Ok(Some(datagram)) => exchange.datagram(datagram, each, &mut self.explanation),
                // The rest of a list must be read before another can be asked for.
                Ok(None) => exchange.note(Error::Truncated),
                // The queue is empty: what is missing will never come.
                Err(Errno::AGAIN) => break,
                // The queue was full, and an answer was dropped. Others are in it.
                Err(Errno::NOBUFS) => exchange.note(Error::Lost),
                // A signal came first.
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Errno(errno)),
            }
            if exchange.complete {
                return exchange.outcome.map(|()| exchange.interrupted);
            }
        }
        Err(exchange.outcome.err().unwrap_or(Error::Lost))
    }

    fn send(&self, bytes: usize) -> Result<(), Error> {
        let requests = self.buffer.get(..bytes).unwrap_or_default();
        for _ in 0..SIGNALS_MAX {
            match send(&self.descriptor, requests, SendFlags::empty()) {
                // A signal came before the kernel had read anything.
                Err(Errno::INTR) => {}
                // A datagram is sent whole or not at all.
                sent => return sent.map(|_| ()).map_err(Error::Errno),
            }
        }
        Err(Error::Errno(Errno::INTR))
    }

    /// Reads what is left of an answer that was given up.
    fn drain(&mut self) {
        for _ in 0..DATAGRAMS_MAX {
            if receive(&self.descriptor, self.buffer) == Err(Errno::AGAIN) {
                return;
            }
        }
    }
}

/// What is done with each object of an answer.
type Each<'a> = dyn FnMut(&Message<'_>) -> Result<(), Error> + 'a;

impl AsFd for Socket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What a list tells: see [`Socket::dump`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// One of the things in it.
    Object(T),
    /// Something changed: forget what was told, the list starts again.
    Again,
}

/// Requests that are sent together, in one datagram: two system calls instead of two for each.
///
/// The kernel carries them out in their order and does not stop at one that fails: the others are in effect then.
#[derive(Debug)]
pub struct Batch<'s, 'b> {
    socket: &'s mut Socket<'b>,
    bytes: usize,
    requests: u16,
    /// Where the latest request begins.
    latest: usize,
}

impl Batch<'_, '_> {
    /// Adds a request. One that does not fit is left out, and the ones before it can still be sent.
    ///
    /// No request for a list: that goes alone, by [`Socket::dump`].
    pub fn add(&mut self, request: &dyn Request) -> Result<(), Error> {
        let requests = self.requests.checked_add(1).ok_or(Error::Full)?;
        let sequence = self.socket.sequence.wrapping_add(u32::from(self.requests));
        let (before, free) = self.socket.buffer.split_at_mut_checked(self.bytes).ok_or(Error::Full)?;
        let bytes = encode(request, sequence, free)?;
        // A failure is told in any case. That all went well is told by the last one's answer alone: a hundred answers
        // would cost as much as the work, and a thousand would not fit in the socket.
        if self.requests > 0 {
            clear_flag(before.get_mut(self.latest..).unwrap_or_default(), ACKNOWLEDGE);
        }
        self.latest = self.bytes;
        self.bytes += bytes;
        self.requests = requests;
        Ok(())
    }

    /// Has the requests carried out, in their order.
    ///
    /// # Errors
    /// That of the first one that failed, and [`Refusal::request`] its number; the others were carried out, or failed too.
    /// After [`Error::Lost`] and [`Error::Errno`] it is not known which were.
    pub fn send(self) -> Result<(), Error> {
        // The kernel refuses an empty datagram.
        match self.requests {
            0 => Ok(()),
            requests => self.socket.exchange(self.bytes, requests, &mut |_| Ok(())).map(|_| ()),
        }
    }
}

/// Which answers are expected, and what came so far.
struct Exchange {
    port: u32,
    first: u32,
    requests: u16,
    /// The last request has its verdict: the kernel works them off in order, so all have.
    complete: bool,
    interrupted: bool,
    /// The first error. Later messages are read nevertheless, so that none is left for the next exchange.
    outcome: Result<(), Error>,
}

impl Exchange {
    fn datagram(&mut self, datagram: &[u8], each: &mut Each<'_>, explanation: &mut Explanation) {
        for message in Messages::new(datagram) {
            if let Err(error) =
                message.map_err(Error::from).and_then(|message| self.message(&message, each, explanation))
            {
                self.note(error);
            }
        }
    }

    fn message(
        &mut self,
        message: &Message<'_>,
        each: &mut Each<'_>,
        explanation: &mut Explanation,
    ) -> Result<(), Error> {
        let Ok(request) = u16::try_from(message.sequence.wrapping_sub(self.first)) else { return Ok(()) };
        if message.port != self.port || request >= self.requests {
            return Ok(());
        }
        self.interrupted |= message.flags & INTERRUPTED != 0;
        let reply = Reply::read(message)?;
        if let Reply::More(object) = reply {
            // What comes after an error is read, but nobody wants it.
            return if self.outcome.is_ok() { each(&object) } else { Ok(()) };
        }
        self.complete |= request + 1 == self.requests;
        if let Reply::Failed(failure) = reply {
            // That something was lost is told first, and is what came last: what is here is the first failure.
            if matches!(self.outcome, Ok(()) | Err(Error::Lost)) {
                *explanation = Explanation::new(&failure);
                self.outcome = Err(Error::Refused(Refusal { request, errno: failure.errno }));
            }
        }
        Ok(())
    }

    fn note(&mut self, error: Error) {
        self.outcome = self.outcome.and(Err(error));
    }
}

/// Clears a bit in the flags of the message at the front of `bytes`.
fn clear_flag(bytes: &mut [u8], flag: u16) {
    if let Some(flags) = bytes.get_mut(FLAGS..).and_then(<[u8]>::first_chunk_mut) {
        *flags = (u16::from_ne_bytes(*flags) & !flag).to_ne_bytes();
    }
}

/// The next datagram, without waiting; `None` if it is longer than the buffer.
fn receive<'a>(descriptor: &OwnedFd, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, Errno> {
    let (_, length) = recv(descriptor, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
    Ok(buffer.get(..length))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::link::LOOPBACK;

    const PORT: u32 = 77;

    fn exchange(requests: u16) -> Exchange {
        Exchange { port: PORT, first: u32::MAX, requests, complete: false, interrupted: false, outcome: Ok(()) }
    }

    /// A verdict: `errno` 0 for success.
    fn verdict(sequence: u32, port: u32, errno: i32) -> Vec<u8> {
        let mut bytes = Vec::from(20_u32.to_ne_bytes());
        bytes.extend([2_u16.to_ne_bytes(), 0_u16.to_ne_bytes()].concat());
        bytes.extend([sequence.to_ne_bytes(), port.to_ne_bytes(), (-errno).to_ne_bytes()].concat());
        bytes
    }

    #[test]
    fn only_answers_to_our_own_requests_count() {
        let mut exchange = exchange(2); // Sequence numbers u32::MAX and 0.
        let foreign = [verdict(0, PORT + 1, 1), verdict(1, PORT, 1), verdict(u32::MAX - 1, PORT, 1)].concat();
        exchange.datagram(&foreign, &mut |_| panic!("no object"), &mut { Explanation::EMPTY });
        assert_eq!((exchange.complete, exchange.outcome), (false, Ok(())));
        exchange.datagram(&[verdict(u32::MAX, PORT, 0), verdict(0, PORT, 0)].concat(), &mut |_| Ok(()), &mut {
            Explanation::EMPTY
        });
        assert_eq!((exchange.complete, exchange.outcome), (true, Ok(())));
    }

    #[test]
    fn the_first_failure_is_reported_with_its_number() {
        let mut exchange = exchange(3);
        let verdicts = [verdict(u32::MAX, PORT, 0), verdict(0, PORT, 17), verdict(1, PORT, 19)].concat();
        exchange.datagram(&verdicts, &mut |_| Ok(()), &mut { Explanation::EMPTY });
        assert!(exchange.complete);
        match exchange.outcome {
            Err(Error::Refused(refusal)) => assert_eq!((refusal.request, refusal.errno), (1, Errno::EXIST)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_malformed_datagram_is_an_error() {
        let mut exchange = exchange(1);
        exchange.datagram(&verdict(u32::MAX, PORT, 0)[..18], &mut |_| Ok(()), &mut { Explanation::EMPTY });
        assert_eq!((exchange.complete, exchange.outcome), (false, Err(Error::Malformed)));
    }

    #[test]
    fn an_interrupted_list_is_noticed() {
        let mut exchange = exchange(1);
        let mut done = verdict(u32::MAX, PORT, 0);
        done[6] = 0x10;
        exchange.datagram(&done, &mut |_| Ok(()), &mut { Explanation::EMPTY });
        assert!(exchange.interrupted);
    }

    #[test]
    fn a_small_buffer_is_full_or_truncates_with_an_error() {
        let mut socket = Socket::open(&mut []).unwrap();
        assert_eq!(socket.set_up(LOOPBACK), Err(Error::Full));
        assert_eq!(socket.batch().send(), Ok(()));
        let mut buffer = [0; 64];
        let mut socket = Socket::open(&mut buffer).unwrap();
        assert_eq!(socket.link_at(LOOPBACK), Err(Error::Truncated));
        assert_eq!(socket.link_at(LOOPBACK), Err(Error::Truncated)); // And nothing is left over from the first time.
        assert_eq!(socket.links(&mut |_| {}), Err(Error::Truncated));
        assert_eq!(socket.links(&mut |_| {}), Err(Error::Truncated));
    }

    #[test]
    fn nobody_but_the_kernel_can_send_to_the_socket() {
        let mut buffer = [0; BUFFER_BYTES];
        let socket = Socket::open(&mut buffer).unwrap();
        let other = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).unwrap();
        let sent = rustix::net::sendto(
            &other,
            &verdict(1, socket.port, 0),
            SendFlags::empty(),
            &SocketAddrNetlink::new(socket.port, 0),
        );
        assert!(matches!(sent, Err(Errno::CONNREFUSED | Errno::PERM)), "{sent:?}");
    }
}
