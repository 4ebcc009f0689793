//! WireGuard: the keys, the peers and their addresses, so that the `wg` program is not needed. Pure.
//!
//! The link itself is made like any other ([`Socket::new_link`](crate::Socket::new_link) with the kind `wireguard`). What
//! makes it a tunnel goes by generic netlink, on a socket of its own:
//!
//! ```no_run
//! use core::net::{IpAddr, Ipv4Addr, SocketAddr};
//! use mini_netlink::wireguard::{AllowedIp, Key, Part, Peer, SetDevice};
//! use mini_netlink::{BUFFER_BYTES, Error, Listed, Socket};
//!
//! fn connect(index: u32, private: &[u8], public: &[u8]) -> Result<(), Error> {
//!     let mut buffer = [0; BUFFER_BYTES];
//!     let mut socket = Socket::open_generic(&mut buffer)?;
//!     let family = socket.family(b"wireguard")?;
//!     let everything = [AllowedIp { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_length: 0 }];
//!     let peer = Peer {
//!         endpoint: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 51820)),
//!         keepalive_s: Some(25),
//!         replace_allowed: true,
//!         allowed: &everything,
//!         ..Peer::new(Key::parse(public)?)
//!     };
//!     socket.set_wireguard(&SetDevice {
//!         private_key: Some(Key::parse(private)?),
//!         replace_peers: true,
//!         peers: &[peer],
//!         ..SetDevice::new(family, index)
//!     })?;
//!     let mut handshakes = 0;
//!     socket.wireguard(family, index, &mut |told| match told {
//!         Listed::Again => handshakes = 0,
//!         Listed::Object(Part::Peer(peer)) if peer.handshake.is_some() => handshakes += 1,
//!         Listed::Object(_) => {}
//!     })
//! }
//! ```
//!
//! Keys are read and written as `wg` has them, and none of this needs a kernel:
//!
//! ```
//! use mini_netlink::wire::encode;
//! use mini_netlink::wireguard::{BadKey, Key, Peer, SetDevice};
//!
//! let text = b"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
//! let key = Key::parse(text).expect("the example of wg(8)");
//! assert_eq!(key.text(), *text);
//! assert_eq!(Key::parse(b"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8D"), Err(BadKey));
//!
//! let removed = [Peer { remove: true, ..Peer::new(key) }];
//! let mut buffer = [0; 128];
//! assert_eq!(encode(&SetDevice { peers: &removed, ..SetDevice::new(29, 3) }, 1, &mut buffer), Ok(80));
//! ```
//!
//! Source: `include/uapi/linux/wireguard.h`, wg(8).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::time::Duration;

use crate::generic::{self, FIXED_BYTES};
use crate::wire::{Attribute, Attributes, DUMP, Malformed, Message, NESTED, Request, Writer};

const GET_DEVICE: u8 = 0;
const SET_DEVICE: u8 = 1;
const VERSION: u8 = 1;

// Attributes of a device.
const INDEX: u16 = 1;
const PRIVATE_KEY: u16 = 3;
const DEVICE_PUBLIC_KEY: u16 = 4;
const DEVICE_FLAGS: u16 = 5;
const LISTEN_PORT: u16 = 6;
const FIREWALL_MARK: u16 = 7;
const PEERS: u16 = 8;
const REPLACE_PEERS: u32 = 1;

// Attributes of a peer.
const PUBLIC_KEY: u16 = 1;
const PRESHARED_KEY: u16 = 2;
const PEER_FLAGS: u16 = 3;
const ENDPOINT: u16 = 4;
const KEEPALIVE: u16 = 5;
const HANDSHAKE: u16 = 6;
const RECEIVED: u16 = 7;
const SENT: u16 = 8;
const ALLOWED: u16 = 9;
const REMOVE: u32 = 1;
const REPLACE_ALLOWED: u32 = 2;
const UPDATE_ONLY: u32 = 4;

// Attributes of an allowed address.
const FAMILY: u16 = 1;
const ADDRESS: u16 = 2;
const PREFIX_LENGTH: u16 = 3;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A key: private, public, or shared by two peers. Its text is base64, 44 bytes, as `wg` prints and reads it.
///
/// `Debug` does not show it. Neither its text nor its bytes take a time that depends on them, short of the last check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; Key::BYTES]);

