//! Interfaces of containers, through `mini-netlink`.

use crate::sys::AsFd;
use crate::texts::CStr;
pub use mini_netlink::Text as Words;
use mini_netlink::address::{PERMANENT, SCOPE_UNIVERSE};
use mini_netlink::wire::{CREATE, EXCLUSIVE, Request, Writer, number_at};
use mini_netlink::{BUFFER_BYTES, Error, GetAddresses, LinkName, LinkSettings, Listed, Namespace, Peer, Socket};

use super::numbered;
use crate::abi::Errno;
use crate::abi::namespace::Namespace as Kind;
use crate::arena::Arena;
use crate::plan::step::{InterfaceStep, Origin};
use crate::sys::fd::set_option;
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::Pid;
use crate::sys::{Result, namespace, path};

/// The kernel's index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// Gives the container's process an interface. `words` is what the kernel says if it refuses.
#[inline(never)]
pub(super) fn give(process: Pid, interface: &InterfaceStep, words: Option<&mut Words>) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let name = link_name(interface.name)?;
    let mut socket = match interface.origin {
        // From within: the kernel looks in the namespace of the socket for a link that has the name already, and the
        // machine may well have an `eth0` of its own.
        Origin::Veth { .. } | Origin::MadeInside { .. } => socket_inside(process, &mut buffer),
        Origin::Existing | Origin::Device { .. } | Origin::MadeOutside { .. } => {
            Socket::open(&mut buffer).map_err(errno)
        }
    }?;
    // Without the options the kernel only says less.
    let _ = socket.set_options(&|socket, level, option| {
        set_option(socket, level, option);
        Ok(())
    });
    let inside = Namespace::Pid(process.unsigned_abs());
    match interface.origin {
        Origin::Existing | Origin::Device { .. } => {
            socket.link_index(&name).and_then(|index| socket.move_link(index, inside, None))
        }
        Origin::Veth { peer } => {
            let machine = file::open(CWD, OWN_NAMESPACE, Open::Read)?;
            let peer = Peer::named(link_name(peer)?).inside(Namespace::Descriptor(machine.as_fd().for_rustix()));
            socket.veth(&LinkSettings::named(name), &peer)
        }
        Origin::MadeInside { kind } => socket.new_link(&kind.core(), &LinkSettings::named(name)),
        // Made here and moved on purpose: some kinds (wireguard) keep their sockets where they were born.
        Origin::MadeOutside { kind } => {
            let passing = passing_name(process)?;
            let made = socket.new_link(&kind.core(), &LinkSettings::named(passing));
            made.and_then(|()| socket.link_index(&passing)).and_then(|index| {
                socket.move_link(index, inside, Some(&name)).inspect_err(|_| {
                    // What matters is why it could not be moved.
                    let _ = socket.delete_link(index);
                })
            })
        }
    }
    .map_err(|error| {
        if let Some(words) = words {
            *words = socket.explanation().text;
        }
        errno(error)
    })
}

/// Moves a link of the machine into the namespace of the container's process, with its addresses, and sets it up there.
/// `name` may end in `%d`, which stands for the first number that is free.
#[inline(never)]
pub(super) fn bring<'a>(process: Pid, from: &CStr, name: &CStr, arena: &mut Arena<'a>) -> Result<()> {
    let old = link_name(from)?;
    between(process, &mut |outside, inside| {
        let new = free_name(inside, name)?;
        let mut name_now = old;
        let there = Namespace::Pid(process.unsigned_abs());
        carry(outside, inside, there, (&mut name_now, &new), arena).map_err(|error| {
            if outside.link_index(&old).is_err() {
                // What matters is why it could not be brought.
                let _ = carry_home(inside, outside, &mut name_now, &old, arena);
            }
            errno(error)
        })
    })
}

/// Opens a socket here and one in the network namespace of a process, for something with both.
#[inline(never)]
fn between(process: Pid, act: &mut dyn FnMut(&mut Socket, &mut Socket) -> Result<()>) -> Result<()> {
    let (mut buffer, mut buffer_inside) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut outside = Socket::open(&mut buffer).map_err(errno)?;
    let mut inside = socket_inside(process, &mut buffer_inside)?;
    act(&mut outside, &mut inside)
}

/// Moves a link back that [`bring`] has moved.
pub(super) fn take_back<'a>(process: Pid, name: &CStr, to: &CStr, arena: &mut Arena<'a>) -> Result<()> {
    let (mut name, to) = (link_name(name)?, link_name(to)?);
    between(process, &mut |outside, inside| carry_home(inside, outside, &mut name, &to, arena))
}

#[inline(never)]
fn carry_home<'a>(
    inside: &mut Socket,
    outside: &mut Socket,
    name: &mut LinkName,
    to: &LinkName,
    arena: &mut Arena<'a>,
) -> Result<()> {
    let machine = file::open(CWD, OWN_NAMESPACE, Open::Read)?;
    let here = Namespace::Descriptor(machine.as_fd().for_rustix());
    carry(inside, outside, here, (name, to), arena).map_err(errno)
}

