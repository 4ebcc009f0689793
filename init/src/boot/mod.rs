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
use crate::sys::{file, identity, signal, time};
use crate::text::Value;
use crate::{limits, log};
use work::Machine;

/// Sets the base system up. Nothing here is fatal.
fn base_system() {
    if let Err(errno) = root::make_pivotable() {
        log::error("bind the initramfs on itself: {}", &[Value::Kernel(errno)]);
    }
    // /tmp and the like are for everybody.
    identity::set_umask(0);
    early::for_each(&mut |step, said| {
        // For a moment only: what `step` borrows from the line is not kept.
        let mut arena = Arena::new(&mut []);
        if let Err(errno) = Applier::new(&mut arena).apply(step) {
            let level = if said { log::Level::Warning } else { log::Level::Debug };
            log::record(level, "base system: {}: {}", &[Value::Print(step), Value::Kernel(errno)]);
        }
    });
    identity::set_umask(0o022);
    if let Err(errno) = console::open_standard_descriptors() {
        log::warning("open a console: {}", &[Value::Kernel(errno)]);
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
        log::warning("kernel command line: {}: {}", &[Value::Quoted(problem.name), Value::Text(problem.problem)]);
    }
    if options.problems.more() > 0 {
        log::warning("kernel command line: {} more problems", &[Value::Number(options.problems.more() as u64)]);
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
