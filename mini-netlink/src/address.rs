//! The addresses of links: requests to add, replace, delete and list them, and what the kernel tells of one. Pure.
//!
//! ```
//! use core::net::IpAddr;
//! use mini_netlink::address::{FOREVER, Lifetimes, NO_PREFIX_ROUTE};
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Action, Address, ChangeAddress};
//!
//! let address = Address {
//!     flags: NO_PREFIX_ROUTE,
//!     lifetimes: Some(Lifetimes { preferred: 3600, valid: FOREVER }),
//!     ..Address::new(3, IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]), 64)
//! };
//! let mut buffer = [0; 256];
//! let length = encode(&ChangeAddress { action: Action::Add, address }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of an address in the same form, in a message of the same kind.
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! assert_eq!(Address::read(&message), Ok(Some(address)));
//! ```
//!
//! Source: `include/uapi/linux/if_addr.h`, rtnetlink(7), ip-address(8).

use core::net::{IpAddr, Ipv4Addr};

use crate::name::Name;
use crate::wire::{
    APPEND, Attributes, CREATE, DUMP, EXCLUSIVE, Malformed, Message, REPLACE, Request, WriteError, Writer, number_at,
};

/// In [`Address::flags`]: another address of the same network is preferred. The kernel sets it. `IFA_F_SECONDARY`
pub const SECONDARY: u32 = 0x1;
/// In [`Address::flags`]: use it at once, without asking the network whether somebody has it. `IFA_F_NODAD`
pub const NO_DUPLICATE_DETECTION: u32 = 0x2;
/// In [`Address::flags`]: use it while the network is still being asked. `IFA_F_OPTIMISTIC`
pub const OPTIMISTIC: u32 = 0x4;
/// In [`Address::flags`]: somebody else has it. The kernel sets it. `IFA_F_DADFAILED`
pub const DUPLICATE: u32 = 0x8;
/// In [`Address::flags`]: the address by which a mobile host is known at home. `IFA_F_HOMEADDRESS`
pub const HOME: u32 = 0x10;
/// In [`Address::flags`]: its preferred lifetime is over. The kernel sets it. `IFA_F_DEPRECATED`
pub const DEPRECATED: u32 = 0x20;
/// In [`Address::flags`]: the network is still being asked. The kernel sets it. `IFA_F_TENTATIVE`
pub const TENTATIVE: u32 = 0x40;
/// In [`Address::flags`]: it has no end of life. The kernel sets it. `IFA_F_PERMANENT`
pub const PERMANENT: u32 = 0x80;
/// In [`Address::flags`]: make temporary addresses after this one's pattern. `IFA_F_MANAGETEMPADDR`
pub const MANAGE_TEMPORARY: u32 = 0x100;
/// In [`Address::flags`]: do not add a route to its network. `IFA_F_NOPREFIXROUTE`
pub const NO_PREFIX_ROUTE: u32 = 0x200;
/// In [`Address::flags`]: join it as a multicast group. `IFA_F_MCAUTOJOIN`
pub const MULTICAST_JOIN: u32 = 0x400;

/// How far an address, or the destination of a route, is valid. `RT_SCOPE_UNIVERSE`
pub const SCOPE_UNIVERSE: u8 = 0;
/// Valid on this site. `RT_SCOPE_SITE`
pub const SCOPE_SITE: u8 = 200;
/// Valid on this link. `RT_SCOPE_LINK`
pub const SCOPE_LINK: u8 = 253;
/// Valid on this machine. `RT_SCOPE_HOST`
pub const SCOPE_HOST: u8 = 254;
/// What does not exist; as the scope of a route to delete: any. `RT_SCOPE_NOWHERE`
pub(crate) const SCOPE_NOWHERE: u8 = 255;

/// In [`Lifetimes`]: without end.
pub const FOREVER: u32 = u32::MAX;

// Kinds of messages and attributes.
const NEW: u16 = 20;
const GET: u16 = 22;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const LABEL: u16 = 3;
const BROADCAST: u16 = 4;
const CACHE_INFORMATION: u16 = 6;
const FLAGS: u16 = 8;
const METRIC: u16 = 9;
const PROTOCOL: u16 = 11;

/// What to do with an address, a route or a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add it; fail with `EEXIST` if it exists.
    Add,
    /// Add it behind those of the same destination and metric. For routes; for others it is the same as `Add`.
    Append,
    /// Add it, or put it in the place of the one that exists.
    Replace,
    /// Delete it.
    Delete,
}

