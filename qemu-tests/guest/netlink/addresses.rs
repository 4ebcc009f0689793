//! Addresses: added, replaced, listed, deleted.

use mini_netlink::address::{DEPRECATED, FOREVER, Family, HOME, Lifetimes, NO_DUPLICATE_DETECTION, NO_PREFIX_ROUTE};
use mini_netlink::{Action, Address, ChangeAddress, GetAddresses};
use serde_json::{Value, json};

use super::*;

pub(super) fn addresses(bench: &mut Bench<'_, '_>) {
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
        ("deprecated", DEPRECATED),
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
