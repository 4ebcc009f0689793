//! The machine's power: reboot(2). It does not write anything back: sync first.

use core::ffi::CStr;

use rustix::io::Errno;
use rustix::system::{RebootCommand, reboot};

use super::{Result, file};

/// What is done to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stops the processors.
    Halt,
    /// Takes the power away.
    PowerOff,
    /// Resets.
    Restart,
    /// Starts the kernel that kexec_load(2) has put in place.
    Kexec,
}

/// Does it. Returns only if the kernel refuses.
pub fn act(command: Command) -> Errno {
    let command = match command {
        Command::Halt => RebootCommand::Halt,
        Command::PowerOff => RebootCommand::PowerOff,
        Command::Restart => RebootCommand::Restart,
        Command::Kexec => RebootCommand::Kexec,
    };
    reboot(command).err().unwrap_or(Errno::INVAL)
}

/// Makes Ctrl-Alt-Del a signal to PID 1 (SIGINT) instead of a reset.
pub fn catch_ctrl_alt_del() -> Result<()> {
    reboot(RebootCommand::CadOff)
}

/// Writes everything back: sync(2).
pub fn sync() {
    rustix::fs::sync();
}

/// Where the kernel shows ACPI's tables.
const ACPI: &CStr = c"/sys/firmware/acpi";

/// Whether a reset is how this machine's monitor is told to let go of it: an x86 machine without ACPI has no other way
/// (Firecracker, QEMU's microvm without ACPI). Other architectures have PSCI.
pub fn restart_is_power_off() -> bool {
    cfg!(target_arch = "x86_64") && file::exists(c"/sys/kernel") && !file::exists(ACPI)
}
