//! Messages, packed by the compiler: bytes that are no characters stand for two others each, and those may be such again. `build.rs` finds the pairs that occur most often in all messages; [`crate::text`] unpacks.
//!
//! `t!("text")` is a [`Phrase`]: a number. `build.rs` packs it. `c!("text")` is a C string: the compiler packs it, and only
//! [`crate::text::Value::Raw`] may print it: as bytes it means nothing.

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// Text of our own, perhaps with `{}` for values: where it is among all messages.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), derive(Debug))]
pub struct Phrase(u16);

impl Phrase {
    /// The message of a text, for the compiler.
    pub const fn new(text: &str) -> Phrase {
        let (mut from, mut to) = (0, PLACES.len());
        while from < to {
            let middle = from.midpoint(to);
            match order(text.as_bytes(), PLACES[middle].0.as_bytes()) {
                0 => return Phrase(PLACES[middle].1),
                1 => from = middle + 1,
                _ => to = middle,
            }
        }
        panic!("`build.rs` has not found this message: it stands in a test, or is no literal")
    }

    /// Its bytes, packed, and what follows; it ends with a NUL.
    pub fn bytes(self) -> &'static [u8] {
        MESSAGES.get(usize::from(self.0)..).unwrap_or_default()
    }
}

#[cfg(test)]
impl Phrase {
    /// As it is in the source.
    pub(crate) fn text(self) -> &'static str {
        PLACES.iter().find(|place| place.1 == self.0).map_or("", |place| place.0)
    }
}

#[cfg(test)]
impl core::fmt::Debug for Phrase {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.text(), formatter)
    }
}

/// Whether a text is another one, or comes behind it in an order (1) or before it (-1).
const fn order(text: &[u8], other: &[u8]) -> i8 {
    let mut at = 0;
    while at < text.len() && at < other.len() {
        if text[at] != other[at] {
            return if text[at] > other[at] { 1 } else { -1 };
        }
        at += 1;
    }
    if text.len() == other.len() {
        return 0;
    }
    if text.len() > other.len() { 1 } else { -1 }
}

/// In place of `{}`: a value comes here.
pub const VALUE: u8 = 1;

/// What a byte stands for, if not for itself.
pub fn pair(byte: u8) -> Option<&'static [u8; 2]> {
    match byte {
        b'\n' | b' '..127 => None,
        pair => PAIRS.get(usize::from(pair.wrapping_sub(127))),
    }
}

/// No message is longer.
const BYTES_MAX: usize = 256;

/// A message that is being packed.
pub struct Packed {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl Packed {
    /// Packs a text, for the compiler: one pair after the other, each wherever it occurs.
    pub const fn new(text: &str) -> Packed {
        let mut packed = Packed { bytes: [0; BYTES_MAX], length: text.len() };
        let mut at = 0;
        while at < text.len() {
            packed.bytes[at] = text.as_bytes()[at];
            at += 1;
        }
        let mut pair = 0;
        while pair < PAIRS.len() {
            packed.replace(PAIRS[pair], (pair as u8).wrapping_add(127));
            pair += 1;
        }
        packed
    }

    const fn replace(&mut self, pair: [u8; 2], by: u8) {
        if pair[0] == 0 {
            return;
        }
        let (mut from, mut to) = (0, 0);
        while from < self.length {
            let is_pair = self.bytes[from] == pair[0] && from + 1 < self.length && self.bytes[from + 1] == pair[1];
            self.bytes[to] = if is_pair { by } else { self.bytes[from] };
            from += if is_pair { 2 } else { 1 };
            to += 1;
        }
        self.length = to;
    }

    /// How many bytes it has become, and a NUL.
    pub const fn length(&self) -> usize {
        self.length + 1
    }

    /// All of them.
    pub const fn bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut at = 0;
        while at < self.length {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }
}

/// A message as a number.
macro_rules! t {
    ($text:literal) => {
        const { $crate::packing::Phrase::new($text) }
    };
}

/// A message as a C string, packed. Tests compare it as it is.
macro_rules! c {
    ($text:literal) => {
        const {
            #[cfg(not(test))]
            const BYTES: [u8; $crate::packing::Packed::new($text).length()] =
                $crate::packing::Packed::new($text).bytes();
            #[cfg(test)]
            const BYTES: [u8; $text.len() + 1] = *concat!($text, "\0").as_bytes().first_chunk().unwrap();
            $crate::texts::CStr::new(&BYTES)
        }
    };
}

/// A C string.
macro_rules! s {
    ($text:literal) => {
        const { $crate::texts::CStr::new(concat!($text, "\0").as_bytes()) }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Line, Value};

    fn printed(text: &'static str) -> String {
        let packed = Packed::new(text);
        let bytes = [&packed.bytes[..packed.length], b"\0"].concat();
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        line.format(t!("{}"), &[Value::Raw(crate::texts::until_nul(&bytes).unwrap())]);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_packed_message_is_printed_as_it_was() {
        for text in ["", "a", "container not running", "the container has no control group", "{} ~ \\ xxxxxxxxxx"] {
            assert_eq!(printed(text), text);
        }
        assert!(Packed::new("the container has no control group").length < 20);
    }
}
