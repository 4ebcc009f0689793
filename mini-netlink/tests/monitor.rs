//! Against the real kernel: what changes is told, in order, once; and who else speaks is not heard.

#[expect(dead_code, reason = "the other test binary uses all of it")]
mod namespace;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mini_netlink::address::NO_DUPLICATE_DETECTION;
use mini_netlink::link::{RUNNING, UP};
use mini_netlink::monitor::{ADDRESSES, Change, Deadline, Event, LINKS, Monitor, ROUTES, wait_until_running};
use mini_netlink::*;
use namespace::fresh;
use rustix::event::{PollFd, PollFlags};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};

fn name(text: &str) -> LinkName {
    LinkName::try_from(text).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10)).unwrap()
}

#[test]
fn links_that_come_change_and_go_are_told() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
    let mut socket = Socket::open(&mut answers).unwrap();
    assert_eq!(monitor.next(), Ok(None));
    let end = LinkSettings { up: Some(true), ..LinkSettings::named(name("host0")) };
    socket.veth(&end, &Peer::named(name("eth0"))).unwrap();
    let index = socket.link_index(&name("host0")).unwrap();
    let mut told = Vec::new();
    while let Some(event) = monitor.next().unwrap() {
        let Event::Link(change, link) = event else { panic!("{event:?}") };
        assert_eq!(change, Change::Made);
        told.push((link.index, link.flags & UP));
    }
    assert!(told.len() >= 2 && told.last() == Some(&(index, UP)), "{told:?}");

    // A port that leaves its bridge is told as deleted, but by the bridge.
    socket.new_link(&"bridge", &LinkSettings::named(name("bridge0"))).unwrap();
    let bridge = socket.link_index(&name("bridge0")).unwrap();
    for master in [bridge, 0] {
        socket.set_link(index, &LinkSettings { master: Some(master), ..LinkSettings::NONE }).unwrap();
    }
    while let Some(event) = monitor.next().unwrap() {
        assert!(matches!(event, Event::Link(Change::Made, _)), "{event:?}");
    }

    socket.delete_link(index).unwrap();
    let mut deleted = Vec::new();
    while let Some(event) = monitor.next().unwrap() {
        if let Event::Link(Change::Deleted, link) = event {
            deleted.push(link.name);
        }
    }
    deleted.sort_by_key(|name| name.as_bytes().to_vec());
    assert_eq!(deleted, [name("eth0"), name("host0")]);
}

#[test]
fn a_loop_of_the_callers_polls_the_descriptor() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
    let mut socket = Socket::open(&mut answers).unwrap();
    let is_ready = |monitor: &Monitor<'_>| {
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut [PollFd::new(monitor, PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    assert!(!is_ready(&monitor));
    socket.set_up(LOOPBACK).unwrap();
    assert!(is_ready(&monitor));
    while monitor.next().unwrap().is_some() {}
    assert!(!is_ready(&monitor));
}

#[test]
fn a_link_is_waited_for_until_it_runs() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
    let mut socket = Socket::open(&mut answers).unwrap();
    let begin = Instant::now();
    let brief = Deadline::after(Duration::from_millis(50)).unwrap();
    assert_eq!(wait_until_running(&name("eth0"), &mut socket, &mut monitor, &brief), Ok(false));
    assert!(begin.elapsed() >= Duration::from_millis(50));

    // This thread's namespace is inherited by the one that makes the link, renames it and sets both ends up.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; BUFFER_BYTES];
            let mut socket = Socket::open(&mut buffer).unwrap();
            std::thread::sleep(Duration::from_millis(30));
            socket.veth(&LinkSettings::named(name("host0")), &Peer::named(name("other"))).unwrap();
            let (host, other) =
                (socket.link_index(&name("host0")).unwrap(), socket.link_index(&name("other")).unwrap());
            socket.rename(other, &name("eth0")).unwrap();
            socket.set_up(other).unwrap();
            std::thread::sleep(Duration::from_millis(30));
            socket.set_up(host).unwrap();
        });
        assert_eq!(wait_until_running(&name("eth0"), &mut socket, &mut monitor, &soon()), Ok(true));
    });
    assert_eq!(socket.link(&name("eth0")).unwrap().flags & (UP | RUNNING), UP | RUNNING);
}

