//! Names of how the kernel treats a process: sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2).
//!
//! Each list is what an error says, and names its values in the order of the kernel's numbers.

use crate::text::{fields, position};
use crate::texts::CStr;

/// What every list begins with.
const BEGIN: usize = b"expected one of ".len();

/// `SCHED_*`, from 0.
pub const POLICIES: &CStr =
    s!("expected one of SCHED_OTHER SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_ISO SCHED_IDLE SCHED_DEADLINE");
/// `SCHED_FLAG_*`, by their bits.
pub const SCHEDULING_FLAGS: &CStr =
    s!("expected one of SCHED_FLAG_RESET_ON_FORK SCHED_FLAG_RECLAIM SCHED_FLAG_DL_OVERRUN \
    SCHED_FLAG_KEEP_POLICY SCHED_FLAG_KEEP_PARAMS SCHED_FLAG_UTIL_CLAMP_MIN SCHED_FLAG_UTIL_CLAMP_MAX");
/// `IOPRIO_CLASS_*`, from 1.
pub const IO_CLASSES: &CStr = s!("expected one of IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE");
/// `MPOL_*`, from 0.
pub const MEMORY_POLICIES: &CStr =
    s!("expected one of MPOL_DEFAULT MPOL_PREFERRED MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL \
    MPOL_PREFERRED_MANY MPOL_WEIGHTED_INTERLEAVE");
/// `MPOL_F_*`, by their bits from [`MEMORY_POLICY_FLAGS_SHIFT`] up.
pub const MEMORY_POLICY_FLAGS: &CStr =
    s!("expected one of MPOL_F_NUMA_BALANCING MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES");
/// The lowest of [`MEMORY_POLICY_FLAGS`].
pub const MEMORY_POLICY_FLAGS_SHIFT: u32 = 13;
/// `PER_*`: the number of the second is 8.
pub const PERSONALITIES: &CStr = s!("expected one of LINUX LINUX32");

/// Which of a list's names a word is.
pub fn named(list: &CStr, word: &[u8]) -> Option<u8> {
    Some(position(list.to_bytes().get(BEGIN..)?, word)? as u8)
}

/// A list's name of a number.
pub fn name(list: &'static CStr, number: u8) -> &'static [u8] {
    let names = list.to_bytes().get(BEGIN..).unwrap_or_default();
    fields(names, b' ').nth(number.into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        for (list, word, number) in [
            (POLICIES, "SCHED_OTHER", 0),
            (POLICIES, "SCHED_BATCH", 3),
            (POLICIES, "SCHED_IDLE", 5),
            (POLICIES, "SCHED_DEADLINE", 6),
            (SCHEDULING_FLAGS, "SCHED_FLAG_RESET_ON_FORK", 0),
            (SCHEDULING_FLAGS, "SCHED_FLAG_UTIL_CLAMP_MAX", 6),
            (IO_CLASSES, "IOPRIO_CLASS_IDLE", 2),
            (MEMORY_POLICIES, "MPOL_LOCAL", 4),
            (MEMORY_POLICIES, "MPOL_WEIGHTED_INTERLEAVE", 6),
            (MEMORY_POLICY_FLAGS, "MPOL_F_STATIC_NODES", 2),
            (PERSONALITIES, "LINUX32", 1),
        ] {
            assert_eq!(named(list, word.as_bytes()), Some(number), "{word}");
            assert_eq!(name(list, number), word.as_bytes());
        }
        assert_eq!(named(POLICIES, b"of"), None);
        assert_eq!(named(POLICIES, b""), None);
        assert_eq!(name(POLICIES, 7), b"");
    }
}