impl Action {
    /// Begins a message. The number for "delete" always follows the one for "new".
    pub(crate) fn start(self, writer: &mut Writer<'_>, new: u16) {
        match self {
            Self::Add => writer.start(new, CREATE | EXCLUSIVE),
            Self::Append => writer.start(new, CREATE | APPEND),
            Self::Replace => writer.start(new, CREATE | REPLACE),
            Self::Delete => writer.start(new + 1, 0),
        }
    }
}

/// Which addresses, routes or rules: the kernel keeps those of each family apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4. `AF_INET`
    V4,
    /// IPv6. `AF_INET6`
    V6,
}

impl Family {
    /// That of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The kernel's number for it.
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// That of a message, whose first byte it is. `None`: one that is nothing of IP.
    pub(crate) fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        match message.payload.first() {
            None => Err(Malformed),
            Some(2) => Ok(Some(Self::V4)),
            Some(10) => Ok(Some(Self::V6)),
            Some(_) => Ok(None),
        }
    }

    /// The address that all-zero bits are.
    pub(crate) const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// The kernel's number for one family, or for all.
pub(crate) fn family_number(family: Option<Family>) -> u8 {
    family.map_or(0, Family::number)
}

/// A label of an IPv4 address: 1 to 15 bytes; by custom the link's name, a colon and something.
pub type Label = Name<16>;

/// How long an address lives, in seconds, or [`FOREVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long new connections use it. At most `valid`.
    pub preferred: u32,
    /// How long it exists. Not 0.
    pub valid: u32,
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link's index.
    pub index: u32,
    /// The address itself.
    pub address: IpAddr,
    /// How many leading bits of it (or of `peer`) name its network.
    pub prefix_length: u8,
    /// The address at the other end, where there is just one.
    pub peer: Option<IpAddr>,
    /// The address that all of its network listen to. IPv4 only; the kernel does not derive it.
    pub broadcast: Option<Ipv4Addr>,
    /// How far it is valid: [`SCOPE_UNIVERSE`] and so on. For IPv6 the kernel derives it from the address.
    pub scope: u8,
    /// `IFA_F_` bits, such as [`NO_DUPLICATE_DETECTION`].
    pub flags: u32,
    /// Its label. IPv4 only; the kernel's default is the link's name.
    pub label: Option<Label>,
    /// How long it lives. `None`: for ever. The kernel always tells what is left.
    pub lifetimes: Option<Lifetimes>,
    /// The metric of the route to its network.
    pub metric: Option<u32>,
    /// Who added it: a number as for routes, but for `IFAPROT_` 1 to 3, which are the kernel's. Since Linux 5.18.
    pub protocol: Option<u8>,
}

impl Address {
    /// An ordinary address.
    pub const fn new(index: u32, address: IpAddr, prefix_length: u8) -> Self {
        Self {
            index,
            address,
            prefix_length,
            peer: None,
            broadcast: None,
            scope: SCOPE_UNIVERSE,
            flags: 0,
            label: None,
            lifetimes: None,
            metric: None,
            protocol: None,
        }
    }

    /// Reads a message; `None` if it is about something else than an IP address that exists.
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        if message.kind != NEW || Family::read(message)?.is_none() {
            return Ok(None);
        }
        let Some([_, prefix_length, flags, scope, index @ ..]) = message.payload.first_chunk::<FIXED_BYTES>() else {
            return Err(Malformed);
        };
        let mut read = Self::new(u32::from_ne_bytes(*index), IpAddr::V4(Ipv4Addr::UNSPECIFIED), *prefix_length);
        (read.scope, read.flags) = (*scope, u32::from(*flags));
        let (mut local, mut other) = (None, None);
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            match attribute.kind {
                LOCAL => local = Some(attribute.ip()?),
                ADDRESS => other = Some(attribute.ip()?),
                LABEL => read.label = Some(Label::new(attribute.text()).map_err(|_| Malformed)?),
                BROADCAST => read.broadcast = Some(attribute.bytes::<4>()?.into()),
                CACHE_INFORMATION => {
                    let number = |offset| number_at(attribute.payload, offset).ok_or(Malformed);
                    read.lifetimes = Some(Lifetimes { preferred: number(0)?, valid: number(4)? });
                }
                FLAGS => read.flags = attribute.number()?,
                METRIC => read.metric = Some(attribute.number()?),
                PROTOCOL => read.protocol = Some(attribute.byte()?),
                _ => {}
            }
        }
        // IPv6 tells only the second where there is no peer, IPv4 then tells the same twice.
        read.address = local.or(other).ok_or(Malformed)?;
        read.peer = other.filter(|other| *other != read.address);
        Ok(Some(read))
    }
}

/// `struct ifaddrmsg`, the fixed part: family, prefix length, flags, scope, and the link's index in four bytes.
const FIXED_BYTES: usize = 8;

