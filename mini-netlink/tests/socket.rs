//! Against the real kernel: what the socket does when answers are late, left over, too many, or come with words.

#[expect(dead_code, reason = "another test binary uses the rest")]
mod namespace;

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use mini_netlink::monitor::{Deadline, LINKS, Monitor};
use mini_netlink::socket::SOCKET_OPTIONS;
use mini_netlink::wire::encode;
use mini_netlink::*;
use namespace::fresh;
use rustix::net::{RecvFlags, SendFlags, recv, send};

fn name(text: &str) -> LinkName {
    LinkName::try_from(text).unwrap()
}

/// A hundred pairs: a list of several datagrams.
fn fill(socket: &mut Socket<'_>) {
    for number in 0..100 {
        let end = LinkSettings::named(name(&format!("a{number}")));
        socket.veth(&end, &Peer::named(name(&format!("b{number}")))).unwrap();
    }
}

/// How many links a list tells, and how often it started again.
fn count(socket: &mut Socket<'_>) -> Result<(u32, u32), Error> {
    let (mut links, mut again) = (0, 0);
    let mut tell = |listed: Listed<Link>| match listed {
        Listed::Again => (links, again) = (0, again + 1),
        Listed::Object(_) => links += 1,
    };
    socket.links(&mut tell)?;
    Ok((links, again))
}

#[test]
fn a_list_that_somebody_left_unread_does_not_stop_the_next() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    fill(&mut socket);
    let mut request = [0; 64];
    let length = encode(&GetLink::All, 0xffff, &mut request).unwrap();
    // Not read at all, and read in part: the kernel says EBUSY to the next.
    for read in 0..2 {
        send(socket.as_fd(), &request[..length], SendFlags::empty()).unwrap();
        for _ in 0..read {
            recv(socket.as_fd(), &mut [0; BUFFER_BYTES], RecvFlags::DONTWAIT).unwrap();
        }
        let (links, again) = count(&mut socket).unwrap();
        assert_eq!(links, 201);
        assert!(again > 0);
        assert_eq!(count(&mut socket), Ok((201, 0)));
    }
}

#[test]
fn a_list_is_whole_in_a_socket_with_little_room() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    fill(&mut socket);
    rustix::net::sockopt::set_socket_recv_buffer_size(socket.as_fd(), 0).unwrap(); // The kernel's least: about 2 KiB.
    assert_eq!(count(&mut socket).map(|(links, _)| links), Ok(201));
}

#[test]
fn an_error_of_the_caller_ends_a_list_and_the_next_is_whole() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    fill(&mut socket);
    let mut told = 0;
    let result = socket.dump(&GetLink::All, &mut |_| {
        told += 1;
        if told == 3 { Err(Error::BadName) } else { Ok(()) }
    });
    assert_eq!((result, told), (Err(Error::BadName), 3));
    assert_eq!(count(&mut socket), Ok((201, 0)));
}

#[test]
fn thousands_of_requests_fit_in_one_datagram_and_the_failing_one_is_named() {
    if !fresh() {
        return;
    }
    let mut buffer = vec![0; 160 << 10];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let nothing = |index| SetLink { index, settings: LinkSettings::NONE };
    let mut batch = socket.batch();
    (0..4000).for_each(|_| batch.add(&nothing(LOOPBACK)).unwrap());
    assert_eq!(batch.send(), Ok(()));
    let mut batch = socket.batch();
    (0..4000).for_each(|number| batch.add(&nothing(if number == 3210 { 99 } else { LOOPBACK })).unwrap());
    match batch.send() {
        Err(Error::Refused(refusal)) => assert_eq!((refusal.request, refusal.errno), (3210, Errno::NODEV)),
        other => panic!("{other:?}"),
    }
    // More failures than the socket has room for: the first one is told, and nothing is left for the next request.
    let mut batch = socket.batch();
    (0..4000).for_each(|number| batch.add(&nothing(if number < 7 { LOOPBACK } else { 99 })).unwrap());
    match batch.send() {
        Err(Error::Refused(refusal)) => assert_eq!((refusal.request, refusal.errno), (7, Errno::NODEV)),
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.link_index(&name("lo")), Ok(LOOPBACK));
}

/// setsockopt(2) with the number 1.
fn set(socket: BorrowedFd<'_>, level: u32, option: u32) -> Result<(), Errno> {
    let on = 1_i32;
    let (level, option) = (level.cast_signed(), option.cast_signed());
    // SAFETY: the option's value is four bytes at `on`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), 4) };
    if result == 0 { Ok(()) } else { Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap()) }
}

#[test]
fn options_make_failures_speak_and_an_older_kernel_is_no_error() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let asked = Cell::new(0);
    let old = |_: BorrowedFd<'_>, level, option| {
        assert_eq!((level, option), SOCKET_OPTIONS[asked.replace(asked.get() + 1)]);
        Err(Errno::NOPROTOOPT)
    };
    assert_eq!((socket.set_options(&old), asked.get()), (Ok(()), 3));
    assert_eq!(socket.set_options(&|_, _, _| Err(Errno::PERM)), Err(Error::Errno(Errno::PERM)));

    let unknown = |socket: &mut Socket<'_>| {
        let error = socket.new_link(&"no-such-kind", &LinkSettings::named(name("x"))).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::OPNOTSUPP));
        socket.explanation().text.as_bytes().to_vec()
    };
    assert_eq!(unknown(&mut socket), b"");
    socket.set_options(&set).unwrap();
    assert_eq!(unknown(&mut socket), b"Unknown device type");
    // Lists are asked for strictly now, and are the same.
    assert_eq!(count(&mut socket), Ok((1, 0)));
    // Another failure forgets the words of the first.
    socket.set_link(99, &LinkSettings::NONE).unwrap_err();
    assert_eq!(socket.explanation().text.as_bytes(), b"");
}

#[test]
fn signals_disturb_neither_requests_nor_lists_nor_waiting() {
    if !fresh() {
        return;
    }
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: zeros are a valid `struct sigaction`: no flags (calls are cut off, not restarted), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as *const () as usize;
    // SAFETY: the handler does nothing, which it may at any time.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    // SAFETY: no arguments.
    let this = unsafe { libc::pthread_self() };
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // SAFETY: the thread lives as long as this scope.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let (mut buffer, mut events) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
        let mut socket = Socket::open(&mut buffer).unwrap();
        fill(&mut socket);
        for _ in 0..200 {
            socket.set_up(LOOPBACK).unwrap();
            assert_eq!(count(&mut socket), Ok((201, 0)));
        }
        let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
        let begin = Instant::now();
        assert_eq!(monitor.wait(&Deadline::after(Duration::from_millis(200)).unwrap()), Ok(None));
        assert!(begin.elapsed() >= Duration::from_millis(200) && begin.elapsed() < Duration::from_secs(10));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
