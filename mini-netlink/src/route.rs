//! Routes: requests to add, append, replace, delete and list them, and what the kernel tells of one. Pure.
//!
//! ```
//! use core::net::IpAddr;
//! use mini_netlink::route::{Metrics, NextHop, NextHops};
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Action, ChangeRoute, Route};
//!
//! // ip route add 10.9.0.0/16 table 1000 mtu 1400 nexthop via 10.1.2.1 weight 3 nexthop via 10.1.2.2
//! let hops = [
//!     NextHop { weight_minus_one: 2, ..NextHop::by(IpAddr::from([10, 1, 2, 1])) },
//!     NextHop::by(IpAddr::from([10, 1, 2, 2])),
//! ];
//! let route = Route {
//!     table: 1000,
//!     metrics: Metrics { mtu: Some(1400), ..Metrics::NONE },
//!     next_hops: NextHops::new(&hops),
//!     ..Route::to(IpAddr::from([10, 9, 0, 0]), 16)
//! };
//! let mut buffer = [0; 256];
//! let length = encode(&ChangeRoute { action: Action::Add, route }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of a route in the same form, in a message of the same kind.
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! let told = Route::read(&message).expect("no wrong length").expect("it is about a route");
//! assert!(told.next_hops.iter().eq(hops));
//! assert_eq!((told.table, told.metrics.mtu), (1000, Some(1400)));
//! ```
//!
//! Source: `include/uapi/linux/rtnetlink.h`, rtnetlink(7), ip-route(8).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Action, Family, SCOPE_HOST, SCOPE_LINK, SCOPE_NOWHERE, SCOPE_UNIVERSE, family_number};
use crate::value::{Number, Text, data, numbers};
use crate::wire::{
    Attribute, Attributes, DUMP, Malformed, Message, Request, WriteError, Writer, ip, number_at, short_at, take,
};

/// The table that is looked in unless a rule says otherwise. `RT_TABLE_MAIN`
pub const TABLE_MAIN: u32 = 254;
/// The table that is looked in after that; usually empty. `RT_TABLE_DEFAULT`
pub const TABLE_DEFAULT: u32 = 253;
/// The kernel's own table of what is local or a broadcast. `RT_TABLE_LOCAL`
pub const TABLE_LOCAL: u32 = 255;

/// In [`Route::protocol`]: made by the kernel itself. `RTPROT_KERNEL`
pub const PROTOCOL_KERNEL: u8 = 2;
/// In [`Route::protocol`]: made while booting, by hand or by a script; routing daemons leave it alone. `RTPROT_BOOT`
pub const PROTOCOL_BOOT: u8 = 3;
/// In [`Route::protocol`]: made by the administrator to last. `RTPROT_STATIC`
pub const PROTOCOL_STATIC: u8 = 4;
/// In [`Route::protocol`]: learnt from a router's advertisement. `RTPROT_RA`
pub const PROTOCOL_ADVERTISEMENT: u8 = 9;
/// In [`Route::protocol`]: learnt by DHCP. `RTPROT_DHCP`
pub const PROTOCOL_DHCP: u8 = 16;

/// In [`Route::flags`] and [`NextHop::flags`]: its link is gone or down. `RTNH_F_DEAD`
pub const DEAD: u8 = 1;
/// In [`Route::flags`] and [`NextHop::flags`]: its link has no carrier. `RTNH_F_LINKDOWN`
pub const LINK_DOWN: u8 = 16;
/// `RTNH_F_ONLINK`
const ON_LINK: u8 = 4;

// Kinds of messages and attributes.
const NEW: u16 = 24;
const GET: u16 = 26;
const DESTINATION: u16 = 1;
const FROM: u16 = 2;
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const SOURCE: u16 = 7;
const METRICS: u16 = 8;
const NEXT_HOPS: u16 = 9;
const REALMS: u16 = 11;
const CACHE_INFORMATION: u16 = 12;
const TABLE: u16 = 15;
const VIA: u16 = 18;
const PREFERENCE: u16 = 20;
const EXPIRES: u16 = 23;
const NEXT_HOP_OBJECT: u16 = 30;

