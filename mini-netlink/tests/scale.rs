//! Against the real kernel, in numbers: long lists while another process changes them, and many links after each other.

#[expect(dead_code, reason = "another test binary uses the rest")]
mod namespace;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mini_netlink::wire::{Request, Writer};
use mini_netlink::*;
use namespace::fresh;

/// A buffer for long lists: the kernel fills datagrams of up to 32 KiB for who can take them.
const LONG_BYTES: usize = 32 << 10;

fn name(text: &str) -> LinkName {
    LinkName::try_from(text).unwrap()
}

/// A pair of a group, so that many can be deleted at once.
fn pair(socket: &mut Socket<'_>, number: u32) {
    let end = LinkSettings { group: Some(GROUP), ..LinkSettings::named(name(&format!("a{number}"))) };
    socket.veth(&end, &Peer::named(name(&format!("b{number}")))).unwrap();
}

const GROUP: u32 = 7;

/// Deletes all links of a group: a request that the crate has no type for. `RTM_DELLINK` with `IFLA_GROUP`
struct DeleteGroup(u32);

impl Request for DeleteGroup {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(17, 0);
        writer.put(&[0; 16]);
        writer.number(27, self.0);
    }
}

fn links(socket: &mut Socket<'_>, again: &mut u32) -> BTreeSet<u32> {
    let mut links = BTreeSet::new();
    let mut tell = |listed: Listed<Link>| match listed {
        Listed::Again => {
            *again += 1;
            links.clear();
        }
        Listed::Object(link) => drop(links.insert(link.index)),
    };
    socket.links(&mut tell).unwrap();
    links
}

fn routes(socket: &mut Socket<'_>, again: &mut u32) -> BTreeSet<IpAddr> {
    let mut routes = BTreeSet::new();
    let mut tell = |listed: Listed<Route<'_>>| match listed {
        Listed::Again => {
            *again += 1;
            routes.clear();
        }
        Listed::Object(route) => drop(routes.insert(route.destination)),
    };
    socket.routes(&GetRoutes::default(), &mut tell).unwrap();
    routes
}

/// A process that changes links and routes, a few times a second.
struct Changer(Child);

impl Changer {
    fn start() -> Self {
        let script = "while ip link add come type veth peer name go && ip route add 10.255.0.0/16 dev lo && sleep 0.2 && \
            ip route del 10.255.0.0/16 dev lo && ip link del come; do sleep 0.2; done";
        Self(Command::new("sh").args(["-c", script]).spawn().expect("sh runs"))
    }
}

impl Drop for Changer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn four_thousand_links_and_twenty_thousand_routes_are_told_whole_while_another_process_changes_them() {
    if !fresh() {
        return;
    }
    let mut buffer = vec![0; LONG_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    socket.set_up(LOOPBACK).unwrap();
    (0..2000).for_each(|number| pair(&mut socket, number));
    let destination = |number: u32| Ipv4Addr::from(0x0a00_0000 + number * 256);
    for first in (0..20_000).step_by(500) {
        let mut batch = socket.batch();
        for number in first..first + 500 {
            let route = Route { output: Some(LOOPBACK), ..Route::to(IpAddr::V4(destination(number)), 24) };
            batch.add(&ChangeRoute { action: Action::Add, route }).unwrap();
        }
        batch.send().unwrap();
    }
    let wanted_links = links(&mut socket, &mut 0);
    let wanted_routes: BTreeSet<_> = (0..20_000).map(|number| IpAddr::V4(destination(number))).collect();
    assert_eq!(wanted_links.len(), 4001);

    let changer = Changer::start();
    let (begin, mut again) = (Instant::now(), 0);
    // Until an interruption was seen, and a good many lists.
    for round in 0..200 {
        assert!(wanted_links.is_subset(&links(&mut socket, &mut again)));
        assert!(wanted_routes.is_subset(&routes(&mut socket, &mut again)));
        if round >= 20 && again > 0 || begin.elapsed() > Duration::from_secs(30) {
            break;
        }
    }
    assert!(again > 0, "no list was interrupted");
    drop(changer);
    // A small buffer does as well, in more datagrams.
    let mut buffer = [0; BUFFER_BYTES];
    let mut small = Socket::open(&mut buffer).unwrap();
    assert!(wanted_links.is_subset(&links(&mut small, &mut 0)));
    assert!(wanted_routes.is_subset(&routes(&mut small, &mut 0)));
    socket.request(&DeleteGroup(GROUP)).unwrap();
}

#[test]
fn ten_thousand_pairs_made_and_deleted_leave_no_descriptor_and_no_link() {
    if !fresh() {
        return;
    }
    let descriptors = || std::fs::read_dir("/proc/thread-self/fd").unwrap().count();
    let before = descriptors();
    for round in 0..50 {
        let mut buffer = [0; BUFFER_BYTES];
        let mut socket = Socket::open(&mut buffer).unwrap();
        (0..200).for_each(|number| pair(&mut socket, round * 200 + number));
        // The kernel takes 20 ms over each link that is deleted alone, so only a few are.
        for number in 0..4 {
            let index = socket.link_index(&name(&format!("b{}", round * 200 + number))).unwrap();
            socket.delete_link(index).unwrap();
        }
        socket.request(&DeleteGroup(GROUP)).unwrap();
        assert_eq!(links(&mut socket, &mut 0), [LOOPBACK].into());
    }
    // Other tests of this process come and go, with their descriptors.
    let begin = Instant::now();
    while descriptors() > before && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(descriptors() <= before, "{before} descriptors before, {} after", descriptors());
}
