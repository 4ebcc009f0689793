//! Bytes to and from netlink messages and their attributes. Pure.
//!
//! A datagram holds messages, a message holds a header, then a fixed part that its kind determines, then attributes.
//! Every piece starts at a multiple of four bytes; numbers have the byte order of the machine.
//!
//! ```text
//! 0               4       6       8               12              16
//! +---------------+-------+-------+---------------+---------------+-- - -  - - --+------- - - -
//! | length        | kind  | flags | sequence      | port          | fixed part   | attributes
//! +---------------+-------+-------+---------------+---------------+-- - -  - - --+------- - - -
//! '----------- length counts from here to the end of the last attribute --------------- - - - '
//!
//! 0       2       4                            An attribute. Its length counts these four bytes
//! +-------+-------+----- - - -+ - - - -+       and the payload, but not the padding. A nested
//! | length| kind  | payload   | padding|       attribute has attributes as its payload.
//! +-------+-------+----- - - -+ - - - -+
//! ```
//!
//! Whoever misses a request writes one more; all others of this crate are made the same way:
//!
//! ```
//! use mini_netlink::wire::{Attributes, Messages, Request, Writer, encode};
//!
//! /// Gives a link a description for people. `RTM_SETLINK` with `IFLA_IFALIAS`
//! struct Describe<'a> {
//!     index: u32,
//!     description: &'a [u8],
//! }
//!
//! impl Request for Describe<'_> {
//!     fn write(&self, writer: &mut Writer<'_>) {
//!         writer.start(19, 0);
//!         writer.put(&[0; 4]); // The fixed part, `struct ifinfomsg`.
//!         writer.put(&self.index.to_ne_bytes());
//!         writer.put(&[0; 8]);
//!         writer.attribute(20, self.description);
//!     }
//! }
//!
//! let mut buffer = [0; 64];
//! let length = encode(&Describe { index: 3, description: b"uplink" }, 1, &mut buffer).expect("it fits");
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! let attribute = Attributes::after(message.payload, 16).unwrap().next().unwrap().unwrap();
//! assert_eq!((attribute.kind, attribute.text()), (20, &b"uplink"[..]));
//! ```
//!
//! A [`Writer`] into too small a buffer says [`WriteError::Full`]; [`Messages`] and [`Attributes`] stop at the first
//! length that cannot be right. Source: `include/uapi/linux/netlink.h`, netlink(7).

use core::net::IpAddr;

/// The kind of a message that answers a request: an errno (0 for success) and the kernel's words. `NLMSG_ERROR`
pub const ERROR: u16 = 2;
/// The kind of the message that ends a list. `NLMSG_DONE`
pub const DONE: u16 = 3;

/// This is a request to the kernel. `NLM_F_REQUEST`
pub const REQUEST: u16 = 0x1;
/// Answer even if all went well. `NLM_F_ACK`
pub const ACKNOWLEDGE: u16 = 0x4;
/// The list changed while it was being told. `NLM_F_DUMP_INTR`
pub const INTERRUPTED: u16 = 0x10;
/// All objects, not one: `NLM_F_ROOT | NLM_F_MATCH`. `NLM_F_DUMP`
pub const DUMP: u16 = 0x300;
/// Put this in the place of what exists. `NLM_F_REPLACE`
pub const REPLACE: u16 = 0x100;
/// Fail if it exists. `NLM_F_EXCL`
pub const EXCLUSIVE: u16 = 0x200;
/// Make it if it does not exist. `NLM_F_CREATE`
pub const CREATE: u16 = 0x400;
/// Behind what exists, not instead of it. `NLM_F_APPEND`
pub const APPEND: u16 = 0x800;
/// In an [`ERROR`]: the request is not repeated behind its header. `NLM_F_CAPPED`
pub const CAPPED: u16 = 0x100;
/// In an [`ERROR`] or a [`DONE`]: attributes of the extended acknowledgement follow. `NLM_F_ACK_TLVS`
pub const EXTENDED: u16 = 0x200;

/// The bytes of a message header, and where each field begins in it.
pub const HEADER_BYTES: usize = 16;
const KIND: usize = 4;
const FLAGS: usize = 6;
const SEQUENCE: usize = 8;
const PORT: usize = 12;