numbers! {
    /// What becomes of a packet. `RTN_`
    RouteKind: u8 as Byte {
        /// It goes on to the gateway or the link.
        Unicast = 1,
        /// It is for this machine.
        Local = 2,
        /// It is for this machine, and goes out as a broadcast.
        Broadcast = 3,
        /// It is for this machine and others; out it goes as unicast.
        Anycast = 4,
        /// A multicast route.
        Multicast = 5,
        /// It is dropped without a word; a local sender gets `EINVAL`.
        Blackhole = 6,
        /// It is dropped, and the sender told that the host is unreachable: `EHOSTUNREACH`.
        Unreachable = 7,
        /// It is dropped, and the sender told that this is prohibited: `EACCES`.
        Prohibit = 8,
        /// The search goes on as if this table had no route: behind other rules.
        Throw = 9,
    }
}

data! {
    /// What is assumed of the way. Fields have the names that ip-route(8) gives them. `RTAX_`
    Metrics {
        /// The largest packet, in bytes. `RTAX_MTU`
        mtu: u32 = Number[2];
        /// The most that TCP announces, in bytes. `RTAX_WINDOW`
        window: u32 = Number[3];
        /// The round trip's time, in eighths of a millisecond. `RTAX_RTT`
        rtt: u32 = Number[4];
        /// Its variance, in quarters of a millisecond. `RTAX_RTTVAR`
        rttvar: u32 = Number[5];
        /// Where TCP's slow start ends, in packets. `RTAX_SSTHRESH`
        ssthresh: u32 = Number[6];
        /// The largest congestion window, in packets; only if it is locked. `RTAX_CWND`
        cwnd: u32 = Number[7];
        /// The largest segment that TCP announces, in bytes. `RTAX_ADVMSS`
        advmss: u32 = Number[8];
        /// How far packets may come out of order. `RTAX_REORDERING`
        reordering: u32 = Number[9];
        /// The hop limit of packets. `RTAX_HOPLIMIT`
        hoplimit: u32 = Number[10];
        /// The congestion window at first, in packets. `RTAX_INITCWND`
        initcwnd: u32 = Number[11];
        /// 1: explicit congestion notification. `RTAX_FEATURES`
        features: u32 = Number[12];
        /// The least time before TCP sends again, in milliseconds. `RTAX_RTO_MIN`
        rto_min: u32 = Number[13];
        /// The window that TCP announces at first, in packets. `RTAX_INITRWND`
        initrwnd: u32 = Number[14];
        /// 1: acknowledge at once. `RTAX_QUICKACK`
        quickack: u32 = Number[15];
        /// How TCP deals with congestion: `cubic`, for example. `RTAX_CC_ALGO`
        congctl: crate::name::Name<16> = Text[16];
        /// 1: TCP Fast Open without a cookie. `RTAX_FASTOPEN_NO_COOKIE`
        fastopen_no_cookie: u32 = Number[17];
        /// A bit (1 shifted by the metric's number) for each that must stay as it is. `RTAX_LOCK`
        lock: u32 = Number[1];
    }
}

/// One of the ways that a route has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// The next machine on the way.
    pub gateway: Option<IpAddr>,
    /// The index of the link to send by; 0: the one that the gateway is on.
    pub output: u32,
    /// How much of the traffic it takes in proportion to the others: 0 is a weight of 1, 255 one of 256.
    pub weight_minus_one: u8,
    /// The gateway is on the link even if no address of ours says so.
    pub on_link: bool,
    /// What else the kernel says, such as [`DEAD`], and refuses to be told. `RTNH_F_` bits
    pub flags: u8,
}

impl NextHop {
    /// By a gateway, on whatever link it is.
    pub const fn by(gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), output: 0, weight_minus_one: 0, on_link: false, flags: 0 }
    }

    /// Like an attribute, but with flags and weight in place of the kind, and the link's index before the rest.
    fn write(&self, writer: &mut Writer<'_>, family: Family) {
        let flags = self.flags | if self.on_link { ON_LINK } else { 0 };
        let hop = writer.open(u16::from_ne_bytes([flags, self.weight_minus_one]));
        writer.put(&self.output.to_ne_bytes());
        write_gateway(writer, family, self.gateway.as_ref());
        writer.close(hop);
    }

    /// The first of those in some bytes. After a bad length there are no more.
    fn next(bytes: &mut &[u8]) -> Option<Result<Self, Malformed>> {
        if bytes.is_empty() {
            return None;
        }
        let hop = Self::read(bytes);
        if hop.is_err() {
            *bytes = &[];
        }
        Some(hop)
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let length = short_at(bytes, 0).ok_or(Malformed)?;
        let hop = take(bytes, usize::from(length)).ok_or(Malformed)?;
        let [_, _, flags, weight_minus_one, output @ ..] = *hop.first_chunk::<HOP_BYTES>().ok_or(Malformed)?;
        let mut read = Self {
            gateway: None,
            output: u32::from_ne_bytes(output),
            weight_minus_one,
            on_link: flags & ON_LINK != 0,
            flags: flags & !ON_LINK,
        };
        for attribute in Attributes::after(hop, HOP_BYTES)? {
            read.gateway = read_gateway(&attribute?)?.or(read.gateway);
        }
        Ok(read)
    }
}

