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
