//! Waiting for descriptors, and the socket on which children tell PID 1 who they are: ppoll(2), unix(7).

use core::mem::size_of;

use crate::abi::Errno;
use linux_raw_sys::general::{
    __NR_fcntl, __NR_ppoll, __NR_recvmsg, __NR_sendto, __NR_setsockopt, __NR_socketpair, O_CLOEXEC, O_NONBLOCK, POLLIN,
    POLLPRI, pollfd,
};
use linux_raw_sys::net::{
    AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SCM_CREDENTIALS, SO_PASSCRED, SOCK_SEQPACKET, SOL_SOCKET, cmsghdr,
    msghdr, ucred,
};

use super::process::Pid;
use super::{AsFd, BorrowedFd, OwnedFd, Result, fd, file, raw, time};

/// Most descriptors that are waited for at once.
const DESCRIPTORS_MAX: usize = 8;

/// fcntl.h.
const F_SETPIPE_SZ: u32 = 1031;

/// Waits for a hundredth of a second.
pub fn pause() {
    let _ = ready(&[], Some(10_000));
}

/// Waits until one of the descriptors can be read or is at its end, or `timeout_us` have passed: ppoll(2). One bit each,
/// the lowest for the first; the first eight count.
pub fn ready(descriptors: &[Option<BorrowedFd>], timeout_us: Option<u64>) -> Result<u8> {
    // The kernel passes over negative descriptors.
    let mut polled = [pollfd { fd: -1, events: POLLIN as i16, revents: 0 }; DESCRIPTORS_MAX];
    for (slot, descriptor) in polled.iter_mut().zip(descriptors) {
        slot.fd = descriptor.as_ref().map_or(-1, |descriptor| descriptor.number() as i32);
    }
    poll(&mut polled, timeout_us)?;
    Ok(polled.iter().rev().fold(0, |bits, polled| bits << 1 | u8::from(polled.revents != 0)))
}

fn poll(polled: &mut [pollfd], timeout_us: Option<u64>) -> Result<()> {
    let timeout = timeout_us.map(time::span);
    let pointer = timeout.as_ref().map_or(0, |timeout| timeout.as_ptr() as usize);
    let call = [polled.as_mut_ptr() as usize, polled.len(), pointer, 0, 0];
    // SAFETY: as many `struct pollfd` as said; a `struct timespec`, two 64-bit words, or none; no signal mask.
    unsafe { raw::value(__NR_ppoll, call) }.map(drop)
}

/// Waits until something exceptional can be said of a descriptor, or the seconds have passed: whether it can.
pub fn exceptional(descriptor: BorrowedFd, seconds: u64) -> Result<bool> {
    let mut polled = pollfd { fd: descriptor.number() as i32, events: POLLPRI as i16, revents: 0 };
    let timeout = [seconds, 0];
    let call = [&raw mut polled as usize, 1, timeout.as_ptr() as usize, 0, 0];
    // SAFETY: one `struct pollfd`, one `struct timespec`, two 64-bit words, and no signal mask.
    unsafe { raw::value(__NR_ppoll, call) }.map(|ready| ready > 0)
}

/// A pair of connected sockets that keep messages apart and in order: socketpair(2), unix(7).
pub fn sockets() -> Result<(OwnedFd, OwnedFd)> {
    pair_of_sockets(0)
}

/// [`sockets`] on which nobody waits, neither for a message nor for room.
pub fn sockets_without_waiting() -> Result<(OwnedFd, OwnedFd)> {
    pair_of_sockets(O_NONBLOCK)
}

#[inline(never)]
fn pair_of_sockets(flags: u32) -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0_u32; 2];
    let call = [AF_UNIX as usize, (SOCK_SEQPACKET | O_CLOEXEC | flags) as usize, 0, pair.as_mut_ptr() as usize, 0];
    // SAFETY: the kernel writes two descriptors into `pair`.
    unsafe { raw::value(__NR_socketpair, call) }?;
    let [one, other] = pair;
    // SAFETY: the kernel just made both and nobody else knows them.
    Ok(unsafe { (OwnedFd::new(one), OwnedFd::new(other)) })
}

