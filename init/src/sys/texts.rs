//! C strings: known by their address, found in bytes, and two static ones in the space of one pointer, for errors that fit
//! into two registers.
//!
//! All statics of a program lie within 2 GiB of each other: the code model that programs are compiled for says so. So the
//! low half of an address tells which one is meant, and any other static tells the high half.

use core::ffi;
use core::fmt;
use core::num::NonZero;

use linker::start::Address;

/// A C string known by its address alone: a reference to one is a single word, where core's is two. What needs its
/// length, which little does, counts.
#[repr(transparent)]
pub struct CStr([u8; 0]);

impl CStr {
    /// What core calls a C string, known by its address alone.
    pub const fn of(string: &ffi::CStr) -> &CStr {
        // SAFETY: it ends in a NUL, for as long as it is borrowed.
        unsafe { CStr::from_ptr(string.as_ptr().cast()) }
    }

    /// A text that ends in its only NUL. For `s!`, by the compiler.
    pub const fn new(text: &'static [u8]) -> &'static CStr {
        match ffi::CStr::from_bytes_with_nul(text) {
            Ok(string) => CStr::of(string),
            Err(_) => panic!("a NUL in a string"),
        }
    }

    /// # Safety
    /// There is a C string, which nobody changes for as long as it is borrowed.
    pub const unsafe fn from_ptr<'a>(string: *const u8) -> &'a CStr {
        // SAFETY: a type without bytes may be anywhere, and nothing is read through the reference: only its address counts.
        unsafe { &*string.cast() }
    }

    /// Where it begins.
    pub const fn as_ptr(&self) -> *const u8 {
        (&raw const *self).cast()
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.first() == 0
    }

    /// Its first byte: a NUL if it has no other.
    pub const fn first(&self) -> u8 {
        // SAFETY: there is at least a NUL.
        unsafe { *self.as_ptr() }
    }

    /// As core has it.
    pub const fn core(&self) -> &ffi::CStr {
        // SAFETY: so it was made.
        unsafe { ffi::CStr::from_ptr(self.as_ptr().cast()) }
    }

    /// Its bytes, without the NUL.
    pub fn to_bytes(&self) -> &[u8] {
        self.core().to_bytes()
    }

    /// Its bytes, with the NUL.
    pub fn to_bytes_with_nul(&self) -> &[u8] {
        self.core().to_bytes_with_nul()
    }

    /// How many bytes it has, without the NUL.
    pub fn count_bytes(&self) -> usize {
        self.core().count_bytes()
    }
}

/// The words of a command line or the environment, where the kernel put them.
// Of `linker` only a type: a test that links this library has an entry point of its own.
pub fn all(words: &'static [Address]) -> &'static [&'static CStr] {
    // SAFETY: each is the address of a C string that lives as long as the process, and so a reference to one.
    unsafe { &*(&raw const *words as *const [&CStr]) }
}

impl PartialEq for CStr {
    #[inline(never)]
    fn eq(&self, other: &CStr) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for CStr {}

impl Default for &CStr {
    fn default() -> Self {
        s!("")
    }
}

impl fmt::Debug for CStr {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self.core(), formatter)
    }
}

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
    unsafe { CStr::from_ptr(core::ptr::with_exposed_provenance(address)) }
}

/// The C string that ends at the first NUL, if there is one.
#[inline(never)]
pub fn until_nul(bytes: &[u8]) -> Option<&CStr> {
    let length = bytes.iter().position(|byte| *byte == 0)?;
    let string = bytes.get(..length + 1)?;
    // SAFETY: its last byte is the first NUL.
    Some(unsafe { CStr::from_ptr(string.as_ptr()) })
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
        assert_eq!(last(s!("--root=R"), 1), Some(s!("R")));
        assert_eq!(last(s!("--root="), 0), Some(s!("")));
        assert_eq!(last(s!("all"), 3), Some(s!("all")));
        assert_eq!(last(s!("all"), 4), None);
    }

    #[test]
    fn texts_come_back_as_they_were() {
        let texts = Texts::new(s!("first"), s!(""));
        assert_eq!((texts.first(), texts.second()), (s!("first"), s!("")));
    }
}