/// The bytes of an attribute's own header.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// The two upper bits of an attribute's kind say "nested" and "big endian"; they are no part of the number.
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;
/// Added to an attribute's kind where the kernel insists on being told that it is a nested one. `NLA_F_NESTED`
pub const NESTED: u16 = 0x8000;

/// A length that cannot be right, or a message too short for its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Why a request was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// It does not fit in the buffer, or an attribute not in 65,535 bytes.
    Full,
    /// It holds both IPv4 and IPv6 addresses where the kernel expects one family.
    MixedFamilies,
}

/// A typed request: it knows its bytes, and nothing of sockets.
pub trait Request {
    /// Writes the message: its [`Writer::start`] first, then the fixed part, then the attributes.
    ///
    /// Nothing is reported here: the writer remembers the first error, and [`encode`] returns it.
    fn write(&self, writer: &mut Writer<'_>);
}

/// Writes `request` to the front of `buffer` with this sequence number, and returns its length in bytes.
///
/// The result is a multiple of four, so that another request may follow right behind. After an error the buffer's
/// contents mean nothing.
pub fn encode(request: &dyn Request, sequence: u32, buffer: &mut [u8]) -> Result<usize, WriteError> {
    let mut writer = Writer { buffer, length: 0, error: None };
    request.write(&mut writer);
    let Ok(length) = u32::try_from(writer.length) else { return Err(WriteError::Full) };
    writer.patch(0, &length.to_ne_bytes());
    writer.patch(SEQUENCE, &sequence.to_ne_bytes());
    match writer.error {
        None => Ok(writer.length),
        Some(error) => Err(error),
    }
}

/// One message being written. The first error sticks: nothing is written after it.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    length: usize,
    error: Option<WriteError>,
}

/// Where an open nested attribute began; [`Writer::close`] takes it back.
#[derive(Debug)]
#[must_use]
pub struct Nest(usize);

impl Writer<'_> {
    /// The message header of a request, with an acknowledgement asked for.
    pub fn start(&mut self, kind: u16, flags: u16) {
        let [kind_low, kind_high] = kind.to_ne_bytes();
        let [flags_low, flags_high] = (flags | REQUEST | ACKNOWLEDGE).to_ne_bytes();
        self.put(&[0; 4]); // Length and sequence are known to `encode`; port 0 is the kernel's.
        self.put(&[kind_low, kind_high, flags_low, flags_high]);
        self.put(&[0; 8]);
    }

    /// A fixed part, or any other bytes; padded with zeros to a multiple of four.
    pub fn put(&mut self, bytes: &[u8]) {
        let padded = bytes.len().next_multiple_of(4);
        let place = self.buffer.get_mut(self.length..).and_then(|rest| rest.get_mut(..padded));
        let (Some(place), None) = (place, self.error) else { return self.fail(WriteError::Full) };
        place.fill(0);
        for (place, byte) in place.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.length += padded;
    }

    /// An attribute with these bytes.
    pub fn attribute(&mut self, kind: u16, payload: &[u8]) {
        let nest = self.open(kind);
        self.put(payload);
        self.patch_length(nest.0, ATTRIBUTE_HEADER_BYTES + payload.len());
    }

    /// An attribute that is one byte.
    pub fn byte(&mut self, kind: u16, value: u8) {
        self.attribute(kind, &[value]);
    }

    /// An attribute that is a number of two bytes.
    pub fn short(&mut self, kind: u16, value: u16) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// An attribute that is an address of 4 or 16 bytes.
    pub fn ip(&mut self, kind: u16, address: &IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    /// An attribute that is a number of four bytes.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// The same if there is a value, else nothing.
    pub fn optional_number(&mut self, kind: u16, value: Option<u32>) {
        if let Some(value) = value {
            self.number(kind, value);
        }
    }

    /// Begins an attribute that holds what is written until [`Writer::close`].
    pub fn open(&mut self, kind: u16) -> Nest {
        let nest = Nest(self.length);
        let [low, high] = kind.to_ne_bytes();
        self.put(&[0, 0, low, high]);
        nest
    }

    /// Ends a nested attribute.
    pub fn close(&mut self, nest: Nest) {
        self.patch_length(nest.0, self.length - nest.0);
    }

    /// Notes that the request cannot be written. An earlier error is kept.
    pub fn fail(&mut self, error: WriteError) {
        self.error = self.error.or(Some(error));
    }

    fn patch_length(&mut self, at: usize, length: usize) {
        match u16::try_from(length) {
            Ok(length) => self.patch(at, &length.to_ne_bytes()),
            Err(_) => self.fail(WriteError::Full),
        }
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        for (place, byte) in self.buffer.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    }
}

