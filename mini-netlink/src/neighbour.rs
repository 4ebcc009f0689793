//! Neighbours: which hardware address an IP address of a link's network has. Requests to add, replace, delete and list them,
//! and what the kernel tells of one. Pure.
//!
//! ```
//! use core::net::IpAddr;
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Action, ChangeNeighbour, Neighbour};
//!
//! let neighbour = Neighbour::new(3, IpAddr::from([10, 1, 2, 9]), [2, 0, 0, 0, 0, 9]);
//! let mut buffer = [0; 256];
//! let length = encode(&ChangeNeighbour { action: Action::Replace, neighbour }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of a neighbour in the same form, in a message of the same kind.
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! assert_eq!(Neighbour::read(&message), Ok(Some(neighbour)));
//! ```
//!
//! Source: `include/uapi/linux/neighbour.h`, rtnetlink(7), ip-neighbour(8).

use core::net::IpAddr;

use crate::address::{Action, Family, family_number};
use crate::wire::{Attributes, DUMP, Malformed, Message, Request, Writer};

/// In [`Neighbour::state`]: it was asked, and has not answered yet. `NUD_INCOMPLETE`
pub const INCOMPLETE: u16 = 0x1;
/// In [`Neighbour::state`]: it answered lately. `NUD_REACHABLE`
pub const REACHABLE: u16 = 0x2;
/// In [`Neighbour::state`]: it answered some time ago. `NUD_STALE`
pub const STALE: u16 = 0x4;
/// In [`Neighbour::state`]: the same, and a packet was sent; it will be asked again. `NUD_DELAY`
pub const DELAY: u16 = 0x8;
/// In [`Neighbour::state`]: it is being asked again. `NUD_PROBE`
pub const PROBE: u16 = 0x10;
/// In [`Neighbour::state`]: it did not answer. `NUD_FAILED`
pub const FAILED: u16 = 0x20;
/// In [`Neighbour::state`]: the link has no hardware addresses to ask for. `NUD_NOARP`
pub const NO_ARP: u16 = 0x40;
/// In [`Neighbour::state`]: it stays until it is deleted. `NUD_PERMANENT`
pub const PERMANENT: u16 = 0x80;

/// In [`Neighbour::flags`]: the kernel asks it again by itself when it becomes stale. `NTF_USE`
pub const USE: u8 = 0x1;
/// In [`Neighbour::flags`]: this machine answers for the address. Such entries are a list of their own. `NTF_PROXY`
pub const PROXY: u8 = 0x8;
/// In [`Neighbour::flags`]: learnt by a program that keeps it up to date. `NTF_EXT_LEARNED`
pub const LEARNED: u8 = 0x10;
/// In [`Neighbour::flags`]: it is a router. IPv6 only. `NTF_ROUTER`
pub const ROUTER: u8 = 0x80;

// Kinds of messages and attributes.
const NEW: u16 = 28;
const GET: u16 = 30;
const DESTINATION: u16 = 1;
const MAC: u16 = 2;
const PROBES: u16 = 4;
const INTERFACE: u16 = 8;
const MASTER: u16 = 9;
const PROTOCOL: u16 = 12;

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The index of the link whose network it is in.
    pub index: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its hardware address, if it is known and has 6 bytes. A [`PROXY`] has none.
    pub mac: Option<[u8; 6]>,
    /// How far the hardware address can be relied on: one of the bits from [`INCOMPLETE`] to [`PERMANENT`].
    pub state: u16,
    /// `NTF_` bits, such as [`ROUTER`].
    pub flags: u8,
    /// Who made it: a number as for routes. Since Linux 5.2.
    pub protocol: Option<u8>,
    /// How often it has been asked without an answer. Only told.
    pub probes: Option<u32>,
}

impl Neighbour {
    /// One whose hardware address is known for good.
    pub const fn new(index: u32, address: IpAddr, mac: [u8; 6]) -> Self {
        Self { index, address, mac: Some(mac), state: PERMANENT, flags: 0, protocol: None, probes: None }
    }

    /// One that this machine answers for.
    pub const fn proxy(index: u32, address: IpAddr) -> Self {
        Self { index, address, mac: None, state: PERMANENT, flags: PROXY, protocol: None, probes: None }
    }

    /// Reads a message; `None` if it is about something else than an IP neighbour that exists.
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        if message.kind != NEW || Family::read(message)?.is_none() {
            return Ok(None);
        }
        let Some([_, _, _, _, a, b, c, d, state_low, state_high, flags, _]) =
            message.payload.first_chunk::<FIXED_BYTES>()
        else {
            return Err(Malformed);
        };
        let (mut address, mut mac, mut protocol, mut probes) = (None, None, None, None);
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            match attribute.kind {
                DESTINATION => address = Some(attribute.ip()?),
                MAC => mac = attribute.bytes().ok(),
                PROBES => probes = Some(attribute.number()?),
                PROTOCOL => protocol = Some(attribute.byte()?),
                _ => {}
            }
        }
        Ok(Some(Self {
            index: u32::from_ne_bytes([*a, *b, *c, *d]),
            address: address.ok_or(Malformed)?,
            mac,
            state: u16::from_ne_bytes([*state_low, *state_high]),
            flags: *flags,
            protocol,
            probes,
        }))
    }
}

/// `struct ndmsg`, the fixed part: family, three bytes of padding, index, state, flags, kind.
const FIXED_BYTES: usize = 12;

fn write_fixed(writer: &mut Writer<'_>, family: u8, index: u32, state: u16, flags: u8) {
    let [low, high] = state.to_ne_bytes();
    writer.put(&[family, 0, 0, 0]);
    writer.put(&index.to_ne_bytes());
    writer.put(&[low, high, flags, 0]);
}

