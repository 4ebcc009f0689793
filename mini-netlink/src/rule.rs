//! Rules: which routing table is looked in for which packets. Requests to add, delete and list them, and what the kernel
//! tells of one. Pure.
//!
//! ```
//! use core::net::IpAddr;
//! use mini_netlink::address::Family;
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{AddRule, Rule};
//!
//! // ip rule add from 10.1.0.0/16 fwmark 0x10/0xf0 table 1000 priority 50
//! let rule = Rule {
//!     from: Some((IpAddr::from([10, 1, 0, 0]), 16)),
//!     mark: Some(0x10),
//!     mask: Some(0xf0),
//!     priority: Some(50),
//!     ..Rule::lookup(Family::V4, 1000)
//! };
//! let mut buffer = [0; 256];
//! let length = encode(&AddRule { rule }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of a rule in the same form, in a message of the same kind.
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! assert_eq!(Rule::read(&message), Ok(Some(rule)));
//! ```
//!
//! Source: `include/uapi/linux/fib_rules.h`, ip-rule(8).

use core::net::IpAddr;

use crate::address::{Family, family_number};
use crate::link::LinkName;
use crate::route::write_same;
use crate::value::numbers;
use crate::wire::{Attribute, Attributes, CREATE, DUMP, EXCLUSIVE, Malformed, Message, Request, Writer, number_at};

// Kinds of messages and attributes.
const NEW: u16 = 32;
const DELETE: u16 = 33;
const GET: u16 = 34;
const TO: u16 = 1;
const FROM: u16 = 2;
const INPUT: u16 = 3;
const GO_TO: u16 = 4;
const PRIORITY: u16 = 6;
const MARK: u16 = 10;
const SUPPRESS_GROUP: u16 = 13;
const SUPPRESS_PREFIX_LENGTH: u16 = 14;
const TABLE: u16 = 15;
const MASK: u16 = 16;
const OUTPUT: u16 = 17;
const MASTERS_TABLE: u16 = 19;
const USERS: u16 = 20;
const PROTOCOL: u16 = 21;
const IP_PROTOCOL: u16 = 22;
const SOURCE_PORTS: u16 = 23;
const DESTINATION_PORTS: u16 = 24;

/// `FIB_RULE_INVERT`
const INVERT: u32 = 2;

numbers! {
    /// What a rule does with the packets it is about. `FR_ACT_`
    RuleAction: u8 as Byte {
        /// Has [`Rule::table`] looked in.
        Lookup = 1,
        /// Goes on at the rule with the priority [`Rule::go_to`].
        GoTo = 2,
        /// Nothing: the next rule is tried.
        Nothing = 3,
        /// Drops them without a word.
        Blackhole = 6,
        /// Drops them, and tells the sender that the network is unreachable.
        Unreachable = 7,
        /// Drops them, and tells the sender that this is prohibited.
        Prohibit = 8,
    }
}

/// A rule. It is about the packets for which everything holds that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// IPv4 or IPv6: each has rules of its own.
    pub family: Family,
    /// What it does.
    pub action: RuleAction,
    /// The table to look in, 0 if it does something else.
    pub table: u32,
    /// The lower, the sooner. `None`: for adding, before all others but the first; for deleting, any.
    pub priority: Option<u32>,
    /// From this network: an address of it, and how many leading bits count.
    pub from: Option<(IpAddr, u8)>,
    /// To this network.
    pub to: Option<(IpAddr, u8)>,
    /// It is about all packets that it otherwise would not be about. `not`
    pub inverted: bool,
    /// With this type of service.
    pub type_of_service: u8,
    /// With this mark: the bits that `mask` has. `fwmark`
    pub mark: Option<u32>,
    /// Which bits of the mark count; all, if none is given with a mark.
    pub mask: Option<u32>,
    /// That came in by the link with this name; `lo` for what this machine sends. `iif`
    pub input: Option<LinkName>,
    /// Of sockets that are bound to the link with this name. `oif`
    pub output: Option<LinkName>,
    /// Of users from this number to that. `uidrange`
    pub users: Option<(u32, u32)>,
    /// Of this protocol: 6 is TCP, 17 UDP. `ipproto`
    pub ip_protocol: Option<u8>,
    /// From a port between this one and that, both included. `sport`
    pub source_ports: Option<(u16, u16)>,
    /// To a port between this one and that. `dport`
    pub destination_ports: Option<(u16, u16)>,
    /// The table is that of the `vrf` that the packet's link belongs to. `l3mdev`
    pub masters_table: bool,
    /// Where to go on: the priority of a later rule.
    pub go_to: Option<u32>,
    /// A route with a prefix of at most so many bits does not count: with 0, the default route. `suppress_prefixlength`
    pub suppress_prefix_length: Option<u32>,
    /// A route by a link of this group does not count. `suppress_ifgroup`
    pub suppress_group: Option<u32>,
    /// Who made it: a number as for routes. Since Linux 4.17; the kernel always tells it.
    pub protocol: Option<u8>,
}

