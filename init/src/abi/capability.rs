//! Names of capabilities: capabilities(7), `include/uapi/linux/capability.h`. A set of them is a `u64`, bit N being
//! capability N.

use crate::text::{Names, with_lengths};

/// All names, without `CAP_`, in the order of their numbers.
pub const NAMES: &[u8] =
    b"CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL \
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// As they are kept: a list of strings would be three times as large.
static KEPT: [u8; NAMES.len() + 1] = with_lengths(NAMES);

/// The number of a capability by its full name, `CAP_NET_ADMIN`.
pub fn number(name: &[u8]) -> Option<u8> {
    let name = name.strip_prefix(b"CAP_")?;
    Some(Names(&KEPT).find(name)? as u8)
}

/// The name of a capability without `CAP_`: `NET_ADMIN`.
pub fn name(number: u8) -> Option<&'static [u8]> {
    Names(&KEPT).nth(usize::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        for (known, expected) in [
            ("CAP_CHOWN", 0),
            ("CAP_SETPCAP", 8),
            ("CAP_NET_ADMIN", 12),
            ("CAP_SYS_ADMIN", 21),
            ("CAP_MKNOD", 27),
            ("CAP_SETFCAP", 31),
            ("CAP_SYSLOG", 34),
            ("CAP_BPF", 39),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(number(known.as_bytes()), Some(expected), "{known}");
            assert_eq!(name(expected), known.as_bytes().strip_prefix(b"CAP_"));
        }
        assert_eq!(name(41), None);
    }

    #[test]
    fn other_spellings_are_unknown() {
        for other in ["", "CAP_", "CHOWN", "cap_chown", "CAP_CHOWN ", "CAP_CHOWN DAC_OVERRIDE", "CAP_FUTURE"] {
            assert_eq!(number(other.as_bytes()), None, "{other}");
        }
    }
}