/// Moves a link, and gives it there the addresses that are for good and for everybody; the kernel takes all from it. The
/// first of the names becomes the second when the link is there.
fn carry<'a>(
    from: &mut Socket,
    to: &mut Socket,
    there: Namespace,
    (name, new): (&mut LinkName, &LinkName),
    arena: &mut Arena<'a>,
) -> core::result::Result<(), Error> {
    let index = from.link_index(name)?;
    let mut kept = arena.list::<&[u8]>();
    let (mut count, mut void) = (0, 0);
    let listed = from.dump(&GetAddresses { family: None, index: Some(index) }, &mut |listed| {
        match listed {
            Listed::Again => void = count,
            Listed::Object(message) => {
                if is_kept(message.payload, index) {
                    let copy = arena.bytes(message.payload.len());
                    copy_of_address(copy, message.payload);
                    arena.push(&mut kept, copy);
                    count += 1;
                }
            }
        }
        Ok(())
    });
    let kept = arena.finish(kept);
    listed?;
    from.move_link(index, there, Some(new))?;
    *name = *new;
    let index = to.link_index(new)?;
    for told in kept.get(void..).unwrap_or_default() {
        to.request(&AddAddress { told, index })?;
    }
    to.set_up(index)
}

/// `struct ifaddrmsg` is family, prefix length, flags, scope and index. Attributes follow it.
const ADDRESS_FIXED_BYTES: usize = 8;
/// Attributes of an address that would be wrong elsewhere: IFA_LABEL, which begins with the link's name, and
/// IFA_CACHEINFO, when it was made.
const LEFT_OUT: [u16; 2] = [3, 6];
/// RTM_NEWADDR.
const NEW_ADDRESS: u16 = 20;

/// Whether an address that the kernel tells of is this link's, for good and for everybody.
fn is_kept(told: &[u8], index: u32) -> bool {
    matches!(told, [_, _, flags, SCOPE_UNIVERSE, ..] if u32::from(*flags) & PERMANENT != 0)
        && number_at(told, 4) == Some(index)
}

/// What the kernel told of an address, its attributes that are left out made ones that it passes over.
fn copy_of_address(copy: &mut [u8], told: &[u8]) {
    path::copy(copy, told);
    let mut rest = copy.get_mut(ADDRESS_FIXED_BYTES..).unwrap_or_default();
    while let [low, high, kind_low, kind_high, ..] = rest {
        if LEFT_OUT.contains(&u16::from_ne_bytes([*kind_low, *kind_high])) {
            (*kind_low, *kind_high) = (0, 0);
        }
        let length = usize::from(u16::from_ne_bytes([*low, *high])).max(4).next_multiple_of(4);
        rest = rest.get_mut(length..).unwrap_or_default();
    }
}

/// Adds an address as the kernel told of it, to another link.
struct AddAddress<'t> {
    told: &'t [u8],
    index: u32,
}

impl Request for AddAddress<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(NEW_ADDRESS, CREATE | EXCLUSIVE);
        writer.put(self.told.get(..4).unwrap_or_default());
        writer.put(&self.index.to_ne_bytes());
        writer.put(self.told.get(ADDRESS_FIXED_BYTES..).unwrap_or_default());
    }
}

/// A name that no link has where the socket is.
fn free_name(socket: &mut Socket, name: &CStr) -> Result<LinkName> {
    let template = name.to_bytes().strip_suffix(b"%d");
    for number in 0..NUMBERS_TRIED {
        let mut buffer = [0; 2 * LinkName::BYTES_MAX];
        let mut line = crate::text::Line::new(&mut buffer);
        line.raw(template.unwrap_or(name.to_bytes()));
        if template.is_some() {
            line.number(number);
        }
        let name = LinkName::new(line.bytes()).map_err(|_| Errno::INVAL)?;
        if socket.link_index(&name).is_err() {
            return Ok(name);
        }
        if template.is_none() {
            break;
        }
    }
    Err(Errno::EXIST)
}

/// Numbers for a name that ends in `%d`. The kernel goes as far as a page has bits; a container has some few links.
const NUMBERS_TRIED: u64 = 1024;

/// This process's own network namespace.
const OWN_NAMESPACE: &CStr = s!("/proc/self/ns/net");

/// A socket in the network namespace of a process: it stays where it was opened, and this process does not.
fn socket_inside<'b>(process: Pid, buffer: &'b mut [u8]) -> Result<Socket<'b>> {
    let machine = file::open(CWD, OWN_NAMESPACE, Open::Read)?;
    let mut path = [0; 64];
    let theirs = file::open(CWD, numbered(&mut path, "/proc/", process.unsigned_abs(), b"/ns/net")?, Open::Read)?;
    namespace::join(theirs.as_fd(), Kind::Network.flag())?;
    let opened = Socket::open(buffer).map_err(errno);
    namespace::join(machine.as_fd(), Kind::Network.flag())?;
    opened
}

/// A name that no other link has, until the link is in its namespace.
fn passing_name(process: Pid) -> Result<LinkName> {
    let mut name = [0; LinkName::BYTES_MAX + 1];
    link_name(numbered(&mut name, "pidone", process.unsigned_abs(), b"")?)
}

/// Deletes a link of the machine. One that is not there, or is just going, is fine.
#[inline(never)]
pub(super) fn delete(name: &CStr) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).map_err(errno)?;
    let name = link_name(name)?;
    match socket.link_index(&name).and_then(|index| socket.delete_link(index)).map_err(errno) {
        Err(Errno::NODEV) => Ok(()),
        result => result,
    }
}

/// Sets the loopback interface of this process's network namespace up. The kernel then gives it 127.0.0.1/8 and ::1/128.
#[inline(never)]
pub(super) fn loopback_up() -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    Socket::open(&mut buffer).and_then(|mut socket| socket.set_up(LOOPBACK)).map_err(errno)
}

#[inline(never)]
fn link_name(name: &CStr) -> Result<LinkName> {
    LinkName::new(name.to_bytes()).map_err(|_| Errno::INVAL)
}

/// An answer that makes no sense has no number of its own: EPROTO.
fn errno(error: Error) -> Errno {
    error.errno().map_or(Errno::PROTO, |errno| Errno::new(errno.raw_os_error().unsigned_abs()))
}
