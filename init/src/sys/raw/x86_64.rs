//! The `syscall` instruction. Number in `rax`, arguments in `rdi rsi rdx r10 r8 r9`; the kernel clobbers `rcx` and `r11`.

use core::arch::asm;

/// # Safety
/// See [`super::call`].
#[inline]
pub(super) unsafe fn system_call(a: usize, b: usize, c: usize, d: usize, e: usize, number: u32) -> usize {
    let result;
    // SAFETY: the registers are those the kernel's calling convention names; it keeps all others and the red zone. What
    // the call itself does to memory is the caller's promise, which is why memory counts as clobbered.
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") e, in("r9") 0, lateout("rcx") _, lateout("r11") _, options(nostack))
    };
    result
}

/// # Safety
/// The process must have been allowed to by ioperm(2), and the device must not write to memory of ours.
pub(in crate::sys) unsafe fn port_in(port: u16) -> u8 {
    let byte;
    // SAFETY: the caller's promise; the instruction itself touches two registers.
    unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags)) };
    byte
}

/// # Safety
/// See [`port_in`].
pub(in crate::sys) unsafe fn port_out(port: u16, byte: u8) {
    // SAFETY: the caller's promise; the instruction itself touches two registers.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack, preserves_flags)) };
}