/// Adds, replaces or deletes an address. `RTM_NEWADDR`, `RTM_DELADDR`
///
/// One to delete that does not exist is refused with `EADDRNOTAVAIL`.
#[derive(Clone, Copy, Debug)]
pub struct ChangeAddress {
    /// What to do.
    pub action: Action,
    /// With which address. To delete, link, address, prefix length and peer must be equal, and the label if it is set.
    pub address: Address,
}

impl Request for ChangeAddress {
    fn write(&self, writer: &mut Writer<'_>) {
        let Address { index, address, prefix_length, scope, flags, .. } = &self.address;
        let peer = self.address.peer.as_ref().unwrap_or(address);
        self.action.start(writer, NEW);
        // `struct ifaddrmsg`. Its flags have eight bits; where they do not suffice, the attribute counts instead.
        let short = u8::try_from(*flags);
        writer.put(&[Family::of(address).number(), *prefix_length, short.unwrap_or(0), *scope]);
        writer.put(&index.to_ne_bytes());
        writer.ip(LOCAL, address);
        match &self.address.broadcast {
            None => {}
            Some(broadcast) if address.is_ipv4() => writer.attribute(BROADCAST, &broadcast.octets()),
            Some(_) => writer.fail(WriteError::MixedFamilies),
        }
        if let Some(label) = &self.address.label {
            writer.attribute(LABEL, label.terminated());
        }
        writer.optional_number(METRIC, self.address.metric);
        if let Some(protocol) = self.address.protocol {
            writer.byte(PROTOCOL, protocol);
        }
        if short.is_err() {
            writer.number(FLAGS, *flags);
        }
        if peer.is_ipv4() != address.is_ipv4() {
            writer.fail(WriteError::MixedFamilies);
        }
        writer.ip(ADDRESS, peer);
        if let Some(Lifetimes { preferred, valid }) = self.address.lifetimes {
            // `struct ifa_cacheinfo`: behind these two, when it was made and changed, which only the kernel knows.
            let information = writer.open(CACHE_INFORMATION);
            writer.put(&preferred.to_ne_bytes());
            writer.put(&valid.to_ne_bytes());
            writer.put(&[0; 8]);
            writer.close(information);
        }
    }
}

/// Asks for addresses; each comes as a message that [`Address::read`] understands. `RTM_GETADDR`
///
/// A kernel that was not asked to check strictly tells those of all links: [`Socket::addresses`](crate::Socket::addresses)
/// leaves out what was not asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetAddresses {
    /// Only those of this family.
    pub family: Option<Family>,
    /// Only those of the link with this index.
    pub index: Option<u32>,
}

impl GetAddresses {
    /// Every one.
    pub const ALL: Self = Self { family: None, index: None };

    /// Whether this address was asked for.
    pub fn matches(&self, address: &Address) -> bool {
        self.family.is_none_or(|family| family == Family::of(&address.address))
            && self.index.is_none_or(|index| index == address.index)
    }
}

