//! The system's clock from the hardware's, for kernels that do not set it themselves.

use crate::abi::Errno;
use crate::error::{Context, Result};
use crate::log;
use crate::sys::{file, machine, time};
use crate::text::{Value, number};

/// Sets the system's clock if it is behind the hardware's, which runs in UTC. Never back: whoever set it knew better.
/// A machine that was `resumed` from a snapshot stood still for as long as it was one.
pub fn set_from_hardware(resumed: bool) {
    match set(resumed) {
        Ok(behind) if resumed => {
            log::info(t!("resumed from a snapshot: clock set forward by {} seconds"), &[Value::Number(behind)]);
        }
        Ok(0) => {}
        Ok(_) => log::debug(t!("clock: set from the hardware's"), &[]),
        Err(error) => log::warning(t!("clock: {}"), &[Value::Print(&error)]),
    }
}

/// By how many seconds it was set.
fn set(resumed: bool) -> Result<u64> {
    let mut buffer = [0; 24];
    // Linux's own RTC_HCTOSYS did it when the machine was started, from this clock.
    if !resumed
        && file::read_file(s!("/sys/class/rtc/rtc0/hctosys"), &mut buffer).is_ok_and(|answer| answer.starts_with(b"1"))
    {
        return Ok(0);
    }
    // In seconds since 1970; a clock that does not hold a date is an error.
    let text = match file::read_file(s!("/sys/class/rtc/rtc0/since_epoch"), &mut buffer) {
        Err(Errno::NOENT) => return Ok(0),
        text => text.doing(c!("read the hardware's"))?,
    };
    let hardware = number(text.trim_ascii_end(), 10).unwrap_or_default();
    let behind = hardware.saturating_sub(time::real_seconds());
    if behind > 0 {
        machine::set_clock_seconds(hardware).doing(s!("set"))?;
    }
    Ok(behind)
}
