//! The fixed memory of the program: `.bss`, lent once. Pages that are never touched cost nothing, and a forked process
//! has its own copies of those it touches.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_raw_sys::general::{__NR_madvise, MADV_DONTNEED};

use super::raw;
use crate::limits;

/// The regions, by who uses them.
pub struct Regions {
    /// The launcher's: text of config.json and runtime.json.
    pub config: [u8; limits::CONFIG_BYTES_MAX + 1],
    /// The launcher's: text of runtime.json.
    pub runtime: [u8; limits::RUNTIME_BYTES_MAX + 1],
    /// The launcher's: what it keeps of both, and its plan.
    pub arena: [u8; limits::ARENA_BYTES],
}

/// Memory that is lent once, for good. Its content starts as the constant it is made of: all zeros belong in `.bss`.
#[repr(C)]
pub struct Lent<T> {
    // Before the content: behind it, it would be a page of its own.
    taken: AtomicBool,
    content: UnsafeCell<T>,
}

// SAFETY: the only access is through `take`, which hands the content out at most once.
unsafe impl<T: Send> Sync for Lent<T> {}

impl<T> Lent<T> {
    /// Memory that nobody has yet.
    pub const fn new(content: T) -> Lent<T> {
        Lent { content: UnsafeCell::new(content), taken: AtomicBool::new(false) }
    }

    /// Lends it: to the first caller, for good.
    #[allow(clippy::mut_from_ref, reason = "the flag makes sure that there is only one")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the flag lets only one caller ever get here, so this is the only reference.
        Some(unsafe { &mut *self.content.get() })
    }
}

static REGIONS: Lent<Regions> = Lent::new(Regions { config: [0; _], runtime: [0; _], arena: [0; _] });

/// Lends the launcher's regions: to the first caller, for good.
#[inline(never)]
pub fn take() -> Option<&'static mut Regions> {
    REGIONS.take()
}

/// No call of the program goes deeper into the stack.
pub(super) const STACK_BYTES: usize = 64 * 1024;
const PAGE_BYTES: usize = 4096;

// SAFETY: the linker defines both, by `linker/pidone.ld` or by its own; only their addresses are used.
unsafe extern "C" {
    safe static __executable_start: u8;
    safe static etext: u8;
}

/// Lets go of the memory that only what was called so far has used, for a process that has a long time to live: pages of
/// the file, which come back as they are needed, and the part of the stack that is free again.
#[inline(never)]
pub fn forget() {
    let here = [0_u8; 1];
    // The page below is still used, by this function.
    let free = (here.as_ptr() as usize & !(PAGE_BYTES - 1)) - PAGE_BYTES;
    let start = &raw const __executable_start as usize;
    for (start, end) in [(start, &raw const etext as usize), (free - STACK_BYTES, free)] {
        let call = [start, end - start, MADV_DONTNEED as usize, 0, 0];
        // SAFETY: of the file, what is in no page that can be written: it is read again from there. Of the stack, what is
        // below its end and the page of it. Below that the kernel keeps a megabyte free: nothing of anybody's is there.
        let _ = unsafe { raw::value(__NR_madvise, call) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_when_memory_is_forgotten() {
        let kept = [7_u8; 3 * PAGE_BYTES];
        let text = "a constant of the file";
        forget();
        assert!(core::hint::black_box(&kept).iter().all(|byte| *byte == 7));
        assert!(core::hint::black_box(text).ends_with("of the file"));
    }
}