impl Request for GetAddresses {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(GET, DUMP);
        writer.put(&[family_number(self.family), 0, 0, 0]);
        writer.put(&self.index.unwrap_or(0).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{block, bytes, check, commands, for_every_damage, told};
    use crate::wire::{Messages, encode};

    const V4: Address = Address::new(3, IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), 24);
    const V6: Address = Address::new(3, IpAddr::V6(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)), 64);

    #[test]
    fn flags_of_more_than_eight_bits_travel_as_an_attribute() {
        let flags = NO_PREFIX_ROUTE | NO_DUPLICATE_DETECTION;
        check(
            &ChangeAddress { action: Action::Delete, address: Address { flags, scope: SCOPE_LINK, ..V4 } },
            "30000000 1500 0500 01000000 00000000 | RTM_DELADDR, REQUEST ACK
             02 18 00 fd 03000000                 | struct ifaddrmsg: AF_INET, 24 bits, link, index 3
             0800 0200 0a010203                   | IFA_LOCAL 10.1.2.3
             0800 0800 02020000                   | IFA_FLAGS
             0800 0100 0a010203                   | IFA_ADDRESS 10.1.2.3",
        );
    }

    #[test]
    fn ipv6_has_no_broadcast() {
        let address = Address { broadcast: Some(Ipv4Addr::BROADCAST), ..V6 };
        let request = ChangeAddress { action: Action::Replace, address };
        assert_eq!(encode(&request, 1, &mut [0; 256]), Err(WriteError::MixedFamilies));
    }

    /// What `ip` sends, and what the kernel then tells.
    const WRITTEN: &str = include_str!("../captures/addresses-written.txt");
    const TOLD: &str = include_str!("../captures/addresses-told.txt");

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The addresses in the captures, and the flags that the kernel adds.
    fn captured() -> [(&'static str, Address, u32); 5] {
        let new = |address, bits| Address::new(3, ip(address), bits);
        [
            (
                "ip address add 10.1.5.3/24 broadcast 10.1.5.255 label base:1 metric 7 dev base",
                Address {
                    broadcast: Some(Ipv4Addr::new(10, 1, 5, 255)),
                    label: Some(Label::try_from("base:1").unwrap()),
                    metric: Some(7),
                    ..new("10.1.5.3", 24)
                },
                PERMANENT,
            ),
            (
                "ip address add 10.2.0.1 peer 10.2.0.2/32 scope link dev base",
                Address { peer: Some(ip("10.2.0.2")), scope: SCOPE_LINK, ..new("10.2.0.1", 32) },
                PERMANENT,
            ),
            (
                "ip address add 10.3.0.1/24 valid_lft 200000 preferred_lft 100000 dev base",
                Address { lifetimes: Some(Lifetimes { preferred: 100_000, valid: 200_000 }), ..new("10.3.0.1", 24) },
                0,
            ),
            (
                "ip address add fd02::1/64 nodad noprefixroute home dev base",
                Address { flags: NO_DUPLICATE_DETECTION | NO_PREFIX_ROUTE | HOME, ..new("fd02::1", 64) },
                PERMANENT,
            ),
            (
                "ip address add fd03::1 peer fd03::2/128 nodad valid_lft forever preferred_lft 0 dev base",
                Address {
                    peer: Some(ip("fd03::2")),
                    flags: NO_DUPLICATE_DETECTION,
                    lifetimes: Some(Lifetimes { preferred: 0, valid: FOREVER }),
                    ..new("fd03::1", 128)
                },
                PERMANENT | DEPRECATED,
            ),
        ]
    }

    #[test]
    fn every_attribute_is_written_as_ip_writes_it_and_told_by_the_kernel() {
        let forever = Lifetimes { preferred: FOREVER, valid: FOREVER };
        for (command, address, flags) in captured() {
            check(&ChangeAddress { action: Action::Add, address }, block(WRITTEN, command));
            let capture = bytes(block(TOLD, command));
            let read = Address::read(&Messages::new(&capture).next().unwrap().unwrap()).unwrap().unwrap();
            let label = address.label.or(Label::try_from("base").ok().filter(|_| address.address.is_ipv4()));
            let flags = address.flags | flags;
            assert_eq!(read, Address { label, flags, lifetimes: address.lifetimes.or(Some(forever)), ..address });
        }
    }

    #[test]
    fn an_address_is_replaced_deleted_and_asked_for_as_by_ip() {
        let address = Address::new(3, ip("10.1.4.3"), 24);
        let delete = ChangeAddress { action: Action::Delete, address };
        check(&delete, block(WRITTEN, "ip address del 10.1.4.3/24 dev base"));
        let address = Address { broadcast: Some(Ipv4Addr::new(10, 1, 4, 255)), ..address };
        let replace = ChangeAddress { action: Action::Replace, address };
        check(&replace, block(WRITTEN, "ip address replace 10.1.4.3/24 broadcast 10.1.4.255 dev base"));
        check(
            &GetAddresses { family: Some(Family::V6), index: Some(3) },
            "18000000 1600 0503 01000000 00000000 | RTM_GETADDR, REQUEST ACK DUMP
             0a 00 00 00 03000000                 | struct ifaddrmsg: AF_INET6, index 3",
        );
    }

    #[test]
    fn no_damage_to_a_captured_address_panics() {
        for (_, capture) in commands(WRITTEN).chain(commands(TOLD)) {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Address::read(&message);
                }
            });
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_of_an_address_reads_back(
            (index, address, prefix_length, scope, flags) in any::<(u32, IpAddr, u8, u8, u32)>(),
            (peer, broadcast, metric, protocol) in any::<(Option<IpAddr>, Option<Ipv4Addr>, Option<u32>, Option<u8>)>(),
            label in proptest::option::of("[a-z:]{1,15}"),
            lifetimes in any::<Option<(u32, u32)>>(),
        ) {
            let address = Address {
                peer: peer.filter(|peer| peer.is_ipv4() == address.is_ipv4() && *peer != address),
                broadcast: broadcast.filter(|_| address.is_ipv4()),
                scope, flags, metric, protocol,
                label: label.map(|label| Label::try_from(label.as_str()).unwrap()),
                lifetimes: lifetimes.map(|(preferred, valid)| Lifetimes { preferred, valid }),
                ..Address::new(index, address, prefix_length)
            };
            let read = told(&ChangeAddress { action: Action::Append, address }, Address::read);
            prop_assert_eq!(read, Ok(Some(address)));
        }
    }
}
