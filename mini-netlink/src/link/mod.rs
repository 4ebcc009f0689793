//! Network interfaces: requests to make, change, find and delete them, and what the kernel tells of one. Pure.
//!
//! [`LinkSettings`] serve for a new link and for the change of one that exists; what only some kinds of links have is in
//! [`kind`].
//!
//! ```
//! use mini_netlink::link::{LOOPBACK, UP};
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Link, LinkName, LinkSettings, SetLink};
//!
//! let settings = LinkSettings { up: Some(true), mtu: Some(9000), ..LinkSettings::named(LinkName::try_from("here")?) };
//! let mut buffer = [0; 256];
//! let length = encode(&SetLink { index: LOOPBACK, settings }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of a link in the same form, in a message of another kind.
//! let mut message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! message.kind = 16; // RTM_NEWLINK
//! let link = Link::read(&message).expect("no wrong length").expect("it is about a link");
//! assert_eq!((link.index, link.name.as_bytes(), link.mtu, link.flags), (LOOPBACK, &b"here"[..], 9000, UP));
//! # Ok::<(), mini_netlink::BadName>(())
//! ```
//!
//! Source: `include/uapi/linux/if_link.h`, rtnetlink(7), ip-link(8).

pub mod kind;
mod statistics;

use rustix::fd::{AsRawFd, BorrowedFd};

use crate::name::{BadName, Name};
use crate::value::numbers;
use crate::wire::{
    APPEND, Attributes, CREATE, DUMP, EXCLUSIVE, Malformed, Message, NESTED, Request, Writer, number_at, short_at,
};
pub use kind::{Custom, Kind, LinkKind};
pub use statistics::Statistics;

/// The loopback interface has this index in every network namespace.
///
/// It is down in a new one. Setting it up is all it needs: the kernel then adds 127.0.0.1/8 and ::1/128 itself.
pub const LOOPBACK: u32 = 1;

/// In [`Link::flags`]: set up by somebody. `IFF_UP`
pub const UP: u32 = 0x1;
/// In [`Link::flags`]: up, and the other side answers. `IFF_RUNNING`
pub const RUNNING: u32 = 0x40;
/// In [`Link::flags`]: neither asks for nor answers with hardware addresses. `IFF_NOARP`
pub const NO_ARP: u32 = 0x80;
/// In [`Link::flags`]: somebody asked for what is meant for others. `IFF_PROMISC`
pub const PROMISCUOUS: u32 = 0x100;
/// In [`Link::flags`]: somebody asked for all multicast. `IFF_ALLMULTI`
pub const ALL_MULTICAST: u32 = 0x200;
/// In [`Link::flags`]: the signal is there. `IFF_LOWER_UP`
pub const LOWER_UP: u32 = 0x1_0000;

// Kinds of messages.
pub(crate) const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;
const SET: u16 = 19;
const NEW_PROPERTY: u16 = 108;
const DELETE_PROPERTY: u16 = 109;

// Kinds of attributes.
const MAC: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const QUEUE_LENGTH: u16 = 13;
const STATE: u16 = 16;
const INFO: u16 = 18;
const NAMESPACE_PID: u16 = 19;
const STATISTICS: u16 = 23;
const GROUP: u16 = 27;
const NAMESPACE_DESCRIPTOR: u16 = 28;
const EXTENDED_MASK: u16 = 29;
const PROMISCUITY: u16 = 30;
const PARENT_NAMESPACE: u16 = 37;
const PROPERTIES: u16 = 52;
const ALTERNATIVE_NAME: u16 = 53;
const VETH_PEER: u16 = 1;

/// `RTEXT_FILTER_SKIP_STATS`: leave the counters of IPv4 and IPv6 out of an answer, half a kilobyte.
const SKIP_STATISTICS: u32 = 1 << 3;

/// A name a link can have: 1 to 15 bytes, without `/`, `:`, white space and zero bytes; not `.` or `..`.
///
/// The kernel replaces one `%d` in the name of a link that is being made by the first number that is free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkName(Name<16>);

impl LinkName {
    /// The longest name, without the zero byte: `IFNAMSIZ` - 1.
    pub const BYTES_MAX: usize = 15;

    /// Holds `name` against the kernel's rule, `dev_valid_name`.
    pub fn new(name: &[u8]) -> Result<Self, BadName> {
        let allowed = |byte: &u8| !matches!(byte, b'/' | b':' | b' ' | b'\t'..=b'\r' | 0xa0);
        if name == b"." || name == b".." || !name.iter().all(allowed) {
            return Err(BadName);
        }
        Name::new(name).map(Self)
    }

