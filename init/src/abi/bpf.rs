//! Instructions of programs that the kernel runs, in both of its languages. Not in linux-raw-sys.

/// eBPF: `struct bpf_insn` of linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Instruction {
    /// Class, operation, operand source.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high four.
    pub registers: u8,
    /// Signed offset.
    pub offset: i16,
    /// Signed immediate.
    pub immediate: i32,
}

/// Classic BPF, of system call filters: `struct sock_filter` of linux/filter.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Classic {
    /// Class, operation, operand source.
    pub code: u16,
    /// Instructions to skip if the condition holds.
    pub yes: u8,
    /// Instructions to skip if not.
    pub no: u8,
    /// The operand.
    pub value: u32,
}

/// Loads the 32 bits at that offset: `BPF_LD | BPF_W | BPF_ABS`.
pub const LOAD: u16 = 0x20;
/// Ands with the operand: `BPF_ALU | BPF_AND | BPF_K`.
pub const AND: u16 = 0x54;
/// Skips that many instructions: `BPF_JMP | BPF_JA`.
pub const JUMP: u16 = 0x05;
/// Compares with the operand: `BPF_JMP | BPF_JEQ | BPF_K`.
pub const EQUAL: u16 = 0x15;
/// Whether it is greater: `BPF_JMP | BPF_JGT | BPF_K`.
pub const GREATER: u16 = 0x25;
/// Whether it is greater or equal: `BPF_JMP | BPF_JGE | BPF_K`.
pub const GREATER_EQUAL: u16 = 0x35;
/// Returns the operand: `BPF_RET | BPF_K`.
pub const RETURN: u16 = 0x06;

const _: () = assert!(core::mem::size_of::<Instruction>() == 8 && core::mem::size_of::<Classic>() == 8);
