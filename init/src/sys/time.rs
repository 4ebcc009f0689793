//! Clocks: clock_gettime(2).

use linux_raw_sys::general::{__NR_clock_gettime, CLOCK_MONOTONIC, CLOCK_REALTIME};

use super::raw;

/// Microseconds since the machine booted, sleep not counted.
pub fn monotonic_us() -> u64 {
    now_us(CLOCK_MONOTONIC)
}

/// Microseconds since 1970 by the system's clock.
pub fn real_us() -> u64 {
    now_us(CLOCK_REALTIME)
}

/// Seconds since 1970 by the system's clock.
#[inline(never)]
pub fn real_seconds() -> u64 {
    real_us() / 1_000_000
}

/// So many microseconds as a `struct timespec`, two 64-bit words on the targets we build for.
#[inline(never)]
pub(super) fn span(us: u64) -> [u64; 2] {
    [us / 1_000_000, us % 1_000_000 * 1000]
}

#[inline(never)]
fn now_us(clock: u32) -> u64 {
    let mut now = [0_i64; 2];
    // SAFETY: the kernel writes one `struct timespec`, two 64-bit words on the targets we build for, into `now`.
    let result = unsafe { raw::call(__NR_clock_gettime, clock as usize, now.as_mut_ptr() as usize, 0) };
    // Both clocks exist on every kernel; without one every time is 0, which only makes waits shorter.
    debug_assert!(result.is_ok());
    let [seconds, nanoseconds] = now;
    (seconds as u64).wrapping_mul(1_000_000).wrapping_add(nanoseconds as u64 / 1000)
}
