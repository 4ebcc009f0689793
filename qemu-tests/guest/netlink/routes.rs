//! Routes: added, appended, replaced, listed, deleted.

use std::net::IpAddr;

use mini_netlink::address::{Family, NO_DUPLICATE_DETECTION};
use mini_netlink::route::{Metrics, NextHop, NextHops, PROTOCOL_STATIC, RouteKind};
use mini_netlink::*;
use serde_json::{Map, Value, json};

use super::*;

pub(super) fn routes(bench: &mut Bench<'_, '_>) {
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
        NextHop { output: index, on_link: true, ..NextHop::by(ip_address("192.0.2.9")) },
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
