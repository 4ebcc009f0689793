//! The fixed memory of the program: `.bss`, lent once. Pages that are never touched cost nothing, and a forked process
//! has its own copies of those it touches.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::limits;

/// The regions, by who uses them.
#[repr(align(4096))]
pub struct Regions {
    /// The launcher's: text of config.json and runtime.json.
    pub config: [u8; limits::CONFIG_BYTES_MAX + 1],
    /// The launcher's: text of runtime.json.
    pub runtime: [u8; limits::RUNTIME_BYTES_MAX + 1],
    /// The launcher's: what it keeps of both, and its plan.
    pub arena: [u8; limits::ARENA_BYTES],
}

/// Memory that is lent once, for good. Its content starts as the constant it is made of: all zeros belong in `.bss`.
pub struct Lent<T> {
    content: UnsafeCell<T>,
    taken: AtomicBool,
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
pub fn take() -> Option<&'static mut Regions> {
    REGIONS.take()
}
