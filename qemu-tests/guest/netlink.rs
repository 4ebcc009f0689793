//! What `mini-netlink` makes and tells, held against what `ip` tells of it.
//!
//! Each case makes or changes something. Then `ip -j -d` must tell what was asked for, and everything that our own list
//! tells of it must be what `ip` tells, too. A case is a line `netlink=NAME ok`, or what is wrong.

use std::fmt::Debug;
use std::net::IpAddr;
use std::process::Command;

use mini_netlink::address::{FOREVER, Family, HOME, Lifetimes, NO_DUPLICATE_DETECTION, NO_PREFIX_ROUTE};
use mini_netlink::kind::{
    Bond, BondHash, BondMode, Bridge, Custom, Flags, Ipvlan, IpvlanMode, Kind, LinkKind, Macvlan, MacvlanMode, Targets,
    Vlan, VlanProtocol, Vrf, Vxlan,
};
use mini_netlink::link::{AlternativeName, AlternativeNames, OperationalState};
use mini_netlink::neighbour::{PROXY, ROUTER};
use mini_netlink::route::{Metrics, NextHop, NextHops, ON_LINK, PROTOCOL_STATIC, RouteKind};
use mini_netlink::rule::RuleAction;
use mini_netlink::*;
use serde_json::{Map, Value, json};

use crate::Report;

/// All cases. Wants a network namespace of its own, CAP_NET_ADMIN, and `ip`.
pub(crate) fn run(report: &mut Report) {
    let mut buffer = [0; BUFFER_BYTES];
    match Socket::open(&mut buffer) {
        Ok(socket) => {
            let mut bench = Bench { socket, report };
            links(&mut bench);
            changes(&mut bench);
            addresses(&mut bench);
            routes(&mut bench);
            neighbours(&mut bench);
            rules(&mut bench);
        }
        Err(error) => report.say("netlink", format_args!("open {error}")),
    }
}

struct Bench<'b, 'r> {
    socket: Socket<'b>,
    report: &'r mut Report,
}

type Checked = Result<(), String>;

impl Bench<'_, '_> {
    fn case(&mut self, name: &str, check: impl FnOnce(&mut Self) -> Checked) {
        let outcome = check(self).err().unwrap_or_else(|| "ok".into());
        self.report.say("netlink", format_args!("{name} {outcome}"));
        self.report.flush();
    }

    fn index(&mut self, name: &str) -> Result<u32, String> {
        self.socket.link_index(&link_name(name)).map_err(|error| format!("no link {name}: {error}"))
    }

    /// Has a request carried out.
    fn ask(&mut self, request: &dyn mini_netlink::wire::Request) -> Checked {
        self.socket.request(request).map_err(refused)
    }

    /// The messages of a list, read.
    fn list<T>(
        &mut self,
        mut list: impl FnMut(&mut Socket<'_>, &mut dyn FnMut(Option<T>)) -> Result<(), Error>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        list(&mut self.socket, &mut |told| match told {
            Some(object) => all.push(object),
            None => all.clear(),
        })
        .map_err(|error| format!("list: {error}"))?;
        Ok(all)
    }

    fn names(&mut self) -> Result<Vec<(u32, String)>, String> {
        let links = self.list(|socket, each| socket.links(&mut |listed| each(object(listed))))?;
        Ok(links.iter().map(|link| (link.index, text(link.name.as_bytes()))).collect())
    }

    /// `ip` must tell this of a link, and all that we are told of it.
    fn check_link(&mut self, name: &str, expected: &Value) -> Checked {
        let told = ip(&format!("-s link show dev {name}"))?;
        let told = told.get(0).ok_or("ip tells nothing")?;
        holds(expected, told, "asked for")?;
        let links = self.list(|socket, each| socket.links(&mut |listed| each(object(listed))))?;
        let link = links.iter().find(|link| link.name.as_bytes() == name.as_bytes()).ok_or("not in our list")?;
        let alone = self.socket.link(&link_name(name)).map_err(|error| error.to_string())?;
        if (alone.kind, alone.mac, alone.flags) != (link.kind, link.mac, link.flags) {
            return Err(format!("alone {alone:?}, listed {link:?}"));
        }
        let names = self.names()?;
        holds(&link_json(link, &names), told, "our list")
    }

    fn make(&mut self, name: &str, kind: &dyn LinkKind, settings: LinkSettings<'_>, expected: Value) {
        let kind_name = text(kind.name());
        self.case(&format!("{kind_name}-{name}"), |bench| {
            let settings = LinkSettings { name: Some(link_name(name)), ..settings };
            bench.ask(&NewLink { kind, index: None, settings })?;
            let mut whole = json!({ "ifname": name, "linkinfo": { "info_kind": kind_name } });
            merge(&mut whole, expected);
            bench.check_link(name, &whole)
        });
    }
}