/// `struct rtnexthop`: length, flags, weight, and the link's index in four bytes.
const HOP_BYTES: usize = 8;

/// The ways of a route that has several: those that a caller lists, or those that a message tells.
#[derive(Clone, Copy)]
pub struct NextHops<'a>(Hops<'a>);

#[derive(Clone, Copy)]
enum Hops<'a> {
    Listed(&'a [NextHop]),
    /// Read once already: no length is wrong.
    Told(&'a [u8]),
}

impl<'a> NextHops<'a> {
    /// None: the route has one way, or leads nowhere.
    pub const NONE: Self = Self::new(&[]);

    /// These.
    pub const fn new(hops: &'a [NextHop]) -> Self {
        Self(Hops::Listed(hops))
    }

    /// The ways.
    pub fn iter(&self) -> impl Iterator<Item = NextHop> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || match &mut rest {
            Hops::Listed(hops) => {
                let (first, others) = hops.split_first()?;
                *hops = others;
                Some(*first)
            }
            Hops::Told(bytes) => NextHop::next(bytes)?.ok(),
        })
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Hops::Listed(hops) => hops.is_empty(),
            Hops::Told(bytes) => bytes.is_empty(),
        }
    }

    fn read(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let told = Self(Hops::Told(bytes));
        while let Some(hop) = NextHop::next(&mut bytes) {
            hop?;
        }
        Ok(told)
    }
}

impl PartialEq for NextHops<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for NextHops<'_> {}

impl fmt::Debug for NextHops<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Where to: an address of the network.
    pub destination: IpAddr,
    /// How many leading bits of it count; with 0 this is the default route, whose address gives the family only.
    pub prefix_length: u8,
    /// Only for packets from this network: an address of it, and how many leading bits count. IPv6 only.
    pub from: Option<(IpAddr, u8)>,
    /// Only for packets with this type of service. IPv4 only.
    pub type_of_service: u8,
    /// The next machine on the way. A route of IPv4 may have a gateway of IPv6 (since Linux 5.2), not the reverse.
    pub gateway: Option<IpAddr>,
    /// The index of the link to send by.
    pub output: Option<u32>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// How far the destination is. `None`: the usual one for adding, any for deleting.
    pub scope: Option<u8>,
    /// Who made it. `None`: [`PROTOCOL_BOOT`] for adding, any for deleting.
    pub protocol: Option<u8>,
    /// What becomes of the packets. `None`: [`RouteKind::Unicast`] for adding, any for deleting.
    pub kind: Option<RouteKind>,
    /// The gateway is on the link even if no address of ours says so.
    pub on_link: bool,
    /// What else the kernel says, such as [`DEAD`] as a `u32`. `RTNH_F_` and `RTM_F_` bits
    pub flags: u32,
    /// Of two routes to one destination, that with the lower metric is used.
    pub metric: Option<u32>,
    /// The table: [`TABLE_MAIN`] for example. Numbers over 255 are fine.
    pub table: u32,
    /// Which router is preferred: 0 is medium, 1 high, 3 low. IPv6 only; RFC 4191
    pub preference: Option<u8>,
    /// When it ends, in seconds from now. IPv6 only.
    pub expires: Option<u32>,
    /// The realms of source (upper 16 bits) and destination. IPv4 only.
    pub realms: Option<u32>,
    /// Instead of gateway and link: the number of an object that `ip nexthop` made.
    pub next_hop_object: Option<u32>,
    /// What is assumed of the way.
    pub metrics: Metrics,
    /// Instead of gateway and link: several ways to share the traffic.
    pub next_hops: NextHops<'a>,
}