impl Rule {
    /// All packets of a family, unless more is said: look in this table.
    pub const fn lookup(family: Family, table: u32) -> Self {
        Self { table, ..Self::acting(family, RuleAction::Lookup) }
    }

    /// All packets of a family, unless more is said: do this.
    pub const fn acting(family: Family, action: RuleAction) -> Self {
        Self {
            family,
            action,
            table: 0,
            priority: None,
            from: None,
            to: None,
            inverted: false,
            type_of_service: 0,
            mark: None,
            mask: None,
            input: None,
            output: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            masters_table: false,
            go_to: None,
            suppress_prefix_length: None,
            suppress_group: None,
            protocol: None,
        }
    }

    /// Reads a message; `None` if it is about something else than an IP rule that exists.
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        let (NEW, Some(family)) = (message.kind, Family::read(message)?) else { return Ok(None) };
        let Some([_, to_bits, from_bits, type_of_service, table, _, _, action, flags @ ..]) =
            message.payload.first_chunk::<FIXED_BYTES>()
        else {
            return Err(Malformed);
        };
        let mut rule = Self {
            table: u32::from(*table),
            type_of_service: *type_of_service,
            inverted: u32::from_ne_bytes(*flags) & INVERT != 0,
            ..Self::acting(family, RuleAction::from(*action))
        };
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            rule.read_attribute(&attribute?, *to_bits, *from_bits)?;
        }
        Ok(Some(rule))
    }

    fn read_attribute(&mut self, attribute: &Attribute<'_>, to_bits: u8, from_bits: u8) -> Result<(), Malformed> {
        match attribute.kind {
            TO => self.to = Some((attribute.ip()?, to_bits)),
            FROM => self.from = Some((attribute.ip()?, from_bits)),
            INPUT => self.input = Some(LinkName::new(attribute.text()).map_err(|_| Malformed)?),
            OUTPUT => self.output = Some(LinkName::new(attribute.text()).map_err(|_| Malformed)?),
            GO_TO => self.go_to = Some(attribute.number()?),
            PRIORITY => self.priority = Some(attribute.number()?),
            MARK => self.mark = Some(attribute.number()?),
            MASK => self.mask = Some(attribute.number()?),
            TABLE => self.table = attribute.number()?,
            // The kernel always tells these two: -1 is none.
            SUPPRESS_GROUP => self.suppress_group = Some(attribute.number()?).filter(|group| *group != u32::MAX),
            SUPPRESS_PREFIX_LENGTH => {
                self.suppress_prefix_length = Some(attribute.number()?).filter(|bits| *bits != u32::MAX);
            }
            MASTERS_TABLE => self.masters_table = attribute.byte()? != 0,
            USERS => {
                let number = |offset| number_at(attribute.payload, offset).ok_or(Malformed);
                self.users = Some((number(0)?, number(4)?));
            }
            PROTOCOL => self.protocol = Some(attribute.byte()?),
            IP_PROTOCOL => self.ip_protocol = Some(attribute.byte()?),
            SOURCE_PORTS => self.source_ports = Some(read_ports(attribute)?),
            DESTINATION_PORTS => self.destination_ports = Some(read_ports(attribute)?),
            _ => {}
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer<'_>) {
        // `struct fib_rule_hdr`. Its table has eight bits; where they do not suffice, the attribute counts instead.
        let table = u8::try_from(self.table);
        let bits = |network: Option<(IpAddr, u8)>| network.map_or(0, |(_, bits)| bits);
        writer.put(&[self.family.number(), bits(self.to), bits(self.from), self.type_of_service]);
        writer.put(&[table.unwrap_or(0), 0, 0, self.action.number()]);
        writer.put(&(if self.inverted { INVERT } else { 0 }).to_ne_bytes());
        for (kind, network) in [(FROM, &self.from), (TO, &self.to)] {
            if let Some((address, _)) = network {
                write_same(writer, self.family, kind, address);
            }
        }
        writer.optional_number(PRIORITY, self.priority);
        writer.optional_number(MARK, self.mark);
        writer.optional_number(MASK, self.mask);
        if table.is_err() {
            writer.number(TABLE, self.table);
        }
        writer.optional_number(SUPPRESS_PREFIX_LENGTH, self.suppress_prefix_length);
        writer.optional_number(SUPPRESS_GROUP, self.suppress_group);
        for (kind, name) in [(INPUT, &self.input), (OUTPUT, &self.output)] {
            if let Some(name) = name {
                writer.attribute(kind, name.terminated());
            }
        }
        if self.masters_table {
            writer.byte(MASTERS_TABLE, 1);
        }
        if let Some((first, last)) = self.users {
            let users = writer.open(USERS);
            writer.put(&first.to_ne_bytes());
            writer.put(&last.to_ne_bytes());
            writer.close(users);
        }
        for (kind, byte) in [(IP_PROTOCOL, self.ip_protocol), (PROTOCOL, self.protocol)] {
            if let Some(byte) = byte {
                writer.byte(kind, byte);
            }
        }
        for (kind, ports) in [(SOURCE_PORTS, self.source_ports), (DESTINATION_PORTS, self.destination_ports)] {
            if let Some((first, last)) = ports {
                let ([a, b], [c, d]) = (first.to_ne_bytes(), last.to_ne_bytes());
                writer.attribute(kind, &[a, b, c, d]);
            }
        }
        writer.optional_number(GO_TO, self.go_to);
    }
}

