//! The log: records in the kernel's own, so that they reach every `console=` the operator named, obey `loglevel=` and
//! `quiet`, and stand in dmesg between the kernel's. Where there is no /dev/kmsg, and in a command, standard error.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::sys::AsFd;

use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::text::{Line, Phrase, Value};

/// How much a record matters: the numbers are the kernel's (syslog(2)). What is being done is a notice there, so that
/// `loglevel=6` shows it without the kernel's own flood; `loglevel=7`, the kernel's default, shows all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 3,
    /// Something is not as it should be.
    Warning = 4,
    /// What is being done.
    Info = 5,
    /// How it is being done. Written as a notice too: who asks for it wants to see it where the rest is.
    Debug = 6,
}

/// What the panic handler says.
pub const PANICKED: Phrase = t!("panicked: a bug in pidone, please report it with what stands above");

/// Records above this level are not written.
static THRESHOLD: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets the least important level that is still written.
pub fn set_threshold(level: Level) {
    THRESHOLD.store(level as u8, Ordering::Relaxed);
}

/// Whether records stay out of the kernel's log.
static APART: AtomicBool = AtomicBool::new(false);

/// Keeps records out of the kernel's log: those of a command are for whoever called it.
pub fn to_standard_error() {
    APART.store(true, Ordering::Relaxed);
}

/// Writes one record: `pidone: ` and a template with its values, as [`Line::format`] takes them.
pub fn record(level: Level, template: Phrase, values: &[Value]) {
    if level as u8 > THRESHOLD.load(Ordering::Relaxed) {
        return;
    }
    let mut buffer = [0; limits::LOG_LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    let shown = level.min(Level::Info) as u8;
    line.byte(b'<').byte(b'0' + shown).say(t!(">pidone: ")).format(template, values).byte(b'\n');
    let bytes = line.bytes();
    // Opened anew for each record: the kernel limits how many each open file may write in a while.
    // A log that cannot be written is no reason to stop: there is nobody left to tell.
    let log = if APART.load(Ordering::Relaxed) { None } else { file::open(CWD, s!("/dev/kmsg"), Open::Write).ok() };
    let _ = match log {
        Some(log) => file::write_all(log.as_fd(), bytes),
        None => file::write_all(file::standard_error(), bytes.get(3..).unwrap_or(&[])),
    };
}

/// A record that something failed.
pub fn error(template: Phrase, values: &[Value]) {
    record(Level::Error, template, values);
}

/// A record that something is not as it should be.
pub fn warning(template: Phrase, values: &[Value]) {
    record(Level::Warning, template, values);
}

/// A record of what is being done.
pub fn info(template: Phrase, values: &[Value]) {
    record(Level::Info, template, values);
}

/// A record of how it is being done.
pub fn debug(template: Phrase, values: &[Value]) {
    record(Level::Debug, template, values);
}
