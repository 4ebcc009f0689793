//! The `syscall` instruction. Number in `rax`, arguments in `rdi rsi rdx r10 r8 r9`; the kernel clobbers `rcx` and `r11`.

use core::arch::asm;

use linux_raw_sys::general::{__NR_clone3, clone_args};

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

/// clone3(2) with `CLONE_VM`. With `CLONE_VFORK` onto the caller's stack: below what is on it, where there is room, since the
/// caller does not go on before the new process has its own memory or none any more.
///
/// # Safety
/// `arguments` are a whole `clone_args` that asks for the first and either for the other and for no stack, or for one that
/// nobody else uses. What `begin` does to memory is as if the caller had called it, or a thread of it.
pub(in crate::sys) unsafe fn clone_here(
    arguments: &clone_args,
    begin: extern "C" fn(usize) -> !,
    with: usize,
) -> usize {
    let result;
    // SAFETY: as above. The kernel keeps the caller's registers, whatever becomes of the new process's; without `nostack`
    // the stack is aligned for a call and nothing of the caller's is below it.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") __NR_clone3 as usize => result, in("rdi") arguments, in("rsi") size_of::<clone_args>(),
            in("r12") with, in("r13") begin, lateout("rcx") _, lateout("r11") _)
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
