//! What is the machine's own: its name, its kernel's release, its clocks. uname(2), sethostname(2), rtc(4),
//! clock_settime(2).

use core::ffi::CStr;

use linux_raw_sys::general::{
    __NR_clock_gettime, __NR_clock_settime, __NR_ioctl, __NR_setdomainname, __NR_sethostname, CLOCK_REALTIME,
};
use linux_raw_sys::ioctl::RTC_RD_TIME;
pub use rustix::system::uname;

use super::file::{self, CWD, Open};
use super::{AsFd, Result, raw};

/// Names the machine, or this process's uts namespace: sethostname(2).
pub fn set_hostname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { raw::call(__NR_sethostname, name.as_ptr() as usize, name.len(), 0) }
}

/// Sets the NIS domain name: setdomainname(2).
pub fn set_domainname(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { raw::call(__NR_setdomainname, name.as_ptr() as usize, name.len(), 0) }
}

/// A hardware clock's date and time, field by field as the kernel has them: `struct rtc_time` of `linux/rtc.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HardwareTime {
    /// 0 to 59.
    pub second: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 11.
    pub month: i32,
    /// Years since 1900.
    pub year: i32,
    unused: [i32; 3],
}

/// Reads a hardware clock: RTC_RD_TIME.
pub fn hardware_time(device: &CStr) -> Result<HardwareTime> {
    let clock = file::open(CWD, device, Open::Read)?;
    let mut time = HardwareTime::default();
    // SAFETY: the kernel writes one `struct rtc_time`, nine ints, into `time`.
    unsafe { raw::call(__NR_ioctl, clock.as_fd().argument(), RTC_RD_TIME as usize, &raw mut time as usize) }?;
    Ok(time)
}

/// Seconds since 1970 by the system's clock.
pub fn clock_seconds() -> Result<i64> {
    let mut now = [0_i64; 2];
    // SAFETY: the kernel writes one `struct timespec`, two 64-bit words on the targets we build for, into `now`.
    unsafe { raw::call(__NR_clock_gettime, CLOCK_REALTIME as usize, now.as_mut_ptr() as usize, 0) }?;
    let [seconds, _] = now;
    Ok(seconds)
}

/// Sets the system's clock.
pub fn set_clock_seconds(seconds: i64) -> Result<()> {
    let time = [seconds, 0];
    // SAFETY: the kernel reads one `struct timespec`, as above.
    unsafe { raw::call(__NR_clock_settime, CLOCK_REALTIME as usize, time.as_ptr() as usize, 0) }
}