impl<'a> Route<'a> {
    /// The default route of IPv4; give it a gateway, a link or both.
    pub const DEFAULT_V4: Self = Self::to(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    /// The default route of IPv6; give it a gateway, a link or both.
    pub const DEFAULT_V6: Self = Self::to(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    /// A route in the main table; give it a gateway, a link or both.
    pub const fn to(destination: IpAddr, prefix_length: u8) -> Self {
        Self {
            destination,
            prefix_length,
            from: None,
            type_of_service: 0,
            gateway: None,
            output: None,
            source: None,
            scope: None,
            protocol: None,
            kind: None,
            on_link: false,
            flags: 0,
            metric: None,
            table: TABLE_MAIN,
            preference: None,
            expires: None,
            realms: None,
            next_hop_object: None,
            metrics: Metrics::NONE,
            next_hops: NextHops::NONE,
        }
    }

    /// A route that leads nowhere: [`RouteKind::Blackhole`] and the like.
    pub const fn nowhere(kind: RouteKind, destination: IpAddr, prefix_length: u8) -> Self {
        Self { kind: Some(kind), ..Self::to(destination, prefix_length) }
    }

    /// The scope that `ip route` gives a new route.
    fn usual_scope(&self) -> u8 {
        let leads_on = self.gateway.is_some() || !self.next_hops.is_empty() || self.next_hop_object.is_some();
        match self.kind.unwrap_or(RouteKind::Unicast) {
            // IPv6 has no scopes here.
            _ if self.destination.is_ipv6() => SCOPE_UNIVERSE,
            RouteKind::Local => SCOPE_HOST,
            RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => SCOPE_LINK,
            // A route without a gateway leads to what is on the link itself.
            RouteKind::Unicast if !leads_on => SCOPE_LINK,
            _ => SCOPE_UNIVERSE,
        }
    }

    /// Reads a message; `None` if it is about something else than an IP route that exists.
    pub fn read(message: &Message<'a>) -> Result<Option<Self>, Malformed> {
        let (NEW, Some(family)) = (message.kind, Family::read(message)?) else { return Ok(None) };
        let Some([_, to_bits, from_bits, type_of_service, table, protocol, scope, kind, flags @ ..]) =
            message.payload.first_chunk::<FIXED_BYTES>()
        else {
            return Err(Malformed);
        };
        let flags = u32::from_ne_bytes(*flags);
        let mut route = Self {
            type_of_service: *type_of_service,
            scope: Some(*scope),
            protocol: Some(*protocol),
            kind: Some(RouteKind::from(*kind)),
            on_link: flags & u32::from(ON_LINK) != 0,
            flags: flags & !u32::from(ON_LINK),
            table: u32::from(*table),
            ..Self::to(family.unspecified(), *to_bits)
        };
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            route.read_attribute(&attribute?, *from_bits)?;
        }
        Ok(Some(route))
    }

    fn read_attribute(&mut self, attribute: &Attribute<'a>, from_bits: u8) -> Result<(), Malformed> {
        match attribute.kind {
            DESTINATION => self.destination = attribute.ip()?,
            FROM => self.from = Some((attribute.ip()?, from_bits)),
            OUTPUT => self.output = Some(attribute.number()?),
            GATEWAY | VIA => self.gateway = read_gateway(attribute)?,
            PRIORITY => self.metric = Some(attribute.number()?),
            SOURCE => self.source = Some(attribute.ip()?),
            METRICS => self.metrics = Metrics::read_attributes(attribute.attributes())?,
            NEXT_HOPS => self.next_hops = NextHops::read(attribute.payload)?,
            REALMS => self.realms = Some(attribute.number()?),
            TABLE => self.table = attribute.number()?,
            PREFERENCE => self.preference = Some(attribute.byte()?),
            EXPIRES => self.expires = Some(attribute.number()?),
            // `struct rta_cacheinfo`: the third number is what is left, in hundredths of a second, or 0.
            CACHE_INFORMATION => {
                let left = number_at(attribute.payload, 8).ok_or(Malformed)?.cast_signed();
                self.expires = u32::try_from(left / 100).ok().filter(|_| left > 0);
            }
            NEXT_HOP_OBJECT => self.next_hop_object = Some(attribute.number()?),
            _ => {}
        }
        Ok(())
    }
}

/// `struct rtmsg`, the fixed part: family, two prefix lengths, type of service, table, protocol, scope, kind, flags.
const FIXED_BYTES: usize = 12;

/// A gateway of the other family travels with its own.
fn write_gateway(writer: &mut Writer<'_>, family: Family, gateway: Option<&IpAddr>) {
    match (family, gateway) {
        (_, None) => {}
        (Family::V4, Some(IpAddr::V6(gateway))) => {
            // `struct rtvia`: the family in two bytes, then the address.
            let mut via = [0; 18];
            let family = u16::from(Family::V6.number()).to_ne_bytes();
            for (place, byte) in via.iter_mut().zip(family.into_iter().chain(gateway.octets())) {
                *place = byte;
            }
            writer.attribute(VIA, &via);
        }
        (Family::V6, Some(IpAddr::V4(_))) => writer.fail(WriteError::MixedFamilies),
        (_, Some(gateway)) => writer.ip(GATEWAY, gateway),
    }
}

fn read_gateway(attribute: &Attribute<'_>) -> Result<Option<IpAddr>, Malformed> {
    match attribute.kind {
        GATEWAY => attribute.ip().map(Some),
        VIA => ip(attribute.payload.get(2..).unwrap_or_default()).map(Some),
        _ => Ok(None),
    }
}

/// Adds, appends, replaces or deletes a route. `RTM_NEWROUTE`, `RTM_DELROUTE`
///
/// One to delete that does not exist is refused with `ESRCH`, one whose gateway is on none of our networks with
/// `ENETUNREACH` or `EHOSTUNREACH`.
#[derive(Clone, Copy, Debug)]
pub struct ChangeRoute<'a> {
    /// What to do.
    pub action: Action,
    /// With which route. To delete, only what is set must be equal; the first that is goes.
    pub route: Route<'a>,
}