/// `struct fib_rule_hdr`, the fixed part: family, two prefix lengths, type of service, table, two bytes, action, flags.
const FIXED_BYTES: usize = 12;

/// `struct fib_rule_port_range`. Unlike in other places, the numbers have the order of the machine.
fn read_ports(attribute: &Attribute<'_>) -> Result<(u16, u16), Malformed> {
    let [a, b, c, d] = attribute.bytes()?;
    Ok((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

/// Adds a rule. `RTM_NEWRULE`
///
/// One that exists with the same priority is refused with `EEXIST`. The kernel replaces no rule: add the new one, then
/// delete the old one.
#[derive(Clone, Copy, Debug)]
pub struct AddRule {
    /// The rule.
    pub rule: Rule,
}

impl Request for AddRule {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(NEW, CREATE | EXCLUSIVE);
        self.rule.write(writer);
    }
}

/// Deletes a rule: the first for which everything is equal that is set. `RTM_DELRULE`
///
/// If there is none: `ENOENT`.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRule {
    /// The rule.
    pub rule: Rule,
}

impl Request for DeleteRule {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(DELETE, 0);
        self.rule.write(writer);
    }
}

/// Asks for rules; each comes as a message that [`Rule::read`] understands, in the order in which they are tried.
/// `RTM_GETRULE`
#[derive(Clone, Copy, Debug, Default)]
pub struct GetRules {
    /// Only those of this family.
    pub family: Option<Family>,
}

impl GetRules {
    /// Every one.
    pub const ALL: Self = Self { family: None };
}

