//! Neighbours: added, replaced, listed, deleted.

use mini_netlink::neighbour::{FAILED, NO_ARP, PROXY, ROUTER};
use mini_netlink::{Action, ChangeNeighbour, GetNeighbours, Neighbour};
use serde_json::{Value, json};

use super::*;

pub(super) fn neighbours(bench: &mut Bench<'_, '_>) {
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
                state: NO_ARP,
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
        match ours
            .iter()
            .find(|ours| cases.iter().any(|(_, other, _)| other.address == ours.address) && ours.state != FAILED)
        {
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