impl Request for ChangeRoute<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        let route = &self.route;
        let family = Family::of(&route.destination);
        let usual = match self.action {
            Action::Delete => (0, SCOPE_NOWHERE, 0),
            _ => (PROTOCOL_BOOT, route.usual_scope(), RouteKind::Unicast.number()),
        };
        self.action.start(writer, NEW);
        // `struct rtmsg`. Its table has eight bits; where they do not suffice, the attribute counts instead.
        let table = u8::try_from(route.table);
        let from_bits = route.from.map_or(0, |(_, bits)| bits);
        writer.put(&[family.number(), route.prefix_length, from_bits, route.type_of_service]);
        writer.put(&[
            table.unwrap_or(0),
            route.protocol.unwrap_or(usual.0),
            route.scope.unwrap_or(usual.1),
            route.kind.map_or(usual.2, RouteKind::number),
        ]);
        writer.put(&(route.flags | if route.on_link { u32::from(ON_LINK) } else { 0 }).to_ne_bytes());
        if route.prefix_length > 0 {
            writer.ip(DESTINATION, &route.destination);
        }
        if let Some((from, _)) = &route.from {
            write_same(writer, family, FROM, from);
        }
        write_gateway(writer, family, route.gateway.as_ref());
        if let Some(source) = &route.source {
            write_same(writer, family, SOURCE, source);
        }
        writer.optional_number(PRIORITY, route.metric);
        if table.is_err() {
            writer.number(TABLE, route.table);
        }
        if let Some(preference) = route.preference {
            writer.byte(PREFERENCE, preference);
        }
        writer.optional_number(EXPIRES, route.expires);
        writer.optional_number(REALMS, route.realms);
        writer.optional_number(NEXT_HOP_OBJECT, route.next_hop_object);
        writer.optional_number(OUTPUT, route.output);
        if route.metrics != Metrics::NONE {
            let metrics = writer.open(METRICS);
            route.metrics.write_attributes(writer);
            writer.close(metrics);
        }
        if !route.next_hops.is_empty() {
            let hops = writer.open(NEXT_HOPS);
            for hop in route.next_hops.iter() {
                hop.write(writer, family);
            }
            writer.close(hops);
        }
    }
}

/// An address that must be of the route's family: of another, the kernel would read the first four bytes of sixteen.
pub(crate) fn write_same(writer: &mut Writer<'_>, family: Family, kind: u16, address: &IpAddr) {
    if Family::of(address) == family {
        writer.ip(kind, address);
    } else {
        writer.fail(WriteError::MixedFamilies);
    }
}

