//! From the kernel's hand-over to the supervising loop.

pub mod block;
pub mod check;
pub mod clock;
pub mod console;
pub mod early;
pub mod farewell;
pub mod folder;
pub mod hostname;
pub mod lcow;
pub mod lines;
pub mod modules;
pub mod oneshot;
pub mod ports;
pub mod resolver;
pub mod root;
pub mod scripts;
pub mod seed;
pub mod survey;
pub mod sysctl;
pub mod volumes;
pub mod work;

use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::cmdline::{self, Exit, Failure, Idle, LogLevel, Options};
use crate::logger::Logs;
use crate::plan::step::Step;
use crate::supervise::{self, Policy, Power};
use crate::sys::{file, identity, process, signal, time};
use crate::text::{Phrase, Value};
use crate::texts::CStr;
use crate::{limits, log};
use work::Machine;

/// PID 1 of a machine, from the first instruction to the power action.
pub fn main(arguments: &'static [&'static CStr]) -> ! {
    let started_us = time::monotonic_us();
    signal::block_all();
    signal::restore(!0);
    lcow::run_if_asked(arguments);
    set_up(early::PROC, false);
    let mut buffer = [0; limits::CMDLINE_BYTES_MAX];
    let options = read_options(&mut buffer);
    let (mut writable, mut old) = (false, None);
    if root::is_initramfs() {
        if let Some(name) = options.value(b"root") {
            set_up(early::DEVICES, false);
            old = Some(root::switch(&options, name));
            set_up(early::PROC, false);
            writable = options.root_is_writable() || options.value(b"pidone.overlay").is_some();
        } else if let Err(errno) = root::make_pivotable() {
            log::error(t!("bind the initramfs on itself: {}"), &[Value::Kernel(errno)]);
        }
    }
    set_up(early::STEPS, writable);
    if let Some(old) = &old {
        root::leave(old);
    }
    if let Err(errno) = console::open_standard_descriptors() {
        log::warning(t!("open a console: {}"), &[Value::Kernel(errno)]);
    }
    report_problems(&options);
    match Logs::new() {
        Ok(logs) => supervise::run(&Machine { options: &options, logs: &logs }, policy(&options), started_us),
        Err(errno) => {
            log::error(t!("make what logs are kept in: {}"), &[Value::Kernel(errno)]);
            process::exit(1)
        }
    }
}

/// Applies steps of the base system. Nothing here is fatal. With `writable` nothing is made read-only.
fn set_up(list: Phrase, writable: bool) {
    // /tmp and the like are for everybody.
    identity::set_umask(0);
    early::for_each_of(list, &mut |step, said| {
        if writable && matches!(step, Step::SetAttributes { attributes, .. } if attributes.set != 0) {
            return;
        }
        // For a moment only: what `step` borrows from the line is not kept.
        let mut arena = Arena::new(&mut []);
        match Applier::new(&mut arena).apply(step) {
            Ok(()) => log::debug(t!("base system: {}"), &[Value::Print(step)]),
            Err(errno) => {
                let level = if said { log::Level::Warning } else { log::Level::Debug };
                log::record(level, t!("base system: {}: {}"), &[Value::Print(step), Value::Kernel(errno)]);
            }
        }
    });
    identity::set_umask(0o022);
    // What is mounted is entered first.
    let _ = process::change_directory(s!("/"));
}

/// The operator's options, from the kernel command line. From here on the log obeys them.
fn read_options(buffer: &mut [u8]) -> Options<'_> {
    let options = cmdline::parse(file::read_file(s!("/proc/cmdline"), buffer).unwrap_or_default());
    log::set_threshold(match options.log {
        LogLevel::Error => log::Level::Error,
        LogLevel::Warning => log::Level::Warning,
        LogLevel::Info => log::Level::Info,
        LogLevel::Debug => log::Level::Debug,
    });
    options
}

/// Reported once there is a console to report it on.
fn report_problems(options: &Options) {
    for problem in options.problems.iter() {
        log::warning(t!("kernel command line: {}: {}"), &[Value::Quoted(problem.name), Value::Phrase(problem.problem)]);
    }
    if options.problems.more() > 0 {
        log::warning(t!("kernel command line: {} more problems"), &[Value::Number(options.problems.more() as u64)]);
    }
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
        onshutdown_us: u64::from(options.onshutdown_seconds) * 1_000_000,
        one_shot: options.value(oneshot::RUN).is_some(),
        one_shot_panics: options.exit == Exit::Panic,
        watchdog_seconds: options.watchdog_seconds,
        timing: options.timing,
        wishes: options.wishes,
    }
}
