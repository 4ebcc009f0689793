//! Sockets with names in the file system: unix(7). Their addresses have room for 107 bytes; a longer path is reached
//! through /proc/self/fd.

use super::texts::CStr;

use linux_raw_sys::general::{
    __NR_accept4, __NR_bind, __NR_connect, __NR_getsockopt, __NR_listen, __NR_recvmsg, __NR_sendmsg, __NR_setsockopt,
    __NR_socket, O_CLOEXEC,
};
use linux_raw_sys::net::{
    AF_UNIX, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, MSG_PEEK, SCM_RIGHTS, SO_LINGER, SO_PEEK_OFF, SO_PEERCRED, SO_SNDBUFFORCE,
    SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, cmsghdr, msghdr, ucred,
};

use super::process::Pid;
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
    /// Messages without a connection.
    Datagrams,
}

fn open(kind: Kind) -> Result<OwnedFd> {
    let kind = match kind {
        Kind::Stream => SOCK_STREAM,
        Kind::Messages => SOCK_SEQPACKET,
        Kind::Datagrams => SOCK_DGRAM,
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

/// Connections that wait to be accepted.
const BACKLOG: usize = 128;

/// A socket for messages that others connect to by a name in a directory, which must not be there yet.
pub fn listen(directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let socket = open(Kind::Messages)?;
    at(__NR_bind, &socket, directory, name)?;
    // SAFETY: a borrowed descriptor and a number.
    unsafe { raw::call(__NR_listen, socket.as_fd().argument(), BACKLOG, 0) }?;
    Ok(socket)
}

/// A socket with a name in a directory, which must not be there yet.
pub fn bind(kind: Kind, directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let socket = open(kind)?;
    at(__NR_bind, &socket, directory, name)?;
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
unsafe fn exchange(
    number: u32,
    socket: BorrowedFd,
    vector: [usize; 2],
    rights: &mut Rights,
    flags: u32,
) -> Result<u32> {
    let mut vector = vector;
    // SAFETY: a C structure of integers and pointers, for which all zeros are valid.
    let mut header: msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = vector.as_mut_ptr().cast();
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut *rights).cast();
    header.msg_controllen = size_of::<Rights>() as _;
    let flags = (MSG_NOSIGNAL | MSG_CMSG_CLOEXEC | flags) as usize;
    // SAFETY: the header names one buffer and one control buffer, alive and of the sizes given; `iovec` is a pointer and
    // a size (readv(2)).
    unsafe { raw::value(number, [socket.argument(), &raw mut header as usize, flags, 0, 0]) }
}

/// Sends a descriptor: `SCM_RIGHTS` of unix(7), with at least one byte, since it needs something to go with.
pub fn send_descriptor(socket: BorrowedFd, descriptor: BorrowedFd, bytes: &[u8]) -> Result<()> {
    let header = cmsghdr { cmsg_len: RIGHTS_BYTES as _, cmsg_level: SOL_SOCKET as i32, cmsg_type: SCM_RIGHTS as i32 };
    let mut rights = Rights { header, descriptor: descriptor.number(), padding: 0 };
    // SAFETY: a slice's bytes, which are only read.
    let sent = unsafe { exchange(__NR_sendmsg, socket, [bytes.as_ptr() as usize, bytes.len()], &mut rights, 0) }?;
    // A socket that waits takes all, or has a reason not to.
    if sent as usize == bytes.len() { Ok(()) } else { Err(Errno::NOBUFS) }
}

/// Receives a descriptor; waits for it.
pub fn receive_descriptor(socket: BorrowedFd) -> Result<OwnedFd> {
    receive(socket, &mut [0], false)?.1.ok_or(Errno::BADMSG)
}

/// Receives a message, or with `peek` a copy of it: how long it is, and the descriptor that came with it.
pub fn receive(socket: BorrowedFd, bytes: &mut [u8], peek: bool) -> Result<(usize, Option<OwnedFd>)> {
    let header = cmsghdr { cmsg_len: 0, cmsg_level: 0, cmsg_type: 0 };
    let mut rights = Rights { header, descriptor: 0, padding: 0 };
    let vector = [bytes.as_mut_ptr() as usize, bytes.len()];
    // SAFETY: a slice's bytes, which nobody else has.
    let length = unsafe { exchange(__NR_recvmsg, socket, vector, &mut rights, if peek { MSG_PEEK } else { 0 }) }?;
    let came = rights.header.cmsg_len == RIGHTS_BYTES && rights.header.cmsg_type == SCM_RIGHTS as i32;
    // SAFETY: the kernel just made it, close-on-exec, and nobody else knows it.
    Ok((length as usize, came.then(|| unsafe { OwnedFd::new(rights.descriptor) })))
}

/// Lets the next look at messages begin so many bytes behind the first one, and go on from there: `SO_PEEK_OFF`.
pub fn look_from(socket: BorrowedFd, offset: u32) -> Result<()> {
    set(socket, SO_PEEK_OFF, &offset)
}

/// Gives what is sent over a socket and not received yet so much room: `SO_SNDBUFFORCE`.
pub fn set_room(socket: BorrowedFd, bytes: u32) -> Result<()> {
    set(socket, SO_SNDBUFFORCE, &bytes)
}

/// Lets closing a connection wait so many seconds until its peer has all that was sent: `SO_LINGER`.
pub fn set_linger(socket: BorrowedFd, seconds: u32) -> Result<()> {
    set(socket, SO_LINGER, &[1, seconds])
}

/// `value` is of integers only.
fn set<T>(socket: BorrowedFd, option: u32, value: &T) -> Result<()> {
    let call =
        [socket.argument(), SOL_SOCKET as usize, option as usize, &raw const *value as usize, size_of_val(value)];
    // SAFETY: a borrowed descriptor, numbers, and a value that the kernel reads in the size given.
    unsafe { raw::value(__NR_setsockopt, call) }.map(drop)
}

/// A socket that others connect or send to by a name in a directory, in place of what had that name. Nothing waits on it.
pub fn serve(kind: Kind, directory: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let socket = open(kind)?;
    let _ = super::file::remove(directory, name);
    at(__NR_bind, &socket, directory, name)?;
    super::file::set_waiting(socket.as_fd(), false)?;
    if kind != Kind::Datagrams {
        // SAFETY: a borrowed descriptor and a number.
        unsafe { raw::call(__NR_listen, socket.as_fd().argument(), BACKLOG, 0) }?;
    }
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

/// `VMADDR_CID_LOCAL` and `VMADDR_CID_HOST`: this machine, and what it runs on.
pub const LOCAL: u32 = 1;
/// See [`LOCAL`].
pub const HOST: u32 = 2;

/// A connection to a port of a machine, which must listen: vsock(7).
pub fn connect_vsock(machine: u32, port: u32) -> Result<OwnedFd> {
    const AF_VSOCK: u32 = 40;
    // SAFETY: takes numbers.
    let fd = unsafe { raw::value(__NR_socket, [AF_VSOCK as usize, (SOCK_STREAM | O_CLOEXEC) as usize, 0, 0, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    let socket = unsafe { OwnedFd::new(fd) };
    // `struct sockaddr_vm`: family, port, context, and a word of flags that are 0.
    let address = [AF_VSOCK, port, machine, 0];
    let pointer = &raw const address as usize;
    // SAFETY: a borrowed descriptor and a whole `struct sockaddr_vm` of the size given.
    unsafe { raw::call(__NR_connect, socket.as_fd().argument(), pointer, size_of_val(&address)) }?;
    Ok(socket)
}

/// The process that made the other end of a connection, or listened for it, and its user: `SO_PEERCRED` of unix(7).
pub fn peer(connection: BorrowedFd) -> Result<(Pid, u32)> {
    // SAFETY: a C structure of integers, for which all zeros are valid.
    let mut peer: ucred = unsafe { core::mem::zeroed() };
    let mut length = size_of::<ucred>() as u32;
    let (level, option) = (SOL_SOCKET as usize, SO_PEERCRED as usize);
    let call = [connection.argument(), level, option, &raw mut peer as usize, &raw mut length as usize];
    // SAFETY: a borrowed descriptor, numbers, and the kernel writes one `struct ucred` and its length.
    unsafe { raw::value(__NR_getsockopt, call) }?;
    Ok((peer.pid as Pid, peer.uid))
}

/// The next connection to a listening socket; waits for one, unless nothing waits on it.
pub fn accept(listening: BorrowedFd) -> Result<OwnedFd> {
    // SAFETY: a borrowed descriptor and numbers; the peer's address is not asked for.
    let fd = unsafe { raw::value(__NR_accept4, [listening.argument(), 0, 0, O_CLOEXEC as usize, 0]) }?;
    // SAFETY: the kernel just made it and nobody else knows it.
    Ok(unsafe { OwnedFd::new(fd) })
}
