//! What the file does when it is started.

use core::ffi::CStr;

use crate::{log, sys};

/// Picks the role and never returns.
pub fn main(arguments: impl Iterator<Item = &'static CStr>) -> ! {
    log::info(|line| {
        line.text("started");
        for argument in arguments {
            line.byte(b' ').quoted(argument.to_bytes());
        }
    });
    sys::process::exit(0)
}
