//! virtio-serial ports by the names that the monitor gave them. Their numbers shift with what else the machine has.

use crate::abi::Errno;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::below;
use crate::sys::{AsFd, OwnedFd, Result};

/// Opens the port of this name, for reading and writing; only one process may have it open.
///
/// # Errors
/// `NOENT`: there is none, or its driver has not heard of it yet.
pub fn open(name: &[u8]) -> Result<OwnedFd> {
    let ports = file::open(CWD, s!("/sys/class/virtio-ports"), Open::Directory)?;
    let mut found = Err(Errno::NOENT);
    file::for_each_entry(ports.as_fd(), &mut |port, _| {
        let (mut path, mut text) = ([0; 64], [0; 256]);
        // The port that is a console has no name.
        let named = below(&mut path, port, s!("name")).and_then(|path| file::open(ports.as_fd(), path, Open::Read));
        if named
            .is_ok_and(|named| file::read_all(named.as_fd(), &mut text).is_ok_and(|text| text.trim_ascii_end() == name))
        {
            found = below(&mut path, s!("/dev"), port).and_then(|path| file::open(CWD, path, Open::Terminal));
        }
        Ok(())
    })?;
    let port = found?;
    file::set_blocking(port.as_fd())?;
    Ok(port)
}
