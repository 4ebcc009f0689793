//! The hardware's watchdog: a machine whose process 1 shows no sign of life for a while is reset.

use crate::error::{Context, Result};
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::{AsFd, OwnedFd, watchdog};
use crate::text::Value;

/// A watchdog that runs, and bites unless it is petted in time.
pub(super) struct Watchdog {
    device: OwnedFd,
    period_us: u64,
    next_us: u64,
}

impl Watchdog {
    /// Arms it, if the operator gave it a time. What is wrong is reported: the machine then runs without.
    pub(super) fn arm(seconds: u32) -> Option<Watchdog> {
        if seconds == 0 {
            return None;
        }
        let opened = open(seconds);
        if let Err(error) = &opened {
            log::error(t!("watchdog: {}"), &[Value::Print(error)]);
        }
        // Twice in the time, should one come late.
        opened.ok().map(|device| Watchdog { device, period_us: u64::from(seconds) * 500_000, next_us: 0 })
    }

    /// Shows a sign of life if it is time for one and the machine is well; when the next is due.
    pub(super) fn pet(&mut self, now_us: u64, is_well: bool) -> u64 {
        if now_us >= self.next_us {
            self.next_us = now_us.saturating_add(if is_well { self.period_us } else { limits::ILL_US });
            if is_well {
                // One that does not listen bites, which is what it is there for.
                let _ = file::write(self.device.as_fd(), b".");
            }
        }
        self.next_us
    }

    /// Stops it, unless the kernel was built not to let anybody.
    pub(super) fn disarm(&self) {
        let _ = file::write(self.device.as_fd(), b"V");
    }
}

fn open(seconds: u32) -> Result<OwnedFd> {
    let device = file::open(CWD, s!("/dev/watchdog"), Open::Write).doing(c!("open /dev/watchdog"))?;
    let set = watchdog::set_timeout(device.as_fd(), seconds);
    if set.is_err() {
        // It runs since it was opened, with a time that nobody knows.
        let _ = file::write(device.as_fd(), b"V");
    }
    set.doing(c!("set its time"))?;
    Ok(device)
}
