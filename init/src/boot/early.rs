//! The base system: a constant list of steps. What is mounted already is kept, and nothing here is fatal: a machine that
//! lacks a file system of this list can still run most containers.
//!
//! The table is LinuxKit's (`pkg/init`, `rc.init`), so that images find what they were written for.

use core::ffi::CStr;

use crate::abi::mount::{MOUNT_ATTR_RDONLY, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RELATIME, MS_SHARED};
use crate::config::spec::Rlimit;
use crate::plan::step::{Absent, Attributes, DeviceKind, DeviceNode, Existing, NewMount, Place, Step};

/// What to say when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfFails {
    /// Something is not as images expect it.
    Report,
    /// Many kernels and images do without.
    Ignore,
}

/// One step of the base system.
pub struct Early {
    /// What to do.
    pub step: Step<'static>,
    /// What to say when it fails.
    pub if_fails: IfFails,
}

const fn report(step: Step<'static>) -> Early {
    Early { step, if_fails: IfFails::Report }
}

const fn ignore(step: Step<'static>) -> Early {
    Early { step, if_fails: IfFails::Ignore }
}

const fn mount(
    source: &'static CStr,
    target: &'static CStr,
    kind: &'static CStr,
    flags: u64,
    data: &'static CStr,
) -> Step<'static> {
    Step::Mount(NewMount {
        kind,
        source,
        target: Place::machine(target),
        flags,
        data,
        existing: Existing::Keep,
        attributes: Attributes { set: 0, clear: 0, propagation: 0, recursive: false, propagation_recursive: false },
    })
}

const fn directory(path: &'static CStr, mode: u32) -> Step<'static> {
    Step::MakeDirectory { at: Place::machine(path), mode }
}

const fn link(path: &'static CStr, to: &'static CStr) -> Step<'static> {
    Step::MakeSymlink { at: Place::machine(path), to }
}

const fn device(path: &'static CStr, mode: u32, major: u32, minor: u32) -> Step<'static> {
    let kind = DeviceKind::Character;
    Step::MakeDevice(DeviceNode { at: Place::machine(path), kind, major, minor, mode, uid: 0, gid: 0 })
}

const fn root(set: u64, propagation: u64) -> Step<'static> {
    Step::SetAttributes {
        at: Place::machine(c"/"),
        attributes: Attributes { set, clear: 0, propagation, recursive: false, propagation_recursive: true },
    }
}

/// No set-user-id, no devices, no programs: what a file system of the kernel's own never needs.
const BARE: u64 = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/// `RLIMIT_NPROC` and `RLIMIT_NOFILE`: getrlimit(2).
const NPROC: u8 = 6;
const NOFILE: u8 = 7;

/// The steps, in order.
pub static EARLY: &[Early] = &[
    // Mount points, while the root can still be written.
    ignore(directory(c"/proc", 0o755)),
    ignore(directory(c"/sys", 0o755)),
    ignore(directory(c"/dev", 0o755)),
    ignore(directory(c"/run", 0o755)),
    ignore(directory(c"/tmp", 0o1777)),
    ignore(directory(c"/var", 0o755)),
    report(mount(c"proc", c"/proc", c"proc", BARE | MS_RELATIME, c"")),
    report(mount(
        c"dev",
        c"/dev",
        c"devtmpfs",
        MS_NOSUID | MS_NOEXEC | MS_RELATIME,
        c"size=10m,nr_inodes=248418,mode=755",
    )),
    // Before anything is logged in numbers: the kernel drops records of user space that come too fast.
    ignore(Step::Write { at: Place::machine(c"/proc/sys/kernel/printk_devkmsg"), text: c"on", absent: Absent::Ok }),
    // From here on the root is as the image has it; what changes is in /run, /tmp and /var.
    report(root(MOUNT_ATTR_RDONLY, 0)),
    report(mount(c"tmpfs", c"/run", c"tmpfs", BARE | MS_RELATIME, c"size=10%,mode=755")),
    report(mount(c"tmpfs", c"/tmp", c"tmpfs", BARE | MS_RELATIME, c"size=10%,mode=1777")),
    report(mount(c"tmpfs", c"/var", c"tmpfs", BARE | MS_RELATIME, c"size=50%,mode=755")),
    report(directory(c"/var/cache", 0o755)),
    report(directory(c"/var/empty", 0o555)),
    report(directory(c"/var/lib", 0o755)),
    report(directory(c"/var/local", 0o755)),
    report(directory(c"/var/lock", 0o755)),
    report(directory(c"/var/log", 0o755)),
    report(directory(c"/var/opt", 0o755)),
    report(directory(c"/var/spool", 0o755)),
    report(directory(c"/var/tmp", 0o1777)),
    report(link(c"/var/run", c"/run")),
    report(device(c"/dev/console", 0o600, 5, 1)),
    report(device(c"/dev/tty1", 0o620, 4, 1)),
    report(device(c"/dev/tty", 0o666, 5, 0)),
    report(device(c"/dev/null", 0o666, 1, 3)),
    report(device(c"/dev/kmsg", 0o660, 1, 11)),
    report(link(c"/dev/fd", c"/proc/self/fd")),
    report(link(c"/dev/stdin", c"/proc/self/fd/0")),
    report(link(c"/dev/stdout", c"/proc/self/fd/1")),
    report(link(c"/dev/stderr", c"/proc/self/fd/2")),
    report(link(c"/dev/kcore", c"/proc/kcore")),
    report(mount(c"mqueue", c"/dev/mqueue", c"mqueue", BARE, c"")),
    report(mount(c"shm", c"/dev/shm", c"tmpfs", BARE, c"mode=1777")),
    report(mount(c"devpts", c"/dev/pts", c"devpts", MS_NOSUID | MS_NOEXEC, c"gid=5,mode=0620")),
    report(mount(c"sysfs", c"/sys", c"sysfs", BARE, c"")),
    ignore(mount(c"securityfs", c"/sys/kernel/security", c"securityfs", BARE, c"")),
    ignore(mount(c"debugfs", c"/sys/kernel/debug", c"debugfs", BARE, c"")),
    ignore(mount(c"configfs", c"/sys/kernel/config", c"configfs", BARE, c"")),
    ignore(mount(c"fusectl", c"/sys/fs/fuse/connections", c"fusectl", BARE, c"")),
    ignore(mount(c"selinuxfs", c"/sys/fs/selinux", c"selinuxfs", MS_NOSUID | MS_NOEXEC, c"")),
    ignore(mount(c"pstore", c"/sys/fs/pstore", c"pstore", BARE, c"")),
    ignore(mount(c"bpffs", c"/sys/fs/bpf", c"bpf", MS_NODEV, c"")),
    ignore(mount(c"efivarfs", c"/sys/firmware/efi/efivars", c"efivarfs", BARE, c"")),
    ignore(mount(c"binfmt_misc", c"/proc/sys/fs/binfmt_misc", c"binfmt_misc", BARE, c"")),
    report(mount(c"cgroup2", c"/sys/fs/cgroup", c"cgroup2", BARE, c"")),
    report(Step::MakeCgroup { path: c"/" }),
    // Containers may ask for mounts that travel both ways; those that do not ask get slaves.
    report(root(0, MS_SHARED)),
    report(Step::LoopbackUp),
    report(Step::SetRlimit(Rlimit { resource: NOFILE, soft: 1_048_576, hard: 1_048_576 })),
    report(Step::SetRlimit(Rlimit { resource: NPROC, soft: u64::MAX, hard: u64::MAX })),
];
