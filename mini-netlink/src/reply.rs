//! What the kernel answers: bytes to a verdict. Pure.
//!
//! Every request is answered by at most one object (or, for a list, many), then by one verdict: done or failed. With
//! extended acknowledgement, which [`SOCKET_OPTIONS`](crate::socket::SOCKET_OPTIONS) turns on, a failure carries the
//! kernel's own words and the place in the request that they are about.
//!
//! ```
//! use mini_netlink::Errno;
//! use mini_netlink::reply::{Failure, Reply};
//! use mini_netlink::wire::{CAPPED, ERROR, EXTENDED, Message};
//!
//! let mut payload = Vec::from((-95_i32).to_ne_bytes()); // EOPNOTSUPP
//! payload.extend([0; 16]); // the request's header
//! payload.extend([24_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat()); // NLMSGERR_ATTR_MSG
//! payload.extend(b"Unknown device type\0");
//! let message = Message { kind: ERROR, flags: CAPPED | EXTENDED, sequence: 1, port: 4711, payload: &payload };
//!
//! let Ok(Reply::Failed(Failure { errno, text, offset })) = Reply::read(&message) else { panic!("it failed") };
//! assert_eq!((errno, text, offset), (Errno::OPNOTSUPP, &b"Unknown device type"[..], None));
//! ```
//!
//! Source: `include/uapi/linux/netlink.h`, `struct nlmsgerr` and `enum nlmsgerr_attrs`.

use rustix::io::Errno;

use crate::wire::{Attributes, CAPPED, DONE, ERROR, EXTENDED, HEADER_BYTES, Malformed, Message, number_at};

const TEXT: u16 = 1;
const OFFSET: u16 = 2;

/// The number that opens an [`ERROR`] or a [`DONE`]: 0, or a negated errno.
const ERRNO_BYTES: usize = 4;
/// The largest errno the kernel uses. `MAX_ERRNO`
const ERRNO_MAX: u32 = 4095;

/// What one message means for the request it answers.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// An object; more messages follow.
    More(Message<'a>),
    /// The request succeeded, nothing follows.
    Done,
    /// The request failed, nothing follows.
    Failed(Failure<'a>),
}

/// Why the kernel refused a request, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The error number.
    pub errno: Errno,
    /// The kernel's explanation; often empty.
    pub text: &'a [u8],
    /// Where in the request the attribute begins that is not right, in bytes from the start of its header.
    pub offset: Option<u32>,
}

impl<'a> Reply<'a> {
    /// Judges a message.
    pub fn read(message: &Message<'a>) -> Result<Self, Malformed> {
        if message.kind != ERROR && message.kind != DONE {
            return Ok(Self::More(*message));
        }
        let negated = number_at(message.payload, 0).ok_or(Malformed)?;
        if negated == 0 {
            return Ok(Self::Done);
        }
        // Checked here, because `from_raw_os_error` panics at what is no error number.
        let errno = negated.wrapping_neg();
        if errno > ERRNO_MAX {
            return Err(Malformed);
        }
        let errno = Errno::from_raw_os_error(errno.cast_signed());
        let mut failure = Failure { errno, text: &[], offset: None };
        if message.flags & EXTENDED != 0 {
            failure.read_extended(Attributes::after(message.payload, extended_at(message)?)?)?;
        }
        Ok(Self::Failed(failure))
    }
}

