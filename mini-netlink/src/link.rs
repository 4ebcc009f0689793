//! Network interfaces: requests to make, change, find and delete them, and what the kernel tells of one. Pure.
//!
//! [`LinkSettings`] serve for a new link and for the change of one that exists. Source: `include/uapi/linux/if_link.h`, rtnetlink(7).

use rustix::fd::{AsRawFd, BorrowedFd};

use crate::wire::{Attributes, CREATE, DUMP, EXCLUSIVE, Malformed, Message, Request, Writer, number_at};

/// The loopback interface has this index in every network namespace.
///
/// It is down in a new one. Setting it up is all it needs: the kernel then adds 127.0.0.1/8 and ::1/128 itself.
pub const LOOPBACK: u32 = 1;

/// In [`Link::flags`]: set up by somebody. `IFF_UP`
pub const UP: u32 = 0x1;
/// In [`Link::flags`]: up, and the other side answers. `IFF_RUNNING`
pub const RUNNING: u32 = 0x40;
/// In [`Link::flags`]: the signal is there. `IFF_LOWER_UP`
pub const LOWER_UP: u32 = 0x1_0000;

// Kinds of messages.
pub(crate) const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;
const SET: u16 = 19;

// Kinds of attributes.
const MAC: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const NAMESPACE_PID: u16 = 19;
const NAMESPACE_DESCRIPTOR: u16 = 28;
const EXTENDED_MASK: u16 = 29;
const VETH_PEER: u16 = 1;

/// `RTEXT_FILTER_SKIP_STATS`: leave the counters of IPv4 and IPv6 out of an answer, half a kilobyte.
const SKIP_STATISTICS: u32 = 1 << 3;

/// A name a link can have: 1 to 15 bytes, without `/`, `:`, white space and zero bytes; not `.` or `..`.
///
/// The kernel replaces one `%d` in the name of a link that is being made by the first number that is free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkName([u8; LinkName::BYTES_MAX + 1]);

/// No link can have this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl LinkName {
    /// The longest name, without the zero byte: `IFNAMSIZ` - 1.
    pub const BYTES_MAX: usize = 15;

    /// Holds `name` against the kernel's rule, `dev_valid_name`.
    pub fn new(name: &[u8]) -> Result<Self, BadName> {
        let allowed = |byte: &u8| !matches!(byte, 0 | b'/' | b':' | b' ' | b'\t'..=b'\r' | 0xa0);
        if name.is_empty() || name.len() > Self::BYTES_MAX || name == b"." || name == b".." || !name.iter().all(allowed)
        {
            return Err(BadName);
        }
        let mut bytes = [0; Self::BYTES_MAX + 1];
        for (place, byte) in bytes.iter_mut().zip(name) {
            *place = *byte;
        }
        Ok(Self(bytes))
    }

    /// The name without the zero byte.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The name with the zero byte, as it travels.
    fn terminated(&self) -> &[u8] {
        self.0.get(..=self.as_bytes().len()).unwrap_or_default()
    }
}

impl TryFrom<&str> for LinkName {
    type Error = BadName;

    fn try_from(name: &str) -> Result<Self, BadName> {
        Self::new(name.as_bytes())
    }
}

impl core::fmt::Debug for LinkName {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}", self.as_bytes().escape_ascii())
    }
}

/// Another network namespace.
#[derive(Clone, Copy, Debug)]
pub enum Namespace<'a> {
    /// The one this process is in: a number in the caller's own pid namespace.
    Pid(u32),
    /// The one this file stands for: an open `/proc/PID/ns/net`, or a file that is bound to it.
    Descriptor(BorrowedFd<'a>),
}

/// What a link is to be. What is not set is left to the kernel, or left as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkSettings<'a> {
    /// Its name. Before Linux 6.2 a link that is up refuses a new one with `EBUSY`.
    pub name: Option<LinkName>,
    /// Up or down.
    pub up: Option<bool>,
    /// Bytes in the largest packet, without the link's own header.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// The index of the bridge (or the like) it belongs to; 0 for none.
    ///
    /// Looked up in the namespace that the link is in at the end.
    pub master: Option<u32>,
    /// The index of the link that it is made on: that of a `macvlan`, for example.
    ///
    /// Looked up in the socket's namespace.
    pub parent: Option<u32>,
    /// Make it in, or move it to, another network namespace.
    ///
    /// A link that is moved is set down, loses its addresses, and may get another index.
    pub namespace: Option<Namespace<'a>>,
}

