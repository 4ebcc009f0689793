//! Random bytes that one boot keeps for the next, so that a machine without a source of its own has some.

use crate::error::{Context, Result};
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, power, random};
use crate::text::Value;

/// Gives the kernel a file's bytes and puts new ones in their place. They count as random only if they were replaced: the same
/// bytes in two boots would be no secret.
pub fn exchange(path: &[u8]) {
    if let Err(error) = try_exchange(path) {
        log::warning(t!("pidone.seed: {}"), &[Value::Print(&error)]);
    }
}

fn try_exchange(path: &[u8]) -> Result<()> {
    let (mut buffer, mut old, mut new) = (PathBuffer::empty(), [0; limits::SEED_BYTES], [0; limits::SEED_BYTES]);
    let path = buffer.join(&[path]).doing(s!("read it"))?;
    let old = file::read_file(path, &mut old).doing(s!("read it"))?;
    // In any case they do no harm, and the new ones depend on them.
    let _ = file::write_file(s!("/dev/urandom"), old);
    let replace = |new: &mut [u8]| {
        let new = file::read_file(s!("/dev/urandom"), new)?;
        file::write_all(file::open(CWD, path, Open::Write)?.as_fd(), new)
    };
    replace(&mut new).doing(c!("replace it"))?;
    power::sync();
    random::credit(old).doing(c!("credit it"))
}
