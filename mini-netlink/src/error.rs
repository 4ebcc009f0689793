//! Why something did not work. Small and `Copy`; a variant exists only where a caller decides differently.
//!
//! ```
//! use mini_netlink::{BUFFER_BYTES, Errno, Error, Link, LinkName, Socket};
//!
//! /// The link, or `None` if there is none with this name.
//! fn find(socket: &mut Socket<'_>, name: &[u8]) -> Result<Option<Link>, Error> {
//!     match socket.link(&LinkName::new(name)?) {
//!         Ok(link) => Ok(Some(link)),
//!         Err(error) if error.errno() == Some(Errno::NODEV) => Ok(None),
//!         Err(error) => Err(error),
//!     }
//! }
//!
//! let mut buffer = [0; BUFFER_BYTES];
//! let mut socket = Socket::open(&mut buffer).expect("netlink is there");
//! assert!(find(&mut socket, b"lo").expect("it was asked").is_some());
//! assert!(find(&mut socket, b"no-such-link").expect("it was asked").is_none());
//! assert_eq!(find(&mut socket, b"not/a/name"), Err(Error::BadName));
//! ```

use core::fmt;

use rustix::io::Errno;

use crate::name::BadName;
use crate::reply::Failure;
use crate::wire::{Malformed, WriteError};
use crate::wireguard::BadKey;

/// Why something did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A system call on the socket failed.
    Errno(Errno),
    /// The kernel refused a request.
    Refused(Refusal),
    /// The requests do not fit in the buffer; nothing was sent.
    Full,
    /// A request holds both IPv4 and IPv6 addresses where the kernel expects one family; nothing was sent.
    MixedFamilies,
    /// No link can have this name; nothing was sent.
    BadName,
    /// A text is no key; nothing was sent.
    BadKey,
    /// An answer is longer than the buffer: see [`BUFFER_BYTES`](crate::BUFFER_BYTES).
    Truncated,
    /// An answer has a length that cannot be right.
    Malformed,
    /// An answer did not come, or the kernel had to drop it: the request may or may not be in effect.
    Lost,
    /// A list changed each time while it was being told.
    Interrupted,
}

impl Error {
    /// The kernel's error number, if it gave one. What "exists already" or "no such link" is recognised by.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Errno(errno) | Self::Refused(Refusal { errno, .. }) => Some(*errno),
            _ => None,
        }
    }
}

/// The kernel refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the requests that were sent together, from 0.
    pub request: u16,
    /// The error number.
    pub errno: Errno,
}

/// What the kernel says about a refusal beside its number: see [`Socket::explanation`](crate::Socket::explanation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Its words; empty unless the socket asks for them, and often even then.
    pub text: Text,
    /// Where in the request the attribute begins that is not right, in bytes from the start of its header.
    pub offset: Option<u32>,
}

impl Explanation {
    /// None.
    pub(crate) const EMPTY: Self = Self { text: Text::EMPTY, offset: None };

    pub(crate) fn new(failure: &Failure<'_>) -> Self {
        Self { text: Text::new(failure.text), offset: failure.offset }
    }
}

/// The kernel's explanation, at most [`Text::BYTES_MAX`] bytes of it; a longer one ends in three dots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; Text::BYTES_MAX],
    length: u8,
}

impl Text {
    /// What the kernel itself allows the explanations that it composes. `NETLINK_MAX_FMTMSG_LEN`
    pub const BYTES_MAX: usize = 80;

    /// No words.
    pub const EMPTY: Self = Self { bytes: [0; Self::BYTES_MAX], length: 0 };

    /// A sentence, cut if it is too long.
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = [b'.'; Self::BYTES_MAX];
        let kept = if text.len() > Self::BYTES_MAX { Self::BYTES_MAX - 3 } else { text.len() };
        for (place, byte) in bytes.iter_mut().zip(text).take(kept) {
            *place = *byte;
        }
        let length = text.len().min(Self::BYTES_MAX);
        Self { bytes, length: u8::try_from(length).unwrap_or_default() }
    }

    /// The explanation.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => write!(formatter, "netlink socket: {errno}"),
            Self::Refused(refusal) => {
                write!(formatter, "request {}: {}", refusal.request, refusal.errno)
            }
            Self::Full => formatter.write_str("the requests do not fit in the buffer"),
            Self::MixedFamilies => formatter.write_str("IPv4 and IPv6 addresses in one request"),
            Self::BadName => formatter.write_str("no link can have this name"),
            Self::BadKey => formatter.write_str("a text is no key"),
            Self::Truncated => formatter.write_str("an answer is longer than the buffer"),
            Self::Malformed => formatter.write_str("an answer has a wrong length"),
            Self::Lost => formatter.write_str("an answer did not come"),
            Self::Interrupted => formatter.write_str("the list changed each time while it was being told"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<BadName> for Error {
    fn from(_: BadName) -> Self {
        Self::BadName
    }
}

impl From<BadKey> for Error {
    fn from(_: BadKey) -> Self {
        Self::BadKey
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::Full,
            WriteError::MixedFamilies => Self::MixedFamilies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_in_dots() {
        assert_eq!(Text::new(b"short").as_bytes(), b"short");
        assert_eq!(Text::new(b"").as_bytes(), b"");
        assert_eq!(Text::new(&[b'x'; 80]).as_bytes(), [b'x'; 80]);
        let cut = Text::new(&[b'x'; 81]);
        assert_eq!(cut.as_bytes().split_at(77), (&[b'x'; 77][..], &b"..."[..]));
    }
}