impl Request for GetRules {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(GET, DUMP);
        writer.put(&[family_number(self.family), 0, 0, 0]);
        writer.put(&[0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{block, bytes, check, commands, for_every_damage, told};
    use crate::wire::Messages;

    fn any_name() -> impl Strategy<Value = Option<LinkName>> {
        proptest::option::of("[a-z]{1,15}".prop_map(|name| LinkName::try_from(name.as_str()).unwrap()))
    }

    /// What `ip` sends, and what the kernel then tells.
    const WRITTEN: &str = include_str!("../captures/rules-written.txt");
    const TOLD: &str = include_str!("../captures/rules-told.txt");

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn name(text: &str) -> Option<LinkName> {
        LinkName::try_from(text).ok()
    }

    #[test]
    fn rules_are_written_as_ip_writes_them_and_told_by_the_kernel() {
        let v4 = |priority, table| Rule { priority: Some(priority), ..Rule::lookup(Family::V4, table) };
        let captured = [
            (
                "ip rule add not from 10.1.0.0/16 to 10.2.0.0/16 priority 50 table 1000",
                Rule {
                    from: Some((ip("10.1.0.0"), 16)),
                    to: Some((ip("10.2.0.0"), 16)),
                    inverted: true,
                    ..v4(50, 1000)
                },
            ),
            (
                "ip rule add priority 51 fwmark 0x10/0xf0 table 100 iif base oif lo",
                Rule { mark: Some(0x10), mask: Some(0xf0), input: name("base"), output: name("lo"), ..v4(51, 100) },
            ),
            (
                "ip rule add priority 52 table main suppress_prefixlength 0 suppress_ifgroup 5",
                Rule { suppress_prefix_length: Some(0), suppress_group: Some(5), ..v4(52, 254) },
            ),
            (
                "ip rule add priority 53 uidrange 100-200 ipproto tcp sport 1000-2000 dport 80 table 100",
                Rule {
                    users: Some((100, 200)),
                    ip_protocol: Some(6),
                    source_ports: Some((1000, 2000)),
                    destination_ports: Some((80, 80)),
                    ..v4(53, 100)
                },
            ),
            (
                "ip -6 rule add from fd09::/64 priority 54 blackhole",
                Rule {
                    from: Some((ip("fd09::"), 64)),
                    priority: Some(54),
                    ..Rule::acting(Family::V6, RuleAction::Blackhole)
                },
            ),
            (
                "ip rule add priority 49 goto 50",
                Rule { priority: Some(49), go_to: Some(50), ..Rule::acting(Family::V4, RuleAction::GoTo) },
            ),
            (
                "ip -6 rule add priority 56 l3mdev",
                Rule { priority: Some(56), masters_table: true, ..Rule::lookup(Family::V6, 0) },
            ),
        ];
        for (command, rule) in captured {
            check(&AddRule { rule }, block(WRITTEN, command));
            let capture = bytes(block(TOLD, command));
            let read = Rule::read(&Messages::new(&capture).next().unwrap().unwrap());
            assert_eq!(read, Ok(Some(Rule { protocol: Some(0), ..rule })), "{command}");
        }
        let prohibit =
            Rule { priority: Some(55), type_of_service: 8, ..Rule::acting(Family::V4, RuleAction::Prohibit) };
        check(&AddRule { rule: prohibit }, block(WRITTEN, "ip rule add tos 0x8 priority 55 prohibit"));
        let any = Rule { priority: Some(50), ..Rule::acting(Family::V4, RuleAction::Other(0)) };
        check(&DeleteRule { rule: any }, block(WRITTEN, "ip rule del priority 50"));
    }

    #[test]
    fn rules_are_asked_for_and_families_are_not_mixed() {
        check(
            &GetRules { family: Some(Family::V6) },
            "1c000000 2200 0503 01000000 00000000 | RTM_GETRULE, REQUEST ACK DUMP
             0a 00 00 00 00 00 00 00 00000000     | struct fib_rule_hdr: AF_INET6",
        );
        let rule = Rule { to: Some((ip("10.0.0.0"), 8)), ..Rule::lookup(Family::V6, 7) };
        let mixed = crate::wire::encode(&AddRule { rule }, 1, &mut [0; 256]);
        assert_eq!(mixed, Err(crate::wire::WriteError::MixedFamilies));
    }

    #[test]
    fn no_damage_to_a_captured_rule_panics() {
        for (_, capture) in commands(WRITTEN).chain(commands(TOLD)) {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Rule::read(&message);
                }
            });
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_of_a_rule_reads_back(
            (v6, action, table, priority) in any::<(bool, u8, u32, Option<u32>)>(),
            (from, to, inverted, type_of_service) in any::<(Option<(IpAddr, u8)>, Option<(IpAddr, u8)>, bool, u8)>(),
            (mark, mask, users, ip_protocol) in any::<(Option<u32>, Option<u32>, Option<(u32, u32)>, Option<u8>)>(),
            (input, output) in (any_name(), any_name()),
            (source_ports, destination_ports) in any::<(Option<(u16, u16)>, Option<(u16, u16)>)>(),
            (masters_table, go_to, protocol) in any::<(bool, Option<u32>, Option<u8>)>(),
            (suppress_prefix_length, suppress_group) in any::<(Option<u8>, Option<u8>)>(),
        ) {
            let same = |network: &(IpAddr, u8)| network.0.is_ipv6() == v6;
            let rule = Rule {
                family: if v6 { Family::V6 } else { Family::V4 },
                action: RuleAction::from(action),
                table, priority, inverted, type_of_service, mark, mask, input, output, users, ip_protocol, source_ports,
                destination_ports, masters_table, go_to, protocol,
                from: from.filter(same),
                to: to.filter(same),
                suppress_prefix_length: suppress_prefix_length.map(u32::from),
                suppress_group: suppress_group.map(u32::from),
            };
            prop_assert_eq!(told(&AddRule { rule }, Rule::read), Ok(Some(rule)));
        }
    }
}
