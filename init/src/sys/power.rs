//! The machine's power: reboot(2). It does not write anything back: sync first.

use super::texts::CStr;
use crate::abi::Errno;
use linux_raw_sys::general::{
    __NR_reboot, __NR_sync, LINUX_REBOOT_CMD_CAD_OFF, LINUX_REBOOT_CMD_HALT, LINUX_REBOOT_CMD_KEXEC,
    LINUX_REBOOT_CMD_POWER_OFF, LINUX_REBOOT_CMD_RESTART, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
};

use super::{Result, file, raw};

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
        Command::Halt => LINUX_REBOOT_CMD_HALT,
        Command::PowerOff => LINUX_REBOOT_CMD_POWER_OFF,
        Command::Restart => LINUX_REBOOT_CMD_RESTART,
        Command::Kexec => LINUX_REBOOT_CMD_KEXEC,
    };
    reboot(command).err().unwrap_or(Errno::INVAL)
}

fn reboot(command: u32) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { raw::call(__NR_reboot, LINUX_REBOOT_MAGIC1 as usize, LINUX_REBOOT_MAGIC2 as usize, command as usize) }
}

/// Makes Ctrl-Alt-Del a signal to PID 1 (SIGINT) instead of a reset.
pub fn catch_ctrl_alt_del() -> Result<()> {
    reboot(LINUX_REBOOT_CMD_CAD_OFF)
}

/// Writes everything back: sync(2).
pub fn sync() {
    // SAFETY: takes nothing. It cannot fail.
    let _ = unsafe { raw::call(__NR_sync, 0, 0, 0) };
}

/// Where the kernel shows ACPI's tables.
const ACPI: &CStr = s!("/sys/firmware/acpi");

/// Whether a reset is how this machine's monitor is told to let go of it: an x86 machine without ACPI has no other way
/// (Firecracker, QEMU's microvm without ACPI). Other architectures have PSCI.
pub fn restart_is_power_off() -> bool {
    cfg!(target_arch = "x86_64") && file::exists(s!("/sys/kernel")) && !file::exists(ACPI)
}
