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

struct Cell(UnsafeCell<Regions>);

// SAFETY: the only access is through `take`, which hands the content out at most once.
unsafe impl Sync for Cell {}

static REGIONS: Cell = Cell(UnsafeCell::new(Regions { config: [0; _], runtime: [0; _], arena: [0; _] }));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Lends the regions: to the first caller, for good.
pub fn take() -> Option<&'static mut Regions> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the flag lets only one caller ever get here, so this is the only reference.
    Some(unsafe { &mut *REGIONS.0.get() })
}