    /// The name without the zero byte.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The name with the zero byte, as it travels.
    pub(crate) fn terminated(&self) -> &[u8] {
        self.0.terminated()
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
        self.0.fmt(formatter)
    }
}

/// One more name for a link: up to 127 bytes, unique in its namespace. `IFLA_ALT_IFNAME`
///
/// The kernel holds it against the same rule as a [`LinkName`], but for its length.
pub type AlternativeName = Name<128>;

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
    /// Up or down. `IFF_UP`
    pub up: Option<bool>,
    /// Whether it also takes what is meant for other hardware addresses. `IFF_PROMISC`
    pub promiscuous: Option<bool>,
    /// Whether it takes all multicast. `IFF_ALLMULTI`
    pub all_multicast: Option<bool>,
    /// Whether it asks for and answers with hardware addresses. The opposite of `IFF_NOARP`
    pub arp: Option<bool>,
    /// Bytes in the largest packet, without the link's own header.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// How many packets wait to be sent. `txqueuelen`
    pub queue_length: Option<u32>,
    /// The group of links it is in; 0 is the one that all are in at first.
    pub group: Option<u32>,
    /// The index of the bridge (or bond, or vrf) it belongs to; 0 for none.
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
    pub const NONE: Self = Self {
        name: None,
        up: None,
        promiscuous: None,
        all_multicast: None,
        arp: None,
        mtu: None,
        mac: None,
        queue_length: None,
        group: None,
        master: None,
        parent: None,
        namespace: None,
    };

    /// Only a name.
    #[inline(never)]
    pub const fn named(name: LinkName) -> Self {
        Self { name: Some(name), ..Self::NONE }
    }

    /// The same, and in this namespace.
    pub const fn inside(self, namespace: Namespace<'a>) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    /// The fixed part and the attributes.
    fn write(&self, writer: &mut Writer<'_>, index: u32) {
        let (mut flags, mut change) = (0, 0);
        let mut switch = |on: Option<bool>, flag: u32| {
            if let Some(on) = on {
                change |= flag;
                flags |= if on { flag } else { 0 };
            }
        };
        switch(self.up, UP);
        switch(self.promiscuous, PROMISCUOUS);
        switch(self.all_multicast, ALL_MULTICAST);
        switch(self.arp.map(|arp| !arp), NO_ARP);
        write_fixed(writer, index, flags, change);
        writer.optional_number(PARENT, self.parent);
        if let Some(mac) = &self.mac {
            writer.attribute(MAC, mac);
        }
        writer.optional_number(MTU, self.mtu);
        writer.optional_number(QUEUE_LENGTH, self.queue_length);
        writer.optional_number(GROUP, self.group);
        writer.optional_number(MASTER, self.master);
        if let Some(name) = &self.name {
            writer.attribute(NAME, name.terminated());
        }
        match self.namespace {
            None => {}
            Some(Namespace::Pid(pid)) => writer.number(NAMESPACE_PID, pid),
            Some(Namespace::Descriptor(descriptor)) => {
                writer.number(NAMESPACE_DESCRIPTOR, descriptor.as_raw_fd().cast_unsigned());
            }
        }
    }
}

/// A pair of links that are connected to each other. `veth`
#[derive(Clone, Copy, Debug, Default)]
pub struct Veth<'a> {
    /// The other end.
    pub peer: Peer<'a>,
}

impl LinkKind for Veth<'_> {
    fn name(&self) -> &[u8] {
        b"veth"
    }

    fn has_data(&self) -> bool {
        true
    }

    fn write_data(&self, writer: &mut Writer<'_>) {
        let end = writer.open(VETH_PEER);
        self.peer.settings().write(writer, 0);
        writer.close(end);
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
    /// How many packets wait to be sent. `txqueuelen`
    pub queue_length: Option<u32>,
    /// The group of links it is in.
    pub group: Option<u32>,
    /// Make it in another network namespace. `None`: in the socket's, even if the first end is made elsewhere.
    pub namespace: Option<Namespace<'a>>,
}

impl<'a> Peer<'a> {
    /// Only a name.
    pub const fn named(name: LinkName) -> Self {
        Self { name: Some(name), mtu: None, mac: None, queue_length: None, group: None, namespace: None }
    }

