//! Against the real kernel: what is made is read back through `ip` and through our own reader, and the two agree.

mod namespace;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use mini_netlink::address::{NO_DUPLICATE_DETECTION, NO_PREFIX_ROUTE, SCOPE_LINK};
use mini_netlink::link::UP;
use mini_netlink::socket::SOCKET_OPTIONS;
use mini_netlink::*;
use namespace::{Other, assert_holds, fresh, ip};

fn name(text: &str) -> LinkName {
    LinkName::try_from(text).unwrap()
}

fn named(text: &str) -> LinkSettings<'static> {
    LinkSettings::named(name(text))
}

fn peer(text: &str) -> Peer<'static> {
    Peer::named(name(text))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A pair, of which `host0` is up; its index.
fn pair(socket: &mut Socket<'_>) -> u32 {
    socket.veth(&LinkSettings { up: Some(true), ..named("host0") }, &peer("eth0")).unwrap();
    let end = socket.link_index(&name("eth0")).unwrap();
    socket.set_up(end).unwrap();
    socket.link_index(&name("host0")).unwrap()
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

#[test]
fn all_settings_of_a_link_are_made_and_changed() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    socket.new_link(&"bridge", &LinkSettings { up: Some(true), ..named("bridge0") }).unwrap();
    let bridge = socket.link_index(&name("bridge0")).unwrap();
    assert_holds(&ip("-j -d link show dev bridge0"), &[r#""info_kind":"bridge""#, r#""UP""#]);

    let mac = Some([2, 0, 0, 0, 0, 1]);
    let settings = LinkSettings { master: Some(bridge), mac, mtu: Some(1400), up: Some(true), ..named("host0") };
    socket.veth(&settings, &Peer { mac: Some([2, 0, 0, 0, 0, 2]), mtu: Some(1300), ..peer("eth0") }).unwrap();
    assert_holds(
        &ip("-j link show dev host0"),
        &[r#""UP""#, r#""mtu":1400"#, r#""address":"02:00:00:00:00:01""#, r#""master":"bridge0""#],
    );
    assert_holds(&ip("-j link show dev eth0"), &[r#""mtu":1300"#, r#""address":"02:00:00:00:00:02""#]);
    let link = socket.link(&name("host0")).unwrap();
    assert_eq!((link.master, link.mac, link.mtu, link.flags & UP), (Some(bridge), mac, 1400, UP));

    let mac = Some([2, 0, 0, 0, 0, 3]);
    let change =
        LinkSettings { master: Some(0), mac, mtu: Some(1500), up: Some(false), name: Some(name("h")), ..settings };
    socket.set_link(link.index, &change).unwrap();
    let json = ip("-j link show dev h");
    assert_holds(&json, &[r#""mtu":1500"#, r#""address":"02:00:00:00:00:03""#]);
    assert!(!json.contains("master") && !json.contains(r#""UP""#), "{json}");
    let changed = socket.link_at(link.index).unwrap();
    assert_eq!((changed.name, changed.master, changed.mac, changed.mtu), (name("h"), None, mac, 1500));
}

#[test]
fn a_link_of_any_kind_is_made_in_place_elsewhere() {
    if !fresh() {
        return;
    }
    let other = Other::start();
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let parent = pair(&mut socket);
    let inside = |text| LinkSettings { mtu: Some(1300), ..named(text).inside(Namespace::Pid(other.pid())) };
    socket.new_link(&"bridge", &inside("bridge0")).unwrap();
    assert_holds(&other.ip("-j -d link show dev bridge0"), &[r#""info_kind":"bridge""#, r#""mtu":1300"#]);
    match socket.new_link(&"macvlan", &LinkSettings { parent: Some(parent), ..inside("on-host0") }) {
        Ok(()) => assert_holds(&other.ip("-j -d link show dev on-host0"), &[r#""info_kind":"macvlan""#]),
        // The kernel that runs the test may lack it.
        Err(error) => assert_eq!(error.errno(), Some(Errno::OPNOTSUPP)),
    }
    let unknown = socket.new_link(&"no-such-kind", &named("x")).unwrap_err();
    assert_eq!(unknown.errno(), Some(Errno::OPNOTSUPP));
}

#[test]
fn addresses_are_added_and_deleted() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    let v4 = Address {
        broadcast: Some("10.1.2.255".parse().unwrap()),
        scope: SCOPE_LINK,
        ..Address::new(index, address("10.1.2.3"), 24)
    };
    let flags = NO_DUPLICATE_DETECTION | NO_PREFIX_ROUTE;
    let v6 = Address { flags, ..Address::new(index, address("fd00::1"), 64) };
    socket.address(Action::Add, &v4).unwrap();
    socket.address(Action::Add, &v6).unwrap();
    assert_holds(
        &ip("-j addr show dev host0"),
        &[
            r#""local":"10.1.2.3","prefixlen":24,"broadcast":"10.1.2.255","scope":"link""#,
            r#""local":"fd00::1","prefixlen":64,"scope":"global","nodad":true,"noprefixroute":true"#,
        ],
    );
    assert_eq!(socket.address(Action::Add, &v4).unwrap_err().errno(), Some(Errno::EXIST));
    socket.address(Action::Replace, &v4).unwrap();

    socket.address(Action::Delete, &v4).unwrap();
    socket.address(Action::Delete, &v6).unwrap();
    let json = ip("-j addr show dev host0");
    assert!(!json.contains("10.1.2.3") && !json.contains("fd00::1"), "{json}");
    assert_eq!(socket.address(Action::Delete, &v4).unwrap_err().errno(), Some(Errno::ADDRNOTAVAIL));
}

#[test]
fn ipv4_routes_are_added_replaced_and_deleted() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    socket.address(Action::Add, &Address::new(index, address("10.1.2.3"), 24)).unwrap();

    let default = Route { gateway: Some(address("10.1.2.1")), ..Route::DEFAULT_V4 };
    let linked = Route { output: Some(index), source: Some(address("10.1.2.3")), ..Route::to(address("10.8.0.0"), 16) };
    let far = Route {
        gateway: Some(address("192.0.2.1")),
        output: Some(index),
        on_link: true,
        metric: Some(7),
        table: 1000,
        ..Route::to(address("10.9.0.0"), 16)
    };
    for route in [default, linked, far] {
        socket.route(Action::Add, &route).unwrap();
        assert_eq!(socket.route(Action::Add, &route).unwrap_err().errno(), Some(Errno::EXIST));
    }
    assert_holds(
        &ip("-j route show"),
        &[
            r#""dst":"default","gateway":"10.1.2.1","dev":"host0""#,
            r#""dst":"10.8.0.0/16","dev":"host0","scope":"link","prefsrc":"10.1.2.3""#,
        ],
    );
    assert_holds(
        &ip("-j route show table 1000"),
        &[r#""dst":"10.9.0.0/16","gateway":"192.0.2.1","dev":"host0","metric":7,"flags":["onlink"]"#],
    );

    socket.route(Action::Replace, &Route { gateway: Some(address("10.1.2.2")), ..default }).unwrap();
    let json = ip("-j route show");
    assert_holds(&json, &[r#""dst":"default","gateway":"10.1.2.2""#]);
    assert!(!json.contains("10.1.2.1\""), "{json}");

    socket.route(Action::Delete, &Route::DEFAULT_V4).unwrap();
    socket.route(Action::Delete, &linked).unwrap();
    socket.route(Action::Delete, &Route { table: 1000, ..Route::to(address("10.9.0.0"), 16) }).unwrap();
    let json = ip("-j route show table all");
    assert!(!json.contains("default") && !json.contains("10.8.0.0") && !json.contains("10.9.0.0"), "{json}");
    assert_eq!(socket.route(Action::Delete, &linked).unwrap_err().errno(), Some(Errno::SRCH));
}

#[test]
fn ipv6_routes_are_added_replaced_and_deleted() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    let flags = NO_DUPLICATE_DETECTION;
    socket.address(Action::Add, &Address { flags, ..Address::new(index, address("fd00::1"), 64) }).unwrap();

    let default = Route { gateway: Some(address("fd00::2")), ..Route::DEFAULT_V6 };
    let linked = Route { output: Some(index), metric: Some(7), ..Route::to(address("fd01::"), 64) };
    socket.route(Action::Add, &default).unwrap();
    socket.route(Action::Add, &linked).unwrap();
    assert_holds(
        &ip("-6 -j route show"),
        &[r#""dst":"default","gateway":"fd00::2","dev":"host0""#, r#""dst":"fd01::/64","dev":"host0","metric":7"#],
    );
    socket.route(Action::Replace, &Route { gateway: Some(address("fd00::3")), ..default }).unwrap();
    let json = ip("-6 -j route show");
    assert_holds(&json, &[r#""dst":"default","gateway":"fd00::3""#]);
    assert!(!json.contains("fd00::2"), "{json}");
    socket.route(Action::Delete, &Route::DEFAULT_V6).unwrap();
    socket.route(Action::Delete, &linked).unwrap();
    let json = ip("-6 -j route show");
    assert!(!json.contains("default") && !json.contains("fd01::"), "{json}");
}

#[test]
fn requests_in_one_datagram_are_each_carried_out() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    let default = Route { gateway: Some(address("10.1.2.1")), ..Route::DEFAULT_V4 };
    let mut batch = socket.batch();
    let address_request = ChangeAddress { action: Action::Add, address: Address::new(index, address("10.1.2.3"), 24) };
    batch.add(&address_request).unwrap();
    batch.add(&SetLink { index: 99, settings: LinkSettings::NONE }).unwrap();
    batch.add(&ChangeRoute { action: Action::Add, route: default }).unwrap();
    batch.add(&address_request).unwrap();
    match batch.send().unwrap_err() {
        Error::Refused(refusal) => assert_eq!((refusal.request, refusal.errno), (1, Errno::NODEV)),
        other => panic!("{other:?}"),
    }
    // Those behind it were carried out all the same.
    assert_holds(&ip("-j route show"), &[r#""dst":"default","gateway":"10.1.2.1","dev":"host0""#]);
    assert_eq!(socket.link_index(&name("host0")), Ok(index));
}

#[test]
fn a_full_batch_is_sent_without_what_did_not_fit() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    let mut batch = socket.batch();
    let mut added = 0;
    let request = |number: u16| {
        let [high, low] = number.to_be_bytes();
        ChangeAddress { action: Action::Add, address: Address::new(index, IpAddr::from([10, 7, high, low]), 32) }
    };
    while batch.add(&request(added)).is_ok() {
        added += 1;
    }
    assert_eq!(batch.add(&request(added)), Err(Error::Full));
    batch.send().unwrap();
    assert_eq!(ip("-4 -o addr show dev host0").lines().count(), usize::from(added));
    // The kernel repeats each request that fails; the answers together are far longer than the buffer.
    let mut batch = socket.batch();
    (0..added).for_each(|number| batch.add(&request(number)).unwrap());
    match batch.send().unwrap_err() {
        Error::Refused(refusal) => assert_eq!((refusal.request, refusal.errno), (0, Errno::EXIST)),
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.link_index(&name("host0")), Ok(index));
}

#[test]
fn answers_that_the_kernel_drops_are_noticed() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(socket.as_fd(), 0).unwrap(); // The kernel's least is about 2 KiB.
    let mut batch = socket.batch();
    while batch.add(&GetLink::Index(LOOPBACK)).is_ok() {}
    assert_eq!(batch.send(), Err(Error::Lost));
    rustix::net::sockopt::set_socket_recv_buffer_size(socket.as_fd(), 1 << 16).unwrap();
    assert_eq!(socket.link_at(LOOPBACK).unwrap().name, name("lo"));
}

#[test]
fn the_kernels_words_arrive() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let index = pair(&mut socket);
    let route = Route { gateway: Some(address("10.99.2.1")), ..Route::to(address("10.7.0.0"), 16) };
    let silent = socket.route(Action::Add, &route).unwrap_err();
    assert!(matches!(silent, Error::Refused(_)) && socket.explanation().text.as_bytes() == b"");
    // First with the requests repeated, then without: the words are in another place.
    for (level, option) in [SOCKET_OPTIONS[1], SOCKET_OPTIONS[2], SOCKET_OPTIONS[0]] {
        let on = 1_i32;
        let (level, option) = (level.try_into().unwrap(), option.try_into().unwrap());
        // SAFETY: the option's value is four bytes at `on`.
        let set = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), 4) };
        assert_eq!(set, 0);
        match socket.route(Action::Add, &route).unwrap_err() {
            Error::Refused(refusal) => {
                assert_eq!(refusal.errno, Errno::NETUNREACH);
                assert_eq!(socket.explanation().text.as_bytes(), b"Nexthop has invalid gateway");
            }
            other => panic!("{other:?}"),
        }
        match socket.set_link(index, &LinkSettings { mtu: Some(1), ..LinkSettings::NONE }).unwrap_err() {
            Error::Refused(_) => assert_eq!(socket.explanation().text.as_bytes(), b"mtu less than device minimum"),
            other => panic!("{other:?}"),
        }
        // Strict checking changes nothing for what we ask.
        assert_eq!(socket.link(&name("host0")).unwrap().index, index);
        assert_eq!(socket.link_at(index).unwrap().name, name("host0"));
        socket.links(&mut |_| {}).unwrap();
    }
}

/// The names that a list tells in the end.
fn names(socket: &mut Socket<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut tell = |listed: Listed<Link>| match listed {
        Listed::Again => names.clear(),
        Listed::Object(link) => assert!(names.insert(String::from_utf8(link.name.as_bytes().to_vec()).unwrap())),
    };
    socket.links(&mut tell).unwrap();
    names
}

#[test]
fn a_list_is_whole_while_links_come_and_go() {
    if !fresh() {
        return;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer).unwrap();
    let mut expected: BTreeSet<_> = (0..200).flat_map(|number| [format!("a{number}"), format!("b{number}")]).collect();
    for number in 0..200 {
        socket.veth(&named(&format!("a{number}")), &peer(&format!("b{number}"))).unwrap();
    }
    expected.insert("lo".to_owned());
    assert_eq!(names(&mut socket), expected);

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; BUFFER_BYTES];
            let mut socket = Socket::open(&mut buffer).unwrap();
            while !stop.load(Ordering::Relaxed) {
                socket.veth(&named("come"), &peer("go")).unwrap();
                let index = socket.link_index(&name("come")).unwrap();
                socket.delete_link(index).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        for _ in 0..20 {
            let mut seen = BTreeSet::new();
            let mut tell = |listed: Listed<Link>| match listed {
                Listed::Again => seen.clear(),
                Listed::Object(link) => drop(seen.insert(String::from_utf8(link.name.as_bytes().to_vec()).unwrap())),
            };
            match socket.links(&mut tell) {
                Ok(()) => assert!(expected.is_subset(&seen)),
                // Also an answer: it kept changing.
                Err(error) => assert_eq!(error, Error::Interrupted),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(names(&mut socket), expected);
}
