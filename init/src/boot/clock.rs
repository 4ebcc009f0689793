//! The system's clock from the hardware's, for kernels that do not set it themselves.

use crate::abi::Errno;
use crate::error::{Context, Result};
use crate::log;
use crate::sys::{file, machine};
use crate::text::{Value, number};

/// Sets the system's clock if it is behind the hardware's, which runs in UTC. Never back: whoever set it knew better.
pub fn set_from_hardware() {
    match set() {
        Ok(false) => {}
        Ok(true) => log::debug(t!("clock: set from the hardware's"), &[]),
        Err(error) => log::warning(t!("clock: {}"), &[Value::Print(&error)]),
    }
}

/// Whether it was set.
fn set() -> Result<bool> {
    let mut buffer = [0; 24];
    // Linux's own RTC_HCTOSYS did it, from this clock.
    if file::read_file(s!("/sys/class/rtc/rtc0/hctosys"), &mut buffer).is_ok_and(|answer| answer.starts_with(b"1")) {
        return Ok(false);
    }
    // In seconds since 1970; a clock that does not hold a date is an error.
    let text = match file::read_file(s!("/sys/class/rtc/rtc0/since_epoch"), &mut buffer) {
        Err(Errno::NOENT) => return Ok(false),
        text => text.doing(c!("read the hardware's"))?,
    };
    let hardware = number(text.trim_ascii_end(), 10).unwrap_or_default() as i64;
    let behind = machine::clock_seconds().doing(s!("read"))? < hardware;
    if behind {
        machine::set_clock_seconds(hardware).doing(s!("set"))?;
    }
    Ok(behind)
}
