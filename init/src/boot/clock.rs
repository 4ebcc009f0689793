//! The system's clock from the hardware's, for kernels that do not set it themselves.

use crate::abi::Errno;

use crate::error::{Context, Error, Result};
use crate::log;
use crate::sys::file;
use crate::sys::machine::{self, HardwareTime};
use crate::text::Value;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Sets the system's clock if it is behind the hardware's, which runs in UTC. Never back: whoever set it knew better.
pub fn set_from_hardware() {
    match set() {
        Ok(false) => {}
        Ok(true) => log::debug("clock: set from the hardware's", &[]),
        Err(error) => log::warning("clock: {}", &[Value::Print(&error)]),
    }
}

/// Whether it was set.
fn set() -> Result<bool> {
    let mut buffer = [0; 2];
    // Linux's own RTC_HCTOSYS did it, from this clock.
    if file::read_file(c"/sys/class/rtc/rtc0/hctosys", &mut buffer).is_ok_and(|answer| answer.starts_with(b"1")) {
        return Ok(false);
    }
    let time = match machine::hardware_time(c"/dev/rtc0") {
        Ok(time) => time,
        // No such clock, or a node without a driver behind it.
        Err(Errno::NOENT | Errno::NXIO | Errno::NODEV) => return Ok(false),
        Err(errno) => return Err(Error::kernel(c"read /dev/rtc0", errno)),
    };
    let hardware = seconds(&time).ok_or(Error::wrong(c"set from the hardware's", c"/dev/rtc0: not a date"))?;
    let behind = machine::clock_seconds().doing(c"read")? < hardware;
    if behind {
        machine::set_clock_seconds(hardware).doing(c"set")?;
    }
    Ok(behind)
}

/// Seconds since 1970, if it is a date since then.
fn seconds(time: &HardwareTime) -> Option<i64> {
    let valid = (70..=1000).contains(&time.year)
        && (0..12).contains(&time.month)
        && (1..=31).contains(&time.day)
        && (0..24).contains(&time.hour)
        && (0..60).contains(&time.minute)
        && (0..60).contains(&time.second);
    if !valid {
        return None;
    }
    // Years that begin in March put the leap day last; their months then have 153 days in every five.
    let [year, month, day] = [time.year, time.month, time.day].map(i64::from);
    let (year, month) = if month < 2 { (1899 + year, month + 10) } else { (1900 + year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    /// Days from 1 March of the year 0 to 1 January 1970.
    const EPOCH: i64 = 719_468;
    let [hour, minute, second] = [time.hour, time.minute, time.second].map(i64::from);
    Some((days - EPOCH) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(date: [i32; 6], expected: Option<i64>) {
        let [year, month, day, hour, minute, second] = date;
        let mut time = HardwareTime::default();
        (time.year, time.month, time.day) = (year - 1900, month - 1, day);
        (time.hour, time.minute, time.second) = (hour, minute, second);
        assert_eq!(seconds(&time), expected, "{date:?}");
    }

    #[test]
    fn dates_become_seconds_since_1970() {
        check([1970, 1, 1, 0, 0, 0], Some(0));
        check([1970, 1, 1, 0, 0, 59], Some(59));
        check([2000, 2, 29, 12, 0, 0], Some(951_825_600));
        check([2000, 3, 1, 0, 0, 0], Some(951_868_800));
        check([2024, 12, 31, 23, 59, 59], Some(1_735_689_599));
        check([2038, 1, 19, 3, 14, 8], Some(1 << 31));
        check([2100, 3, 1, 0, 0, 0], Some(4_107_542_400));
    }

    #[test]
    fn a_clock_with_an_empty_battery_sets_nothing() {
        check([1900, 1, 0, 0, 0, 0], None);
        check([1969, 12, 31, 23, 59, 59], None);
        check([2024, 13, 1, 0, 0, 0], None);
        check([2024, 1, 1, 24, 0, 0], None);
    }
}
