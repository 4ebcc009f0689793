//! eBPF instructions: `struct bpf_insn` of linux/bpf.h. Not in linux-raw-sys.

/// One instruction.
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

const _: () = assert!(core::mem::size_of::<Instruction>() == 8);