/// What is no key's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl Key {
    /// `WG_KEY_LEN`
    pub const BYTES: usize = 32;
    /// The bytes of its text.
    pub const TEXT_BYTES: usize = 44;
    /// No key: what removes one.
    pub const NONE: Self = Self([0; Self::BYTES]);

    /// A key of these bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Reads a text: 44 bytes, without white space around it.
    pub fn parse(text: &[u8]) -> Result<Self, BadKey> {
        let Some((digits, b'=')) = text.split_last().map(|(last, digits)| (digits, *last)) else { return Err(BadKey) };
        if text.len() != Self::TEXT_BYTES {
            return Err(BadKey);
        }
        let mut key = Self::NONE;
        let (mut bits, mut wrong) = (0_u32, 0);
        let mut places = key.0.iter_mut();
        for (position, digit) in digits.iter().enumerate() {
            let value = value(*digit);
            wrong |= value;
            bits = bits << 6 | u32::from(value & 0x3f);
            // The first digit of four completes no byte; each of the others does.
            let left = 6 - 2 * (position % 4);
            if left < 6 {
                if let Some(place) = places.next() {
                    *place = (bits >> left).to_le_bytes()[0];
                }
            }
        }
        // Forty-three digits are two bits more than the key.
        if wrong > 0x3f || bits & 3 != 0 { Err(BadKey) } else { Ok(key) }
    }

    /// Its text.
    pub fn text(&self) -> [u8; Self::TEXT_BYTES] {
        let mut text = [b'='; Self::TEXT_BYTES];
        for (group, bytes) in text.chunks_mut(4).zip(self.0.chunks(3)) {
            let mut padded = [0; 4];
            for (place, byte) in padded.iter_mut().skip(1).zip(bytes) {
                *place = *byte;
            }
            let bits = u32::from_be_bytes(padded);
            for (position, place) in group.iter_mut().take(bytes.len() + 1).enumerate() {
                *place = digit((bits >> (18 - 6 * position)).to_le_bytes()[0] & 0x3f);
            }
        }
        text
    }
}

/// `yes` where `low <= byte <= high`, else 0; without a branch.
fn between(byte: u8, low: u8, high: u8, yes: u8) -> u8 {
    let (byte, low, high) = (u32::from(byte), u32::from(low), u32::from(high));
    let outside = byte.wrapping_sub(low) >> 31 | high.wrapping_sub(byte) >> 31;
    yes & outside.wrapping_sub(1).to_le_bytes()[0]
}

/// The base64 digit of a number below 64.
fn digit(value: u8) -> u8 {
    between(value, 0, 25, value.wrapping_add(b'A'))
        | between(value, 26, 51, value.wrapping_sub(26).wrapping_add(b'a'))
        | between(value, 52, 61, value.wrapping_sub(52).wrapping_add(b'0'))
        | between(value, 62, 62, b'+')
        | between(value, 63, 63, b'/')
}

/// The number of a base64 digit; 64 or more if it is none.
fn value(digit: u8) -> u8 {
    // One more than the number, so that 0 is left for "none of them".
    let plus_one = between(digit, b'A', b'Z', digit.wrapping_sub(b'A').wrapping_add(1))
        | between(digit, b'a', b'z', digit.wrapping_sub(b'a').wrapping_add(27))
        | between(digit, b'0', b'9', digit.wrapping_sub(b'0').wrapping_add(53))
        | between(digit, b'+', b'+', 63)
        | between(digit, b'/', b'/', 64);
    plus_one.wrapping_sub(1)
}

impl core::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Key(..)")
    }
}

/// A network whose packets a peer may send, and whose packets are sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedIp {
    /// An address of the network. The kernel clears the bits that do not count.
    pub address: IpAddr,
    /// How many leading bits count: at most 32 or 128.
    pub prefix_length: u8,
}

