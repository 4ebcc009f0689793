//! The routines the compiler calls by name. `core` needs them and, without a C library, nobody else brings them.
//!
//! They are in assembly on purpose: a plain loop would be recognised and compiled into a call to itself, and `rep movsb` is
//! both the shortest and, since Ivy Bridge (ERMSB), a fast way. Those that compare and search are slow as string instructions.
//!
//! None is inlined, or link time optimisation would put its body into all its callers.
//!
//! Each follows its C namesake (C11 7.24): the caller vouches for the pointers, ranges may overlap only in `memmove`.

use core::arch::asm;
use core::ffi::{c_char, c_int};

/// # Safety
/// C11 7.24.2.1: both ranges are `count` bytes and do not overlap.
#[cfg_attr(not(test), unsafe(no_mangle))]
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
#[cfg_attr(not(test), unsafe(no_mangle))]
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
#[cfg_attr(not(test), unsafe(no_mangle))]
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
#[cfg_attr(not(test), unsafe(no_mangle))]
#[inline(never)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> c_int {
    let difference: c_int;
    // SAFETY: reads at most the caller's ranges; `rcx` counts up to `count`, where `eax` says "equal".
    unsafe {
        asm!("2:", "xor eax, eax", "cmp rcx, rdx", "je 3f", "movzx eax, byte ptr [rdi + rcx]",
            "movzx r8d, byte ptr [rsi + rcx]", "inc rcx", "sub eax, r8d", "je 2b", "3:", out("eax") difference,
            inout("rcx") 0_usize => _, in("rdx") count, in("rdi") left, in("rsi") right, out("r8") _,
            options(nostack, readonly))
    };
    difference
}

/// # Safety
/// Both ranges are `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[inline(never)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> c_int {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, count) }
}

/// # Safety
/// C11 7.24.6.3: `string` ends in a NUL.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[inline(never)]
unsafe extern "C" fn strlen(string: *const c_char) -> usize {
    let length: usize;
    // Sixteen bytes at a time: lengths are asked for all the time, and `repne scasb` is as slow as it is short.
    // SAFETY: reads up to the NUL that the caller vouches for, and what is in the same aligned sixteen bytes as something of
    // the string, and so in the same page.
    unsafe {
        asm!("mov rax, rdi", "and rax, -16", "mov ecx, edi", "and ecx, 15", "pxor xmm0, xmm0", "pcmpeqb xmm0, [rax]",
            "pmovmskb edx, xmm0", "shr edx, cl", "shl edx, cl", "test edx, edx", "jnz 3f",
            "2:", "add rax, 16", "pxor xmm0, xmm0", "pcmpeqb xmm0, [rax]", "pmovmskb edx, xmm0", "test edx, edx", "jz 2b",
            "3:", "bsf edx, edx", "sub rax, rdi", "add rax, rdx", out("rax") length, in("rdi") string, out("rcx") _,
            out("rdx") _, out("xmm0") _, options(nostack, readonly))
    };
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BYTES: usize = 40;

    fn numbered() -> Vec<u8> {
        (0..BYTES as u8).collect()
    }

    /// Every range of a small buffer: start, length.
    fn ranges() -> impl Iterator<Item = (usize, usize)> {
        (0..=BYTES).flat_map(|start| (0..=BYTES - start).map(move |length| (start, length)))
    }

    #[test]
    fn memcpy_copies_its_range_and_nothing_beside_it() {
        for (start, length) in ranges() {
            let (from, mut to) = (numbered(), [0xff; BYTES]);
            let mut expected = to;
            expected[start..start + length].copy_from_slice(&from[..length]);
            // SAFETY: both ranges are in their arrays.
            let end = unsafe { memcpy(to.as_mut_ptr().add(start), from.as_ptr(), length) };
            assert_eq!((to, end), (expected, to.as_mut_ptr().wrapping_add(start)));
        }
    }

    #[test]
    fn memmove_copies_between_overlapping_ranges() {
        for (from, length) in ranges() {
            for to in 0..=BYTES - length {
                let (mut bytes, mut expected) = (numbered(), numbered());
                expected.copy_within(from..from + length, to);
                let start = bytes.as_mut_ptr();
                // SAFETY: both ranges are in the array.
                unsafe { memmove(start.add(to), start.add(from), length) };
                assert_eq!(bytes, expected, "{length} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn memset_fills_its_range_and_nothing_beside_it() {
        for (start, length) in ranges() {
            let (mut bytes, mut expected) = (numbered(), numbered());
            expected[start..start + length].fill(0xa5);
            // SAFETY: the range is in the array. Only the low byte of the value counts.
            unsafe { memset(bytes.as_mut_ptr().add(start), 0x77a5, length) };
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn memcmp_orders_by_the_first_difference_as_unsigned_bytes() {
        let compare = |left: &[u8], right: &[u8]| {
            // SAFETY: as many bytes as the shorter one has.
            let (both, same) = unsafe {
                let count = left.len().min(right.len());
                let (left, right) = (left.as_ptr(), right.as_ptr());
                (memcmp(left, right, count), bcmp(left, right, count))
            };
            assert_eq!(both == 0, same == 0);
            both.signum()
        };
        assert_eq!(compare(b"", b""), 0);
        assert_eq!(compare(b"same", b"same"), 0);
        assert_eq!(compare(b"abc", b"abd"), -1);
        assert_eq!(compare(b"b", b"a"), 1);
        assert_eq!(compare(&[0x80, 0], &[0x7f, 9]), 1);
        assert_eq!(compare(&[0, 0, 1], &[0, 0, 0xff]), -1);
    }

    #[test]
    fn strlen_counts_up_to_the_nul() {
        #[repr(align(16))]
        struct Aligned([u8; 80]);
        // Behind a NUL, and before another one, at every place in sixteen bytes.
        for (start, length) in (0..17).flat_map(|start| (0..40).map(move |length| (start, length))) {
            let mut bytes = Aligned([0; 80]);
            bytes.0[start..start + length].fill(b'a');
            bytes.0[start + length + 1..].fill(b'b');
            bytes.0[79] = 0;
            // SAFETY: a C string.
            assert_eq!(unsafe { strlen(bytes.0[start..].as_ptr().cast()) }, length, "{start}");
        }
    }
}
