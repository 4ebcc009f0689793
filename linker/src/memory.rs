//! The routines the compiler calls by name. `core` needs them and, without a C library, nobody else brings them.
//!
//! They are string instructions on purpose: a plain loop would be recognised and compiled into a call to itself, and
//! `rep movsb` is both the shortest and, since Ivy Bridge (ERMSB), a fast way.
//!
//! None is inlined, or link time optimisation would put its body into all its callers.
//!
//! Each follows its C namesake (C11 7.24): the caller vouches for the pointers, ranges may overlap only in `memmove`.

use core::arch::asm;
use core::ffi::{c_char, c_int};

/// # Safety
/// C11 7.24.2.1: both ranges are `count` bytes and do not overlap.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: reads and writes exactly the caller's ranges; the direction flag is clear at every call (ABI).
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags))
    };
    to
}

/// # Safety
/// C11 7.24.2.2: both ranges are `count` bytes; they may overlap.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: `to` does not start inside `from`, so a forward copy never reads a byte it has written.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: copies the same ranges from their last bytes down (`count` is not 0 here) and restores the flag.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
            inout("rdi") to.add(count).sub(1) => _, inout("rsi") from.add(count).sub(1) => _, options(nostack))
    };
    to
}

/// # Safety
/// C11 7.24.6.1: the range is `count` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, count: usize) -> *mut u8 {
    // SAFETY: writes exactly the caller's range; the direction flag is clear at every call (ABI).
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags))
    };
    to
}

/// # Safety
/// C11 7.24.4.1: both ranges are `count` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> c_int {
    let difference: c_int;
    // SAFETY: reads at most the caller's ranges; with `count` 0 the comparison of `eax` with itself leaves "equal".
    unsafe {
        asm!("xor eax, eax", "repe cmpsb", "seta al", "sbb al, 0", "movsx eax, al", out("eax") difference,
            inout("rcx") count => _, inout("rdi") right => _, inout("rsi") left => _, options(nostack, readonly))
    };
    difference
}

/// # Safety
/// Both ranges are `count` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> c_int {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, count) }
}

/// # Safety
/// C11 7.24.6.3: `string` ends in a NUL.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn strlen(string: *const c_char) -> usize {
    let rest: usize;
    // SAFETY: reads up to the NUL that the caller vouches for.
    unsafe {
        asm!("repne scasb", inout("rcx") usize::MAX => rest, inout("rdi") string => _, in("al") 0u8, options(nostack, readonly))
    };
    usize::MAX - rest - 1
}
