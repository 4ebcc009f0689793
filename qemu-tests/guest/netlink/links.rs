//! Links: made of every kind, changed, named, listed, deleted.

use mini_netlink::kind::{
    Bond, BondHash, BondMode, Bridge, Custom, Flags, Ipvlan, IpvlanMode, Kind, LinkKind, Macvlan, MacvlanMode, Targets,
    Vlan, VlanProtocol, Vrf, Vxlan,
};
use mini_netlink::link::{AlternativeName, AlternativeNames, OperationalState};
use mini_netlink::*;
use serde_json::{Map, Value, json};

use super::*;

pub(super) fn links(bench: &mut Bench<'_, '_>) {
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

pub(super) fn changes(bench: &mut Bench<'_, '_>) {
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
                let Listed::Object(message) = listed else { return Ok(()) };
                if Link::read(message)?.is_some_and(|link| link.index == index) {
                    told = AlternativeNames::read(message)?.map(text).collect();
                }
                Ok(())
            })
            .map_err(refused)?;
        if told != [long, short] {
            return Err(format!("our list: {told:?}"));
        }
        let found = bench.socket.get_link(&request).map_err(refused)?.index;
        if found != index || bench.index(short)? != index {
            return Err(format!("found {found}, not {index}"));
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

fn has_flags(link: &str, flags: &[&str], expected: bool) -> Checked {
    let told = ip(&format!("link show dev {link}"))?;
    let told = told[0]["flags"].as_array().cloned().unwrap_or_default();
    match flags.iter().find(|flag| told.contains(&json!(flag)) != expected) {
        None => Ok(()),
        Some(flag) => Err(format!("{flag} in {told:?}")),
    }
}

/// A link as `ip` tells it: every field of ours that `ip` prints.
pub(super) fn link_json(link: &Link, names: &[(u32, String)]) -> Value {
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

fn alternative(text: &str) -> AlternativeName {
    name(text)
}
