//! Messages, packed by the compiler: `c!("text")` is a C string in which bytes from 128 up stand for two others each, and
//! those may be such again. `build.rs` finds the pairs that occur most often in all messages; [`crate::text`] unpacks.
//!
//! Only [`crate::text::Value::Raw`] may print them: as bytes they mean nothing.

include!(concat!(env!("OUT_DIR"), "/pairs.rs"));

/// Bytes from here up are pairs.
pub const FIRST: u8 = 128;

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
            packed.replace(PAIRS[pair], FIRST + pair as u8);
            pair += 1;
        }
        packed
    }

    const fn replace(&mut self, pair: [u8; 2], by: u8) {
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

/// A message as a C string, packed. Tests compare it as it is.
macro_rules! c {
    ($text:literal) => {
        const {
            #[cfg(not(test))]
            const BYTES: [u8; $crate::packing::Packed::new($text).length()] =
                $crate::packing::Packed::new($text).bytes();
            #[cfg(test)]
            const BYTES: [u8; $text.len() + 1] = *concat!($text, "\0").as_bytes().first_chunk().unwrap();
            match core::ffi::CStr::from_bytes_with_nul(&BYTES) {
                Ok(message) => message,
                Err(_) => panic!("a message has no NUL"),
            }
        }
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
        line.format("{}", &[Value::Raw(core::ffi::CStr::from_bytes_with_nul(&bytes).unwrap())]);
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