/// What a peer is to be, or be no more. What is not set is left as it is.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its name. The device's own is silently left out by the kernel.
    pub public_key: Key,
    /// The secret shared with it; [`Key::NONE`] removes it.
    pub preshared_key: Option<Key>,
    /// Where it is reached. A peer that calls first needs none.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between packets that keep the way through a firewall open; 0 for none.
    pub keepalive_s: Option<u16>,
    /// Forget its networks before these are added.
    pub replace_allowed: bool,
    /// Its networks, in addition to those it has. One that another peer has moves to this one.
    pub allowed: &'a [AllowedIp],
    /// Change it if it exists, do not add it.
    pub update_only: bool,
    /// Remove it; only the public key counts.
    pub remove: bool,
}

impl Peer<'_> {
    /// A peer with nothing but its key.
    pub const fn new(public_key: Key) -> Self {
        Self {
            public_key,
            preshared_key: None,
            endpoint: None,
            keepalive_s: None,
            replace_allowed: false,
            allowed: &[],
            update_only: false,
            remove: false,
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.attribute(PUBLIC_KEY, &self.public_key.0);
        if let Some(key) = &self.preshared_key {
            writer.attribute(PRESHARED_KEY, &key.0);
        }
        if let Some(endpoint) = &self.endpoint {
            write_endpoint(writer, endpoint);
        }
        if let Some(seconds) = self.keepalive_s {
            writer.short(KEEPALIVE, seconds);
        }
        let mut flags = 0;
        for (flag, set) in
            [(REMOVE, self.remove), (REPLACE_ALLOWED, self.replace_allowed), (UPDATE_ONLY, self.update_only)]
        {
            flags |= if set { flag } else { 0 };
        }
        writer.optional_number(PEER_FLAGS, Some(flags).filter(|flags| *flags != 0));
        if self.allowed.is_empty() {
            return;
        }
        let list = writer.open(ALLOWED | NESTED);
        for allowed in self.allowed {
            let one = writer.open(NESTED);
            writer.short(FAMILY, if allowed.address.is_ipv4() { AF_INET } else { AF_INET6 });
            writer.ip(ADDRESS, &allowed.address);
            writer.byte(PREFIX_LENGTH, allowed.prefix_length);
            writer.close(one);
        }
        writer.close(list);
    }
}

/// `struct sockaddr_in` or `struct sockaddr_in6`: family in the machine's order, port in the network's.
fn write_endpoint(writer: &mut Writer<'_>, endpoint: &SocketAddr) {
    let mut bytes = [0; 28];
    let put = |bytes: &mut [u8], at: usize, field: &[u8]| {
        for (place, byte) in bytes.iter_mut().skip(at).zip(field) {
            *place = *byte;
        }
    };
    put(&mut bytes, 2, &endpoint.port().to_be_bytes());
    let used = match endpoint {
        SocketAddr::V4(endpoint) => {
            put(&mut bytes, 0, &AF_INET.to_ne_bytes());
            put(&mut bytes, 4, &endpoint.ip().octets());
            16
        }
        SocketAddr::V6(endpoint) => {
            put(&mut bytes, 0, &AF_INET6.to_ne_bytes());
            put(&mut bytes, 4, &endpoint.flowinfo().to_be_bytes());
            put(&mut bytes, 8, &endpoint.ip().octets());
            put(&mut bytes, 24, &endpoint.scope_id().to_ne_bytes());
            28
        }
    };
    writer.attribute(ENDPOINT, bytes.get(..used).unwrap_or_default());
}

/// Changes a device. What is not set is left as it is. `WG_CMD_SET_DEVICE`
///
/// A device that is none is refused with `EOPNOTSUPP`, an index that does not exist with `ENODEV`.
#[derive(Clone, Copy, Debug)]
pub struct SetDevice<'a> {
    /// The number of the family `wireguard`.
    pub family: u16,
    /// The link's index.
    pub index: u32,
    /// Its private key; [`Key::NONE`] removes it. The kernel derives the public one.
    pub private_key: Option<Key>,
    /// The UDP port it listens on; 0 for any.
    pub listen_port: Option<u16>,
    /// The mark of the packets it sends, which rules can look for; 0 for none.
    pub firewall_mark: Option<u32>,
    /// Forget all peers before these are added.
    pub replace_peers: bool,
    /// Peers to add, change or remove.
    pub peers: &'a [Peer<'a>],
}

impl SetDevice<'_> {
    /// A change of nothing.
    pub const fn new(family: u16, index: u32) -> Self {
        Self {
            family,
            index,
            private_key: None,
            listen_port: None,
            firewall_mark: None,
            replace_peers: false,
            peers: &[],
        }
    }
}

