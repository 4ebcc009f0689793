//! Routes: requests to add, replace and delete them. Pure.
//!
//! Source: `include/uapi/linux/rtnetlink.h`, rtnetlink(7).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Action, SCOPE_LINK, SCOPE_NOWHERE, SCOPE_UNIVERSE, family};
use crate::wire::{Request, WriteError, Writer};

/// The table that is looked in unless a rule says otherwise. `RT_TABLE_MAIN`
pub const TABLE_MAIN: u32 = 254;

// Kinds of messages and attributes.
const NEW: u16 = 24;
const DESTINATION: u16 = 1;
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const SOURCE: u16 = 7;
const TABLE: u16 = 15;

/// `RTPROT_BOOT`: made while booting, by hand or by a script; routing daemons leave it alone.
const PROTOCOL_BOOT: u8 = 3;
/// `RTN_UNICAST`: an ordinary route.
const TYPE_UNICAST: u8 = 1;
/// `RTNH_F_ONLINK`: believe that the gateway is on this link.
const ON_LINK: u32 = 4;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to: an address of the network.
    pub destination: IpAddr,
    /// How many leading bits of it count; with 0 this is the default route, whose address gives the family only.
    pub prefix_length: u8,
    /// The next machine on the way.
    pub gateway: Option<IpAddr>,
    /// The index of the link to send by.
    pub output: Option<u32>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// How far the destination is. `None`: the usual one for adding, any for deleting.
    pub scope: Option<u8>,
    /// The gateway is on the link even if no address of ours says so.
    pub on_link: bool,
    /// Of two routes to one destination, that with the lower metric is used.
    pub metric: Option<u32>,
    /// The table: [`TABLE_MAIN`] for example.
    pub table: u32,
}

