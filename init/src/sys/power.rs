//! The machine's power: reboot(2). It does not write anything back: sync first.

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

/// Whether a reset is how this machine's monitor is told to let go of it: an x86 machine whose kernel knows no way to switch
/// it off, and would only halt. It has no ACPI (QEMU's microvm without it), or one that says nothing of sleep (Firecracker).
/// Other architectures have PSCI.
pub fn restart_is_power_off() -> bool {
    let mut table = [0; FADT_BYTES];
    cfg!(target_arch = "x86_64")
        && match file::read_file(s!("/sys/firmware/acpi/tables/FACP"), &mut table) {
            Ok(table) => cannot_sleep(table),
            Err(errno) => errno == Errno::NOENT && file::exists(s!("/sys/kernel")),
        }
}

/// What is looked at of ACPI's fixed description table.
const FADT_BYTES: usize = 256;

/// Whether a machine whose hardware is "reduced" has no register to switch it off by.
fn cannot_sleep(table: &[u8]) -> bool {
    let reduced = table.get(114).is_some_and(|flags| flags & 0x10 != 0);
    // SLEEP_CONTROL_REG, its address.
    reduced && table.get(248..FADT_BYTES).is_none_or(|address| address.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_register_for_sleep_cannot_be_switched_off() {
        let mut table = [0; FADT_BYTES];
        assert!(!cannot_sleep(&table) && !cannot_sleep(&[]), "hardware of the usual kind has other registers");
        table[114] = 0x10;
        assert!(cannot_sleep(&table) && cannot_sleep(&table[..200]));
        table[250] = 6;
        assert!(!cannot_sleep(&table));
    }
}