#[test]
fn addresses_and_routes_that_come_and_go_are_told() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut socket = Socket::open(&mut answers).unwrap();
    socket.set_up(LOOPBACK).unwrap();
    let mut monitor = Monitor::open(ADDRESSES | ROUTES, &mut events).unwrap();
    let addresses = ["10.1.2.3", "fd00::1"].map(|address| {
        let prefix_length = if address.contains(':') { 128 } else { 32 };
        Address { flags: NO_DUPLICATE_DETECTION, ..Address::new(LOOPBACK, address.parse().unwrap(), prefix_length) }
    });
    let routes = [("10.7.0.0", 16), ("fd07::", 32)].map(|(destination, prefix_length)| {
        let output = Some(LOOPBACK);
        Route { output, metric: Some(77), ..Route::to(destination.parse().unwrap(), prefix_length) }
    });
    for (action, change) in [(Action::Add, Change::Made), (Action::Delete, Change::Deleted)] {
        addresses.iter().for_each(|address| socket.address(action, address).unwrap());
        routes.iter().for_each(|route| socket.route(action, route).unwrap());
        let (mut told_addresses, mut told_routes) = (Vec::new(), Vec::new());
        while let Some(event) = monitor.wait(&Deadline::after(Duration::from_millis(200)).unwrap()).unwrap() {
            match event {
                Event::Address(told, address) => told_addresses.push((told, address.address)),
                // Addresses bring routes along, which are not meant here.
                Event::Route(told, route) if route.metric == Some(77) => told_routes.push((told, route.destination)),
                Event::Route(..) => {}
                other => panic!("{other:?}"),
            }
        }
        // IPv6 may tell of an address again when it may be used.
        told_addresses.dedup();
        assert_eq!(told_addresses, addresses.map(|address| (change, address.address)));
        assert_eq!(told_routes, routes.map(|route| (change, route.destination)));
    }
}

#[test]
fn lost_events_are_told() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
    let mut socket = Socket::open(&mut answers).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(monitor.as_fd(), 0).unwrap(); // The kernel's least: about 2 KiB.
    for _ in 0..10 {
        socket.set_up(LOOPBACK).unwrap();
        socket.set_down(LOOPBACK).unwrap();
    }
    let mut told = Vec::new();
    while let Some(event) = monitor.next().unwrap() {
        told.push(event == Event::Lost);
    }
    assert!(told.contains(&true) && told.len() < 20, "{told:?}");
    // And it goes on.
    socket.set_up(LOOPBACK).unwrap();
    assert!(matches!(monitor.next(), Ok(Some(Event::Link(Change::Made, link))) if link.index == LOOPBACK));
    // What is longer than the buffer is lost, too.
    let mut small = [0; 64];
    let mut monitor = Monitor::open(LINKS, &mut small).unwrap();
    socket.set_down(LOOPBACK).unwrap();
    assert_eq!(monitor.next(), Ok(Some(Event::Lost)));
}

#[test]
fn what_another_process_tells_the_group_is_ignored() {
    if !fresh() {
        return;
    }
    let (mut events, mut answers) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut monitor = Monitor::open(LINKS, &mut events).unwrap();
    let mut socket = Socket::open(&mut answers).unwrap();
    // A true event, repeated by somebody else.
    let mut listener = [0; BUFFER_BYTES];
    let witness = Monitor::open(LINKS, &mut []).unwrap();
    socket.set_up(LOOPBACK).unwrap();
    let (event, _) = rustix::net::recv(witness.as_fd(), &mut listener, rustix::net::RecvFlags::DONTWAIT).unwrap();
    let event = listener[..event].to_vec();
    assert!(matches!(monitor.next(), Ok(Some(Event::Link(Change::Made, _)))));
    let liar = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).unwrap();
    sendto(&liar, &event, SendFlags::empty(), &SocketAddrNetlink::new(0, LINKS)).unwrap();
    // It arrived,
    assert!(rustix::net::recv(witness.as_fd(), &mut listener, rustix::net::RecvFlags::DONTWAIT).is_ok());
    // and is not believed.
    assert_eq!(monitor.next(), Ok(None));
}