/// Asks for routes; each comes as a message that [`Route::read`] understands. `RTM_GETROUTE`
///
/// A kernel that was not asked to check strictly tells those of all tables, and all links:
/// [`Socket::routes`](crate::Socket::routes) leaves out what was not asked for. One that was refuses a table that does not
/// exist with `ENOENT`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetRoutes {
    /// Only those of this family.
    pub family: Option<Family>,
    /// Only those of this table.
    pub table: Option<u32>,
    /// Only those that send by the link with this index.
    pub output: Option<u32>,
    /// Only those made by this one.
    pub protocol: Option<u8>,
    /// Only those of this kind.
    pub kind: Option<RouteKind>,
}

impl GetRoutes {
    /// Every one, of all tables.
    pub const ALL: Self = Self { family: None, table: None, output: None, protocol: None, kind: None };

    /// Whether this route was asked for.
    pub fn matches(&self, route: &Route<'_>) -> bool {
        self.family.is_none_or(|family| family == Family::of(&route.destination))
            && self.table.is_none_or(|table| table == route.table)
            && self.output.is_none_or(|output| {
                route.output == Some(output) || route.next_hops.iter().any(|hop| hop.output == output)
            })
            && (self.protocol.is_none() || self.protocol == route.protocol)
            && (self.kind.is_none() || self.kind == route.kind)
    }
}

impl Request for GetRoutes {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(GET, DUMP);
        writer.put(&[family_number(self.family), 0, 0, 0]);
        writer.put(&[0, self.protocol.unwrap_or(0), 0, self.kind.map_or(0, RouteKind::number)]);
        writer.put(&[0; 4]);
        writer.optional_number(TABLE, self.table);
        writer.optional_number(OUTPUT, self.output);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::capture::{block, bytes, check, commands, for_every_damage, told};
    use crate::wire::{Messages, encode};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_are_not_mixed() {
        let (v4, v6) = (Some(ip("10.0.0.1")), Some(ip("fd00::1")));
        let mixed = [
            Route { gateway: v4, ..Route::DEFAULT_V6 },
            Route { source: v4, ..Route::DEFAULT_V6 },
            Route { source: v6, ..Route::DEFAULT_V4 },
            Route { from: v6.map(|from| (from, 64)), ..Route::DEFAULT_V4 },
        ];
        for route in mixed {
            let request = ChangeRoute { action: Action::Add, route };
            assert_eq!(encode(&request, 1, &mut [0; 256]), Err(WriteError::MixedFamilies));
        }
    }

    /// What `ip` sends, and what the kernel then tells.
    const WRITTEN: &str = include_str!("../captures/routes-written.txt");
    const TOLD: &str = include_str!("../captures/routes-told.txt");