/// A pipe that holds a text, for one reader: pipe(7). Nobody waits: it is made large enough.
pub fn pipe_with(text: &[u8]) -> Result<OwnedFd> {
    let (reader, writer) = super::pipe::pair()?;
    let size = text.len().max(1);
    // SAFETY: a borrowed descriptor and numbers.
    unsafe { raw::value(__NR_fcntl, [writer.as_fd().argument(), F_SETPIPE_SZ as usize, size, 0, 0]) }?;
    file::write(writer.as_fd(), text).map(|()| reader)
}

/// [`sockets`] of which the first one receives, never waits, and learns each sender's process id from the kernel:
/// `SO_PASSCRED` of unix(7).
pub fn announcement_sockets() -> Result<(OwnedFd, OwnedFd)> {
    let (receiver, sender) = sockets()?;
    let (yes, option) = (1_u32, SO_PASSCRED as usize);
    let call = [receiver.as_fd().argument(), SOL_SOCKET as usize, option, &raw const yes as usize, size_of_val(&yes)];
    // SAFETY: a borrowed descriptor, numbers, and one `int` of the size given.
    unsafe { raw::value(__NR_setsockopt, call) }?;
    // Launchers need it.
    Ok((receiver, fd::moved_up(sender.as_fd())?))
}

/// Sends one message, waiting while the receiver's queue is full: send(2).
pub fn send(socket: BorrowedFd, message: &[u8]) -> Result<()> {
    let call = [socket.argument(), message.as_ptr() as usize, message.len(), MSG_NOSIGNAL as usize, 0];
    loop {
        // SAFETY: a borrowed descriptor, the message's bytes, and no address.
        match unsafe { raw::value(__NR_sendto, call) } {
            Err(Errno::INTR) => continue,
            result => return result.map(drop),
        }
    }
}

/// The credentials that the kernel attaches, as one control message.
#[repr(C)]
struct Credentials {
    header: cmsghdr,
    content: ucred,
}

/// Receives one message and the process id of its sender, as this process sees it: recvmsg(2) with `SCM_CREDENTIALS`.
/// `None` when there is none. A message of another length than `message`, or without credentials, is an error.
pub fn receive(socket: BorrowedFd, message: &mut [u8]) -> Result<Option<Pid>> {
    // SAFETY: both are C structures of integers and pointers, for which all zeros are valid.
    let (mut control, mut header): (Credentials, msghdr) = unsafe { core::mem::zeroed() };
    let mut vector = [message.as_mut_ptr() as usize, message.len()];
    header.msg_iov = vector.as_mut_ptr().cast();
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of::<Credentials>() as _;
    // MSG_TRUNC: the result is the message's length even when that is more than there is room for.
    let flags = (MSG_DONTWAIT | MSG_TRUNC) as usize;
    let call = [socket.argument(), &raw mut header as usize, flags, 0, 0];
    // SAFETY: the header names one buffer and one control buffer, alive and of the sizes given; `iovec` is a pointer and
    // a size (readv(2)).
    match unsafe { raw::value(__NR_recvmsg, call) } {
        Ok(length) if length as usize == message.len() => {}
        Ok(_) => return Err(Errno::BADMSG),
        Err(Errno::AGAIN) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let attached = control.header.cmsg_level == SOL_SOCKET as i32 && control.header.cmsg_type == SCM_CREDENTIALS as i32;
    let pid = control.content.pid as Pid;
    if attached && pid > 0 { Ok(Some(pid)) } else { Err(Errno::BADMSG) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Fork};

    #[test]
    fn the_kernel_says_who_sent_a_message_even_when_the_sender_is_dead() {
        let (receiver, sender) = announcement_sockets().unwrap();
        let mut message = [0; 4];
        assert_eq!(receive(receiver.as_fd(), &mut message), Ok(None));
        let Fork::Parent(pid) = process::fork().unwrap() else {
            let _ = send(sender.as_fd(), b"born");
            process::exit(0)
        };
        assert_eq!(ready(&[Some(receiver.as_fd())], Some(60_000_000)), Ok(1));
        assert_eq!(receive(receiver.as_fd(), &mut message), Ok(Some(pid)));
        assert_eq!(&message, b"born");
        process::reap(pid, true).unwrap();
        send(sender.as_fd(), b"short").unwrap();
        assert_eq!(receive(receiver.as_fd(), &mut message), Err(Errno::BADMSG));
    }
}
