//! C strings in bytes; and two static ones in the space of one pointer, for errors that fit into two registers.
//!
//! All statics of a program lie within 2 GiB of each other: the code model that programs are compiled for says so. So the
//! low half of an address tells which one is meant, and any other static tells the high half.

use core::ffi::{CStr, c_char};
use core::num::NonZero;

/// See the module's documentation. Never all zeroes, so that a `Result` of it needs no further word.
#[derive(Clone, Copy)]
pub struct Texts(NonZero<u64>);

impl Texts {
    /// Both texts.
    pub fn new(first: &'static CStr, second: &'static CStr) -> Texts {
        let both = low_half(second) << 32 | low_half(first);
        // Two different texts do not both begin at a multiple of 4 GiB, and one that does ends at once.
        Texts(NonZero::new(both).unwrap_or(NonZero::<u64>::MIN))
    }

    /// The first text.
    pub fn first(self) -> &'static CStr {
        // SAFETY: the half that `new` put there.
        unsafe { text(self.0.get() as u32) }
    }

    /// The second text.
    pub fn second(self) -> &'static CStr {
        // SAFETY: the half that `new` put there.
        unsafe { text((self.0.get() >> 32) as u32) }
    }
}

fn low_half(text: &'static CStr) -> u64 {
    text.as_ptr().expose_provenance() as u32 as u64
}

/// # Safety
/// `low` is the low half of the address of a static C string whose provenance was exposed.
unsafe fn text(low: u32) -> &'static CStr {
    static ANY: u8 = 0;
    let any = (&raw const ANY).addr();
    let distance = low.wrapping_sub(any as u32) as i32;
    let address = any.wrapping_add_signed(distance as isize);
    // SAFETY: within 2 GiB of any static there is one address with this low half, that of the C string.
    unsafe { CStr::from_ptr(core::ptr::with_exposed_provenance::<c_char>(address)) }
}

/// The C string that ends at the first NUL, if there is one.
#[inline(never)]
pub fn until_nul(bytes: &[u8]) -> Option<&CStr> {
    let length = bytes.iter().position(|byte| *byte == 0)?;
    let string = bytes.get(..length + 1)?;
    // SAFETY: its last byte is the first NUL.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(string) })
}

/// The end of a C string, so many bytes of it: its NUL serves the end as well. None if it is not that long.
pub fn last(string: &CStr, bytes: usize) -> Option<&CStr> {
    until_nul(string.to_bytes_with_nul().get(string.count_bytes().checked_sub(bytes)?..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_one() {
        assert_eq!(last(c"--root=R", 1), Some(c"R"));
        assert_eq!(last(c"--root=", 0), Some(c""));
        assert_eq!(last(c"all", 3), Some(c"all"));
        assert_eq!(last(c"all", 4), None);
    }

    #[test]
    fn texts_come_back_as_they_were() {
        let texts = Texts::new(c"first", c"");
        assert_eq!((texts.first(), texts.second()), (c"first", c""));
    }
}
