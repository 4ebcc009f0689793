//! seccomp(2): what a filter may answer, what it is installed with, and the names that the specification takes from
//! libseccomp's seccomp.h. `include/uapi/linux/{seccomp,audit}.h`.

/// What is behind `SCMP_ACT_`, in the order of [`ANSWERS`]. `KILL` is another name of `KILL_THREAD`.
pub const ACTIONS: &[u8] = b"KILL_THREAD KILL_PROCESS TRAP ERRNO NOTIFY TRACE LOG ALLOW KILL";

/// The high halves of what the filter returns; in the low half is data.
const ANSWERS: [u16; 9] = [0, 0x8000, 3, 5, 0x7fc0, 0x7ff0, 0x7ffc, 0x7fff, 0];

/// `SECCOMP_RET_KILL_PROCESS`.
pub const KILL_PROCESS: u32 = 0x8000_0000;
/// Position in [`ACTIONS`] of the one whose data is an error number.
pub const ERRNO: u8 = 3;
/// Position of the one that asks a listener.
pub const NOTIFY: u8 = 4;
/// Position of the one whose data a tracer gets.
pub const TRACE: u8 = 5;
/// Position of the first of those that let the call happen.
pub const LOG: u8 = 6;

/// What a filter returns for an action, by its position in [`ACTIONS`].
pub fn answer(action: u8, data: u16) -> u32 {
    u32::from(ANSWERS.get(usize::from(action)).copied().unwrap_or_default()) << 16 | u32::from(data)
}

/// The position in [`ACTIONS`] of what a filter returns.
pub fn action(answer: u32) -> u8 {
    ANSWERS.iter().position(|high| u32::from(*high) == answer >> 16).unwrap_or_default() as u8
}

/// What is behind `SCMP_CMP_`.
pub const OPERATORS: &[u8] = b"NE LT LE EQ GE GT MASKED_EQ";

/// What is behind `SCMP_ARCH_`. First those of this machine, in the order of [`crate::abi::syscall::Abi`].
pub const ARCHITECTURES: &[u8] =
    b"X86_64 X86 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 \
    PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB";

/// What is behind `SECCOMP_FILTER_FLAG_`, at the place of its bit. There is a bit for more, but config.json has no name
/// for it.
pub const FLAGS: &[u8] = b"TSYNC LOG SPEC_ALLOW   WAIT_KILLABLE_RECV";

/// Flag: all threads at once.
pub const FLAG_TSYNC: u32 = 1;
/// Flag: returns a descriptor for whoever answers `NOTIFY`.
pub const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// Flag: once the listener has taken a call up, only a fatal signal interrupts it.
pub const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

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
