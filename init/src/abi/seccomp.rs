//! seccomp(2): what a filter may answer, what it is installed with, and the names that the specification takes from
//! libseccomp's seccomp.h. `include/uapi/linux/{seccomp,audit}.h`.
//!
//! Each list is as in [`super::scheduling`].

use crate::texts::CStr;

/// In the order of [`ANSWERS`].
pub const ACTIONS: &CStr =
    s!("expected one of SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP \
    SCMP_ACT_ERRNO SCMP_ACT_NOTIFY SCMP_ACT_TRACE SCMP_ACT_LOG SCMP_ACT_ALLOW");

/// The high halves of what the filter returns; in the low half is data.
const ANSWERS: [u16; 9] = [0, 0x8000, 0, 3, 5, 0x7fc0, 0x7ff0, 0x7ffc, 0x7fff];

/// `SECCOMP_RET_KILL_PROCESS`.
pub const KILL_PROCESS: u32 = 0x8000_0000;
/// Position in [`ACTIONS`] of the one whose data is an error number.
pub const ERRNO: u8 = 4;
/// Position of the one that asks a listener.
pub const NOTIFY: u8 = 5;
/// Position of the one whose data a tracer gets.
pub const TRACE: u8 = 6;
/// Position of the first of those that let the call happen.
pub const LOG: u8 = 7;

/// What a filter returns for an action, by its position in [`ACTIONS`].
pub fn answer(action: u8, data: u16) -> u32 {
    u32::from(ANSWERS.get(usize::from(action)).copied().unwrap_or_default()) << 16 | u32::from(data)
}

/// Comparisons.
pub const OPERATORS: &CStr =
    s!("expected one of SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT \
    SCMP_CMP_MASKED_EQ");

/// First those of this machine, in the order of [`crate::abi::syscall::Abi`].
pub const ARCHITECTURES: &CStr = s!("expected one of SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_ARM \
    SCMP_ARCH_AARCH64 SCMP_ARCH_MIPS SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 \
    SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_PPC SCMP_ARCH_PPC64 SCMP_ARCH_PPC64LE SCMP_ARCH_S390 SCMP_ARCH_S390X \
    SCMP_ARCH_PARISC SCMP_ARCH_PARISC64 SCMP_ARCH_RISCV64 SCMP_ARCH_LOONGARCH64 SCMP_ARCH_M68K SCMP_ARCH_SH \
    SCMP_ARCH_SHEB");

/// By their bits, but for the last.
pub const FLAGS: &CStr =
    s!("expected one of SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW \
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");

/// `SECCOMP_FILTER_FLAG_TSYNC`: all threads at once.
pub const TSYNC: u32 = 1;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: returns a descriptor for whoever answers `NOTIFY`.
pub const NEW_LISTENER: u32 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: once the listener has taken a call up, only a fatal signal interrupts it.
pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// The kernel's flags for a set of [`FLAGS`].
pub const fn flags(named: u32) -> u32 {
    named & 7 | (named & 8) << 2
}

/// The set of [`FLAGS`] that the kernel's flags are.
pub const fn named_flags(flags: u32) -> u32 {
    flags & 7 | (flags & WAIT_KILLABLE_RECV) >> 2
}

/// `AUDIT_ARCH_X86_64`, of x32, too.
pub const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
pub const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// Offset of the call's number in `struct seccomp_data`.
pub const DATA_NUMBER: u32 = 0;
/// Offset of the architecture.
pub const DATA_ARCHITECTURE: u32 = 4;
/// Offset of the first of six arguments of 64 bits.
pub const DATA_ARGUMENTS: u32 = 16;
