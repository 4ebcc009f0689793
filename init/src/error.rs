//! What went wrong, small and `Copy`. Nothing here prints: the one place that does turns an [`Error`] into a line with
//! [`crate::text`]. A variant exists only where a caller decides differently.

use crate::abi::Errno;

/// The result of anything that can fail for a reason outside pidone.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure: what pidone was doing, and the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// A verb phrase that reads well after the container's name: `read config.json`.
    pub doing: &'static str,
    /// Why it failed.
    pub cause: Cause,
}

/// Why something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel said no.
    Kernel(Errno),
    /// A fixed bound of `limits.rs` was passed: `too many mounts: 1025, at most 1024`.
    Limit {
        /// What there is too much of, in the plural or as a mass: `mounts`, `bytes in config.json`.
        what: &'static str,
        /// How many were found; one past the bound when nobody counted further.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// A text is malformed or asks for something unknown. The offset leads to line, column and field (`config::place`).
    Text {
        /// Byte offset of the offending value (or of its key) in the text.
        at: u32,
        /// What is wrong there: `expected a number`.
        problem: &'static str,
    },
    /// A well-formed request that pidone refuses, by name.
    Refused {
        /// The field as the specification spells it: `linux.seccomp`.
        field: &'static str,
        /// Why: `not supported yet`.
        problem: &'static str,
    },
    /// As `Refused`, for one entry of a list: `mounts[3]: destination: required`.
    RefusedEntry {
        /// The list as the specification spells it.
        field: &'static str,
        /// Position in the list, from 0.
        number: u32,
        /// What is wrong with the entry.
        problem: &'static str,
    },
    /// A step of the plan failed. Its text is printed from the plan.
    Step {
        /// Position in the plan, from 0.
        number: u16,
        /// What the kernel said.
        errno: Errno,
    },
}

impl Error {
    /// The kernel's refusal of what `doing` says.
    pub const fn kernel(doing: &'static str, errno: Errno) -> Error {
        Error { doing, cause: Cause::Kernel(errno) }
    }

    /// More of `what` than `most`.
    pub const fn limit(doing: &'static str, what: &'static str, found: usize, most: usize) -> Error {
        Error { doing, cause: Cause::Limit { what, found: found as u64, most: most as u64 } }
    }

    /// A request refused by the name of its field.
    pub const fn refused(field: &'static str, problem: &'static str) -> Error {
        Error { doing: "plan the container", cause: Cause::Refused { field, problem } }
    }

    /// A request refused by the name of its list and its place in it.
    pub const fn refused_entry(field: &'static str, number: usize, problem: &'static str) -> Error {
        // A list of more than 2^32 entries does not fit into `limits::CONFIG_BYTES_MAX`.
        let cause = Cause::RefusedEntry { field, number: number as u32, problem };
        Error { doing: "plan the container", cause }
    }
}

/// Adds what we were doing to the kernel's bare error number.
pub trait Context<T> {
    /// `doing` becomes [`Error::doing`].
    fn doing(self, doing: &'static str) -> Result<T>;
}

impl<T> Context<T> for core::result::Result<T, Errno> {
    fn doing(self, doing: &'static str) -> Result<T> {
        self.map_err(|errno| Error::kernel(doing, errno))
    }
}