impl Request for SetDevice<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        generic::start(writer, self.family, 0, SET_DEVICE, VERSION);
        writer.number(INDEX, self.index);
        if let Some(key) = &self.private_key {
            writer.attribute(PRIVATE_KEY, &key.0);
        }
        if let Some(port) = self.listen_port {
            writer.short(LISTEN_PORT, port);
        }
        writer.optional_number(FIREWALL_MARK, self.firewall_mark);
        writer.optional_number(DEVICE_FLAGS, self.replace_peers.then_some(REPLACE_PEERS));
        if self.peers.is_empty() {
            return;
        }
        let list = writer.open(PEERS | NESTED);
        for peer in self.peers {
            let one = writer.open(NESTED);
            peer.write(writer);
            writer.close(one);
        }
        writer.close(list);
    }
}

/// Asks for a device, which comes as a list: see [`Reader`]. `WG_CMD_GET_DEVICE`
#[derive(Clone, Copy, Debug)]
pub struct GetDevice {
    /// The number of the family `wireguard`.
    pub family: u16,
    /// The link's index.
    pub index: u32,
}

impl Request for GetDevice {
    fn write(&self, writer: &mut Writer<'_>) {
        generic::start(writer, self.family, DUMP, GET_DEVICE, VERSION);
        writer.number(INDEX, self.index);
    }
}

/// A piece of what the kernel tells of a device: first the device, then each peer, then, behind it, its networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The device.
    Device(Device),
    /// The next peer.
    Peer(PeerStatus),
    /// A network of the latest peer.
    Allowed(AllowedIp),
}

/// What the kernel tells of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The link's index.
    pub index: u32,
    /// Its private key, if it has one.
    pub private_key: Option<Key>,
    /// The public key that follows from it.
    pub public_key: Option<Key>,
    /// The UDP port it listens on; 0 while it is down and none was set.
    pub listen_port: u16,
    /// The mark of the packets it sends; 0 for none.
    pub firewall_mark: u32,
}

/// What the kernel tells of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name.
    pub public_key: Key,
    /// The secret shared with it, if there is one.
    pub preshared_key: Option<Key>,
    /// Where it was reached last, or is to be.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between packets that keep the way through a firewall open; 0 for none.
    pub keepalive_s: u16,
    /// When it and this machine last agreed on a key, since 1970; `None` if never.
    pub handshake: Option<Duration>,
    /// Bytes that came from it, with WireGuard's own headers.
    pub received_bytes: u64,
    /// Bytes that went to it, with WireGuard's own headers.
    pub sent_bytes: u64,
}

/// Puts the messages about one device together: a peer whose networks did not fit in one message is continued in the next.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    told: bool,
    latest: Option<Key>,
}

impl Reader {
    /// Reads the next message of the family, and hands its pieces to `each`.
    pub fn read(&mut self, message: &Message<'_>, each: &mut dyn FnMut(Part)) -> Result<(), Malformed> {
        if generic::command(message) != Some(GET_DEVICE) {
            return Ok(());
        }
        let attributes = Attributes::after(message.payload, FIXED_BYTES)?;
        // Only the first message has more of the device than its name.
        if !self.told {
            each(Part::Device(Device::read(attributes.clone())?));
            self.told = true;
        }
        for attribute in attributes {
            let attribute = attribute?;
            if attribute.kind == PEERS {
                for peer in attribute.attributes() {
                    self.peer(&peer?, each)?;
                }
            }
        }
        Ok(())
    }

    fn peer(&mut self, attribute: &Attribute<'_>, each: &mut dyn FnMut(Part)) -> Result<(), Malformed> {
        let peer = PeerStatus::read(attribute.attributes())?;
        if self.latest != Some(peer.public_key) {
            self.latest = Some(peer.public_key);
            each(Part::Peer(peer));
        }
        for attribute in attribute.attributes() {
            let attribute = attribute?;
            if attribute.kind == ALLOWED {
                for allowed in attribute.attributes() {
                    each(Part::Allowed(AllowedIp::read(allowed?.attributes())?));
                }
            }
        }
        Ok(())
    }
}