    /// The same, and in this namespace.
    pub const fn inside(self, namespace: Namespace<'a>) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    const fn settings(&self) -> LinkSettings<'a> {
        let Self { name, mtu, mac, queue_length, group, namespace } = *self;
        LinkSettings { name, mtu, mac, queue_length, group, namespace, ..LinkSettings::NONE }
    }
}

/// Makes a link. `RTM_NEWLINK`
///
/// Refused with `EEXIST` if there is one of this name, and with `EOPNOTSUPP` if the kernel has no such kind.
#[derive(Clone, Copy)]
pub struct NewLink<'a> {
    /// What kind of link: `&"dummy"`, a [`Veth`], or a structure of [`kind`].
    pub kind: &'a dyn LinkKind,
    /// The index it is to have, in the namespace that it is made in. `None`: the next that is free.
    pub index: Option<u32>,
    /// How it is to be.
    pub settings: LinkSettings<'a>,
}

impl Request for NewLink<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(NEW, CREATE | EXCLUSIVE);
        self.settings.write(writer, self.index.unwrap_or(0));
        let information = writer.open(INFO);
        kind::write(self.kind, writer);
        writer.close(information);
    }
}

/// Changes the settings that only links of this kind have. `RTM_NEWLINK`
///
/// What is not set stays. Many settings cannot change once the link is made, or not while it is up.
#[derive(Clone, Copy)]
pub struct ChangeKind<'a> {
    /// The link's index.
    pub index: u32,
    /// What is to change. The link must be of this kind; it does not become one.
    pub kind: &'a dyn LinkKind,
}

impl Request for ChangeKind<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(NEW, 0);
        write_fixed(writer, self.index, 0, 0);
        let information = writer.open(INFO);
        kind::write(self.kind, writer);
        writer.close(information);
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
        self.settings.write(writer, self.index);
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
        write_fixed(writer, self.index, 0, 0);
    }
}

/// Adds or deletes one more name of a link. `RTM_NEWLINKPROP`, `RTM_DELLINKPROP`; since Linux 5.5
///
/// A name that something has is refused with `EEXIST`, one to delete that does not exist with `ENOENT`.
#[derive(Clone, Copy, Debug)]
pub struct ChangeAlternativeName {
    /// The link's index.
    pub index: u32,
    /// The name.
    pub name: AlternativeName,
    /// `true` to add it, `false` to delete it.
    pub add: bool,
}

impl Request for ChangeAlternativeName {
    fn write(&self, writer: &mut Writer<'_>) {
        let (kind, flags) = if self.add { (NEW_PROPERTY, CREATE | EXCLUSIVE | APPEND) } else { (DELETE_PROPERTY, 0) };
        writer.start(kind, flags);
        write_fixed(writer, self.index, 0, 0);
        let properties = writer.open(PROPERTIES | NESTED);
        writer.attribute(ALTERNATIVE_NAME, self.name.terminated());
        writer.close(properties);
    }
}

/// Asks for links; each comes as a message that [`Link::read`] understands. `RTM_GETLINK`
///
/// One that does not exist is refused with `ENODEV`.
#[derive(Clone, Copy, Debug)]
pub enum GetLink<'a> {
    /// The one with this name. Linux 5.5 and later also look among alternative names of this length.
    Named(LinkName),
    /// The one with this alternative name.
    Alternative(&'a AlternativeName),
    /// The one with this index.
    Index(u32),
    /// Every one.
    All,
    /// Those that belong to the bridge (or bond, or vrf) with this index.
    OfMaster(u32),
}

impl Request for GetLink<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.start(GET, if matches!(self, Self::All | Self::OfMaster(_)) { DUMP } else { 0 });
        write_fixed(writer, if let Self::Index(index) = self { *index } else { 0 }, 0, 0);
        match self {
            Self::Named(name) => writer.attribute(NAME, name.terminated()),
            Self::Alternative(name) => writer.attribute(ALTERNATIVE_NAME, name.terminated()),
            Self::OfMaster(master) => writer.number(MASTER, *master),
            Self::Index(_) | Self::All => {}
        }
        writer.number(EXTENDED_MASK, SKIP_STATISTICS);
    }
}

/// `struct ifinfomsg`, the fixed part of every message about links, and where its fields begin.
const FIXED_BYTES: usize = 16;
const HARDWARE_AT: usize = 2;
const INDEX_AT: usize = 4;
const FLAGS_AT: usize = 8;

fn write_fixed(writer: &mut Writer<'_>, index: u32, flags: u32, change: u32) {
    writer.put(&[0; 4]); // Family (none), padding, hardware type: zero in requests.
    writer.put(&index.to_ne_bytes());
    writer.put(&flags.to_ne_bytes());
    writer.put(&change.to_ne_bytes()); // Which of the flags are to change.
}

