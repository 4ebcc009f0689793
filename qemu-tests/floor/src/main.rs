//! The floor: a container with the system calls that it cannot do without, and nothing else.
//!
//! What a runtime reads, decides, checks and reports costs something on top of this; `just bench` says how much. The
//! container is always that of `runc spec`; nothing is parsed, and an error ends the program with the number of the
//! failed step. It is no runtime: it trusts the bundle's paths.
//!
//! ```text
//! floor run    [-d] [-n] [-s FILTER] ID BUNDLE COMMAND...
//! floor create [-d] [-n] [-s FILTER] ID BUNDLE COMMAND...
//! floor start  ID
//! floor delete ID
//! floor measure COMMAND... [, COMMAND...]...     runs them, writes what each cost: see `measure`
//! ```
//!
//! `-d`: all devices, no filter. `-n`: a new network namespace. FILTER: a compiled seccomp filter.
//!
//! What is kept of the cost of being a runtime: the configuration is read (once, whole), a state file is written and
//! removed, the control group has a device filter, the machine's root is left by one pivot and one umount.
#![no_std]
#![no_main]

mod container;
mod inside;
mod kernel;
mod measure;

use core::ffi::CStr;
use core::panic::PanicInfo;

use linker::start::Strings;

use container::Request;

// SAFETY: the one definition of the symbol that `linker` declares, with the same signature.
#[unsafe(no_mangle)]
fn pidone_main(start: linker::Start) -> ! {
    let mut arguments = start.arguments();
    arguments.next();
    let environment = start.environment();
    match arguments.next().map(CStr::to_bytes) {
        Some(b"run") => container::run(&request(arguments, environment)),
        Some(b"create") => container::create(&request(arguments, environment)),
        Some(b"start") => container::start(required(&mut arguments)),
        Some(b"delete") => container::delete(required(&mut arguments)),
        Some(b"measure") => measure::all(arguments, environment),
        _ => usage(),
    }
}

fn request(mut arguments: Strings, environment: Strings) -> Request {
    let (mut all_devices, mut network, mut filter) = (false, false, None);
    let id = loop {
        match required(&mut arguments) {
            word if word == c"-d" => all_devices = true,
            word if word == c"-n" => network = true,
            word if word == c"-s" => filter = Some(required(&mut arguments)),
            word => break word,
        }
    };
    Request { id, all_devices, network, filter, bundle: required(&mut arguments), command: arguments, environment }
}

fn required(arguments: &mut Strings) -> &'static CStr {
    match arguments.next() {
        Some(word) => word,
        None => usage(),
    }
}

fn usage() -> ! {
    kernel::exit(2)
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    kernel::exit(101)
}