impl<'a> Failure<'a> {
    fn read_extended(&mut self, attributes: Attributes<'a>) -> Result<(), Malformed> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TEXT => self.text = attribute.payload.split(|byte| *byte == 0).next().unwrap_or_default(),
                OFFSET => self.offset = Some(attribute.number()?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where the attributes of the extended acknowledgement begin in the payload.
///
/// An [`ERROR`] repeats the request's header, and unless it is [`CAPPED`] also all that followed it there.
fn extended_at(message: &Message<'_>) -> Result<usize, Malformed> {
    if message.kind == DONE {
        return Ok(ERRNO_BYTES);
    }
    if message.flags & CAPPED != 0 {
        return Ok(ERRNO_BYTES + HEADER_BYTES);
    }
    let request_bytes = number_at(message.payload, ERRNO_BYTES).and_then(|length| usize::try_from(length).ok());
    request_bytes
        .and_then(|bytes| bytes.checked_next_multiple_of(4))
        .and_then(|bytes| bytes.checked_add(ERRNO_BYTES))
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::capture::{bytes, for_every_damage};
    use crate::wire::Messages;

    const DONE_ONE: &str = "
        24000000 0200 0001 01000000 e92c0000 | NLMSG_ERROR, CAPPED, sequence 1
        00000000                             | success
        3c000000 1000 0506 01000000 00000000 | the request's header";
    const DONE_LIST: &str = "
        14000000 0300 0200 0c000000 e92c0000 | NLMSG_DONE, MULTI, sequence 12
        00000000                             | success";
    const NO_DEVICE: &str = "
        34000000 0200 0000 00000000 bb2b0000 | NLMSG_ERROR: without NETLINK_CAP_ACK the request is repeated
        edffffff                             | -19, ENODEV
        20000000 1000 0500 00000000 00000000 | the request's header
        00000000 00000000 00000000 00000000  | the rest of the request";
    const CAPPED_TEXT: &str = "
        44000000 0200 0003 09000000 e92c0000 | NLMSG_ERROR, CAPPED ACK_TLVS
        9bffffff                             | -101, ENETUNREACH
        2c000000 1800 0506 09000000 00000000 | the request's header
        2000 0100                            | NLMSGERR_ATTR_MSG
        4e657874686f702068617320             |   `Nexthop has `
        696e76616c69642067617465776179 00    |   `invalid gateway`";
    const WHOLE_TEXT: &str = "
        60000000 0200 0002 fa31046b ec2b0000 | NLMSG_ERROR, ACK_TLVS: the request is repeated
        9bffffff                             | -101, ENETUNREACH
        2c000000 1800 0506 fa31046b 00000000 | the request's header
        02 10 00 00 fe 03 00 01 00000000     | the rest of the request
        0800 0100 0a070000                   |
        0800 0500 0a630201                   |
        2000 0100                            | NLMSGERR_ATTR_MSG
        4e657874686f702068617320             |   `Nexthop has `
        696e76616c69642067617465776179 00    |   `invalid gateway`";
    /// Made up from the header file: no list that fails was at hand.
    const FAILED_LIST: &str = "
        1c000000 0300 0202 0c000000 e92c0000 | NLMSG_DONE, MULTI ACK_TLVS
        eaffffff                             | -22, EINVAL
        0800 0200 10000000                   | NLMSGERR_ATTR_OFFS 16";

    fn messages(capture: &[u8]) -> Vec<Message<'_>> {
        Messages::new(capture).map(Result::unwrap).collect()
    }

    #[track_caller]
    fn check_failure(capture: &str, errno: Errno, text: &str, offset: Option<u32>) {
        match Reply::read(&messages(&bytes(capture))[0]) {
            Ok(Reply::Failed(failure)) => assert_eq!(failure, Failure { errno, text: text.as_bytes(), offset }),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn success_is_told() {
        for capture in [DONE_ONE, DONE_LIST] {
            assert!(matches!(Reply::read(&messages(&bytes(capture))[0]), Ok(Reply::Done)));
        }
    }

    #[test]
    fn failures_carry_errno_text_and_offset() {
        check_failure(NO_DEVICE, Errno::NODEV, "", None);
        check_failure(CAPPED_TEXT, Errno::NETUNREACH, "Nexthop has invalid gateway", None);
        check_failure(WHOLE_TEXT, Errno::NETUNREACH, "Nexthop has invalid gateway", None);
        check_failure(FAILED_LIST, Errno::INVAL, "", Some(16));
    }

    #[test]
    fn an_object_is_more_to_come() {
        let capture = bytes(include_str!("../captures/link.txt"));
        assert!(matches!(Reply::read(&messages(&capture)[0]), Ok(Reply::More(message)) if message.kind == 16));
    }

    #[test]
    fn what_is_no_errno_is_malformed() {
        for number in [1, -4096, i32::MIN, i32::MAX] {
            let payload = number.to_ne_bytes();
            let message = Message { kind: ERROR, flags: 0, sequence: 1, port: 1, payload: &payload };
            assert!(matches!(Reply::read(&message), Err(Malformed)), "{number}");
        }
    }

    #[test]
    fn no_damage_to_a_captured_reply_panics() {
        for capture in [DONE_ONE, DONE_LIST, NO_DEVICE, CAPPED_TEXT, WHOLE_TEXT, FAILED_LIST] {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Reply::read(&message);
                }
            });
        }
    }
}
