//! From the kernel's hand-over to the supervising loop.

pub mod clock;
pub mod console;
pub mod early;
pub mod folder;
pub mod hostname;
pub mod lines;
pub mod modules;
pub mod resolver;
pub mod root;
pub mod scripts;
pub mod sysctl;
pub mod volumes;
pub mod work;

use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::cmdline::{self, Failure, Idle, LogLevel, Options};
use crate::supervise::{self, Policy, Power};
use crate::sys::{file, signal, time};
use crate::{limits, log};
use early::{EARLY, IfFails};
use work::Machine;

/// Sets the base system up. Nothing here is fatal.
fn base_system() {
    if let Err(errno) = root::make_pivotable() {
        log::error(|line| _ = line.text("bind the initramfs on itself: ").print(&errno));
    }
    // Steps of this list need no memory.
    let mut arena = Arena::new(&mut []);
    let mut applier = Applier::new(&mut arena);
    for early in EARLY {
        if let Err(errno) = applier.apply(&early.step) {
            let level = if early.if_fails == IfFails::Report { log::Level::Warning } else { log::Level::Debug };
            log::record(level, |line| _ = line.text("base system: ").print(&early.step).text(": ").print(&errno));
        }
    }
    if let Err(errno) = console::open_standard_descriptors() {
        log::warning(|line| _ = line.text("open a console: ").print(&errno));
    }
}

/// PID 1 of a machine, from the first instruction to the power action.
pub fn main() -> ! {
    let started_us = time::monotonic_us();
    signal::block_all();
    base_system();
    let mut buffer = [0; limits::CMDLINE_BYTES_MAX];
    let cmdline = file::read_file(c"/proc/cmdline", &mut buffer).unwrap_or_default();
    let options = cmdline::parse(cmdline);
    log::set_threshold(match options.log {
        LogLevel::Error => log::Level::Error,
        LogLevel::Warning => log::Level::Warning,
        LogLevel::Info => log::Level::Info,
        LogLevel::Debug => log::Level::Debug,
    });
    for problem in options.problems.iter() {
        log::warning(|line| {
            line.text("kernel command line: ").quoted(problem.name).text(": ").text(problem.problem);
        });
    }
    if options.problems.more() > 0 {
        log::warning(|line| {
            line.text("kernel command line: ").number(options.problems.more() as u64).text(" more problems");
        });
    }
    supervise::run(&Machine { options: &options }, policy(&options), started_us)
}

fn policy(options: &Options) -> Policy {
    Policy {
        fail: match options.fail {
            Failure::Continue => None,
            Failure::Halt => Some(Power::Halt),
            Failure::Reboot => Some(Power::Reboot),
            Failure::Poweroff => Some(Power::PowerOff),
            Failure::Panic => Some(Power::Panic),
        },
        idle: match options.idle {
            Idle::Stay => None,
            Idle::Poweroff => Some(Power::PowerOff),
            Idle::Reboot => Some(Power::Reboot),
            Idle::Halt => Some(Power::Halt),
        },
        grace_us: u64::from(options.grace_seconds) * 1_000_000,
        onshutdown_us: u64::from(options.onshutdown_seconds) * 1_000_000,
        timing: options.timing,
    }
}