impl<'a> LinkSettings<'a> {
    /// No setting at all: a change of nothing, or a new link that the kernel names.
    pub const NONE: Self =
        Self { name: None, up: None, mtu: None, mac: None, master: None, parent: None, namespace: None };

    /// Only a name.
    pub const fn named(name: LinkName) -> Self {
        Self { name: Some(name), ..Self::NONE }
    }

    /// The same, and in this namespace.
    pub const fn inside(self, namespace: Namespace<'a>) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    fn write_attributes(&self, writer: &mut Writer<'_>) {
        if let Some(name) = &self.name {
            writer.attribute(NAME, name.terminated());
        }
        if let Some(mac) = &self.mac {
            writer.attribute(MAC, mac);
        }
        writer.optional_number(MTU, self.mtu);
        writer.optional_number(PARENT, self.parent);
        writer.optional_number(MASTER, self.master);
        match self.namespace {
            None => {}
            Some(Namespace::Pid(pid)) => writer.number(NAMESPACE_PID, pid),
            Some(Namespace::Descriptor(descriptor)) => {
                writer.number(NAMESPACE_DESCRIPTOR, descriptor.as_raw_fd().cast_unsigned());
            }
        }
    }
}

/// What the other end of a new `veth` is to be. It has fewer settings than a link: the kernel refuses to set this end up
/// while the pair is being made, and would ignore a master.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// Its name.
    pub name: Option<LinkName>,
    /// Bytes in the largest packet, without the link's own header.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// Make it in another network namespace. `None`: in the socket's, even if the first end is made elsewhere.
    pub namespace: Option<Namespace<'a>>,
}

impl<'a> Peer<'a> {
    /// Only a name.
    pub const fn named(name: LinkName) -> Self {
        Self { name: Some(name), mtu: None, mac: None, namespace: None }
    }

    /// The same, and in this namespace.
    pub const fn inside(self, namespace: Namespace<'a>) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    const fn settings(&self) -> LinkSettings<'a> {
        let Self { name, mtu, mac, namespace } = *self;
        LinkSettings { name, mtu, mac, namespace, ..LinkSettings::NONE }
    }
}

/// Makes a link. `RTM_NEWLINK`
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// What kind of link, by the kernel's name: `veth`, `bridge`, `dummy`, `macvlan` and so on.
    pub kind: &'a str,
    /// How it is to be.
    pub settings: LinkSettings<'a>,
    /// For a `veth`: its other end.
    pub peer: Option<Peer<'a>>,
}

impl Request for NewLink<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(NEW, CREATE | EXCLUSIVE);
        write_fixed(writer, 0, self.settings.up);
        self.settings.write_attributes(writer);
        let info = writer.open(INFO);
        writer.attribute(INFO_KIND, self.kind.as_bytes());
        if let Some(peer) = &self.peer {
            let data = writer.open(INFO_DATA);
            let end = writer.open(VETH_PEER);
            write_fixed(writer, 0, None);
            peer.settings().write_attributes(writer);
            writer.close(end);
            writer.close(data);
        }
        writer.close(info);
    }
}

/// Changes a link. `RTM_SETLINK`
///
/// The kernel applies the settings one by one, the namespace first: after a failure some of them may be in effect.
#[derive(Clone, Copy, Debug)]
pub struct SetLink<'a> {
    /// The link's index.
    pub index: u32,
    /// What is to change.
    pub settings: LinkSettings<'a>,
}

impl Request for SetLink<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(SET, 0);
        write_fixed(writer, self.index, self.settings.up);
        self.settings.write_attributes(writer);
    }
}

/// Deletes a link; of a `veth` also the other end. `RTM_DELLINK`
#[derive(Clone, Copy, Debug)]
pub struct DeleteLink {
    /// The link's index.
    pub index: u32,
}

impl Request for DeleteLink {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(DELETE, 0);
        write_fixed(writer, self.index, None);
    }
}

/// Asks for links; each comes as a message that [`Link::read`] understands. `RTM_GETLINK`
#[derive(Clone, Copy, Debug)]
pub enum GetLink {
    /// The one with this name.
    Named(LinkName),
    /// The one with this index.
    Index(u32),
    /// Every one.
    All,
}

impl Request for GetLink {
    fn write(&self, writer: &mut Writer<'_>) {
        let (flags, index) = match self {
            Self::Named(_) => (0, 0),
            Self::Index(index) => (0, *index),
            Self::All => (DUMP, 0),
        };
        writer.start(GET, flags);
        write_fixed(writer, index, None);
        if let Self::Named(name) = self {
            writer.attribute(NAME, name.terminated());
        }
        writer.number(EXTENDED_MASK, SKIP_STATISTICS);
    }
}

