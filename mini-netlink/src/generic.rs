//! Generic netlink: many small protocols ("families") on one socket, found by name. Pure.
//!
//! A family's number is given when it is registered, so it must be asked for first: [`GetFamily`], or
//! [`Socket::family`](crate::Socket::family). Every message then begins with [`start`].
//!
//! ```
//! use mini_netlink::generic::{GetFamily, start};
//! use mini_netlink::wire::{Request, Writer, encode};
//!
//! /// Asks the family "TASKSTATS" (its number was looked up) for its command 1, with an attribute 1 that is a number.
//! struct Statistics {
//!     family: u16,
//!     process: u32,
//! }
//!
//! impl Request for Statistics {
//!     fn write(&self, writer: &mut Writer<'_>) {
//!         start(writer, self.family, 0, 1, 1);
//!         writer.number(1, self.process);
//!     }
//! }
//!
//! let mut buffer = [0; 64];
//! assert_eq!(encode(&GetFamily { name: b"TASKSTATS" }, 1, &mut buffer), Ok(36));
//! assert_eq!(encode(&Statistics { family: 22, process: 1 }, 2, &mut buffer), Ok(28));
//! assert_eq!(buffer[16..20], [1, 1, 0, 0]); // `struct genlmsghdr`: command, version, reserved
//! ```
//!
//! Source: `include/uapi/linux/genetlink.h`, `Documentation/userspace-api/netlink/intro.rst`.

use crate::wire::{Attributes, Malformed, Message, Request, Writer};

/// The family of the families, whose number is fixed. `GENL_ID_CTRL`
pub const CONTROLLER: u16 = 16;

/// `struct genlmsghdr`: the bytes between a message's header and its attributes.
pub const FIXED_BYTES: usize = 4;

const NEW_FAMILY: u8 = 1;
const GET_FAMILY: u8 = 3;
const CONTROLLER_VERSION: u8 = 2;

const ID: u16 = 1;
const NAME: u16 = 2;
const VERSION: u16 = 3;

/// Begins a message of a family: its header and `struct genlmsghdr`. `flags` are `NLM_F_` bits.
pub fn start(writer: &mut Writer<'_>, family: u16, flags: u16, command: u8, version: u8) {
    writer.start(family, flags);
    writer.put(&[command, version, 0, 0]);
}

/// The command of a family's message. The first byte of `struct genlmsghdr`
pub fn command(message: &Message<'_>) -> Option<u8> {
    message.payload.first().copied()
}

/// Asks for a family by its name. The kernel loads the family's module if it has one. `CTRL_CMD_GETFAMILY`
///
/// A family that there is none of is refused with `ENOENT`.
#[derive(Clone, Copy, Debug)]
pub struct GetFamily<'a> {
    /// Its name: at most 15 bytes, without a zero byte.
    pub name: &'a [u8],
}

impl Request for GetFamily<'_> {
    fn write(&self, writer: &mut Writer<'_>) {
        start(writer, CONTROLLER, 0, GET_FAMILY, CONTROLLER_VERSION);
        let mut terminated = [0; 16]; // `GENL_NAMSIZ`
        let fits = self.name.len() < terminated.len();
        for (place, byte) in terminated.iter_mut().zip(self.name) {
            *place = *byte;
        }
        match terminated.get(..=self.name.len()) {
            Some(name) if fits => writer.attribute(NAME, name),
            _ => writer.fail(crate::wire::WriteError::Full),
        }
    }
}

/// What the kernel tells of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its number: the kind of its messages.
    pub id: u16,
    /// The version of its protocol.
    pub version: u32,
}

impl Family {
    /// Reads a message; `None` if it is about something else than a family that exists.
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Malformed> {
        if message.kind != CONTROLLER || command(message) != Some(NEW_FAMILY) {
            return Ok(None);
        }
        let (mut id, mut version) = (None, 0);
        for attribute in Attributes::after(message.payload, FIXED_BYTES)? {
            let attribute = attribute?;
            match attribute.kind {
                ID => id = Some(attribute.short()?),
                VERSION => version = attribute.number()?,
                _ => {}
            }
        }
        let id = id.ok_or(Malformed)?;
        Ok(Some(Self { id, version }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{bytes, check, for_every_damage};
    use crate::wire::{Messages, WriteError, encode};

    /// What Linux 6.18 answers for `nlctrl`.
    const FAMILY: &str = "
        88000000 1000 0000 01000000 69260000 | GENL_ID_CTRL, sequence 1
        01 02 0000                           | struct genlmsghdr: CTRL_CMD_NEWFAMILY, version 2
        0b00 0200 6e6c6374726c00 00          | CTRL_ATTR_FAMILY_NAME nlctrl
        0600 0100 1000 0000                  | CTRL_ATTR_FAMILY_ID 16
        0800 0300 02000000                   | CTRL_ATTR_VERSION 2
        0800 0400 00000000                   | CTRL_ATTR_HDRSIZE
        0800 0500 00000000                   | CTRL_ATTR_MAXATTR
        2c00 0600                            | CTRL_ATTR_OPS
          1400 0100                          |   the first
            0800 0100 03000000               |     CTRL_ATTR_OP_ID CTRL_CMD_GETFAMILY
            0800 0200 0e000000               |     CTRL_ATTR_OP_FLAGS
          1400 0200                          |   the second
            0800 0100 0a000000               |     CTRL_ATTR_OP_ID CTRL_CMD_GETPOLICY
            0800 0200 0c000000               |     CTRL_ATTR_OP_FLAGS
        1c00 0700                            | CTRL_ATTR_MCAST_GROUPS
          1800 0100                          |   the first
            0800 0200 10000000               |     CTRL_ATTR_MCAST_GRP_ID 16
            0b00 0100 6e6f7469667900 00      |     CTRL_ATTR_MCAST_GRP_NAME notify";

    #[test]
    fn a_family_is_asked_for_as_wg_does() {
        check(
            &GetFamily { name: b"wireguard" },
            "24000000 1000 0500 01000000 00000000 | GENL_ID_CTRL, REQUEST ACK
             03 02 0000                           | struct genlmsghdr: CTRL_CMD_GETFAMILY, version 2
             0e00 0200 77697265677561726400 0000  | CTRL_ATTR_FAMILY_NAME wireguard",
        );
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        assert!(encode(&GetFamily { name: b"fifteen-letters" }, 1, &mut [0; 64]).is_ok());
        assert_eq!(encode(&GetFamily { name: b"sixteen-letters-" }, 1, &mut [0; 64]), Err(WriteError::Full));
    }

    #[test]
    fn a_family_is_read_and_no_damage_to_it_panics() {
        let capture = bytes(FAMILY);
        let message = Messages::new(&capture).next().unwrap().unwrap();
        assert_eq!(Family::read(&message), Ok(Some(Family { id: 16, version: 2 })));
        for_every_damage(&capture, |damaged| {
            for message in Messages::new(damaged).flatten() {
                let _ = Family::read(&message);
            }
        });
    }

    #[test]
    fn what_is_no_family_is_none() {
        let message = Message { kind: CONTROLLER, flags: 0, sequence: 1, port: 1, payload: &[2, 2, 0, 0] };
        assert_eq!(Family::read(&message), Ok(None));
        assert_eq!(Family::read(&Message { kind: 17, ..message }), Ok(None));
        assert_eq!(Family::read(&Message { payload: &[], ..message }), Ok(None));
        assert_eq!(Family::read(&Message { payload: &[1, 2, 0, 0], ..message }), Err(Malformed));
    }
}