numbers! {
    /// Whether a link can carry packets. `IF_OPER_`; RFC 2863
    OperationalState: u8 as Byte {
        /// Some drivers do not say.
        Unknown = 0,
        /// Part of it is missing.
        NotPresent = 1,
        /// It cannot.
        Down = 2,
        /// The link it is made on cannot.
        LowerLayerDown = 3,
        /// It is being tested.
        Testing = 4,
        /// It waits for something, such as authentication.
        Dormant = 5,
        /// It can.
        Up = 6,
    }
}

/// What the kernel tells of a link. Its alternative names have no bound: see [`AlternativeNames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
    /// What hardware it has or plays: 1 is Ethernet. `ARPHRD_`
    pub hardware: u16,
    /// `IFF_` bits, such as [`UP`] and [`RUNNING`].
    pub flags: u32,
    /// Its hardware address, if it has one of 6 bytes.
    pub mac: Option<[u8; 6]>,
    /// Bytes in the largest packet, without the link's own header.
    pub mtu: u32,
    /// How many packets wait to be sent.
    pub queue_length: u32,
    /// The group of links it is in.
    pub group: u32,
    /// How many want it to take what is meant for others. More than 0 is promiscuous, whatever its flags say.
    pub promiscuity: u32,
    /// Whether it can carry packets.
    pub state: OperationalState,
    /// The index of the bridge (or the like) it belongs to.
    pub master: Option<u32>,
    /// The index of the link that it is made on; of a `veth`, that of the other end.
    pub parent: Option<u32>,
    /// The namespace that `parent` counts in, if that is another: a number that `ip netns list-id` shows.
    pub parent_namespace: Option<u32>,
    /// What kind it is, and the settings of that kind; `None` for real hardware and for the loopback.
    pub kind: Option<Kind>,
    /// What it has counted.
    pub statistics: Statistics,
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
        let mut name = None;
        let mut link = Self {
            index: number_at(message.payload, INDEX_AT).ok_or(Malformed)?,
            // A link without a name, or with one the kernel does not allow, is not one: this is never told.
            name: LinkName(Name::EMPTY),
            hardware: short_at(message.payload, HARDWARE_AT).ok_or(Malformed)?,
            flags: number_at(message.payload, FLAGS_AT).ok_or(Malformed)?,
            mac: None,
            mtu: 0,
            queue_length: 0,
            group: 0,
            promiscuity: 0,
            state: OperationalState::Unknown,
            master: None,
            parent: None,
            parent_namespace: None,
            kind: None,
            statistics: Statistics::default(),
        };
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            match attribute.kind {
                NAME => name = LinkName::new(attribute.text()).ok(),
                MAC => link.mac = attribute.bytes().ok(),
                MTU => link.mtu = attribute.number()?,
                QUEUE_LENGTH => link.queue_length = attribute.number()?,
                GROUP => link.group = attribute.number()?,
                PROMISCUITY => link.promiscuity = attribute.number()?,
                STATE => link.state = attribute.byte()?.into(),
                MASTER => link.master = Some(attribute.number()?),
                PARENT => link.parent = Some(attribute.number()?),
                PARENT_NAMESPACE => link.parent_namespace = Some(attribute.number()?),
                INFO => link.kind = Kind::read(attribute.attributes())?,
                STATISTICS => link.statistics = Statistics::read(&attribute)?,
                _ => {}
            }
        }
        link.name = name.ok_or(Malformed)?;
        Ok(Some(link))
    }
}

/// The alternative names in a message that tells of a link.
#[derive(Clone, Debug)]
pub struct AlternativeNames<'a>(Attributes<'a>);

impl<'a> AlternativeNames<'a> {
    /// Reads a message that [`Link::read`] understands.
    pub fn read(message: &Message<'a>) -> Result<Self, Malformed> {
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            if attribute.kind == PROPERTIES && message.kind == NEW {
                return Ok(Self(attribute.attributes()));
            }
        }
        Ok(Self(Attributes::new(&[])))
    }
}