fn links(bench: &mut Bench<'_, '_>) {
    let none = LinkSettings::NONE;
    let base = LinkSettings { up: Some(true), mac: Some([2, 0, 0, 0, 0, 1]), ..none };
    let second = Peer::named(link_name("second"));
    bench.make("base", &Veth { peer: second }, base, json!({ "address": "02:00:00:00:00:01" }));
    if let Ok(index) = bench.index("second") {
        bench.case("up", |bench| {
            bench.socket.set_up(index).map_err(refused)?;
            has_flags("second", &["UP", "LOWER_UP"], true)
        });
    }
    bench.make("dummy7", &"dummy", none, json!({}));
    let parent = bench.index("base").ok();
    let on_base = LinkSettings { parent, ..none };
    let up = LinkSettings { up: Some(true), ..none };

    let peer = Peer {
        mtu: Some(1300),
        mac: Some([2, 0, 0, 0, 0, 2]),
        queue_length: Some(77),
        group: Some(5),
        ..Peer::named(link_name("right"))
    };
    bench.make("left", &Veth { peer }, up, json!({ "link": "right" }));
    bench.case("veth-peer", |bench| {
        bench.check_link("right", &json!({ "mtu": 1300, "address": "02:00:00:00:00:02", "txqlen": 77, "group": "5" }))
    });
    bench.make("ifb7", &"ifb", none, json!({}));
    bench.make("wg7", &"wireguard", none, json!({}));
    bench.make("nl7", &"nlmon", none, json!({}));
    let bridge = Bridge {
        forward_delay: Some(400),
        hello_time: Some(300),
        max_age: Some(700),
        ageing_time: Some(12_000),
        stp_state: Some(true),
        priority: Some(100),
        vlan_filtering: Some(true),
        vlan_protocol: Some(VlanProtocol::Service),
        group_fwd_mask: Some(8),
        mcast_snooping: Some(false),
        mcast_hash_max: Some(1024),
        mcast_query_intvl: Some(5000),
        mcast_igmp_version: Some(3),
        nf_call_iptables: Some(true),
        vlan_default_pvid: Some(9),
        vlan_stats_enabled: Some(true),
        ..Bridge::NONE
    };
    let data = json!({ "forward_delay": 400, "hello_time": 300, "max_age": 700, "ageing_time": 12000, "stp_state": 1, "priority": 100,
        "vlan_filtering": 1, "vlan_protocol": "802.1ad", "mcast_snooping": 0, "mcast_hash_max": 1024,
        "mcast_query_intvl": 5000, "mcast_igmp_version": 3, "nf_call_iptables": 1, "vlan_default_pvid": 9,
        "vlan_stats_enabled": 1 });
    bench.make("br7", &bridge, none, json!({ "linkinfo": { "info_data": data } }));
    let vlan = Vlan { protocol: Some(VlanProtocol::Service), flags: Some(Flags::set(2)), ..Vlan::new(7) };
    bench.make("vlan7", &vlan, on_base, json!({ "link": "base", "linkinfo": { "info_data": { "id": 7, "protocol": "802.1ad", "flags": ["REORDER_HDR", "GVRP"] } } }));
    bench.make(
        "vlan8",
        &Vlan::new(8),
        on_base,
        json!({ "linkinfo": { "info_data": { "id": 8, "protocol": "802.1Q" } } }),
    );
    let macvlan = Macvlan { mode: Some(MacvlanMode::Bridge), bcqueuelen: Some(50), ..Macvlan::NONE };
    bench.make(
        "macvlan7",
        &macvlan,
        on_base,
        json!({ "link": "base", "linkinfo": { "info_data": { "mode": "bridge", "bcqueuelen": 50 } } }),
    );
    let private = Macvlan { mode: Some(MacvlanMode::Private), ..Macvlan::NONE };
    bench.make(
        "macvtap7",
        &Kind::Macvtap(private),
        on_base,
        json!({ "linkinfo": { "info_data": { "mode": "private" } } }),
    );
    let ipvlan = Ipvlan { mode: Some(IpvlanMode::L3S), flags: Some(2) };
    let on_second = LinkSettings { parent: bench.index("second").ok(), ..none };
    bench.make(
        "ipvlan7",
        &ipvlan,
        on_second,
        json!({ "link": "second", "linkinfo": { "info_data": { "mode": "l3s" } } }),
    );
    let vxlan = Vxlan {
        remote: Some(ip_address("192.0.2.7")),
        local: Some(ip_address("192.0.2.1")),
        link: parent,
        port: Some(4789),
        ttl: Some(9),
        tos: Some(1),
        learning: Some(false),
        ageing: Some(60),
        limit: Some(100),
        port_range: Some((40_000, 41_000)),
        proxy: Some(true),
        l2miss: Some(true),
        udp_csum: Some(true),
        gbp: Some(true),
        df: Some(1),
        ..Vxlan::new(7)
    };
    let data = json!({ "id": 7, "remote": "192.0.2.7", "local": "192.0.2.1", "link": "base", "port": 4789, "ttl": 9,
        "learning": false, "ageing": 60, "limit": 100, "port_range": { "low": 40000, "high": 41000 }, "proxy": true, "l2miss": true,
        "udp_csum": true, "gbp": true });
    bench.make("vxlan7", &vxlan, none, json!({ "linkinfo": { "info_data": data } }));
    let six = Vxlan {
        remote: Some(ip_address("fd00::7")),
        local: Some(ip_address("fd00::1")),
        label: Some(0x12345),
        udp_zero_csum6_tx: Some(true),
        ..Vxlan::new(8)
    };
    bench.make("vxlan8", &six, none, json!({ "linkinfo": { "info_data": { "id": 8, "remote6": "fd00::7", "local6": "fd00::1", "udp_zero_csum6_tx": true } } }));
    bench.make("vrf7", &Vrf::new(1007), up, json!({ "linkinfo": { "info_data": { "table": 1007 } } }));
    let bond = Bond {
        mode: Some(BondMode::Lacp),
        miimon: Some(100),
        updelay: Some(200),
        downdelay: Some(300),
        xmit_hash_policy: Some(BondHash::Layer34),
        min_links: Some(2),
        ad_lacp_rate: Some(true),
        ad_select: Some(1),
        ad_actor_sys_prio: Some(77),
        ad_user_port_key: Some(3),
        ad_actor_system: Some([2, 0, 0, 0, 0, 9]),
        ..Bond::NONE
    };
    let data = json!({ "mode": "802.3ad", "miimon": 100, "updelay": 200, "downdelay": 300, "xmit_hash_policy": "layer3+4",
        "min_links": 2, "ad_lacp_rate": "fast", "ad_select": "bandwidth", "ad_actor_sys_prio": 77, "ad_user_port_key": 3,
        "ad_actor_system": "02:00:00:00:00:09" });
    bench.make("bond7", &bond, none, json!({ "linkinfo": { "info_data": data } }));
    let watching = Bond {
        mode: Some(BondMode::ActiveBackup),
        arp_interval: Some(500),
        arp_ip_target: Targets::new(&[
            "192.0.2.1".parse().expect("an address"),
            "192.0.2.2".parse().expect("an address"),
        ]),
        arp_validate: Some(3),
        fail_over_mac: Some(1),
        num_peer_notif: Some(3),
        resend_igmp: Some(2),
        ..Bond::NONE
    };
    let data = json!({ "mode": "active-backup", "arp_interval": 500, "arp_ip_target": ["192.0.2.1", "192.0.2.2"], "arp_validate": "all",
        "fail_over_mac": "active", "num_peer_notif": 3, "resend_igmp": 2 });
    bench.make("bond8", &watching, none, json!({ "linkinfo": { "info_data": data } }));
    // `IFLA_GRE_LOCAL` 192.0.2.1, `IFLA_GRE_REMOTE` 192.0.2.2
    let custom = Custom { name: "gretap", data: &[8, 0, 6, 0, 192, 0, 2, 1, 8, 0, 7, 0, 192, 0, 2, 2] };
    bench.make(
        "gre7",
        &custom,
        none,
        json!({ "linkinfo": { "info_data": { "local": "192.0.2.1", "remote": "192.0.2.2" } } }),
    );
    bench.case("tun-refused", |bench| match bench.socket.new_link(&"tun", &LinkSettings::named(link_name("tun7"))) {
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    bench.case("tun-read", |bench| {
        run_ip("tuntap add dev tap7 mode tap user 4711 multi_queue")?;
        bench.check_link("tap7", &json!({ "linkinfo": { "info_kind": "tun", "info_data": { "type": "tap" } } }))
    });
}

fn changes(bench: &mut Bench<'_, '_>) {
    bench.case("settings", |bench| {
        let (index, master) = (bench.index("left")?, bench.index("br7")?);
        let settings = LinkSettings {
            mtu: Some(1400),
            mac: Some([2, 0, 0, 0, 0, 3]),
            queue_length: Some(55),
            group: Some(9),
            master: Some(master),
            promiscuous: Some(true),
            all_multicast: Some(true),
            arp: Some(false),
            ..LinkSettings::NONE
        };
        bench.ask(&SetLink { index, settings })?;
        let flags = ["NOARP", "PROMISC", "ALLMULTI", "UP"];
        bench.check_link(
            "left",
            &json!({ "mtu": 1400, "address": "02:00:00:00:00:03", "txqlen": 55, "group": "9", "master": "br7" }),
        )?;
        has_flags("left", &flags, true)?;
        let off = LinkSettings {
            up: Some(false),
            promiscuous: Some(false),
            all_multicast: Some(false),
            arp: Some(true),
            master: Some(0),
            ..LinkSettings::NONE
        };
        bench.ask(&SetLink { index, settings: off })?;
        bench.check_link("left", &json!({ "mtu": 1400 }))?;
        has_flags("left", &flags, false)
    });
    bench.case("kind-change", |bench| {
        let index = bench.index("br7")?;
        bench.ask(&ChangeKind { index, kind: &Bridge { ageing_time: Some(5000), ..Bridge::NONE } })?;
        bench.check_link("br7", &json!({ "linkinfo": { "info_data": { "ageing_time": 5000, "forward_delay": 400 } } }))
    });
    bench.case("alternative-names", |bench| {
        let index = bench.index("base")?;
        let (long, short) = ("a-name-that-is-longer-than-fifteen-bytes", "other");
        for name in [long, short] {
            bench.ask(&ChangeAlternativeName { index, name: alternative(name), add: true })?;
        }
        bench.check_link("base", &json!({ "altnames": [long, short] }))?;
        let mut told = Vec::new();
        let request = GetLink::Alternative(&alternative(long));
        bench
            .socket
            .dump(&GetLink::All, &mut |listed| {
                if let Listed::Object(message) = listed
                    && Link::read(message)?.is_some_and(|link| link.index == index)
                {
                    told = AlternativeNames::read(message)?.map(text).collect();
                }
                Ok(())
            })
            .map_err(refused)?;
        if told != [long, short] {
            return Err(format!("our list: {told:?}"));
        }
        let mut found = None;
        // One answer, not a list; the way to read it is the same.
        bench
            .socket
            .dump(&request, &mut |listed| {
                if let Listed::Object(message) = listed {
                    found = Link::read(message)?.map(|link| link.index);
                }
                Ok(())
            })
            .map_err(refused)?;
        if found != Some(index) || bench.index(short)? != index {
            return Err(format!("found {found:?}, not {index}"));
        }
        bench.ask(&ChangeAlternativeName { index, name: alternative(long), add: false })?;
        bench.check_link("base", &json!({ "altnames": [short] }))
    });
    bench.case("rename-and-delete", |bench| {
        let index = bench.index("vlan8")?;
        bench.ask(&SetLink { index, settings: LinkSettings::named(link_name("vlan9")) })?;
        bench.check_link("vlan9", &json!({ "ifindex": index }))?;
        bench.ask(&DeleteLink { index })?;
        match bench.socket.link_at(index) {
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    bench.case("chosen-index", |bench| {
        bench.ask(&NewLink {
            kind: &"dummy",
            index: Some(4711),
            settings: LinkSettings::named(link_name("chosen")),
        })?;
        bench.check_link("chosen", &json!({ "ifindex": 4711 }))
    });
    bench.case("of-master", |bench| {
        let (index, master) = (bench.index("second")?, bench.index("vrf7")?);
        bench.ask(&SetLink { index, settings: LinkSettings { master: Some(master), ..LinkSettings::NONE } })?;
        let mut members = Vec::new();
        bench
            .socket
            .dump(&GetLink::OfMaster(master), &mut |listed| {
                if let Listed::Object(message) = listed {
                    members.extend(Link::read(message)?.map(|link| link.index));
                }
                Ok(())
            })
            .map_err(refused)?;
        bench.ask(&SetLink { index, settings: LinkSettings { master: Some(0), ..LinkSettings::NONE } })?;
        if members == [index] { Ok(()) } else { Err(format!("{members:?}, not {index}")) }
    });
}

fn addresses(bench: &mut Bench<'_, '_>) {
    let index = bench.index("base").unwrap_or_default();
    let new = |address: &str, bits| Address::new(index, ip_address(address), bits);
    let cases = [
        (
            "address-plain",
            Address {
                broadcast: Some("10.1.2.255".parse().expect("an address")),
                label: Some(name("base:1")),
                metric: Some(7),
                ..new("10.1.2.3", 24)
            },
            json!({ "local": "10.1.2.3", "prefixlen": 24, "broadcast": "10.1.2.255", "label": "base:1", "metric": 7 }),
        ),
        (
            "address-peer",
            Address { peer: Some(ip_address("10.2.0.2")), scope: 253, ..new("10.2.0.1", 32) },
            json!({ "local": "10.2.0.1", "address": "10.2.0.2", "prefixlen": 32, "scope": "link" }),
        ),
        (
            "address-lifetimes",
            Address { lifetimes: Some(Lifetimes { preferred: 100_000, valid: 200_000 }), ..new("10.3.0.1", 24) },
            json!({ "local": "10.3.0.1", "dynamic": true }),
        ),
        (
            "address-six",
            Address { flags: NO_DUPLICATE_DETECTION | NO_PREFIX_ROUTE | HOME, ..new("fd01::1", 64) },
            json!({ "local": "fd01::1", "prefixlen": 64, "scope": "global", "nodad": true, "noprefixroute": true, "home": true }),
        ),
        (
            "address-six-peer",
            Address {
                peer: Some(ip_address("fd02::2")),
                flags: NO_DUPLICATE_DETECTION,
                lifetimes: Some(Lifetimes { preferred: 0, valid: FOREVER }),
                ..new("fd02::1", 128)
            },
            json!({ "local": "fd02::1", "address": "fd02::2", "deprecated": true }),
        ),
        (
            "address-protocol",
            Address { protocol: Some(99), flags: NO_DUPLICATE_DETECTION, ..new("fd03::1", 64) },
            json!({ "local": "fd03::1" }),
        ),
    ];
    for (case, address, expected) in &cases {
        bench.case(case, |bench| {
            bench.ask(&ChangeAddress { action: Action::Add, address: *address })?;
            check_address(bench, address, expected)
        });
    }
    bench.case("address-replace", |bench| {
        let changed =
            Address { lifetimes: Some(Lifetimes { preferred: 1000, valid: FOREVER }), metric: Some(8), ..cases[0].1 };
        bench.ask(&ChangeAddress { action: Action::Replace, address: changed })?;
        check_address(bench, &changed, &json!({ "local": "10.1.2.3", "metric": 8 }))?;
        bench.ask(&ChangeAddress { action: Action::Replace, address: cases[0].1 })
    });
    bench.case("address-delete", |bench| {
        for (_, address, _) in &cases {
            bench.ask(&ChangeAddress { action: Action::Delete, address: *address })?;
        }
        let family = Some(Family::V4);
        let left = bench.list(|socket, each| {
            socket.addresses(&GetAddresses { family, index: Some(index) }, &mut |listed| each(object(listed)))
        })?;
        if left.is_empty() { Ok(()) } else { Err(format!("left: {left:?}")) }
    });
}

fn check_address(bench: &mut Bench<'_, '_>, address: &Address, expected: &Value) -> Checked {
    let told = ip("address show dev base")?;
    let told = told[0]["addr_info"].as_array().cloned().unwrap_or_default();
    let local = json!(address.address.to_string());
    let told = told.iter().find(|told| told["local"] == local).ok_or("ip does not tell it")?;
    holds(expected, told, "asked for")?;
    let request = GetAddresses { family: None, index: Some(address.index) };
    let all = bench.list(|socket, each| socket.addresses(&request, &mut |listed| each(object(listed))))?;
    let ours = all.iter().find(|other| other.address == address.address).ok_or("not in our list")?;
    holds(&address_json(ours), told, "our list")?;
    let differs =
        ours.peer != address.peer || ours.label != address.label.or(ours.label) || ours.protocol != address.protocol;
    if differs { Err(format!("{ours:?}, not {address:?}")) } else { Ok(()) }
}

fn routes(bench: &mut Bench<'_, '_>) {
    let index = bench.index("base").unwrap_or_default();
    bench.case("route-setup", |bench| {
        for (address, bits) in [("10.1.2.3", 24), ("fd01::1", 64)] {
            let address = Address { flags: NO_DUPLICATE_DETECTION, ..Address::new(index, ip_address(address), bits) };
            bench.ask(&ChangeAddress { action: Action::Add, address })?;
        }
        run_ip("nexthop add id 77 via 10.1.2.77 dev base")
    });
    let to = |text: &str, bits| Route::to(ip_address(text), bits);
    let by = |text: &str| Some(ip_address(text));
    let hops = [
        NextHop { weight_minus_one: 2, ..NextHop::by(ip_address("10.1.2.1")) },
        NextHop { output: index, flags: ON_LINK as u8, ..NextHop::by(ip_address("192.0.2.9")) },
    ];
    let hops_six = [
        NextHop { weight_minus_one: 1, output: index, ..NextHop::by(ip_address("fd01::5")) },
        NextHop { output: index, ..NextHop::by(ip_address("fd01::6")) },
    ];
    let metrics = Metrics {
        mtu: Some(1400),
        advmss: Some(1300),
        initcwnd: Some(20),
        initrwnd: Some(30),
        window: Some(9000),
        hoplimit: Some(9),
        rto_min: Some(50),
        quickack: Some(1),
        lock: Some(1 << 2),
        ..Metrics::NONE
    };
    let cases = [
        (
            "route-default",
            Route { gateway: by("10.1.2.1"), ..Route::DEFAULT_V4 },
            json!({ "dst": "default", "gateway": "10.1.2.1", "dev": "base", "protocol": "boot" }),
        ),
        (
            "route-default-six",
            Route { gateway: by("fd01::2"), ..Route::DEFAULT_V6 },
            json!({ "dst": "default", "gateway": "fd01::2" }),
        ),
        (
            "route-link",
            Route {
                output: Some(index),
                source: by("10.1.2.3"),
                metric: Some(7),
                protocol: Some(PROTOCOL_STATIC),
                ..to("10.8.0.0", 16)
            },
            json!({ "dst": "10.8.0.0/16", "scope": "link", "prefsrc": "10.1.2.3", "metric": 7, "protocol": "static" }),
        ),
        (
            "route-table-on-link",
            Route { gateway: by("192.0.2.1"), output: Some(index), on_link: true, table: 1000, ..to("10.9.0.0", 16) },
            json!({ "dst": "10.9.0.0/16", "gateway": "192.0.2.1", "flags": ["onlink"], "table": "1000" }),
        ),
        (
            "route-via-six",
            Route { gateway: by("fd01::9"), output: Some(index), ..to("10.10.0.0", 16) },
            json!({ "dst": "10.10.0.0/16", "via": { "family": "inet6", "host": "fd01::9" } }),
        ),
        (
            "route-metrics",
            Route { gateway: by("10.1.2.1"), metrics, ..to("10.11.0.0", 16) },
            json!({ "dst": "10.11.0.0/16", "metrics": [{ "mtu": 1400, "advmss": 1300, "initcwnd": 20, "initrwnd": 30, "window": 9000, "hoplimit": 9, "rto_min": 50, "quickack": 1 }] }),
        ),
        (
            "route-multipath",
            Route { next_hops: NextHops::new(&hops), ..to("10.12.0.0", 16) },
            json!({ "dst": "10.12.0.0/16", "nexthops": [{ "gateway": "10.1.2.1", "weight": 3 }, { "gateway": "192.0.2.9", "weight": 1, "flags": ["onlink"] }] }),
        ),
        (
            "route-multipath-six",
            Route { next_hops: NextHops::new(&hops_six), ..to("fd12::", 64) },
            json!({ "dst": "fd12::/64", "nexthops": [{ "gateway": "fd01::5", "weight": 2 }, { "gateway": "fd01::6", "weight": 1 }] }),
        ),
        (
            "route-blackhole",
            Route::nowhere(RouteKind::Blackhole, ip_address("10.13.0.0"), 16),
            json!({ "type": "blackhole", "dst": "10.13.0.0/16" }),
        ),
        (
            "route-unreachable",
            Route::nowhere(RouteKind::Unreachable, ip_address("10.14.0.0"), 16),
            json!({ "type": "unreachable", "dst": "10.14.0.0/16" }),
        ),
        (
            "route-prohibit",
            Route::nowhere(RouteKind::Prohibit, ip_address("10.15.0.0"), 16),
            json!({ "type": "prohibit", "dst": "10.15.0.0/16" }),
        ),
        (
            "route-throw",
            Route { table: 1000, ..Route::nowhere(RouteKind::Throw, ip_address("10.16.0.0"), 16) },
            json!({ "type": "throw", "dst": "10.16.0.0/16" }),
        ),
        (
            "route-local",
            Route { output: Some(index), table: 255, ..Route::nowhere(RouteKind::Local, ip_address("10.17.0.0"), 16) },
            json!({ "type": "local", "dst": "10.17.0.0/16", "scope": "host" }),
        ),
        (
            "route-unreachable-six",
            Route { metric: Some(9), ..Route::nowhere(RouteKind::Unreachable, ip_address("fd14::"), 64) },
            json!({ "type": "unreachable", "dst": "fd14::/64", "metric": 9 }),
        ),
        (
            "route-from-six",
            Route {
                from: Some((ip_address("fd15:1::"), 64)),
                output: Some(index),
                preference: Some(1),
                expires: Some(5000),
                ..to("fd15::", 64)
            },
            json!({ "dst": "fd15::/64", "from": "fd15:1::/64", "pref": "high" }),
        ),
        (
            "route-object",
            Route { next_hop_object: Some(77), ..to("10.18.0.0", 16) },
            json!({ "dst": "10.18.0.0/16", "nhid": 77 }),
        ),
        (
            "route-service",
            Route { type_of_service: 8, gateway: by("10.1.2.1"), realms: Some(0x0003_0004), ..to("10.19.0.0", 16) },
            json!({ "dst": "10.19.0.0/16" }),
        ),
    ];
    for (case, route, expected) in &cases {
        bench.case(case, |bench| {
            bench.ask(&ChangeRoute { action: Action::Add, route: *route })?;
            check_route(bench, route, expected)
        });
    }
    bench.case("route-replace-and-append", |bench| {
        let other = Route { gateway: by("10.1.2.2"), ..Route::DEFAULT_V4 };
        bench.ask(&ChangeRoute { action: Action::Append, route: other })?;
        let gateways = |told: Value| -> Vec<String> {
            told.as_array()
                .into_iter()
                .flatten()
                .map(|route| route["gateway"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let told = gateways(ip("-4 route show default")?);
        if told != ["10.1.2.1", "10.1.2.2"] {
            return Err(format!("after append: {told:?}"));
        }
        bench.ask(&ChangeRoute { action: Action::Delete, route: other })?;
        bench.ask(&ChangeRoute { action: Action::Replace, route: other })?;
        let told = gateways(ip("-4 route show default")?);
        if told != ["10.1.2.2"] {
            return Err(format!("after replace: {told:?}"));
        }
        bench.ask(&ChangeRoute { action: Action::Replace, route: cases[0].1 })
    });
    bench.case("route-filter", |bench| {
        let told = our_routes(bench, &GetRoutes { table: Some(1000), family: Some(Family::V4), ..GetRoutes::ALL })?;
        let kinds = told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
        if kinds == [Some(RouteKind::Unicast), Some(RouteKind::Throw)] { Ok(()) } else { Err(format!("{kinds:?}")) }
    });
    bench.case("route-delete", |bench| {
        for (case, route, _) in &cases {
            bench
                .ask(&ChangeRoute { action: Action::Delete, route: *route })
                .map_err(|error| format!("{case}: {error}"))?;
        }
        let request = GetRoutes { protocol: Some(3), ..GetRoutes::ALL };
        let left = our_routes(bench, &request)?;
        if left.is_empty() { Ok(()) } else { Err(format!("left: {left:?}")) }
    });
}

/// What our list tells, as `ip` would, with the kind beside it.
fn our_routes(bench: &mut Bench<'_, '_>, request: &GetRoutes) -> Result<Vec<(Option<RouteKind>, Value)>, String> {
    let names = bench.names()?;
    bench.list(|socket, each| {
        socket.routes(request, &mut |listed| {
            each(match listed {
                Listed::Again => None,
                Listed::Object(route) => Some((route.kind, route_json(&route, &names))),
            });
        })
    })
}

fn check_route(bench: &mut Bench<'_, '_>, route: &Route<'_>, expected: &Value) -> Checked {
    let family = if route.destination.is_ipv4() { "-4" } else { "-6" };
    let told = ip(&format!("{family} route show table all"))?;
    let told = told.as_array().cloned().unwrap_or_default();
    let destination = expected["dst"].clone();
    // The kernel leaves out of a route to everything where it goes to; `table all` also has the namespace's own.
    let told = told
        .iter()
        .find(|told| told["dst"] == destination && told["type"] != "multicast")
        .ok_or("ip does not tell it")?;
    let mut expected = expected.clone();
    if told.get("table").is_none() {
        expected.as_object_mut().map(|expected| expected.remove("table"));
    }
    holds(&expected, told, "asked for")?;
    let ours = our_routes(bench, &GetRoutes { family: Some(Family::of(&route.destination)), ..GetRoutes::ALL })?;
    let (_, ours) = ours
        .iter()
        .find(|(_, ours)| ours["dst"] == destination && ours["type"] != "multicast")
        .ok_or("not in our list")?;
    holds(ours, told, "our list")
}

fn neighbours(bench: &mut Bench<'_, '_>) {
    let index = bench.index("base").unwrap_or_default();
    let mac = [2, 0, 0, 0, 0, 0x42];
    let cases = [
        (
            "neighbour",
            Neighbour::new(index, ip_address("10.1.2.66"), mac),
            json!({ "dst": "10.1.2.66", "dev": "base", "lladdr": "02:00:00:00:00:42", "state": ["PERMANENT"] }),
        ),
        (
            "neighbour-router",
            Neighbour {
                flags: ROUTER,
                state: mini_netlink::neighbour::NO_ARP,
                protocol: Some(4),
                ..Neighbour::new(index, ip_address("fd01::66"), mac)
            },
            json!({ "dst": "fd01::66", "router": null, "state": ["NOARP"] }),
        ),
        (
            "neighbour-proxy",
            Neighbour::proxy(index, ip_address("10.1.2.67")),
            json!({ "dst": "10.1.2.67", "dev": "base", "proxy": null }),
        ),
    ];
    for (case, neighbour, expected) in &cases {
        bench.case(case, |bench| {
            bench.ask(&ChangeNeighbour { action: Action::Add, neighbour: *neighbour })?;
            check_neighbour(bench, neighbour, expected)
        });
    }
    bench.case("neighbour-replace-and-delete", |bench| {
        let changed = Neighbour { mac: Some([2, 0, 0, 0, 0, 0x43]), ..cases[0].1 };
        bench.ask(&ChangeNeighbour { action: Action::Replace, neighbour: changed })?;
        check_neighbour(bench, &changed, &json!({ "lladdr": "02:00:00:00:00:43" }))?;
        for (_, neighbour, _) in &cases {
            bench.ask(&ChangeNeighbour { action: Action::Delete, neighbour: *neighbour })?;
        }
        let ours = bench.list(|socket, each| {
            socket.neighbours(&GetNeighbours { index: Some(index), ..GetNeighbours::ALL }, &mut |listed| {
                each(object(listed))
            })
        })?;
        match ours.iter().find(|ours| {
            cases.iter().any(|(_, other, _)| other.address == ours.address)
                && ours.state != mini_netlink::neighbour::FAILED
        }) {
            None => Ok(()),
            Some(left) => Err(format!("left: {left:?}")),
        }
    });
}

fn check_neighbour(bench: &mut Bench<'_, '_>, neighbour: &Neighbour, expected: &Value) -> Checked {
    let proxies = neighbour.flags & PROXY != 0;
    let told = ip(if proxies { "neigh show proxy" } else { "neigh show nud all" })?;
    let told = told.as_array().cloned().unwrap_or_default();
    let address = json!(neighbour.address.to_string());
    let told = told.iter().find(|told| told["dst"] == address).ok_or("ip does not tell it")?;
    holds(expected, told, "asked for")?;
    let request = GetNeighbours { index: Some(neighbour.index), proxies, ..GetNeighbours::ALL };
    let ours = bench.list(|socket, each| socket.neighbours(&request, &mut |listed| each(object(listed))))?;
    let ours = ours.iter().find(|ours| ours.address == neighbour.address).ok_or("not in our list")?;
    let same = (ours.mac, ours.flags, ours.protocol) == (neighbour.mac, neighbour.flags, neighbour.protocol);
    if !same || !proxies && ours.state != neighbour.state {
        return Err(format!("{ours:?}, not {neighbour:?}"));
    }
    Ok(())
}

fn rules(bench: &mut Bench<'_, '_>) {
    let v4 = |table| Rule::lookup(Family::V4, table);
    let cases = [
        (
            "rule-networks",
            Rule {
                from: Some((ip_address("10.1.0.0"), 16)),
                to: Some((ip_address("10.2.0.0"), 16)),
                priority: Some(50),
                inverted: true,
                ..v4(1000)
            },
            json!({ "priority": 50, "src": "10.1.0.0", "srclen": 16, "dst": "10.2.0.0", "dstlen": 16, "table": "1000", "not": null }),
        ),
        (
            "rule-mark",
            Rule {
                mark: Some(0x10),
                mask: Some(0xf0),
                input: Some(link_name("base")),
                output: Some(link_name("lo")),
                priority: Some(51),
                ..v4(100)
            },
            json!({ "priority": 51, "fwmark": "0x10", "fwmask": "0xf0", "iif": "base", "oif": "lo", "table": "100" }),
        ),
        (
            "rule-suppress",
            Rule { suppress_prefix_length: Some(0), suppress_group: Some(5), priority: Some(52), ..v4(254) },
            json!({ "priority": 52, "suppress_prefixlen": 0, "table": "main" }),
        ),
        (
            "rule-users-and-ports",
            Rule {
                users: Some((100, 200)),
                ip_protocol: Some(6),
                source_ports: Some((1000, 2000)),
                destination_ports: Some((80, 80)),
                priority: Some(53),
                ..v4(100)
            },
            json!({ "priority": 53, "uid_start": 100, "uid_end": 200, "sport_start": 1000, "sport_end": 2000, "dport": 80 }),
        ),
        (
            "rule-blackhole-six",
            Rule {
                from: Some((ip_address("fd09::"), 64)),
                priority: Some(54),
                ..Rule::acting(Family::V6, RuleAction::Blackhole)
            },
            json!({ "priority": 54, "src": "fd09::", "srclen": 64, "action": "blackhole" }),
        ),
        (
            "rule-prohibit",
            Rule { priority: Some(55), type_of_service: 8, ..Rule::acting(Family::V4, RuleAction::Prohibit) },
            json!({ "priority": 55, "action": "prohibit" }),
        ),
        (
            "rule-goto",
            Rule { priority: Some(49), go_to: Some(50), ..Rule::acting(Family::V4, RuleAction::GoTo) },
            json!({ "priority": 49, "goto": 50 }),
        ),
        (
            "rule-vrf-six",
            Rule { masters_table: true, priority: Some(56), ..Rule::lookup(Family::V6, 0) },
            json!({ "priority": 56 }),
        ),
    ];
    for (case, rule, expected) in &cases {
        bench.case(case, |bench| {
            bench.ask(&AddRule { rule: *rule })?;
            let family = if rule.family == Family::V4 { "-4" } else { "-6" };
            let told = ip(&format!("{family} rule show"))?;
            let told = told.as_array().cloned().unwrap_or_default();
            let told =
                told.iter().find(|told| told["priority"] == json!(rule.priority)).ok_or("ip does not tell it")?;
            holds(expected, told, "asked for")?;
            let request = GetRules { family: Some(rule.family) };
            let ours = bench.list(|socket, each| socket.rules(&request, &mut |listed| each(object(listed))))?;
            let ours = ours.iter().find(|ours| ours.priority == rule.priority).ok_or("not in our list")?;
            // What the kernel adds: who made it, and the default mask.
            let asked = Rule { protocol: ours.protocol, mask: rule.mask.or(ours.mask), ..*rule };
            if *ours == asked { Ok(()) } else { Err(format!("our list: {ours:?}, not {asked:?}")) }
        });
    }
    bench.case("rule-delete", |bench| {
        for (_, rule, _) in &cases {
            bench.ask(&DeleteRule { rule: *rule })?;
        }
        let ours = bench.list(|socket, each| socket.rules(&GetRules::default(), &mut |listed| each(object(listed))))?;
        match ours.iter().find(|ours| ours.priority.is_some_and(|priority| (1..100).contains(&priority))) {
            None => Ok(()),
            Some(left) => Err(format!("left: {left:?}")),
        }
    });
}

/// A link as `ip` tells it: every field of ours that `ip` prints.
fn link_json(link: &Link, names: &[(u32, String)]) -> Value {
    let name_of = |index: u32| names.iter().find(|(other, _)| *other == index).map(|(_, name)| name.clone());
    let mut told = json!({
        "ifindex": link.index, "ifname": text(link.name.as_bytes()), "mtu": link.mtu, "promiscuity": link.promiscuity,
        "group": if link.group == 0 { "default".into() } else { link.group.to_string() },
        "operstate": match link.state {
            OperationalState::LowerLayerDown => "LOWERLAYERDOWN".into(),
            OperationalState::NotPresent => "NOTPRESENT".into(),
            state => format!("{state:?}").to_uppercase(),
        },
        "stats64": {
            "rx": { "errors": link.statistics.rx_errors, "dropped": link.statistics.rx_dropped },
            "tx": { "errors": link.statistics.tx_errors },
        },
    });
    let mut set = |key: &str, value: Value| told.as_object_mut().map(|told| told.insert(key.into(), value));
    if link.queue_length > 0 {
        set("txqlen", json!(link.queue_length));
    }
    if let Some(mac) = link.mac {
        set("address", json!(mac_text(mac)));
    }
    if let Some(master) = link.master {
        set("master", json!(name_of(master)));
    }
    if let Some(parent) = link.parent.filter(|parent| *parent != 0 && link.parent_namespace.is_none()) {
        set("link", json!(name_of(parent)));
    }
    if let Some(kind) = &link.kind {
        let mut information = json!({ "info_kind": text(kind.name()) });
        let data = kind_json(kind, &name_of);
        if data.as_object().is_some_and(|data| !data.is_empty()) {
            merge(&mut information, json!({ "info_data": data }));
        }
        set("linkinfo", information);
    }
    told
}

/// Puts the fields that are set into an object, under their own names.
macro_rules! fields {
    ($data:ident: $($field:ident),*) => {{
        let mut object = Map::new();
        $(if let Some(value) = &$data.$field {
            object.insert(stringify!($field).into(), json!(value));
        })*
        object
    }};
}

fn kind_json(kind: &Kind, name_of: &dyn Fn(u32) -> Option<String>) -> Value {
    let mut object = match kind {
        Kind::Bridge(data) => {
            fields!(data: forward_delay, hello_time, max_age, ageing_time, stp_state, priority, vlan_filtering,
            mcast_router, mcast_snooping, mcast_query_use_ifaddr, mcast_querier, mcast_hash_max, mcast_last_member_cnt,
            mcast_startup_query_cnt, mcast_last_member_intvl, mcast_membership_intvl, mcast_querier_intvl, mcast_query_intvl,
            mcast_query_response_intvl, mcast_startup_query_intvl, nf_call_iptables, nf_call_ip6tables, nf_call_arptables,
            vlan_default_pvid, vlan_stats_enabled, mcast_stats_enabled, mcast_igmp_version, mcast_mld_version, vlan_stats_per_port)
        }
        Kind::Vlan(data) => fields!(data: id),
        Kind::Macvlan(data) | Kind::Macvtap(data) => fields!(data: bcqueuelen),
        Kind::Vxlan(data) => fields!(data: id, ageing, limit, port, learning, proxy, rsc, l2miss, l3miss, udp_csum,
            udp_zero_csum6_tx, udp_zero_csum6_rx, gbp),
        Kind::Vrf(data) => fields!(data: table),
        Kind::Bond(data) => {
            fields!(data: miimon, updelay, downdelay, use_carrier, arp_interval, resend_igmp, num_peer_notif,
            all_slaves_active, min_links, lp_interval, packets_per_slave, ad_actor_sys_prio, ad_user_port_key, tlb_dynamic_lb,
            peer_notify_delay, arp_missed_max)
        }
        Kind::Tun(data) => fields!(data: persist, multi_queue, numqueues, numdisabled, vnet_hdr, pi),
        _ => Map::new(),
    };
    let mut set = |key: &str, value: Option<Value>| value.map(|value| object.insert(key.into(), value));
    let protocol = |protocol| if protocol == VlanProtocol::Service { json!("802.1ad") } else { json!("802.1Q") };
    match kind {
        Kind::Bridge(data) => {
            set("vlan_protocol", data.vlan_protocol.map(protocol));
            set("group_addr", data.group_addr.map(|mac| json!(mac_text(mac))));
            set("group_fwd_mask", data.group_fwd_mask.map(|mask| json!(format!("{mask:#x}"))));
        }
        Kind::Vlan(data) => {
            set("protocol", data.protocol.map(protocol));
        }
        Kind::Macvlan(data) | Kind::Macvtap(data) => {
            set(
                "mode",
                data.mode.map(|mode| {
                    json!(if mode == MacvlanMode::PassThrough {
                        "passthru".into()
                    } else {
                        format!("{mode:?}").to_lowercase()
                    })
                }),
            );
        }
        Kind::Ipvlan(data) => {
            set("mode", data.mode.map(|mode| json!(format!("{mode:?}").to_lowercase())));
        }
        Kind::Vxlan(data) => {
            for (name, address) in [("remote", data.remote), ("local", data.local)] {
                let key =
                    if address.is_some_and(|address| address.is_ipv6()) { format!("{name}6") } else { name.into() };
                set(&key, address.map(|address| json!(address.to_string())));
            }
            set("link", data.link.filter(|link| *link != 0).map(|link| json!(name_of(link))));
            set("ttl", data.ttl.filter(|ttl| *ttl != 0).map(|ttl| json!(ttl)));
            set(
                "port_range",
                data.port_range
                    .filter(|(low, high)| low != high)
                    .map(|(low, high)| json!({ "low": low, "high": high })),
            );
            for key in ["limit"] {
                if object.get(key) == Some(&json!(0)) {
                    object.remove(key);
                }
            }
        }
        Kind::Bond(data) => {
            let word = |words: &[&str], number: usize| json!(words.get(number));
            let modes =
                ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
            let hashes = ["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"];
            set("mode", data.mode.map(|mode| word(&modes, mode.number().into())));
            set("xmit_hash_policy", data.xmit_hash_policy.map(|hash| word(&hashes, hash.number().into())));
            set(
                "primary_reselect",
                data.primary_reselect.map(|number| word(&["always", "better", "failure"], number.into())),
            );
            set("fail_over_mac", data.fail_over_mac.map(|number| word(&["none", "active", "follow"], number.into())));
            set("ad_lacp_rate", data.ad_lacp_rate.map(|fast| json!(if fast { "fast" } else { "slow" })));
            set("ad_lacp_active", data.ad_lacp_active.map(|on| json!(if on { "on" } else { "off" })));
            set("arp_all_targets", data.arp_all_targets.map(|all| json!(if all { "all" } else { "any" })));
            let validated =
                data.arp_validate.filter(|number| *number != 0).and_then(|number| usize::try_from(number).ok());
            set("arp_validate", validated.map(|number| word(&["none", "active", "backup", "all"], number)));
            set("ad_select", data.ad_select.map(|number| word(&["stable", "bandwidth", "count"], number.into())));
            set("ad_actor_system", data.ad_actor_system.map(|mac| json!(mac_text(mac))));
            let targets =
                data.arp_ip_target.map(|targets| targets.iter().map(|target| target.to_string()).collect::<Vec<_>>());
            set("arp_ip_target", targets.filter(|targets| !targets.is_empty()).map(|targets| json!(targets)));
        }
        Kind::Tun(data) => {
            set("type", data.tun_type.map(|number| json!(if number == 2 { "tap" } else { "tun" })));
            set("user", data.owner.map(|user| json!(user)));
            set("group", data.group.map(|group| json!(group)));
        }
        _ => {}
    }
    Value::Object(object)
}

fn address_json(address: &Address) -> Value {
    let mut told = json!({
        "local": address.address.to_string(), "prefixlen": address.prefix_length,
        "scope": match address.scope { 0 => "global", 253 => "link", 254 => "host", _ => "other" },
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(told)) = (value, told.as_object_mut()) {
            told.insert(key.into(), value);
        }
    };
    set("address", address.peer.map(|peer| json!(peer.to_string())));
    set("broadcast", address.broadcast.map(|broadcast| json!(broadcast.to_string())));
    set("label", address.label.map(|label| json!(text(label.as_bytes()))));
    set("metric", address.metric.map(|metric| json!(metric)));
    let flags = [
        ("nodad", NO_DUPLICATE_DETECTION),
        ("noprefixroute", NO_PREFIX_ROUTE),
        ("home", HOME),
        ("deprecated", mini_netlink::address::DEPRECATED),
    ];
    for (key, flag) in flags {
        set(key, (address.flags & flag != 0).then(|| json!(true)));
    }
    if let Some(Lifetimes { valid, .. }) = address.lifetimes {
        // Other lifetimes run on between two looks.
        set("valid_life_time", (valid == FOREVER).then(|| json!(FOREVER)));
    }
    told
}

fn route_json(route: &Route<'_>, names: &[(u32, String)]) -> Value {
    let name_of = |index: u32| names.iter().find(|(other, _)| *other == index).map(|(_, name)| name.clone());
    let v4 = route.destination.is_ipv4();
    let whole = if v4 { 32 } else { 128 };
    let network = |address: IpAddr, bits: u8| match bits {
        0 => "default".into(),
        bits if bits == whole => address.to_string(),
        bits => format!("{address}/{bits}"),
    };
    let mut told = json!({ "dst": network(route.destination, route.prefix_length) });
    let mut set = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(told)) = (value, told.as_object_mut()) {
            told.insert(key.into(), value);
        }
    };
    let via =
        |gateway: &IpAddr| (v4 && gateway.is_ipv6()).then(|| json!({ "family": "inet6", "host": gateway.to_string() }));
    set("via", route.gateway.as_ref().and_then(via));
    set("gateway", route.gateway.filter(|gateway| gateway.is_ipv4() == v4).map(|gateway| json!(gateway.to_string())));
    set("from", route.from.map(|(address, bits)| json!(network(address, bits))));
    set("dev", route.output.filter(|_| route.kind != Some(RouteKind::Blackhole)).map(|output| json!(name_of(output))));
    set("prefsrc", route.source.map(|source| json!(source.to_string())));
    set("metric", route.metric.map(|metric| json!(metric)));
    set("nhid", route.next_hop_object.map(|object| json!(object)));
    let protocols = [(2, "kernel"), (3, "boot"), (4, "static"), (9, "ra")];
    set("protocol", protocols.iter().find(|(number, _)| Some(*number) == route.protocol).map(|(_, name)| json!(name)));
    set(
        "scope",
        route.scope.filter(|_| v4).map(|scope| {
            json!(match scope {
                0 => "global",
                253 => "link",
                254 => "host",
                _ => "other",
            })
        }),
    );
    set("type", route.kind.map(|kind| json!(format!("{kind:?}").to_lowercase())));
    set("pref", route.preference.map(|preference| json!(["medium", "high", "", "low"][usize::from(preference & 3)])));
    let metrics = &route.metrics;
    let mut metrics = fields!(metrics: mtu, window, rtt, ssthresh, advmss, reordering, hoplimit, initcwnd, rto_min, initrwnd, quickack);
    metrics.remove("lock");
    set("metrics", (!metrics.is_empty()).then(|| json!([metrics])));
    let hops: Vec<Value> = route
        .next_hops
        .iter()
        .map(|hop| json!({ "gateway": hop.gateway.map(|gateway| gateway.to_string()), "dev": name_of(hop.output), "weight": u16::from(hop.weight_minus_one) + 1 }))
        .collect();
    set("nexthops", (!hops.is_empty()).then(|| json!(hops)));
    told
}

/// Holds that all of `part` is in `whole`; a switch may be a number or a word.
fn holds(part: &Value, whole: &Value, who: &str) -> Checked {
    match first_difference(part, whole, "") {
        None => Ok(()),
        Some((path, value)) => Err(format!("{who}: {path} is {value}, but ip tells {whole}")),
    }
}

fn first_difference(part: &Value, whole: &Value, path: &str) -> Option<(String, String)> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            first_difference(value, whole.get(key).unwrap_or(&json!("(absent)")), &path)
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            part.iter().zip(whole).find_map(|(part, whole)| first_difference(part, whole, path))
        }
        (Value::Bool(on), Value::Number(_)) if *whole == json!(u8::from(*on)) => None,
        // `ip` prints many switches only when they are on.
        (Value::Bool(false), Value::String(absent)) if absent == "(absent)" => None,
        (part, whole) if part == whole => None,
        (part, whole) => Some((path.to_owned(), format!("{part} and not {whole}"))),
    }
}

fn merge(value: &mut Value, other: Value) {
    match (value, other) {
        (Value::Object(value), Value::Object(other)) => {
            for (key, other) in other {
                merge(value.entry(key).or_insert(Value::Null), other);
            }
        }
        (value, other) => *value = other,
    }
}

fn has_flags(link: &str, flags: &[&str], expected: bool) -> Checked {
    let told = ip(&format!("link show dev {link}"))?;
    let told = told[0]["flags"].as_array().cloned().unwrap_or_default();
    match flags.iter().find(|flag| told.contains(&json!(flag)) != expected) {
        None => Ok(()),
        Some(flag) => Err(format!("{flag} in {told:?}")),
    }
}

/// What `ip -j -d` prints.
fn ip(arguments: &str) -> Result<Value, String> {
    let output = run_command(&format!("-j -d {arguments}"))?;
    if output.trim().is_empty() {
        return Ok(json!([]));
    }
    serde_json::from_str(&output).map_err(|error| format!("ip {arguments}: {error}: {output}"))
}

fn run_ip(arguments: &str) -> Checked {
    run_command(arguments).map(|_| ())
}

fn run_command(arguments: &str) -> Result<String, String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn object<T>(listed: Listed<T>) -> Option<T> {
    match listed {
        Listed::Object(object) => Some(object),
        Listed::Again => None,
    }
}

fn refused(error: Error) -> String {
    format!("refused: {error}")
}

fn link_name(text: &str) -> LinkName {
    name(text)
}

fn alternative(text: &str) -> AlternativeName {
    name(text)
}

fn name<'a, T: TryFrom<&'a str, Error: Debug>>(text: &'a str) -> T {
    T::try_from(text).expect("a name")
}

fn ip_address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
