//! Sockets with names in the file system: unix(7). Their addresses have room for 107 bytes; a longer path is reached
//! through /proc/self/fd.

use core::ffi::CStr;

use linux_raw_sys::general::{__NR_accept4, __NR_bind, __NR_connect, __NR_listen, __NR_socket, O_CLOEXEC};
use linux_raw_sys::net::{AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM};

use super::{AsFd, BorrowedFd, OwnedFd, Result, path, raw};
use crate::abi::Errno;

/// `struct sockaddr_un`: the family, and room for a path.
#[repr(C)]
struct Address {
    family: u16,
    path: [u8; 108],
}

/// What kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes in a row.
    Stream,
    /// Messages, apart and in order.
    Messages,
}

fn open(kind: Kind) -> Result<OwnedFd> {
    let kind = match kind {
        Kind::Stream => SOCK_STREAM,
        Kind::Messages => SOCK_SEQPACKET,
    };
    // SAFETY: takes numbers.
    let fd = unsafe { raw::value(__NR_socket, [AF_UNIX as usize, (kind | O_CLOEXEC) as usize, 0, 0, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    Ok(unsafe { OwnedFd::new(fd) })
}

/// bind(2) or connect(2), to a name in a directory.
fn at(number: u32, socket: &OwnedFd, directory: BorrowedFd, name: &CStr) -> Result<()> {
    let mut address = Address { family: AF_UNIX as u16, path: [0; 108] };
    let mut digits = [0; 10];
    let digits = path::decimal(&mut digits, directory.number());
    path::join(&mut address.path, &[b"/proc/self/fd/", digits, b"/", name.to_bytes()])?;
    // SAFETY: a borrowed descriptor and a whole `struct sockaddr_un` of the size given, whose path ends in a NUL.
    unsafe { raw::call(number, socket.as_fd().argument(), &raw const address as usize, size_of::<Address>()) }
}

/// A socket for messages that others connect to by a name in a directory, which must not be there yet.
pub fn listen(directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    const BACKLOG: usize = 128;
    let socket = open(Kind::Messages)?;
    at(__NR_bind, &socket, directory, name)?;
    // SAFETY: a borrowed descriptor and a number.
    unsafe { raw::call(__NR_listen, socket.as_fd().argument(), BACKLOG, 0) }?;
    Ok(socket)
}

/// A connection to a socket by its name in a directory. ECONNREFUSED: nobody listens any more.
pub fn connect(kind: Kind, directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let socket = open(kind)?;
    loop {
        match at(__NR_connect, &socket, directory, name) {
            Err(Errno::INTR) => {}
            result => return result.map(|()| socket),
        }
    }
}

/// A connection to a port of the host, which must listen: vsock(7).
pub fn connect_host(port: u32) -> Result<OwnedFd> {
    const AF_VSOCK: u32 = 40;
    const HOST: u32 = 2;
    // SAFETY: takes numbers.
    let fd = unsafe { raw::value(__NR_socket, [AF_VSOCK as usize, (SOCK_STREAM | O_CLOEXEC) as usize, 0, 0, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    let socket = unsafe { OwnedFd::new(fd) };
    // `struct sockaddr_vm`: family, port, context, and a word of flags that are 0.
    let address = [AF_VSOCK, port, HOST, 0];
    let pointer = &raw const address as usize;
    // SAFETY: a borrowed descriptor and a whole `struct sockaddr_vm` of the size given.
    unsafe { raw::call(__NR_connect, socket.as_fd().argument(), pointer, size_of_val(&address)) }?;
    Ok(socket)
}

/// The next connection to a listening socket; waits for one.
pub fn accept(listening: BorrowedFd) -> Result<OwnedFd> {
    // SAFETY: a borrowed descriptor and numbers; the peer's address is not asked for.
    let fd = unsafe { raw::value(__NR_accept4, [listening.argument(), 0, 0, O_CLOEXEC as usize, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    Ok(unsafe { OwnedFd::new(fd) })
}
