//! The one binary: what it does depends on how it was started. The kernel starts PID 1; everything else is a command.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use pidone::{log, sys, texts};

/// Called by the `linker` crate once the stack is known.
// SAFETY: the one definition of the symbol that `linker` declares, with the same signature.
#[unsafe(no_mangle)]
fn pidone_main(start: linker::Start) -> ! {
    pidone::command::main(texts::all(start.arguments().addresses()), texts::all(start.environment().addresses()))
}

/// A bug in pidone. As PID 1 this ends in the kernel's own panic, which is what the operator's `panic=` option and the
/// virtual machine monitor know how to handle.
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // Where it was is not said: the location keeps all of `core::fmt` in the binary, 12 KB for a line that nobody is to
    // see.
    log::error(log::PANICKED, &[]);
    sys::process::exit(101)
}
