//! What the kernel answers: bytes to a verdict. Pure.
//!
//! Every request is answered by at most one object (or, for a list, many), then by one verdict: done or failed. With
//! extended acknowledgement, which [`SOCKET_OPTIONS`](crate::socket::SOCKET_OPTIONS) turns on, a failure carries the
//! kernel's own words and the place in the request that they are about.
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
