//! What went wrong, small and `Copy`. Nothing here prints: the one place that does turns an [`Error`] into a line with
//! [`crate::text`]. A [`Cause`] exists only where a caller decides differently.

use crate::texts::CStr;
use core::fmt;

use crate::abi::Errno;
use crate::texts::Texts;

/// The result of anything that can fail for a reason outside pidone.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure: what pidone was doing, and the cause. Two words, since it is returned nearly everywhere: a `Result<()>`
/// travels in two registers, and passing one on with `?` costs a test and a jump.
#[derive(Clone, Copy)]
pub struct Error {
    texts: Texts,
    /// In the low bits which [`Cause`] it is, above them its numbers.
    numbers: u64,
}

/// Why something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel said no.
    Kernel(Errno),
    /// A fixed bound of `limits.rs` was passed: `too many mounts: 1025, at most 1024`.
    Limit {
        /// What there is too much of, in the plural or as a mass: `mounts`, `bytes in config.json`.
        what: &'static CStr,
        /// How many were found; one past the bound when nobody counted further.
        found: u32,
        /// The bound.
        most: u32,
    },
    /// A text is malformed or asks for something unknown. The offset leads to line, column and field (`config::place`).
    Text {
        /// Byte offset of the offending value (or of its key) in the text.
        at: u32,
        /// What is wrong there: `expected a number`.
        problem: &'static CStr,
    },
    /// What was found there makes no sense, or is not wanted.
    Wrong {
        /// Why: `no value`.
        problem: &'static CStr,
    },
    /// A well-formed request that pidone refuses, by name.
    Refused {
        /// The field as the specification spells it: `linux.seccomp`.
        field: &'static CStr,
        /// Why: `not supported yet`.
        problem: &'static CStr,
    },
    /// As `Refused`, for one entry of a list: `mounts[3]: destination: required`.
    RefusedEntry {
        /// The list as the specification spells it.
        field: &'static CStr,
        /// Position in the list, from 0.
        number: u32,
        /// What is wrong with the entry.
        problem: &'static CStr,
    },
    /// A step of the plan failed. Its text is printed from the plan.
    Step {
        /// Position in the plan, from 0.
        number: u16,
        /// What the kernel said.
        errno: Errno,
    },
}

/// Which cause it is, in the low bits of [`Error`]'s numbers.
const KIND_BITS: u32 = 3;
const KERNEL: u64 = 0;
const LIMIT: u64 = 1;
const TEXT: u64 = 2;
const WRONG: u64 = 3;
const REFUSED: u64 = 4;
const REFUSED_ENTRY: u64 = 5;
const STEP: u64 = 6;

/// Every bound of `limits.rs` fits between the kind and the number found.
const MOST_BITS: u32 = 32 - KIND_BITS;

// Never inlined: that would make of each refusal the code that packs it.
impl Error {
    /// The kernel's refusal of what `doing` says.
    #[inline(never)]
    pub fn kernel(doing: &'static CStr, errno: Errno) -> Error {
        Error { texts: Texts::new(doing, s!("")), numbers: (u64::from(errno.number())) << KIND_BITS | KERNEL }
    }

    /// More of `what` than `most`.
    #[inline(never)]
    pub fn limit(doing: &'static CStr, what: &'static CStr, found: usize, most: usize) -> Error {
        let (found, most) = (found.min(u32::MAX as usize) as u64, most.min((1 << MOST_BITS) - 1) as u64);
        Error { texts: Texts::new(doing, what), numbers: found << 32 | most << KIND_BITS | LIMIT }
    }

    /// A problem at an offset of a text.
    #[inline(never)]
    pub fn text(doing: &'static CStr, at: usize, problem: &'static CStr) -> Error {
        // A text of more than 2^32 bytes is not read (`limits::CONFIG_BYTES_MAX`).
        Error { texts: Texts::new(doing, problem), numbers: (at as u64) << 32 | TEXT }
    }

    /// A problem with what was found.
    #[inline(never)]
    pub fn wrong(doing: &'static CStr, problem: &'static CStr) -> Error {
        Error { texts: Texts::new(doing, problem), numbers: WRONG }
    }

    /// A request refused by the name of its field.
    #[inline(never)]
    pub fn refused(field: &'static CStr, problem: &'static CStr) -> Error {
        Error { texts: Texts::new(field, problem), numbers: REFUSED }
    }

    /// A request refused by the name of its list and its place in it.
    #[inline(never)]
    pub fn refused_entry(field: &'static CStr, number: usize, problem: &'static CStr) -> Error {
        // A list of more than 2^32 entries does not fit into `limits::CONFIG_BYTES_MAX`.
        Error { texts: Texts::new(field, problem), numbers: (number as u64) << 32 | REFUSED_ENTRY }
    }

    /// A failed step of a plan. Plans are bounded well below 65536 steps (`limits::STEPS_MAX`).
    #[inline(never)]
    pub fn step(number: usize, errno: Errno) -> Error {
        let numbers = (number as u64) << 32 | (u64::from(errno.number())) << KIND_BITS | STEP;
        Error { texts: Texts::new(s!("launch"), s!("")), numbers }
    }

    /// The failed step of a plan that executes the container's program.
    pub fn program(number: usize, errno: Errno) -> Error {
        Error { texts: Texts::new(s!("launch"), s!("program")), ..Error::step(number, errno) }
    }

    /// Whether the container's program is what failed.
    pub fn is_of_program(&self) -> bool {
        self.is(s!("program"))
    }

    /// Whether this is the problem.
    pub fn is(&self, problem: &CStr) -> bool {
        self.texts.second() == problem
    }

    /// What was being done: a verb phrase that reads well after the container's name, `read config.json`. Of a refused
    /// field, the file that has it.
    pub fn doing(&self) -> &'static CStr {
        match self.numbers & ((1 << KIND_BITS) - 1) {
            REFUSED | REFUSED_ENTRY => s!("config.json"),
            _ => self.texts.first(),
        }
    }

    /// Why it failed.
    #[inline(never)]
    pub fn cause(&self) -> Cause {
        let (high, low) = ((self.numbers >> 32) as u32, self.numbers as u32 >> KIND_BITS);
        let (field, problem) = (self.texts.first(), self.texts.second());
        match self.numbers & ((1 << KIND_BITS) - 1) {
            LIMIT => Cause::Limit { what: problem, found: high, most: low },
            TEXT => Cause::Text { at: high, problem },
            WRONG => Cause::Wrong { problem },
            REFUSED => Cause::Refused { field, problem },
            REFUSED_ENTRY => Cause::RefusedEntry { field, number: high, problem },
            STEP => Cause::Step { number: high as u16, errno: errno(low) },
            _ => Cause::Kernel(errno(low)),
        }
    }
}

/// The kernel's numbers go from 1 to 4095.
fn errno(number: u32) -> Errno {
    Errno::new(number & 0xfff)
}

impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        self.doing() == other.doing() && self.cause() == other.cause()
    }
}

impl Eq for Error {}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Error").field("doing", &self.doing()).field("cause", &self.cause()).finish()
    }
}

/// Adds what we were doing to the kernel's bare error number.
pub trait Context<T> {
    /// `doing` becomes [`Error::doing`].
    fn doing(self, doing: &'static CStr) -> Result<T>;
}

impl<T> Context<T> for core::result::Result<T, Errno> {
    fn doing(self, doing: &'static CStr) -> Result<T> {
        self.map_err(|errno| Error::kernel(doing, errno))
    }
}