/// `struct ifinfomsg`, the fixed part of every message about links, and where its fields begin.
const FIXED_BYTES: usize = 16;
const INDEX_AT: usize = 4;
const FLAGS_AT: usize = 8;

fn write_fixed(writer: &mut Writer<'_>, index: u32, up: Option<bool>) {
    writer.put(&[0; 4]); // Family (none), padding, hardware type: zero in requests.
    writer.put(&index.to_ne_bytes());
    writer.put(&(if up == Some(true) { UP } else { 0 }).to_ne_bytes());
    writer.put(&(if up.is_some() { UP } else { 0 }).to_ne_bytes()); // Which of the flags are to change.
}

/// What the kernel tells of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
    /// `IFF_` bits, such as [`UP`] and [`RUNNING`].
    pub flags: u32,
    /// Its hardware address, if it has one of 6 bytes.
    pub mac: Option<[u8; 6]>,
    /// Bytes in the largest packet, without the link's own header.
    pub mtu: u32,
    /// The index of the bridge (or the like) it belongs to.
    pub master: Option<u32>,
}

impl Link {
    /// The index alone.
    pub(crate) fn index(message: &Message<'_>) -> Option<u32> {
        number_at(message.payload, INDEX_AT).filter(|_| message.kind == NEW)
    }