/// One message that was received.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What it is: [`ERROR`], [`DONE`], or a number such as `RTM_NEWLINK`.
    pub kind: u16,
    /// `NLM_F_` bits.
    pub flags: u16,
    /// The sequence number of the request it answers.
    pub sequence: u32,
    /// The port of the socket that sent the request.
    pub port: u32,
    /// All behind the header.
    pub payload: &'a [u8],
}

/// The messages of one datagram. After a bad length there are no more.
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Reads `datagram`, which must be a whole one.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }

    fn message(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(number_at(self.0, 0)?).ok()?;
        let bytes = take(&mut self.0, length)?;
        Some(Message {
            kind: short_at(bytes, KIND)?,
            flags: short_at(bytes, FLAGS)?,
            sequence: number_at(bytes, SEQUENCE)?,
            port: number_at(bytes, PORT)?,
            payload: bytes.get(HEADER_BYTES..)?,
        })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = self.message().ok_or(Malformed);
        if message.is_err() {
            self.0 = &[];
        }
        Some(message)
    }
}

/// One attribute that was received.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// What it is, without the bits for "nested" and "big endian".
    pub kind: u16,
    /// Its bytes without padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The payload as a number of one byte.
    pub fn byte(&self) -> Result<u8, Malformed> {
        self.bytes().map(u8::from_ne_bytes)
    }

    /// The payload as a number of two bytes.
    pub fn short(&self) -> Result<u16, Malformed> {
        self.bytes().map(u16::from_ne_bytes)
    }

    /// The payload as a number of four bytes.
    pub fn number(&self) -> Result<u32, Malformed> {
        self.bytes().map(u32::from_ne_bytes)
    }

    /// The payload as a number of eight bytes.
    pub fn wide(&self) -> Result<u64, Malformed> {
        self.bytes().map(u64::from_ne_bytes)
    }

    /// The payload as an address of 4 or 16 bytes.
    pub fn ip(&self) -> Result<IpAddr, Malformed> {
        ip(self.payload)
    }

    /// The payload if it has this length.
    pub fn bytes<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], Malformed> {
        self.payload.try_into().map_err(|_| Malformed)
    }

    /// The attributes in this one.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// The payload as text: up to the first zero byte.
    pub fn text(&self) -> &'a [u8] {
        self.payload.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// The attributes in some bytes. After a bad length there are no more.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Reads `bytes`: what follows a message's fixed part, or the payload of a nested attribute.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads what follows the first `fixed_bytes` of a message.
    pub fn after(payload: &'a [u8], fixed_bytes: usize) -> Result<Self, Malformed> {
        payload.get(fixed_bytes..).map(Self).ok_or(Malformed)
    }

    fn attribute(&mut self) -> Option<Attribute<'a>> {
        let length = short_at(self.0, 0)?;
        let bytes = take(&mut self.0, usize::from(length))?;
        let kind = short_at(bytes, 2)? & ATTRIBUTE_KIND_MASK;
        Some(Attribute { kind, payload: bytes.get(ATTRIBUTE_HEADER_BYTES..)? })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attribute = self.attribute().ok_or(Malformed);
        if attribute.is_err() {
            self.0 = &[];
        }
        Some(attribute)
    }
}

/// The number of four bytes at an offset, if there are so many.
pub fn number_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The number of two bytes at an offset, if there are so many.
pub fn short_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// An address of 4 or 16 bytes.
pub fn ip(bytes: &[u8]) -> Result<IpAddr, Malformed> {
    match bytes.len() {
        4 => bytes.try_into().map(|bytes: [u8; 4]| IpAddr::from(bytes)),
        _ => bytes.try_into().map(|bytes: [u8; 16]| IpAddr::from(bytes)),
    }
    .map_err(|_| Malformed)
}