impl Device {
    fn read(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut device = Self { index: 0, private_key: None, public_key: None, listen_port: 0, firewall_mark: 0 };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                INDEX => device.index = attribute.number()?,
                PRIVATE_KEY => device.private_key = Some(Key(attribute.bytes()?)),
                DEVICE_PUBLIC_KEY => device.public_key = Some(Key(attribute.bytes()?)),
                LISTEN_PORT => device.listen_port = attribute.short()?,
                FIREWALL_MARK => device.firewall_mark = attribute.number()?,
                _ => {}
            }
        }
        Ok(device)
    }
}

impl PeerStatus {
    fn read(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut named = false;
        let mut peer = Self {
            public_key: Key::NONE,
            preshared_key: None,
            endpoint: None,
            keepalive_s: 0,
            handshake: None,
            received_bytes: 0,
            sent_bytes: 0,
        };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                PUBLIC_KEY => {
                    peer.public_key = Key(attribute.bytes()?);
                    named = true;
                }
                // The kernel tells of a secret of zeros where there is none.
                PRESHARED_KEY => peer.preshared_key = Some(Key(attribute.bytes()?)).filter(|key| *key != Key::NONE),
                ENDPOINT => peer.endpoint = Some(read_endpoint(attribute.payload)?),
                KEEPALIVE => peer.keepalive_s = attribute.short()?,
                HANDSHAKE => peer.handshake = read_time(&attribute)?,
                RECEIVED => peer.received_bytes = attribute.wide()?,
                SENT => peer.sent_bytes = attribute.wide()?,
                _ => {}
            }
        }
        if named { Ok(peer) } else { Err(Malformed) }
    }
}

impl AllowedIp {
    fn read(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let (mut address, mut prefix_length) = (None, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                ADDRESS => address = Some(attribute.ip()?),
                PREFIX_LENGTH => prefix_length = Some(attribute.byte()?),
                _ => {}
            }
        }
        match (address, prefix_length) {
            (Some(address), Some(prefix_length)) => Ok(Self { address, prefix_length }),
            _ => Err(Malformed),
        }
    }
}

/// `struct __kernel_timespec`: seconds and nanoseconds, eight bytes each.
fn read_time(attribute: &Attribute<'_>) -> Result<Option<Duration>, Malformed> {
    let bytes: [u8; 16] = attribute.bytes()?;
    let (seconds, nanoseconds) = bytes.split_first_chunk::<8>().ok_or(Malformed)?;
    let nanoseconds = nanoseconds.first_chunk::<8>().ok_or(Malformed)?;
    let (seconds, nanoseconds) = (i64::from_ne_bytes(*seconds), i64::from_ne_bytes(*nanoseconds));
    let seconds = u64::try_from(seconds).map_err(|_| Malformed)?;
    let nanoseconds = u32::try_from(nanoseconds).ok().filter(|nanoseconds| *nanoseconds < 1_000_000_000);
    let time = Duration::new(seconds, nanoseconds.ok_or(Malformed)?);
    Ok(Some(time).filter(|time| !time.is_zero()))
}