impl<'a> Iterator for AlternativeNames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let name = self.0.find(|attribute| !matches!(attribute, Ok(other) if other.kind != ALTERNATIVE_NAME))?;
        name.ok().map(|name| name.text())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::capture::{block, bytes, check, for_every_damage};
    use crate::wire::Messages;

    fn name(text: &str) -> LinkName {
        LinkName::try_from(text).unwrap()
    }

    #[test]
    fn a_pair_is_written_as_ip_writes_it() {
        check(
            &NewLink {
                kind: &Veth { peer: Peer::named(name("v1")) },
                index: None,
                settings: LinkSettings::named(name("v0")),
            },
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
            &NewLink { kind: &Veth { peer }, index: None, settings },
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
                    0800 0400 78050000             |       IFLA_MTU 1400
                    0700 0300 763100 00            |       IFLA_IFNAME v1
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
            promiscuous: Some(true),
            all_multicast: Some(false),
            arp: Some(false),
            queue_length: Some(50),
            group: Some(7),
        };
        check(
            &SetLink { index: 3, settings },
            "64000000 1300 0500 01000000 00000000 | RTM_SETLINK, REQUEST ACK
             00000000 03000000 81010000 81030000  | struct ifinfomsg: index 3, UP PROMISC NOARP set, ALLMULTI clear
             0800 0500 09000000                   | IFLA_LINK 9
             0a00 0100 020000000001 0000          | IFLA_ADDRESS 02:00:00:00:00:01
             0800 0400 78050000                   | IFLA_MTU 1400
             0800 0d00 32000000                   | IFLA_TXQLEN 50
             0800 1b00 07000000                   | IFLA_GROUP 7
             0800 0a00 02000000                   | IFLA_MASTER 2
             0700 0300 783000 00                  | IFLA_IFNAME x0
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
    fn alternative_names_are_written_as_ip_writes_them_and_read() {
        let text = "a-name-that-is-longer-than-fifteen-bytes";
        let name = AlternativeName::try_from(text).unwrap();
        let written = include_str!("../../captures/links-written.txt");
        for (verb, add) in [("add", true), ("del", false)] {
            let command = std::format!("ip link property {verb} dev base altname {text}");
            check(&ChangeAlternativeName { index: 3, name, add }, block(written, &command));
        }
        let names = |payload: &[u8]| -> std::vec::Vec<std::vec::Vec<u8>> {
            let message = Message { kind: NEW, flags: 0, sequence: 1, port: 0, payload };
            AlternativeNames::read(&message).unwrap().map(<[u8]>::to_vec).collect()
        };
        let capture = bytes(block(written, &std::format!("ip link property add dev base altname {text}")));
        assert_eq!(names(&capture[16..]), [text.as_bytes()]);
        assert!(names(&capture[16..32]).is_empty());
        check(
            &GetLink::Alternative(&AlternativeName::try_from("other").unwrap()),
            "34000000 1200 0500 01000000 00000000 | RTM_GETLINK, REQUEST ACK
             00000000 00000000 00000000 00000000  | struct ifinfomsg
             0a00 3500 6f7468657200 0000          | IFLA_ALT_IFNAME other
             0800 1d00 08000000                   | IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS",
        );
        check(
            &GetLink::OfMaster(7),
            "30000000 1200 0503 01000000 00000000 | RTM_GETLINK, REQUEST ACK DUMP
             00000000 00000000 00000000 00000000  | struct ifinfomsg
             0800 0a00 07000000                   | IFLA_MASTER 7
             0800 1d00 08000000                   | IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS",
        );
    }

    #[test]
    fn settings_of_a_kind_are_changed() {
        check(
            &ChangeKind { index: 3, kind: &kind::Bridge { ageing_time: Some(5000), ..kind::Bridge::NONE } },
            "3c000000 1000 0500 01000000 00000000 | RTM_NEWLINK, REQUEST ACK
             00000000 03000000 00000000 00000000  | struct ifinfomsg: index 3
             1c00 1200                            | IFLA_LINKINFO
               0a00 0100 627269646765 0000        |   IFLA_INFO_KIND bridge
               0c00 0200                          |   IFLA_INFO_DATA
                 0800 0400 88130000               |     IFLA_BR_AGEING_TIME 5000",
        );
    }

    #[test]
    fn a_captured_link_is_read_and_no_damage_to_it_panics() {
        let capture = bytes(include_str!("../../captures/link.txt"));
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
                hardware: 1,
                queue_length: 1000,
                group: 0,
                promiscuity: 1,
                state: OperationalState::LowerLayerDown,
                parent: Some(3),
                parent_namespace: None,
                kind: Some(Kind::Veth),
                statistics: Statistics::default(),
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
        let long = "x".repeat(70_000);
        let mut buffer = std::vec![0; 80_000];
        let custom = Custom { name: "x", data: long.as_bytes() };
        for kind in [&long.as_str() as &dyn LinkKind, &custom] {
            let request = NewLink { kind, index: None, settings: LinkSettings::NONE };
            assert!(crate::wire::encode(&request, 1, &mut buffer).is_err());
        }
    }
}
