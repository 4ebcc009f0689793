//! What the file does when it is started: as PID 1 it runs the machine, otherwise it is a command.

mod help;
mod plan;

use core::ffi::CStr;

use crate::boot::{self, modules};
use crate::supervise::{self, Power};
use crate::sys::{file, process};
use crate::text::cut_last;

/// Exit code of a command that was not understood.
const USAGE: u8 = 2;

/// Picks the role and never returns.
pub fn main(arguments: impl Iterator<Item = &'static CStr> + Clone) -> ! {
    if process::own_pid() == 1 {
        boot::main();
    }
    process::exit(command(arguments))
}

/// A command by its name: the first argument's, or the file's own when it was linked under another name.
fn command(mut arguments: impl Iterator<Item = &'static CStr> + Clone) -> u8 {
    let program = arguments.next().map(base_name).unwrap_or_default();
    if program == b"modprobe" {
        return modules::on_demand(arguments);
    }
    if let Some(power) = power(program) {
        return supervise::request(power);
    }
    let all = arguments.clone();
    let Some(name) = arguments.next() else {
        help::print();
        return USAGE;
    };
    match name.to_bytes() {
        b"plan" => plan::print(arguments),
        b"help" | b"--help" | b"-h" => help::print(),
        b"version" | b"--version" => help::print_version(),
        b"modprobe" => modules::on_demand(arguments),
        // How the kernel asks for a module: `PROGRAM -q -- ALIAS`.
        b"-q" => modules::on_demand(all),
        name => match power(name) {
            Some(power) => supervise::request(power),
            None => refuse(&[b"unknown command `", name, b"`; `pidone help` lists them all"]),
        },
    }
}

fn power(name: &[u8]) -> Option<Power> {
    match name {
        b"poweroff" => Some(Power::PowerOff),
        b"reboot" => Some(Power::Reboot),
        b"halt" => Some(Power::Halt),
        _ => None,
    }
}

fn base_name(path: &CStr) -> &[u8] {
    cut_last(path.to_bytes(), b'/').1
}

/// Says on standard error what is wrong with a command, and gives its exit code.
fn refuse(pieces: &[&[u8]]) -> u8 {
    for piece in [b"pidone: ".as_slice()].iter().chain(pieces).chain(&[b"\n".as_slice()]) {
        // There is nobody else to tell.
        let _ = file::write_all(file::standard_error(), piece);
    }
    USAGE
}
