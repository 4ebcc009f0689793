//! `/etc/resolv.conf` of an image that has it as a link into a writable file system, for a container to fill.

use core::ffi::CStr;

use crate::abi::Errno;

use crate::error::{Context, Result};
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::text::Value;

const FOLDER_MODE: u32 = 0o755;

/// Makes the file that the link leads to, empty, and the folders above it. What is there is left as it is.
pub fn prepare() {
    if let Err(error) = make() {
        log::warning("/etc/resolv.conf: {}", &[Value::Print(&error)]);
    }
}

fn make() -> Result<()> {
    let mut buffer = [0; 256];
    let target = match file::read_link(c"/etc/resolv.conf", &mut buffer) {
        // A file, or nothing: the image wants nothing from us.
        Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
        target => &*target.doing(c"read the link")?,
    };
    // A relative target begins where the link is.
    let start: &[u8] = if target.starts_with(b"/") { b"" } else { b"/etc/" };
    let mut path = PathBuffer::empty();
    for (at, _) in target.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/') {
        let folder = path.join(&[start, target.get(..at).unwrap_or_default()]).doing(c"make its folder")?;
        file::make_directory(folder, FOLDER_MODE).doing(c"make its folder")?;
    }
    create(path.join(&[start, target]).doing(c"make the file")?)
}

fn create(path: &CStr) -> Result<()> {
    match file::open(CWD, path, Open::New) {
        Err(Errno::EXIST) => Ok(()),
        result => result.map(drop).doing(c"make the file"),
    }
}
