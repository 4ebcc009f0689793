//! The addresses of links: requests to add and delete them. Pure.
//!
//! Source: `include/uapi/linux/if_addr.h`, rtnetlink(7).

use core::net::{IpAddr, Ipv4Addr};

use crate::wire::{CREATE, EXCLUSIVE, REPLACE, Request, WriteError, Writer};

/// In [`Address::flags`]: use it at once, without asking the network whether somebody has it. `IFA_F_NODAD`
pub const NO_DUPLICATE_DETECTION: u32 = 0x2;
/// In [`Address::flags`]: do not add a route to its network. `IFA_F_NOPREFIXROUTE`
pub const NO_PREFIX_ROUTE: u32 = 0x200;

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

// Kinds of messages and attributes.
const NEW: u16 = 20;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const FLAGS: u16 = 8;

/// What to do with an address or a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add it; fail with `EEXIST` if it exists.
    Add,
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
            Self::Replace => writer.start(new, CREATE | REPLACE),
            Self::Delete => writer.start(new + 1, 0),
        }
    }
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link's index.
    pub index: u32,
    /// The address itself.
    pub address: IpAddr,
    /// How many leading bits of it name its network.
    pub prefix_length: u8,
    /// The address that all of its network listen to. IPv4 only; the kernel does not derive it.
    pub broadcast: Option<Ipv4Addr>,
    /// How far it is valid: [`SCOPE_UNIVERSE`] and so on. For IPv6 the kernel derives it from the address.
    pub scope: u8,
    /// `IFA_F_` bits, such as [`NO_DUPLICATE_DETECTION`].
    pub flags: u32,
}

impl Address {
    /// An ordinary address.
    pub const fn new(index: u32, address: IpAddr, prefix_length: u8) -> Self {
        Self { index, address, prefix_length, broadcast: None, scope: SCOPE_UNIVERSE, flags: 0 }
    }
}

/// Adds or deletes an address. `RTM_NEWADDR`, `RTM_DELADDR`
#[derive(Clone, Copy, Debug)]
pub struct ChangeAddress {
    /// What to do.
    pub action: Action,
    /// With which address.
    pub address: Address,
}

impl Request for ChangeAddress {
    fn write(&self, writer: &mut Writer<'_>) {
        let Address { index, address, prefix_length, broadcast, scope, flags } = &self.address;
        self.action.start(writer, NEW);
        // `struct ifaddrmsg`. Its flags have eight bits; where they do not suffice, the attribute counts instead.
        let [low, high @ ..] = flags.to_le_bytes();
        writer.put(&[family(address), *prefix_length, low, *scope]);
        writer.put(&index.to_ne_bytes());
        writer.ip(LOCAL, address);
        match broadcast {
            None => {}
            Some(broadcast) if address.is_ipv4() => writer.attribute(BROADCAST, &broadcast.octets()),
            Some(_) => writer.fail(WriteError::MixedFamilies),
        }
        writer.ip(ADDRESS, address);
        if high != [0; 3] {
            writer.number(FLAGS, *flags);
        }
    }
}

/// The family of an address: `AF_INET` or `AF_INET6`.
pub(crate) fn family(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::check;
    use crate::wire::encode;

    const V4: Address = Address::new(3, IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), 24);
    const V6: Address = Address::new(3, IpAddr::V6(core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)), 64);

    #[test]
    fn an_ipv4_address_is_written_as_ip_writes_it() {
        let address = Address { broadcast: Some(Ipv4Addr::new(10, 1, 2, 255)), ..V4 };
        check(
            &ChangeAddress { action: Action::Add, address },
            "ip address add 10.1.2.3/24 broadcast 10.1.2.255 dev host0
             30000000 1400 0506 01000000 00000000 | RTM_NEWADDR, REQUEST ACK EXCL CREATE
             02 18 00 00 03000000                 | struct ifaddrmsg: AF_INET, 24 bits, no flags, universe, index 3
             0800 0200 0a010203                   | IFA_LOCAL 10.1.2.3
             0800 0400 0a0102ff                   | IFA_BROADCAST 10.1.2.255
             0800 0100 0a010203                   | IFA_ADDRESS 10.1.2.3",
        );
    }

    #[test]
    fn an_ipv6_address_is_written_as_ip_writes_it() {
        check(
            &ChangeAddress { action: Action::Add, address: Address { flags: NO_DUPLICATE_DETECTION, ..V6 } },
            "ip address add fd00::1/64 nodad dev host0
             40000000 1400 0506 01000000 00000000            | RTM_NEWADDR, REQUEST ACK EXCL CREATE
             0a 40 02 00 03000000                            | struct ifaddrmsg: AF_INET6, 64 bits, IFA_F_NODAD
             1400 0200 fd00000000000000 0000000000000001     | IFA_LOCAL fd00::1
             1400 0100 fd00000000000000 0000000000000001     | IFA_ADDRESS fd00::1",
        );
    }

    #[test]
    fn flags_of_more_than_eight_bits_travel_as_an_attribute() {
        let flags = NO_PREFIX_ROUTE | NO_DUPLICATE_DETECTION;
        check(
            &ChangeAddress { action: Action::Delete, address: Address { flags, scope: SCOPE_LINK, ..V4 } },
            "30000000 1500 0500 01000000 00000000 | RTM_DELADDR, REQUEST ACK
             02 18 02 fd 03000000                 | struct ifaddrmsg: AF_INET, 24 bits, flags, link, index 3
             0800 0200 0a010203                   | IFA_LOCAL 10.1.2.3
             0800 0100 0a010203                   | IFA_ADDRESS 10.1.2.3
             0800 0800 02020000                   | IFA_FLAGS",
        );
    }

    #[test]
    fn ipv6_has_no_broadcast() {
        let address = Address { broadcast: Some(Ipv4Addr::BROADCAST), ..V6 };
        let request = ChangeAddress { action: Action::Replace, address };
        assert_eq!(encode(&request, 1, &mut [0; 256]), Err(WriteError::MixedFamilies));
    }
}
