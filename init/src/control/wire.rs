//! Requests and answers as bytes, numbers as the machine has them. Nothing here makes a system call.
//!
//! A request is one message: a letter for what is wanted, and the name of a container, perhaps none. An answer is a
//! message of [`BYTES`] about the machine and one about each container, as far as they were asked for, and then one byte:
//! an [`End`](crate::supervise::End).

use crate::limits;
use crate::sys::path::copy;
use crate::texts::CStr;

/// What is wanted, each a byte.
pub mod verb {
    /// All about the machine and its containers, or those of a name.
    pub const LOOK: u8 = b'?';
    /// As `LOOK`, and with the last byte a descriptor of the container's first process, if there is one.
    pub const WAIT: u8 = b'w';
    /// That a service runs, does not, runs anew.
    pub const CHANGES: [u8; 3] = *b"+-=";
}

/// Bytes of the longest request, and one more: what fills them is none.
pub const REQUEST_BYTES: usize = limits::NAME_BYTES_MAX + 2;

/// A request: what is wanted, and of which container.
pub fn request(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (verb, name) = bytes.split_first()?;
    (bytes.len() < REQUEST_BYTES).then_some((*verb, name))
}

/// Numbers of a message.
pub const WORDS: usize = 24;
/// Bytes of it.
pub const BYTES: usize = 8 * WORDS;
/// A message of an answer. Of the machine: [`MACHINE`], when pidone was started, and when each phase began. Of a container:
/// [`CONTAINER`], its section, its state, the number of each of [`FIELDS`], and its name.
pub type Words = [u64; WORDS];

/// The first number of what is said about the machine.
pub const MACHINE: u64 = u64::from_le_bytes(*b"pidone.1");
/// The first number of what is said about a container.
pub const CONTAINER: u64 = MACHINE + 1;
/// What stands for a number that there is not.
pub const NONE: u64 = u64::MAX;

/// Which of [`FIELDS`] are not known when they are 0, a bit each.
pub const ZERO_IS_NONE: u16 = 0b1111_0001_0011;
/// What the numbers of a container are. Times are monotonic microseconds since the kernel started.
pub const FIELDS: &[u8] =
    b"pid uptimeUs restarts lastCode lastSignal oomKills memory cpuUs forkedUs executedUs readyUs endedUs";
/// How many of them there are.
pub const FIELD_COUNT: usize = 12;
/// Names of states, by their numbers: its turn has not come, it is being launched or not ready, its program runs, what it
/// left is being cleaned up, its next start is due after a while, it was told to stop and has not, it is over, it has
/// failed for good, it was told to stop and has.
pub const STATES: &[u8] = b"waiting starting running ending pausing stopping ended failed stopped";
/// Some of these numbers.
pub const RUNNING: u64 = 2;
/// Its next start is due.
pub const PAUSING: u64 = 4;
/// From here on it is over.
pub const ENDED: u64 = 6;
/// It has failed for good.
pub const FAILED: u64 = 7;

const NAME_WORDS: usize = limits::NAME_BYTES_MAX / 8;
const _: () = assert!(WORDS > 3 + FIELD_COUNT + NAME_WORDS && WORDS >= 2 + crate::supervise::PHASES);

/// Numbers, and behind them a name, as bytes.
pub fn encode(words: &Words, name: &CStr) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (to, from) in bytes.chunks_exact_mut(8).zip(words) {
        copy(to, &from.to_ne_bytes());
    }
    for (to, from) in bytes.iter_mut().skip(NAME_AT).zip(name.to_bytes()) {
        *to = *from;
    }
    bytes
}

/// The numbers that bytes are.
pub fn decode(bytes: &[u8; BYTES]) -> Words {
    let mut words = [0; WORDS];
    for (to, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut word = [0; 8];
        copy(&mut word, from);
        *to = u64::from_ne_bytes(word);
    }
    words
}

/// Where the name is in the bytes of a message; there is a zero behind it.
pub const NAME_AT: usize = 8 * (3 + FIELD_COUNT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_a_letter_and_a_name_that_fits() {
        let longest = [&[verb::LOOK][..], &[b'n'; limits::NAME_BYTES_MAX]].concat();
        assert_eq!(request(b"?"), Some((verb::LOOK, &b""[..])));
        assert_eq!(request(&longest), Some((verb::LOOK, &longest[1..])));
        for nonsense in [&b""[..], &[&longest[..], b"n"].concat(), &[b'?'; 4096]] {
            assert_eq!(request(nonsense), None);
        }
    }

    #[test]
    fn answers_survive_the_socket() {
        let mut words = [7; WORDS];
        words[0] = CONTAINER;
        let name = std::ffi::CString::new([b'n'; limits::NAME_BYTES_MAX]).unwrap();
        words[NAME_AT / 8..].fill(0);
        let bytes = encode(&words, CStr::of(&name));
        assert_eq!(decode(&bytes)[..NAME_AT / 8], words[..NAME_AT / 8]);
        assert_eq!(crate::texts::until_nul(&bytes[NAME_AT..]), Some(CStr::of(&name)));
    }

    #[test]
    fn what_is_sent_has_a_name_for_each_number() {
        assert_eq!(FIELDS.split(|byte| *byte == b' ').count(), FIELD_COUNT);
        let state = |number: u64| STATES.split(|byte| *byte == b' ').nth(number as usize).unwrap();
        assert_eq!([RUNNING, PAUSING, ENDED, FAILED].map(state), [&b"running"[..], b"pausing", b"ended", b"failed"]);
    }
}
