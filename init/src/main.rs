//! The one binary: what it does depends on how it was started. The kernel starts PID 1; everything else is a command.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use pidone::{log, sys};

/// Called by the `linker` crate once the stack is known.
// SAFETY: the one definition of the symbol that `linker` declares, with the same signature.
#[unsafe(no_mangle)]
fn pidone_main(start: linker::Start) -> ! {
    pidone::command::main(start.arguments())
}

/// A bug in pidone. As PID 1 this ends in the kernel's own panic, which is what the operator's `panic=` option and the
/// virtual machine monitor know how to handle; the record before it says where to look.
#[panic_handler]
fn panic(information: &PanicInfo) -> ! {
    log::error(|line| {
        line.text("panicked");
        if let Some(location) = information.location() {
            line.text(" at ").text(location.file()).byte(b':').number(u64::from(location.line()));
        }
        line.text(": a bug in pidone, please report it");
    });
    sys::process::exit(101)
}
