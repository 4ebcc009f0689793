//! The kinds of namespaces: namespaces(7), `CLONE_NEW*` of clone(2), runtime-spec `config-linux.md#namespaces`.

use crate::text::position;
use crate::texts::CStr;

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Namespace {
    /// Cgroup root directory: cgroup_namespaces(7).
    Cgroup,
    /// System V IPC and POSIX message queues: ipc_namespaces(7).
    Ipc,
    /// Mount points: mount_namespaces(7).
    Mount,
    /// Network devices, stacks, ports: network_namespaces(7).
    Network,
    /// Process ids: pid_namespaces(7).
    Pid,
    /// User and group ids: user_namespaces(7).
    User,
    /// Host name and domain name: uts_namespaces(7).
    Uts,
    /// Boot and monotonic clocks: time_namespaces(7).
    Time,
}

struct Names {
    /// Name in config.json's `linux.namespaces[].type`.
    oci: &'static str,
    /// Name in `/proc/PID/ns` and in runtime.json's `bindNS`.
    proc: &'static CStr,
    /// `CLONE_NEW*`.
    flag: u64,
}

impl Namespace {
    /// All of them, in the order in which runtime.json's `bindNS` is served; `Time` has no place there and is last.
    pub const ALL: [Namespace; 8] = [
        Namespace::Cgroup,
        Namespace::Ipc,
        Namespace::Mount,
        Namespace::Network,
        Namespace::Pid,
        Namespace::User,
        Namespace::Uts,
        Namespace::Time,
    ];

    const fn names(self) -> Names {
        match self {
            Namespace::Cgroup => Names { oci: "cgroup", proc: s!("cgroup"), flag: 0x0200_0000 },
            Namespace::Ipc => Names { oci: "ipc", proc: s!("ipc"), flag: 0x0800_0000 },
            Namespace::Mount => Names { oci: "mount", proc: s!("mnt"), flag: 0x0002_0000 },
            Namespace::Network => Names { oci: "network", proc: s!("net"), flag: 0x4000_0000 },
            Namespace::Pid => Names { oci: "pid", proc: s!("pid"), flag: 0x2000_0000 },
            Namespace::User => Names { oci: "user", proc: s!("user"), flag: 0x1000_0000 },
            Namespace::Uts => Names { oci: "uts", proc: s!("uts"), flag: 0x0400_0000 },
            Namespace::Time => Names { oci: "time", proc: s!("time"), flag: 0x0000_0080 },
        }
    }

    /// The kind of this name in config.json.
    pub fn named(name: &[u8]) -> Option<Namespace> {
        Namespace::ALL.get(position(b"cgroup ipc mount network pid user uts time", name)?).copied()
    }

    /// Its name in config.json: `network`.
    pub const fn oci_name(self) -> &'static str {
        self.names().oci
    }

    /// Its name in `/proc/PID/ns`: `net`.
    pub const fn proc_name(self) -> &'static CStr {
        self.names().proc
    }

    /// Its flag for clone3(2), unshare(2) and setns(2).
    pub const fn flag(self) -> u64 {
        self.names().flag
    }
}