impl Route {
    /// The default route of IPv4; give it a gateway, a link or both.
    pub const DEFAULT_V4: Self = Self::to(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    /// The default route of IPv6; give it a gateway, a link or both.
    pub const DEFAULT_V6: Self = Self::to(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    /// A route in the main table; give it a gateway, a link or both.
    pub const fn to(destination: IpAddr, prefix_length: u8) -> Self {
        Self {
            destination,
            prefix_length,
            gateway: None,
            output: None,
            source: None,
            scope: None,
            on_link: false,
            metric: None,
            table: TABLE_MAIN,
        }
    }
}

/// Adds, replaces or deletes a route. `RTM_NEWROUTE`, `RTM_DELROUTE`
#[derive(Clone, Copy, Debug)]
pub struct ChangeRoute {
    /// What to do.
    pub action: Action,
    /// With which route. To delete, only what is set must be equal; the first that is goes.
    pub route: Route,
}

impl Request for ChangeRoute {
    fn write(&self, writer: &mut Writer<'_>) {
        let route = &self.route;
        // A route without a gateway leads to what is on the link itself. IPv6 has no scopes here.
        let usual_scope = match (self.action, route.gateway) {
            (Action::Delete, _) => SCOPE_NOWHERE,
            (_, None) if route.destination.is_ipv4() => SCOPE_LINK,
            _ => SCOPE_UNIVERSE,
        };
        let (protocol, kind) = if self.action == Action::Delete { (0, 0) } else { (PROTOCOL_BOOT, TYPE_UNICAST) };
        let flags = if route.on_link { ON_LINK } else { 0 };
        self.action.start(writer, NEW);
        // `struct rtmsg`. Its table has eight bits; where they do not suffice, the attribute counts instead.
        let table = u8::try_from(route.table);
        writer.put(&[family(&route.destination), route.prefix_length, 0, 0]);
        writer.put(&[table.unwrap_or(0), protocol, route.scope.unwrap_or(usual_scope), kind]);
        writer.put(&flags.to_ne_bytes());
        if route.prefix_length > 0 {
            writer.ip(DESTINATION, &route.destination);
        }
        for (attribute, address) in [(GATEWAY, &route.gateway), (SOURCE, &route.source)] {
            match address {
                None => {}
                Some(address) if family(address) == family(&route.destination) => writer.ip(attribute, address),
                // The kernel would read the first four bytes of sixteen.
                Some(_) => writer.fail(WriteError::MixedFamilies),
            }
        }
        writer.optional_number(PRIORITY, route.metric);
        writer.optional_number(OUTPUT, route.output);
        if table.is_err() {
            writer.number(TABLE, route.table);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::check;
    use crate::wire::encode;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_route_is_written_as_ip_writes_it() {
        let route =
            Route { gateway: Some(ip("10.1.2.1")), output: Some(3), metric: Some(7), ..Route::to(ip("10.9.0.0"), 16) };
        check(
            &ChangeRoute { action: Action::Add, route },
            "ip route add 10.9.0.0/16 via 10.1.2.1 dev host0 metric 7
             3c000000 1800 0506 01000000 00000000 | RTM_NEWROUTE, REQUEST ACK EXCL CREATE
             02 10 00 00 fe 03 00 01 00000000     | struct rtmsg: AF_INET, 16 bits, main, boot, universe, unicast
             0800 0100 0a090000                   | RTA_DST 10.9.0.0
             0800 0500 0a010201                   | RTA_GATEWAY 10.1.2.1
             0800 0600 07000000                   | RTA_PRIORITY 7
             0800 0400 03000000                   | RTA_OIF 3",
        );
    }

    #[test]
    fn a_default_route_is_written_as_ip_writes_it() {
        check(
            &ChangeRoute { action: Action::Add, route: Route { gateway: Some(ip("10.1.2.1")), ..Route::DEFAULT_V4 } },
            "ip route add default via 10.1.2.1
             24000000 1800 0506 01000000 00000000 | RTM_NEWROUTE, REQUEST ACK EXCL CREATE
             02 00 00 00 fe 03 00 01 00000000     | struct rtmsg: AF_INET, 0 bits, main, boot, universe, unicast
             0800 0500 0a010201                   | RTA_GATEWAY 10.1.2.1",
        );
    }

    #[test]
    fn an_ipv6_route_is_written_as_ip_writes_it() {
        check(
            &ChangeRoute {
                action: Action::Add,
                route: Route { output: Some(3), metric: Some(7), ..Route::to(ip("fd01::"), 64) },
            },
            "ip -6 route add fd01::/64 dev host0 metric 7
             40000000 1800 0506 01000000 00000000        | RTM_NEWROUTE, REQUEST ACK EXCL CREATE
             0a 40 00 00 fe 03 00 01 00000000            | struct rtmsg: AF_INET6, 64 bits, main, boot, unicast
             1400 0100 fd01000000000000 0000000000000000 | RTA_DST fd01::
             0800 0600 07000000                          | RTA_PRIORITY 7
             0800 0400 03000000                          | RTA_OIF 3",
        );
    }

    #[test]
    fn a_replaced_route_and_a_large_table_are_written() {
        let route = Route {
            output: Some(3),
            source: Some(ip("10.1.2.3")),
            on_link: true,
            table: 1000,
            ..Route::to(ip("10.9.0.0"), 16)
        };
        check(
            &ChangeRoute { action: Action::Replace, route },
            "3c000000 1800 0505 01000000 00000000 | RTM_NEWROUTE, REQUEST ACK REPLACE CREATE
             02 10 00 00 00 03 fd 01 04000000     | struct rtmsg: AF_INET, 16 bits, boot, link, unicast; RTNH_F_ONLINK
             0800 0100 0a090000                   | RTA_DST 10.9.0.0
             0800 0700 0a010203                   | RTA_PREFSRC 10.1.2.3
             0800 0400 03000000                   | RTA_OIF 3
             0800 0f00 e8030000                   | RTA_TABLE 1000",
        );
    }

    #[test]
    fn deleting_matches_any_scope_protocol_and_type() {
        check(
            &ChangeRoute { action: Action::Delete, route: Route::to(ip("10.9.0.0"), 16) },
            "24000000 1900 0500 01000000 00000000 | RTM_DELROUTE, REQUEST ACK
             02 10 00 00 fe 00 ff 00 00000000     | struct rtmsg: AF_INET, 16 bits, main, nowhere
             0800 0100 0a090000                   | RTA_DST 10.9.0.0",
        );
    }

    #[test]
    fn families_are_not_mixed() {
        for (gateway, source) in [(Some(ip("fd00::1")), None), (None, Some(ip("fd00::1")))] {
            let route = Route { gateway, source, ..Route::DEFAULT_V4 };
            let request = ChangeRoute { action: Action::Add, route };
            assert_eq!(encode(&request, 1, &mut [0; 256]), Err(WriteError::MixedFamilies));
        }
    }
}