fn read_endpoint(bytes: &[u8]) -> Result<SocketAddr, Malformed> {
    let (family, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    let (port, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let (family, port) = (u16::from_ne_bytes(*family), u16::from_be_bytes(*port));
    let (first, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
    match family {
        AF_INET => Ok(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(*first), port))),
        AF_INET6 => {
            let (address, rest) = rest.split_first_chunk::<16>().ok_or(Malformed)?;
            let scope = rest.first_chunk().ok_or(Malformed)?;
            let (flow, scope) = (u32::from_be_bytes(*first), u32::from_ne_bytes(*scope));
            Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(*address), port, flow, scope)))
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::capture::{bytes, check, for_every_damage};
    use crate::wire::{Messages, encode};

    const DEVICE: SetDevice<'static> = SetDevice::new(0x1d, 3);

    fn key(byte: u8) -> Key {
        Key::new([byte; 32])
    }

    fn allowed(address: &str, prefix_length: u8) -> AllowedIp {
        AllowedIp { address: address.parse().unwrap(), prefix_length }
    }

    #[test]
    fn texts_of_keys_are_those_of_wg() {
        // From the example of wg(8), and the ends of the alphabet.
        for text in [
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
            "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "/////////////////////////////////////////w8=",
        ] {
            assert_eq!(Key::parse(text.as_bytes()).unwrap().text(), text.as_bytes());
        }
        assert_eq!(Key::parse(b"/////////////////////////////////////////w8=").unwrap().0[31], 0x0f);
        assert_eq!(key(255).text(), *b"//////////////////////////////////////////8=");
    }

    #[test]
    fn what_is_no_text_of_a_key_is_refused() {
        let good = b"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
        for length in 0..good.len() {
            assert_eq!(Key::parse(&good[..length]), Err(BadKey));
        }
        assert_eq!(Key::parse(&[&good[..], b"="].concat()), Err(BadKey));
        for position in 0..good.len() {
            for byte in 0..=255_u8 {
                let mut changed = *good;
                changed[position] = byte;
                let legal = match position {
                    43 => byte == b'=',
                    // Its two lowest bits are beyond the key.
                    42 => b"AEIMQUYcgkosw048".contains(&byte),
                    _ => byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/',
                };
                match Key::parse(&changed) {
                    Ok(key) => assert!(legal && key.text() == changed, "{position} {byte}"),
                    Err(BadKey) => assert!(!legal, "{position} {byte}"),
                }
            }
        }
    }

    #[test]
    fn a_device_is_written_as_wg_writes_it_but_by_its_index() {
        let networks = [allowed("10.0.0.0", 8), allowed("fd00::", 64)];
        let peer = Peer {
            preshared_key: Some(key(0x22)),
            endpoint: Some("192.0.2.1:51820".parse().unwrap()),
            keepalive_s: Some(25),
            replace_allowed: true,
            allowed: &networks,
            ..Peer::new(key(0x11))
        };
        let device = SetDevice {
            private_key: Some(key(0x33)),
            listen_port: Some(51820),
            firewall_mark: Some(0x42),
            replace_peers: true,
            peers: &[peer],
            ..DEVICE
        };
        check(
            &device,
            "wg setconf wg0 FILE, which gives the name of the link instead of the index
             14010000 1d00 0500 01000000 00000000        | family 29, REQUEST ACK
             01 01 0000                                  | struct genlmsghdr: WG_CMD_SET_DEVICE, version 1
             0800 0100 03000000                          | WGDEVICE_A_IFINDEX 3
             2400 0300 3333333333333333 3333333333333333 | WGDEVICE_A_PRIVATE_KEY
                       3333333333333333 3333333333333333 |
             0600 0600 6cca 0000                         | WGDEVICE_A_LISTEN_PORT 51820
             0800 0700 42000000                          | WGDEVICE_A_FWMARK 0x42
             0800 0500 01000000                          | WGDEVICE_A_FLAGS WGDEVICE_F_REPLACE_PEERS
             bc00 0880                                   | WGDEVICE_A_PEERS
             b800 0080                                   |   the first
             2400 0100 1111111111111111 1111111111111111 |     WGPEER_A_PUBLIC_KEY
                       1111111111111111 1111111111111111 |
             2400 0200 2222222222222222 2222222222222222 |     WGPEER_A_PRESHARED_KEY
                       2222222222222222 2222222222222222 |
             1400 0400 0200 ca6c c0000201                |     WGPEER_A_ENDPOINT: struct sockaddr_in
                       0000000000000000                  |
             0600 0500 1900 0000                         |     WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL 25
             0800 0300 02000000                          |     WGPEER_A_FLAGS WGPEER_F_REPLACE_ALLOWEDIPS
             4800 0980                                   |     WGPEER_A_ALLOWEDIPS
             1c00 0080                                   |       the first
             0600 0100 0200 0000                         |         WGALLOWEDIP_A_FAMILY AF_INET
             0800 0200 0a000000                          |         WGALLOWEDIP_A_IPADDR
             0500 0300 08 000000                         |         WGALLOWEDIP_A_CIDR_MASK
             2800 0080                                   |       the second
             0600 0100 0a00 0000                         |         WGALLOWEDIP_A_FAMILY AF_INET6
             1400 0200 fd00000000000000 0000000000000000 |         WGALLOWEDIP_A_IPADDR
             0500 0300 40 000000                         |         WGALLOWEDIP_A_CIDR_MASK",
        );
    }

    #[test]
    fn a_peer_is_removed_or_only_changed() {
        check(
            &SetDevice { peers: &[Peer { remove: true, update_only: true, ..Peer::new(key(0x11)) }], ..DEVICE },
            "50000000 1d00 0500 01000000 00000000        | family 29, REQUEST ACK
             01 01 0000                                  | struct genlmsghdr: WG_CMD_SET_DEVICE, version 1
             0800 0100 03000000                          | WGDEVICE_A_IFINDEX 3
             3400 0880                                   | WGDEVICE_A_PEERS
             3000 0080                                   |   the first
             2400 0100 1111111111111111 1111111111111111 |     WGPEER_A_PUBLIC_KEY
                       1111111111111111 1111111111111111 |
             0800 0300 05000000                          |     WGPEER_A_FLAGS REMOVE_ME UPDATE_ONLY",
        );
    }

    #[test]
    fn a_device_is_asked_for_as_a_list() {
        check(
            &GetDevice { family: 0x1d, index: 3 },
            "1c000000 1d00 0503 01000000 00000000 | family 29, REQUEST ACK DUMP
             00 01 0000                           | struct genlmsghdr: WG_CMD_GET_DEVICE, version 1
             0800 0100 03000000                   | WGDEVICE_A_IFINDEX 3",
        );
    }

    /// The parts in some datagrams.
    fn parts(datagram: &[u8]) -> Result<Vec<Part>, Malformed> {
        let (mut reader, mut parts) = (Reader::default(), Vec::new());
        for message in Messages::new(datagram) {
            reader.read(&message?, &mut |part| parts.push(part))?;
        }
        Ok(parts)
    }

    #[test]
    fn a_peer_in_two_messages_is_one_peer() {
        let first = allowed("10.0.0.0", 8);
        let second = allowed("10.1.0.0", 16);
        let write = |networks: &[AllowedIp], byte: u8| {
            let mut buffer = [0; 512];
            let peers = [Peer { allowed: networks, ..Peer::new(key(byte)) }];
            let length = encode(&SetDevice { peers: &peers, ..DEVICE }, 1, &mut buffer).unwrap();
            buffer[16] = GET_DEVICE;
            buffer[..length].to_vec()
        };
        let told = parts(&[write(&[first], 1), write(&[second], 1), write(&[second], 2)].concat()).unwrap();
        let [Part::Device(_), Part::Peer(one), a, b, Part::Peer(two), c] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((one.public_key, two.public_key), (key(1), key(2)));
        assert_eq!([*a, *b, *c], [Part::Allowed(first), Part::Allowed(second), Part::Allowed(second)]);
    }

    #[test]
    fn a_captured_device_is_read() {
        let told = parts(&bytes(include_str!("../captures/wireguard.txt"))).unwrap();
        let Part::Device(device) = told[0] else { panic!("{told:?}") };
        assert_eq!((device.index, device.listen_port, device.firewall_mark), (0x16, 51820, 0x1234));
        assert!(device.private_key.is_some() && device.public_key.is_some());
        let peers: Vec<_> =
            told.iter().filter_map(|part| if let Part::Peer(peer) = part { Some(*peer) } else { None }).collect();
        let endpoints = ["192.0.2.1:51820", "[2001:db8::1]:7"].map(|text| Some(text.parse().unwrap()));
        assert_eq!([peers[0].endpoint, peers[1].endpoint, peers[2].endpoint], [endpoints[0], endpoints[1], None]);
        assert_eq!(peers.iter().map(|peer| peer.keepalive_s).collect::<Vec<_>>(), [25, 0, 0]);
        assert!(peers[0].preshared_key.is_some() && peers[1].preshared_key.is_none());
        assert!(peers.iter().all(|peer| peer.handshake.is_none()));
        let kinds: Vec<_> =
            told.iter().map(|part| if let Part::Allowed(network) = part { Some(*network) } else { None }).collect();
        let expected = [
            None,
            None,
            Some(allowed("10.0.0.0", 8)),
            Some(allowed("fd00::", 64)),
            Some(allowed("192.0.2.7", 32)),
            None,
            Some(allowed("0.0.0.0", 0)),
            Some(allowed("::", 0)),
            None,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn no_damage_to_a_captured_device_panics() {
        for_every_damage(&bytes(include_str!("../captures/wireguard.txt")), |damaged| drop(parts(damaged)));
    }

    #[test]
    fn what_cannot_be_is_malformed() {
        assert_eq!(read_endpoint(&[2, 0, 0, 80, 1, 2, 3]), Err(Malformed));
        assert_eq!(read_endpoint(&[9; 28]), Err(Malformed));
        let time = |seconds: i64, nanoseconds: i64| {
            let payload = [seconds.to_ne_bytes(), nanoseconds.to_ne_bytes()].concat();
            read_time(&Attribute { kind: HANDSHAKE, payload: &payload })
        };
        assert_eq!(time(0, 0), Ok(None));
        assert_eq!(time(7, 5), Ok(Some(Duration::new(7, 5))));
        assert_eq!([time(-1, 0), time(0, -1), time(0, 1_000_000_000)], [Err(Malformed); 3]);
        assert_eq!(PeerStatus::read(Attributes::new(&[])), Err(Malformed));
        assert_eq!(AllowedIp::read(Attributes::new(&[])), Err(Malformed));
    }

    /// What any peer may be.
    fn any_peer() -> impl Strategy<Value = (PeerStatus, Vec<AllowedIp>)> {
        let v4 = (any::<[u8; 4]>(), any::<u16>()).prop_map(|(address, port)| SocketAddr::from((address, port)));
        let v6 =
            (any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(|(address, port, flow, scope)| {
                SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(address), port, flow, scope))
            });
        let network =
            (any::<IpAddr>(), any::<u8>()).prop_map(|(address, prefix_length)| AllowedIp { address, prefix_length });
        let keys = (any::<[u8; 32]>(), proptest::option::of(any::<[u8; 32]>()));
        (keys, proptest::option::of(prop_oneof![v4, v6]), any::<u16>(), proptest::collection::vec(network, 0..6))
            .prop_map(|((public_key, preshared_key), endpoint, keepalive_s, networks)| {
                let preshared_key = preshared_key.map(Key).filter(|key| *key != Key::NONE);
                let rest = (None, 0, 0);
                let (handshake, received_bytes, sent_bytes) = rest;
                let public_key = Key(public_key);
                (
                    PeerStatus {
                        public_key,
                        preshared_key,
                        endpoint,
                        keepalive_s,
                        handshake,
                        received_bytes,
                        sent_bytes,
                    },
                    networks,
                )
            })
    }

    proptest! {
        #[test]
        fn the_text_of_any_key_reads_back(bytes: [u8; 32]) {
            prop_assert_eq!(Key::parse(&Key(bytes).text()), Ok(Key(bytes)));
        }

        #[test]
        fn whatever_is_written_reads_back(
            private_key: Option<[u8; 32]>,
            listen_port: u16,
            firewall_mark: u32,
            peers in proptest::collection::vec(any_peer(), 0..5),
        ) {
            let private_key = private_key.map(Key);
            let written: Vec<_> = peers.iter().map(|(peer, networks)| Peer {
                preshared_key: peer.preshared_key,
                endpoint: peer.endpoint,
                keepalive_s: Some(peer.keepalive_s),
                allowed: networks,
                ..Peer::new(peer.public_key)
            }).collect();
            let device = SetDevice {
                private_key,
                listen_port: Some(listen_port),
                firewall_mark: Some(firewall_mark),
                peers: &written,
                ..DEVICE
            };
            let mut buffer = [0; 8192];
            let length = encode(&device, 1, &mut buffer).unwrap();
            buffer[16] = GET_DEVICE;
            let public_key = None;
            let mut expected =
                std::vec![Part::Device(Device { index: DEVICE.index, private_key, public_key, listen_port, firewall_mark })];
            for (peer, networks) in peers {
                expected.push(Part::Peer(peer));
                expected.extend(networks.into_iter().map(Part::Allowed));
            }
            prop_assert_eq!(parts(&buffer[..length]), Ok(expected));
        }
    }

    #[test]
    fn a_debugging_print_keeps_the_secret() {
        assert_eq!(std::format!("{:?}", key(7)), String::from("Key(..)"));
    }
}
