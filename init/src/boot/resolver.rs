//! `/etc/resolv.conf` of an image that has it as a link into a writable file system, for a container to fill.

use crate::abi::Errno;
use crate::texts::CStr;

use crate::error::{Context, Result};
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::text::{Value, cut_last};

/// Makes the file that the link leads to, empty, and the folders above it. What is there is left as it is.
pub fn prepare() {
    if let Err(error) = make() {
        log::warning(t!("/etc/resolv.conf: {}"), &[Value::Print(&error)]);
    }
}

fn make() -> Result<()> {
    let mut buffer = [0; 256];
    let target = match file::read_link(s!("/etc/resolv.conf"), &mut buffer) {
        // A file, or nothing: the image wants nothing from us.
        Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
        target => &*target.doing(c!("read the link"))?,
    };
    // A relative target begins where the link is.
    let start: &[u8] = if target.starts_with(b"/") { b"" } else { b"/etc/" };
    let (mut path, mut folder) = (PathBuffer::empty(), PathBuffer::empty());
    let path = path.join(&[start, target]).doing(c!("make the file"))?;
    let (above, _) = cut_last(path.to_bytes(), b'/');
    folder.join(&[above]).and_then(file::make_directories).doing(c!("make its folder"))?;
    create(path)
}

fn create(path: &CStr) -> Result<()> {
    match file::open(CWD, path, Open::New) {
        Err(Errno::EXIST) => Ok(()),
        result => result.map(drop).doing(c!("make the file")),
    }
}