/// Adds, replaces or deletes a neighbour. `RTM_NEWNEIGH`, `RTM_DELNEIGH`
///
/// One to delete that does not exist is refused with `ENOENT`.
#[derive(Clone, Copy, Debug)]
pub struct ChangeNeighbour {
    /// What to do.
    pub action: Action,
    /// With which neighbour. To delete, link, address and the flag [`PROXY`] must be equal.
    pub neighbour: Neighbour,
}

impl Request for ChangeNeighbour {
    fn write(&self, writer: &mut Writer<'_>) {
        let Neighbour { index, address, mac, state, flags, protocol, probes: _ } = &self.neighbour;
        self.action.start(writer, NEW);
        write_fixed(writer, Family::of(address).number(), *index, *state, *flags);
        if let Some(protocol) = protocol {
            writer.byte(PROTOCOL, *protocol);
        }
        writer.ip(DESTINATION, address);
        if let Some(mac) = mac {
            writer.attribute(MAC, mac);
        }
    }
}

/// Asks for neighbours; each comes as a message that [`Neighbour::read`] understands. `RTM_GETNEIGH`
///
/// [`Socket::neighbours`](crate::Socket::neighbours) leaves out what was not asked for, if an old kernel does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetNeighbours {
    /// Only those of this family.
    pub family: Option<Family>,
    /// Only those of the link with this index.
    pub index: Option<u32>,
    /// Only those of links that belong to the bridge (or the like) with this index.
    pub master: Option<u32>,
    /// Those that this machine answers for, instead of real ones.
    pub proxies: bool,
}

impl GetNeighbours {
    /// Every real one.
    pub const ALL: Self = Self { family: None, index: None, master: None, proxies: false };

    /// Whether this neighbour was asked for, as far as it can be seen: it does not tell its link's master.
    pub fn matches(&self, neighbour: &Neighbour) -> bool {
        self.family.is_none_or(|family| family == Family::of(&neighbour.address))
            && self.index.is_none_or(|index| index == neighbour.index)
            && self.proxies == (neighbour.flags & PROXY != 0)
    }
}

impl Request for GetNeighbours {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(GET, DUMP);
        write_fixed(writer, family_number(self.family), 0, 0, if self.proxies { PROXY } else { 0 });
        writer.optional_number(INTERFACE, self.index);
        writer.optional_number(MASTER, self.master);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{block, bytes, check, commands, for_every_damage, told};
    use crate::wire::Messages;

    /// What `ip` sends, and what the kernel then tells.
    const WRITTEN: &str = include_str!("../captures/neighbours-written.txt");
    const TOLD: &str = include_str!("../captures/neighbours-told.txt");

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x42];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_are_written_as_ip_writes_them_and_told_by_the_kernel() {
        let router =
            Neighbour { state: NO_ARP, flags: ROUTER, protocol: Some(4), ..Neighbour::new(3, ip("fd01::66"), MAC) };
        let captured = [
            (
                "ip neigh add 10.1.2.66 lladdr 02:00:00:00:00:42 dev base",
                Action::Add,
                Neighbour::new(3, ip("10.1.2.66"), MAC),
            ),
            (
                "ip neigh replace fd01::66 lladdr 02:00:00:00:00:42 nud noarp router protocol static dev base",
                Action::Replace,
                router,
            ),
            ("ip neigh add proxy 10.1.2.67 dev base", Action::Add, Neighbour::proxy(3, ip("10.1.2.67"))),
        ];
        for (command, action, neighbour) in captured {
            check(&ChangeNeighbour { action, neighbour }, block(WRITTEN, command));
            let capture = bytes(block(TOLD, command));
            let read = Neighbour::read(&Messages::new(&capture).next().unwrap().unwrap()).unwrap().unwrap();
            // A proxy has no state and is never asked.
            let proxies = neighbour.flags & PROXY != 0;
            let (state, probes) = if proxies { (0, None) } else { (neighbour.state, Some(0)) };
            assert_eq!(read, Neighbour { state, probes, ..neighbour });
            assert!(GetNeighbours { index: Some(3), proxies, ..GetNeighbours::ALL }.matches(&read));
            assert!(!GetNeighbours { proxies: !proxies, ..GetNeighbours::ALL }.matches(&read));
        }
        let delete = Neighbour { mac: None, ..Neighbour::new(3, ip("10.1.2.66"), MAC) };
        let delete = ChangeNeighbour { action: Action::Delete, neighbour: delete };
        check(&delete, block(WRITTEN, "ip neigh del 10.1.2.66 dev base"));
    }

    #[test]
    fn neighbours_are_asked_for() {
        check(
            &GetNeighbours { family: Some(Family::V4), index: Some(3), master: Some(7), proxies: true },
            "2c000000 1e00 0503 01000000 00000000 | RTM_GETNEIGH, REQUEST ACK DUMP
             02000000 00000000 0000 08 00         | struct ndmsg: AF_INET, NTF_PROXY
             0800 0800 03000000                   | NDA_IFINDEX 3
             0800 0900 07000000                   | NDA_MASTER 7",
        );
    }

    #[test]
    fn no_damage_to_a_captured_neighbour_panics() {
        for (_, capture) in commands(WRITTEN).chain(commands(TOLD)) {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Neighbour::read(&message);
                }
            });
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_of_a_neighbour_reads_back(
            (index, address, mac) in any::<(u32, IpAddr, Option<[u8; 6]>)>(),
            (state, flags, protocol) in any::<(u16, u8, Option<u8>)>(),
        ) {
            let neighbour = Neighbour { index, address, mac, state, flags, protocol, probes: None };
            let read = told(&ChangeNeighbour { action: Action::Add, neighbour }, Neighbour::read);
            prop_assert_eq!(read, Ok(Some(neighbour)));
        }
    }
}