/// Takes `length` bytes and the padding behind them. The padding of the last piece may be missing.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let piece = bytes.get(..length)?;
    *bytes = length.checked_next_multiple_of(4).and_then(|padded| bytes.get(padded..)).unwrap_or_default();
    Some(piece)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// A request with attributes of these lengths inside a nested one.
    struct Nested<'a>(&'a [usize]);

    impl Request for Nested<'_> {
        fn write(&self, writer: &mut Writer<'_>) {
            writer.start(7, CREATE);
            let nest = writer.open(3);
            for length in self.0 {
                writer.attribute(5, &std::vec![0xaa; *length]);
            }
            writer.close(nest);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let lengths = [0, 1, 2, 3, 4, 5, 8];
        let mut buffer = [0xff; 256];
        let first = encode(&Nested(&lengths), 41, &mut buffer).unwrap();
        let second = encode(&Nested(&[]), 42, &mut buffer[first..]).unwrap();
        let messages: Vec<_> = Messages::new(&buffer[..first + second]).map(Result::unwrap).collect();

        let [one, two] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((one.kind, one.flags, one.sequence, one.port), (7, REQUEST | ACKNOWLEDGE | CREATE, 41, 0));
        assert_eq!((two.sequence, two.payload.len()), (42, 4));
        let nest = Attributes::new(one.payload).next().unwrap().unwrap();
        assert_eq!(nest.kind, 3);
        let attributes: Vec<_> = Attributes::new(nest.payload).map(Result::unwrap).collect();
        assert_eq!(attributes.iter().map(|attribute| attribute.payload.len()).collect::<Vec<_>>(), lengths);
        assert!(attributes.iter().all(|attribute| attribute.payload.iter().all(|byte| *byte == 0xaa)));
    }

    #[test]
    fn padding_is_zero_even_in_a_used_buffer() {
        let mut buffer = [0xff; 64];
        let length = encode(&Nested(&[1]), 1, &mut buffer).unwrap();
        assert_eq!(buffer[length - 4..length], [0xaa, 0, 0, 0]);
    }

    #[test]
    fn an_attribute_that_its_length_cannot_hold_is_refused() {
        let mut buffer = std::vec![0; 1 << 18];
        assert!(encode(&Nested(&[65_535 - 4 - 4]), 1, &mut buffer).is_err()); // With its padding the outer one is 65,536.
        assert!(encode(&Nested(&[65_535 - 4 - 4 - 3]), 1, &mut buffer).is_ok());
        assert_eq!(encode(&Nested(&[65_532]), 1, &mut buffer), Err(WriteError::Full));
        assert_eq!(encode(&Nested(&[40_000, 40_000]), 1, &mut buffer), Err(WriteError::Full));
    }

    #[test]
    fn the_first_error_is_the_one_reported() {
        struct Both;
        impl Request for Both {
            fn write(&self, writer: &mut Writer<'_>) {
                writer.fail(WriteError::MixedFamilies);
                writer.put(&[0; 64]);
            }
        }
        assert_eq!(encode(&Both, 1, &mut [0; 8]), Err(WriteError::MixedFamilies));
    }

    #[test]
    fn readers_stop_at_a_bad_length() {
        for bad in [0, 1, 15, 17, 1 << 31, u32::MAX] {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&bad.to_ne_bytes());
            assert!(matches!(Messages::new(&bytes).collect::<Vec<_>>().as_slice(), [Err(Malformed)]), "{bad}");
        }
        for bad in [0, 1, 3, 9, u16::MAX] {
            let mut bytes = [0; 8];
            bytes[..2].copy_from_slice(&bad.to_ne_bytes());
            assert!(matches!(Attributes::new(&bytes).collect::<Vec<_>>().as_slice(), [Err(Malformed)]), "{bad}");
        }
        for length in 1..4 {
            assert!(matches!(Attributes::new(&[4, 0, 0][..length]).next(), Some(Err(Malformed))));
        }
    }

    #[test]
    fn the_last_attribute_needs_no_padding() {
        let bytes = [5, 0, 9, 0x80, 0xaa];
        let attributes: Vec<_> = Attributes::new(&bytes).map(Result::unwrap).collect();
        assert_eq!((attributes.len(), attributes[0].kind, attributes[0].payload), (1, 9, &[0xaa][..]));
    }

    #[test]
    fn a_number_has_four_bytes() {
        let attribute = |payload| Attribute { kind: 1, payload };
        assert_eq!(attribute(&[1, 0, 0, 0]).number().map(u32::from_le), Ok(1));
        assert_eq!(attribute(&[1, 0, 0]).number(), Err(Malformed));
        assert_eq!(attribute(&[1, 0, 0, 0, 0]).number(), Err(Malformed));
    }
}
