//! What is told if the kernel checks requests strictly: it then leaves out by itself what was not asked for.

use std::os::fd::{AsRawFd, BorrowedFd};

use mini_netlink::address::{Family, NO_DUPLICATE_DETECTION};
use mini_netlink::neighbour::PERMANENT;
use mini_netlink::route::RouteKind;
use mini_netlink::*;

use super::*;

/// All lists with all that can be asked for, before and after the socket's options are set.
pub(super) fn strict(bench: &mut Bench<'_, '_>) {
    bench.case("strict", |bench| {
        let (index, master) = (bench.index("left")?, bench.index("br7").unwrap_or(LOOPBACK));
        let settings = LinkSettings { up: Some(true), master: Some(master), ..LinkSettings::NONE };
        bench.ask(&SetLink { index, settings })?;
        let address = Address { flags: NO_DUPLICATE_DETECTION, ..Address::new(index, ip_address("fd77::1"), 64) };
        bench.ask(&ChangeAddress { action: Action::Add, address })?;
        let route = Route { table: 1000, ..Route::nowhere(RouteKind::Unreachable, ip_address("10.77.0.0"), 16) };
        bench.ask(&ChangeRoute { action: Action::Add, route })?;
        let neighbour = Neighbour::new(index, ip_address("fd77::2"), [2, 0, 0, 0, 0, 7]);
        bench.ask(&ChangeNeighbour { action: Action::Add, neighbour })?;

        let before = told(bench, index, master)?;
        bench.socket.set_options(&set_option).map_err(|error| error.to_string())?;
        let after = told(bench, index, master)?;
        if before != after {
            let only = |these: &[String], others: &[String]| {
                these.iter().filter(|told| !others.contains(told)).cloned().collect::<Vec<_>>().join(", ")
            };
            return Err(format!("only before: {}; only strictly: {}", only(&before, &after), only(&after, &before)));
        }
        // All of it is there, so that the same is not the same nothing.
        let wanted = ["fd77::1", "10.77.0.0", "fd77::2", "Lookup", "left"];
        match wanted.iter().find(|wanted| !after.iter().any(|told| told.contains(*wanted))) {
            None => Ok(()),
            Some(missing) => Err(format!("no {missing} in {after:?}")),
        }
    });
}

fn told(bench: &mut Bench<'_, '_>, index: u32, master: u32) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for family in [None, Some(Family::V4), Some(Family::V6)] {
        for index in [None, Some(index)] {
            // What is left of lifetimes changes meanwhile.
            let request = GetAddresses { family, index };
            let addresses =
                bench.list(|socket, each| socket.addresses(&request, &mut |listed| each(object(listed))))?;
            all.extend(addresses.iter().map(|told| format!("{:?}", Address { lifetimes: None, ..*told })));
            let request = GetNeighbours { family, index, ..GetNeighbours::ALL };
            let neighbours =
                bench.list(|socket, each| socket.neighbours(&request, &mut |listed| each(object(listed))))?;
            // Others come and go by themselves.
            let lasting = neighbours.iter().filter(|told| told.state == PERMANENT);
            all.extend(lasting.map(|told| format!("{told:?}")));
        }
        let rules =
            bench.list(|socket, each| socket.rules(&GetRules { family }, &mut |listed| each(object(listed))))?;
        all.extend(rules.iter().map(|told| format!("{told:?}")));
    }
    let families = [Some(Family::V4), Some(Family::V6)].map(|family| GetRoutes { family, ..GetRoutes::ALL });
    let unreachable = GetRoutes { kind: Some(RouteKind::Unreachable), table: Some(1000), ..families[0] };
    let by_link = GetRoutes { output: Some(index), protocol: Some(2), ..families[1] };
    for request in [GetRoutes::ALL, families[0], families[1], unreachable, by_link] {
        all.extend(bench.list(|socket, each| {
            socket.routes(&request, &mut |listed| each(object(listed).map(|route| format!("{route:?}"))))
        })?);
    }
    let mut add = |listed: Listed<&wire::Message<'_>>| {
        if let Listed::Object(message) = listed {
            all.extend(Link::read(message)?.map(|link| format!("{:?}", link.name)));
        }
        Ok(())
    };
    bench.socket.dump(&GetLink::OfMaster(master), &mut add).map_err(refused)?;
    // Links that came up a moment ago get addresses of their own meanwhile, and ask who is there.
    all.retain(|told| !["fe80::", "ff00::", "ff02::"].iter().any(|own| told.contains(own)));
    Ok(all)
}

fn set_option(socket: BorrowedFd<'_>, level: u32, option: u32) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is four bytes at `on`.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level as libc::c_int, option as libc::c_int, (&raw const on).cast(), 4)
    };
    if set == 0 { Ok(()) } else { Err(Errno::NOPROTOOPT) }
}
