//! Sockets with names in the file system: unix(7). Their addresses have room for 107 bytes; a longer path is reached
//! through /proc/self/fd.

use core::ffi::CStr;

use linux_raw_sys::general::{
    __NR_accept4, __NR_bind, __NR_connect, __NR_listen, __NR_recvmsg, __NR_sendmsg, __NR_socket, O_CLOEXEC,
};
use linux_raw_sys::net::{
    AF_UNIX, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, SCM_RIGHTS, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, cmsghdr, msghdr,
};

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

/// What carries a descriptor: `struct cmsghdr` and an `int`, aligned to a word.
#[repr(C)]
struct Rights {
    header: cmsghdr,
    descriptor: u32,
    padding: u32,
}

/// Bytes of a control message without its padding.
const RIGHTS_BYTES: usize = size_of::<cmsghdr>() + 4;

/// sendmsg(2) of so many bytes at that place, or recvmsg(2) of as many into it, and of one descriptor.
///
/// # Safety
/// The bytes are there and live; to receive into, nobody else has them.
unsafe fn exchange(number: u32, socket: BorrowedFd, bytes: usize, length: usize, rights: &mut Rights) -> Result<u32> {
    let mut vector = [bytes, length];
    // SAFETY: a C structure of integers and pointers, for which all zeros are valid.
    let mut header: msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = vector.as_mut_ptr().cast();
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut *rights).cast();
    header.msg_controllen = size_of::<Rights>() as _;
    let flags = (MSG_NOSIGNAL | MSG_CMSG_CLOEXEC) as usize;
    // SAFETY: the header names one buffer and one control buffer, alive and of the sizes given; `iovec` is a pointer and
    // a size (readv(2)).
    unsafe { raw::value(number, [socket.argument(), &raw mut header as usize, flags, 0, 0]) }
}

/// Sends a descriptor: `SCM_RIGHTS` of unix(7), with at least one byte, since it needs something to go with.
pub fn send_descriptor(socket: BorrowedFd, descriptor: BorrowedFd, bytes: &[u8]) -> Result<()> {
    let header = cmsghdr { cmsg_len: RIGHTS_BYTES as _, cmsg_level: SOL_SOCKET as i32, cmsg_type: SCM_RIGHTS as i32 };
    let mut rights = Rights { header, descriptor: descriptor.number(), padding: 0 };
    // SAFETY: a slice's bytes, which are only read.
    let sent = unsafe { exchange(__NR_sendmsg, socket, bytes.as_ptr() as usize, bytes.len(), &mut rights) }?;
    // A socket that waits takes all, or has a reason not to.
    if sent as usize == bytes.len() { Ok(()) } else { Err(Errno::NOBUFS) }
}

/// Receives a descriptor; waits for it.
pub fn receive_descriptor(socket: BorrowedFd) -> Result<OwnedFd> {
    let header = cmsghdr { cmsg_len: 0, cmsg_level: 0, cmsg_type: 0 };
    let mut rights = Rights { header, descriptor: 0, padding: 0 };
    let mut byte = 0_u8;
    // SAFETY: one byte of our own.
    unsafe { exchange(__NR_recvmsg, socket, &raw mut byte as usize, 1, &mut rights) }?;
    if rights.header.cmsg_len != RIGHTS_BYTES || rights.header.cmsg_type != SCM_RIGHTS as i32 {
        return Err(Errno::BADMSG);
    }
    // SAFETY: the kernel just made it, close-on-exec, and nobody else knows it.
    Ok(unsafe { OwnedFd::new(rights.descriptor) })
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
