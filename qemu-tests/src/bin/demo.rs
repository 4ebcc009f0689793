//! Boots the demonstration image with its console on the terminal; succeeds if the machine did its work and powered off.
//!
//! See `qemu_tests::demo` for what the image holds.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use qemu_tests::demo;
use qemu_tests::vm::Ending;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    eprintln!("demo: building pidone and the image (the first time, packages are downloaded)");
    let mut vm = demo::image()?.vm()?.memory_mib(1024).append(demo::OPTIONS).echo().start()?;
    let end = vm.wait()?;
    ensure!(end.ending == Ending::PowerOff, "the machine ended by {:?}", end.ending);
    ensure!(end.console.contains(demo::SUCCESS), "the client was not content");
    eprintln!("demo: the machine powered off cleanly");
    Ok(())
}
