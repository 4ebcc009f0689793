//! Interfaces of containers, through `mini-netlink`.

use core::ffi::CStr;

use mini_netlink::{BUFFER_BYTES, Error, LinkName, LinkSettings, Namespace, Peer, Socket};

use crate::abi::Errno;
use crate::plan::step::{InterfaceStep, Origin};
use crate::sys::Result;
use crate::sys::process::Pid;

/// The kernel's index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// Gives the container's process an interface. One that is made outside and cannot be moved is deleted again.
pub(super) fn give(process: Pid, interface: &InterfaceStep) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).map_err(errno)?;
    let inside = Namespace::Pid(process.unsigned_abs());
    let name = link_name(interface.name)?;
    match interface.origin {
        Origin::Existing => {
            let index = socket.link_index(&name).map_err(errno)?;
            socket.move_link(index, inside, None)
        }
        // Made in place: the machine may have an interface of that name itself.
        Origin::Veth { peer } => socket.veth(&LinkSettings::named(name).inside(inside), &Peer::named(link_name(peer)?)),
        Origin::MadeInside { kind } => socket.new_link(text(kind)?, &LinkSettings::named(name).inside(inside)),
        // Made here and moved on purpose: some kinds (wireguard) keep their sockets where they were born.
        Origin::MadeOutside { kind } => {
            socket.new_link(text(kind)?, &LinkSettings::named(name)).map_err(errno)?;
            let index = socket.link_index(&name).map_err(errno)?;
            let moved = socket.move_link(index, inside, None);
            if moved.is_err() {
                // What matters is why it could not be moved.
                let _ = socket.delete_link(index);
            }
            moved
        }
    }
    .map_err(errno)
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
    error.errno().unwrap_or(Errno::PROTO)
}
