//! The ports of x86's own address space: ioperm(2), `in` and `out`.

use linux_raw_sys::general::__NR_ioperm;

use super::{Result, raw};

fn allow(port: u16) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { raw::call(__NR_ioperm, port.into(), 1, 1) }
}

/// Reads a byte from a port.
pub fn read(port: u16) -> Result<u8> {
    allow(port)?;
    // SAFETY: this process was just allowed to. What a device does when it is read touches no memory of ours.
    Ok(unsafe { raw::port_in(port) })
}

/// Writes a byte to a port.
pub fn write(port: u16, byte: u8) -> Result<()> {
    allow(port)?;
    // SAFETY: as for `read`; the caller means that device.
    unsafe { raw::port_out(port, byte) };
    Ok(())
}