    /// Reads a message; `None` if it is about something else than a link that exists.
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        if message.kind != NEW {
            return Ok(None);
        }
        let index = number_at(message.payload, INDEX_AT).ok_or(Malformed)?;
        let flags = number_at(message.payload, FLAGS_AT).ok_or(Malformed)?;
        let (mut name, mut mac, mut mtu, mut master) = (None, None, 0, None);
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            match attribute.kind {
                NAME => name = LinkName::new(attribute.text()).ok(),
                MAC => mac = attribute.payload.try_into().ok(),
                MTU => mtu = attribute.number()?,
                MASTER => master = Some(attribute.number()?),
                _ => {}
            }
        }
        // A link without a name, or with one the kernel does not allow, is not one.
        let name = name.ok_or(Malformed)?;
        Ok(Some(Self { index, name, flags, mac, mtu, master }))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::capture::{bytes, check, for_every_damage};
    use crate::wire::Messages;

    fn name(text: &str) -> LinkName {
        LinkName::try_from(text).unwrap()
    }

    #[test]
    fn a_pair_is_written_as_ip_writes_it() {
        check(
            &NewLink { kind: "veth", settings: LinkSettings::named(name("v0")), peer: Some(Peer::named(name("v1"))) },
            "ip link add name v0 type veth peer name v1
             54000000 1000 0506 01000000 00000000 | RTM_NEWLINK, REQUEST ACK EXCL CREATE
             00000000 00000000 00000000 00000000  | struct ifinfomsg
             0700 0300 763000 00                  | IFLA_IFNAME v0
             2c00 1200                            | IFLA_LINKINFO
               0800 0100 76657468                 |   IFLA_INFO_KIND veth
               2000 0200                          |   IFLA_INFO_DATA
                 1c00 0100                        |     VETH_INFO_PEER
                 00000000 00000000                |       struct ifinfomsg
                 00000000 00000000                |
                   0700 0300 763100 00            |       IFLA_IFNAME v1",
        );
    }

    #[test]
    fn both_ends_of_a_pair_name_their_namespace() {
        let file = std::fs::File::open("/").unwrap();
        let descriptor = Namespace::Descriptor(file.as_fd());
        let settings = LinkSettings::named(name("v0")).inside(Namespace::Pid(4711));
        let peer = Peer { mtu: Some(1400), ..Peer::named(name("v1")).inside(descriptor) };
        let number: std::string::String =
            file.as_raw_fd().to_le_bytes().map(|byte| std::format!("{byte:02x}")).concat();
        check(
            &NewLink { kind: "veth", settings, peer: Some(peer) },
            &"6c000000 1000 0506 01000000 00000000 | RTM_NEWLINK, REQUEST ACK EXCL CREATE
              00000000 00000000 00000000 00000000  | struct ifinfomsg
              0700 0300 763000 00                  | IFLA_IFNAME v0
              0800 1300 67120000                   | IFLA_NET_NS_PID 4711
              3c00 1200                            | IFLA_LINKINFO
                0800 0100 76657468                 |   IFLA_INFO_KIND veth
                3000 0200                          |   IFLA_INFO_DATA
                  2c00 0100                        |     VETH_INFO_PEER
                  00000000 00000000                |       struct ifinfomsg
                  00000000 00000000                |
                    0700 0300 763100 00            |       IFLA_IFNAME v1
                    0800 0400 78050000             |       IFLA_MTU 1400
                    0800 1c00 NUMBER               |       IFLA_NET_NS_FD"
                .replace("NUMBER", &number),
        );
    }

    #[test]
    fn all_settings_of_a_link_are_written() {
        let settings = LinkSettings {
            name: Some(name("x0")),
            up: Some(true),
            mtu: Some(1400),
            mac: Some([2, 0, 0, 0, 0, 1]),
            master: Some(2),
            parent: Some(9),
            namespace: Some(Namespace::Pid(1)),
        };
        check(
            &SetLink { index: 3, settings },
            "54000000 1300 0500 01000000 00000000 | RTM_SETLINK, REQUEST ACK
             00000000 03000000 01000000 01000000  | struct ifinfomsg: index 3, IFF_UP set, IFF_UP to change
             0700 0300 783000 00                  | IFLA_IFNAME x0
             0a00 0100 020000000001 0000          | IFLA_ADDRESS 02:00:00:00:00:01
             0800 0400 78050000                   | IFLA_MTU 1400
             0800 0500 09000000                   | IFLA_LINK 9
             0800 0a00 02000000                   | IFLA_MASTER 2
             0800 1300 01000000                   | IFLA_NET_NS_PID 1",
        );
    }

    #[test]
    fn down_changes_only_that_flag_and_nothing_changes_none() {
        let down = LinkSettings { up: Some(false), ..LinkSettings::NONE };
        check(
            &SetLink { index: 3, settings: down },
            "20000000 1300 0500 01000000 00000000 | RTM_SETLINK, REQUEST ACK
             00000000 03000000 00000000 01000000  | struct ifinfomsg: index 3, IFF_UP clear, IFF_UP to change",
        );
        check(
            &SetLink { index: 3, settings: LinkSettings::NONE },
            "20000000 1300 0500 01000000 00000000 | RTM_SETLINK, REQUEST ACK
             00000000 03000000 00000000 00000000  | struct ifinfomsg: index 3",
        );
    }

    #[test]
    fn links_are_asked_for_and_deleted() {
        check(
            &DeleteLink { index: 3 },
            "20000000 1100 0500 01000000 00000000 | RTM_DELLINK, REQUEST ACK
             00000000 03000000 00000000 00000000  | struct ifinfomsg: index 3",
        );
        check(
            &GetLink::Named(name("host0")),
            "34000000 1200 0500 01000000 00000000 | RTM_GETLINK, REQUEST ACK
             00000000 00000000 00000000 00000000  | struct ifinfomsg
             0a00 0300 686f73743000 0000          | IFLA_IFNAME host0
             0800 1d00 08000000                   | IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS",
        );
        check(
            &GetLink::All,
            "28000000 1200 0503 01000000 00000000 | RTM_GETLINK, REQUEST ACK DUMP
             00000000 00000000 00000000 00000000  | struct ifinfomsg
             0800 1d00 08000000                   | IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS",
        );
    }

    #[test]
    fn a_captured_link_is_read_and_no_damage_to_it_panics() {
        let capture = bytes(include_str!("../captures/link.txt"));
        let messages: std::vec::Vec<_> = Messages::new(&capture).collect();
        assert_eq!(messages.len(), 1);
        assert_eq!(
            Link::read(&messages[0].unwrap()),
            Ok(Some(Link {
                index: 4,
                name: name("host0"),
                flags: 0x1003,
                mac: Some([2, 0, 0, 0, 0, 1]),
                mtu: 1400,
                master: Some(2),
            }))
        );
        for_every_damage(&capture, |damaged| {
            for message in Messages::new(damaged).flatten() {
                let _ = Link::read(&message);
            }
        });
    }

    #[test]
    fn a_name_is_held_against_the_rule_of_the_kernel() {
        for good in ["a", "fifteen-letters", "eth%d", "...", "\u{e4}"] {
            assert_eq!(LinkName::try_from(good).unwrap().as_bytes(), good.as_bytes());
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\nb", "a\tb", "a\0b", "sixteen-letters-", "\u{a0}"] {
            assert_eq!(LinkName::try_from(bad), Err(BadName), "{bad:?}");
        }
    }

    #[test]
    fn a_kind_of_any_length_is_written_or_refused() {
        let kind = "x".repeat(70_000);
        let mut buffer = std::vec![0; 80_000];
        let request = NewLink { kind: &kind, settings: LinkSettings::NONE, peer: None };
        assert!(crate::wire::encode(&request, 1, &mut buffer).is_err());
    }
}