    const HOPS: [NextHop; 2] = [
        NextHop { weight_minus_one: 2, ..NextHop::by(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 1))) },
        NextHop { output: 3, on_link: true, ..NextHop::by(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9))) },
    ];
    const HOPS_V6: [NextHop; 2] = [
        NextHop {
            output: 3,
            weight_minus_one: 1,
            ..NextHop::by(IpAddr::V6(Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 5)))
        },
        NextHop { output: 3, ..NextHop::by(IpAddr::V6(Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 6))) },
    ];

    /// The routes in the captures that are added, and whether there is one that the kernel told.
    fn captured() -> Vec<(&'static str, bool, Route<'static>)> {
        let to = |address, bits| Route::to(ip(address), bits);
        let by = |address| Some(ip(address));
        let metrics = Metrics {
            mtu: Some(1400),
            advmss: Some(1300),
            initcwnd: Some(20),
            initrwnd: Some(30),
            congctl: Some("reno".try_into().unwrap()),
            lock: Some(1 << 2),
            ..Metrics::NONE
        };
        std::vec![
            ("ip route add default via 10.1.2.1", true, Route { gateway: by("10.1.2.1"), ..Route::DEFAULT_V4 }),
            (
                "ip route add 10.8.0.0/16 src 10.1.2.3 metric 7 dev base proto static",
                true,
                Route {
                    source: by("10.1.2.3"),
                    metric: Some(7),
                    output: Some(3),
                    protocol: Some(PROTOCOL_STATIC),
                    ..to("10.8.0.0", 16)
                },
            ),
            (
                "ip route add 10.9.0.0/16 via 192.0.2.1 table 1000 dev base onlink",
                true,
                Route { gateway: by("192.0.2.1"), table: 1000, output: Some(3), on_link: true, ..to("10.9.0.0", 16) },
            ),
            (
                "ip route add 10.10.0.0/16 via inet6 fd01::9 dev base",
                true,
                Route { gateway: by("fd01::9"), output: Some(3), ..to("10.10.0.0", 16) },
            ),
            (
                "ip route add 10.11.0.0/16 via 10.1.2.1 mtu lock 1400 advmss 1300 initcwnd 20 initrwnd 30 congctl reno",
                true,
                Route { gateway: by("10.1.2.1"), metrics, ..to("10.11.0.0", 16) },
            ),
            (
                "ip route add 10.12.0.0/16 nexthop via 10.1.2.1 weight 3 nexthop via 192.0.2.9 dev base onlink",
                true,
                Route { next_hops: NextHops::new(&HOPS), ..to("10.12.0.0", 16) },
            ),
            ("ip route add blackhole 10.13.0.0/16", true, Route::nowhere(RouteKind::Blackhole, ip("10.13.0.0"), 16),),
            (
                "ip route add throw 10.16.0.0/16 table 100",
                false,
                Route { table: 100, ..Route::nowhere(RouteKind::Throw, ip("10.16.0.0"), 16) },
            ),
            (
                "ip route add local 10.17.0.0/16 dev base",
                false,
                Route { table: TABLE_LOCAL, output: Some(3), ..Route::nowhere(RouteKind::Local, ip("10.17.0.0"), 16) },
            ),
            ("ip -6 route add 2000::/3 via fd01::2", false, Route { gateway: by("fd01::2"), ..to("2000::", 3) }),
            (
                "ip -6 route add fd15::/64 dev base metric 7 pref high expires 5000",
                true,
                Route {
                    metric: Some(7),
                    output: Some(3),
                    preference: Some(1),
                    expires: Some(5000),
                    ..to("fd15::", 64)
                },
            ),
            (
                "ip -6 route add fd16::/64 from fd17::/48 dev base",
                false,
                Route { from: Some((ip("fd17::"), 48)), output: Some(3), ..to("fd16::", 64) },
            ),
            (
                "ip -6 route add fd12::/64 nexthop via fd01::5 dev base weight 2 nexthop via fd01::6 dev base",
                true,
                Route { next_hops: NextHops::new(&HOPS_V6), ..to("fd12::", 64) },
            ),
            (
                "ip -6 route add unreachable fd14::/64 metric 9",
                true,
                Route { metric: Some(9), ..Route::nowhere(RouteKind::Unreachable, ip("fd14::"), 64) },
            ),
        ]
    }

    #[test]
    fn every_attribute_is_written_as_ip_writes_it() {
        for (command, _, route) in captured() {
            check(&ChangeRoute { action: Action::Add, route }, block(WRITTEN, command));
        }
        let append = Route { gateway: Some(ip("10.1.2.1")), metric: Some(5), ..Route::to(ip("10.12.0.0"), 16) };
        let replace = Route { gateway: Some(ip("10.1.2.2")), ..Route::DEFAULT_V4 };
        let others = [
            ("ip route append 10.12.0.0/16 via 10.1.2.1 metric 5", Action::Append, append),
            ("ip route replace default via 10.1.2.2", Action::Replace, replace),
            ("ip route del 10.11.0.0/16", Action::Delete, Route::to(ip("10.11.0.0"), 16)),
            (
                "ip route del blackhole 10.13.0.0/16",
                Action::Delete,
                Route::nowhere(RouteKind::Blackhole, ip("10.13.0.0"), 16),
            ),
        ];
        for (command, action, route) in others {
            check(&ChangeRoute { action, route }, block(WRITTEN, command));
        }
    }

    #[test]
    fn every_attribute_is_told_by_the_kernel() {
        for (command, _, route) in captured().into_iter().filter(|(_, told, _)| *told) {
            let capture = bytes(block(TOLD, command));
            let read = Route::read(&Messages::new(&capture).next().unwrap().unwrap()).unwrap().unwrap();
            // What the kernel found: the link, the usual metric of IPv6, and the time that had passed.
            let hops: Vec<_> = route.next_hops.iter().map(|hop| NextHop { output: 3, ..hop }).collect();
            let expected = Route {
                scope: Some(route.usual_scope()),
                protocol: route.protocol.or(Some(PROTOCOL_BOOT)),
                kind: route.kind.or(Some(RouteKind::Unicast)),
                output: route.output.or(read.output),
                metric: route.metric.or(read.metric),
                preference: route.preference.or(read.preference),
                expires: route.expires.map(|seconds| seconds - 1),
                next_hops: NextHops::new(&hops),
                ..route
            };
            assert_eq!(read, expected, "{command}");
            assert_eq!(read.metrics, read.metrics.with(&route.metrics));
            assert!(GetRoutes::ALL.matches(&read));
            assert!(GetRoutes { table: Some(route.table), protocol: read.protocol, ..GetRoutes::ALL }.matches(&read));
            assert!(!GetRoutes { table: Some(7), ..GetRoutes::ALL }.matches(&read));
            let nowhere = matches!(route.kind, Some(RouteKind::Blackhole | RouteKind::Unreachable));
            assert_eq!(GetRoutes { output: Some(3), ..GetRoutes::ALL }.matches(&read), !nowhere);
        }
    }

    #[test]
    fn more_ways_than_a_length_can_say_are_refused() {
        let hops = vec![NextHop::by(ip("10.0.0.1")); 5000];
        let mut buffer = vec![0; 1 << 17];
        for (count, fits) in [(4095, true), (4096, false), (5000, false)] {
            let route = Route { next_hops: NextHops::new(&hops[..count]), ..Route::DEFAULT_V4 };
            let written = encode(&ChangeRoute { action: Action::Add, route }, 1, &mut buffer);
            assert_eq!(written.is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn routes_are_asked_for() {
        check(
            &GetRoutes {
                family: Some(Family::V4),
                table: Some(1000),
                output: Some(3),
                protocol: Some(PROTOCOL_STATIC),
                kind: Some(RouteKind::Blackhole),
            },
            "2c000000 1a00 0503 01000000 00000000 | RTM_GETROUTE, REQUEST ACK DUMP
             02 00 00 00 00 04 00 06 00000000     | struct rtmsg: AF_INET, static, blackhole
             0800 0f00 e8030000                   | RTA_TABLE 1000
             0800 0400 03000000                   | RTA_OIF 3",
        );
    }

    #[test]
    fn no_damage_to_a_captured_route_panics() {
        for (_, capture) in commands(WRITTEN).chain(commands(TOLD)) {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Route::read(&message).map(|route| route.map(|route| route.next_hops.iter().count()));
                }
            });
        }
    }

    prop_compose! {
        fn any_hop(v6: bool)(
            gateway in any::<Option<IpAddr>>(),
            (output, weight_minus_one, on_link, flags) in any::<(u32, u8, bool, u8)>(),
        ) -> NextHop {
            let gateway = gateway.filter(|gateway| gateway.is_ipv6() || !v6);
            NextHop { gateway, output, weight_minus_one, on_link, flags: flags & !ON_LINK }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_of_a_route_reads_back(
            (destination, hops) in any::<IpAddr>().prop_flat_map(|ip| (Just(ip), proptest::collection::vec(any_hop(ip.is_ipv6()), 0..6))),
            (source, from, prefix_length, type_of_service) in (any::<Option<IpAddr>>(), any::<Option<(IpAddr, u8)>>(), 1_u8.., any::<u8>()),
            (gateway, output, on_link, flags) in (any::<Option<IpAddr>>(), any::<Option<u32>>(), any::<bool>(), any::<u32>()),
            (scope, protocol, kind) in (any::<u8>(), any::<u8>(), any::<u8>()),
            (metric, table, preference, expires) in (any::<Option<u32>>(), any::<u32>(), any::<Option<u8>>(), any::<Option<u32>>()),
            (realms, next_hop_object) in any::<(Option<u32>, Option<u32>)>(),
            metrics in Metrics::any(),
        ) {
            let same = |ip: &IpAddr| ip.is_ipv4() == destination.is_ipv4();
            let route = Route {
                destination, prefix_length, type_of_service, output, on_link, metric, table, preference, expires, realms,
                next_hop_object, metrics,
                from: from.filter(|(from, _)| same(from)),
                source: source.filter(same),
                gateway: gateway.filter(|gateway| gateway.is_ipv6() || same(gateway)),
                scope: Some(scope),
                protocol: Some(protocol),
                kind: Some(RouteKind::from(kind)),
                flags: flags & !u32::from(ON_LINK),
                next_hops: NextHops::new(&hops),
            };
            told(&ChangeRoute { action: Action::Append, route }, |message| {
                prop_assert_eq!(Route::read(message), Ok(Some(route)));
                Ok(())
            })?;
        }
    }
}
