//! Against the real kernel: what is made is read back through `ip` and through our own reader, and the two agree.

mod namespace;

use std::os::fd::AsFd;

use mini_netlink::link::UP;
use mini_netlink::*;
use namespace::{Other, assert_holds, fresh, ip};
use rustix::io::Errno;

fn name(text: &str) -> LinkName {
    LinkName::try_from(text).unwrap()
}

fn named(text: &str) -> LinkSettings<'static> {
    LinkSettings::named(name(text))
}

fn peer(text: &str) -> Peer<'static> {
    Peer::named(name(text))
}

#[test]
fn loopback_set_up_has_its_addresses() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    assert_eq!(socket.link_at(LOOPBACK).unwrap().name, name("lo"));
    socket.set_up(LOOPBACK).unwrap();
    assert_holds(
        &ip("-j addr show dev lo"),
        &[
            r#""UP""#,
            r#""local":"127.0.0.1","prefixlen":8,"scope":"host""#,
            r#""local":"::1","prefixlen":128,"scope":"host""#,
        ],
    );
}

#[test]
fn a_pair_is_made_found_set_up_renamed_and_deleted() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    socket.veth(&named("left"), &peer("right")).unwrap();
    assert_holds(&ip("-j -d link show dev left"), &[r#""link":"right""#, r#""info_kind":"veth""#]);

    let index = socket.link_index(&name("left")).unwrap();
    socket.set_up(index).unwrap();
    assert_eq!(socket.link_at(index).unwrap().flags & UP, UP);
    assert_holds(&ip("-j link show dev left"), &[r#""UP""#]);
    socket.set_down(index).unwrap();
    assert_eq!(socket.link_at(index).unwrap().flags & UP, 0);

    socket.rename(index, &name("fifteen-letters")).unwrap();
    assert_eq!(socket.link_index(&name("fifteen-letters")), Ok(index));
    assert_eq!(socket.link(&name("left")).unwrap_err().errno(), Some(Errno::NODEV));
    assert_holds(&ip("-j link show dev fifteen-letters"), &[&format!(r#""ifindex":{index}"#)]);

    socket.delete_link(index).unwrap();
    assert!(!ip("-j link").contains("right"));
}

#[test]
fn links_move_by_pid_and_by_descriptor() {
    if !fresh() {
        return;
    }
    let other = Other::start();
    let file = other.file();
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    socket.veth(&named("a"), &peer("b")).unwrap();
    let (a, b) = (socket.link_index(&name("a")).unwrap(), socket.link_index(&name("b")).unwrap());

    socket.move_link(a, Namespace::Pid(other.pid()), None).unwrap();
    socket.move_link(b, Namespace::Descriptor(file.as_fd()), Some(&name("eth0"))).unwrap();

    assert_eq!(socket.link_at(a).unwrap_err().errno(), Some(Errno::NODEV));
    let there = other.ip("-j link");
    assert_holds(&there, &[r#""ifname":"a""#, r#""ifname":"eth0""#]);
    assert!(!there.contains(r#""ifname":"b""#));
}

#[test]
fn each_end_of_a_pair_is_made_in_place() {
    if !fresh() {
        return;
    }
    let (one, two) = (Other::start(), Other::start());
    let file = two.file();
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();

    // The peer elsewhere, by pid.
    let end = LinkSettings { up: Some(true), ..named("host0") };
    socket.veth(&end, &peer("eth0").inside(Namespace::Pid(one.pid()))).unwrap();
    assert_holds(&ip("-j link show dev host0"), &[r#""UP""#]);
    assert_holds(&one.ip("-j link show dev eth0"), &[r#""ifname":"eth0""#]);
    // Both elsewhere, by pid and by descriptor.
    let end = named("x").inside(Namespace::Pid(one.pid()));
    socket.veth(&end, &peer("y").inside(Namespace::Descriptor(file.as_fd()))).unwrap();
    assert_holds(&one.ip("-j link show dev x"), &[r#""ifname":"x""#]);
    assert_holds(&two.ip("-j link show dev y"), &[r#""ifname":"y""#]);
    assert!(!ip("-j link").contains(r#""eth0""#));
    // Only the first end elsewhere.
    socket.veth(&named("away").inside(Namespace::Pid(one.pid())), &peer("home")).unwrap();
    assert_holds(&one.ip("-j link show dev away"), &[r#""ifname":"away""#]);
    socket.link_index(&name("home")).unwrap();
}
