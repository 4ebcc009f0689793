//! Interfaces of containers, through `mini-netlink`.

use core::ffi::CStr;

use crate::sys::AsFd;
pub use mini_netlink::Text as Words;
use mini_netlink::{BUFFER_BYTES, Error, LinkName, LinkSettings, Namespace, Peer, Socket};

use super::numbered;
use crate::abi::Errno;
use crate::abi::namespace::Namespace as Kind;
use crate::plan::step::{InterfaceStep, Origin};
use crate::sys::fd::set_option;
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::Pid;
use crate::sys::{Result, namespace};

/// The kernel's index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// Gives the container's process an interface. `words` is what the kernel says if it refuses.
pub(super) fn give(process: Pid, interface: &InterfaceStep, words: Option<&mut Words>) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let name = link_name(interface.name)?;
    let mut socket = match interface.origin {
        // From within: the kernel looks in the namespace of the socket for a link that has the name already, and the
        // machine may well have an `eth0` of its own.
        Origin::Veth { .. } | Origin::MadeInside { .. } => socket_inside(process, &mut buffer),
        Origin::Existing | Origin::MadeOutside { .. } => Socket::open(&mut buffer).map_err(errno),
    }?;
    // Without the options the kernel only says less.
    let _ = socket.set_options(&|socket, level, option| {
        set_option(socket, level, option);
        Ok(())
    });
    let inside = Namespace::Pid(process.unsigned_abs());
    match interface.origin {
        Origin::Existing => socket.link_index(&name).and_then(|index| socket.move_link(index, inside, None)),
        Origin::Veth { peer } => {
            let machine = file::open(CWD, OWN_NAMESPACE, Open::Read)?;
            let peer = Peer::named(link_name(peer)?).inside(Namespace::Descriptor(machine.as_fd().for_rustix()));
            socket.veth(&LinkSettings::named(name), &peer)
        }
        Origin::MadeInside { kind } => socket.new_link(&text(kind)?, &LinkSettings::named(name)),
        // Made here and moved on purpose: some kinds (wireguard) keep their sockets where they were born.
        Origin::MadeOutside { kind } => {
            let passing = passing_name(process)?;
            let made = socket.new_link(&text(kind)?, &LinkSettings::named(passing));
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

/// This process's own network namespace.
const OWN_NAMESPACE: &CStr = c"/proc/self/ns/net";

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
pub(super) fn loopback_up() -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    Socket::open(&mut buffer).and_then(|mut socket| socket.set_up(LOOPBACK)).map_err(errno)
}

fn link_name(name: &CStr) -> Result<LinkName> {
    LinkName::new(name.to_bytes()).map_err(|_| Errno::INVAL)
}

fn text(kind: &CStr) -> Result<&str> {
    kind.to_str().map_err(|_| Errno::INVAL)
}

/// An answer that makes no sense has no number of its own: EPROTO.
fn errno(error: Error) -> Errno {
    error.errno().map_or(Errno::PROTO, |errno| Errno::new(errno.raw_os_error().unsigned_abs()))
}
