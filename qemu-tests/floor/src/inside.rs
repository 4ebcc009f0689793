//! The container's process, from its first instruction to its program.

use core::ffi::CStr;

use linux_raw_sys::general as nr;
use linux_raw_sys::{net, prctl};

use crate::container::Child;
use crate::kernel::{self, must};

const NOTHING: &CStr = c"";
const HARDENED: u32 = nr::MS_NOSUID | nr::MS_NODEV | nr::MS_NOEXEC;
const NO_PROGRAMS: u32 = nr::MS_NOSUID | nr::MS_NOEXEC;

/// KILL, NET_BIND_SERVICE, AUDIT_WRITE.
const CAPABILITIES: u64 = 1 << 5 | 1 << 10 | 1 << 29;
/// CAP_CHECKPOINT_RESTORE, the last that Linux knows.
const CAPABILITY_LAST: usize = 40;

/// `_LINUX_CAPABILITY_VERSION_3` of <linux/capability.h>.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
/// `IFF_UP` of <linux/if.h>.
const INTERFACE_UP: u8 = 1;

/// What runs in the container's process. Its memory is the machine side's.
pub(crate) extern "C" fn become_container(child: &Child) -> ! {
    must(kernel::numbers(nr::__NR_setsid, [0; 5]));
    // Not by clone: the namespace's root would be the group of the one who cloned.
    must(kernel::numbers(nr::__NR_unshare, [nr::CLONE_NEWCGROUP as usize, 0, 0, 0, 0]));
    must(kernel::path(nr::__NR_sethostname, c"runc", [4, 0]));
    if child.network {
        set_loopback_up();
    }
    must(kernel::numbers(nr::__NR_umask, [0; 5]));
    enter_root(child.root.text());
    mounts();
    devices();
    hide();
    pivot();
    become_user();
    if let Some((ready, gate)) = child.gate {
        kernel::write(ready, b"1");
        kernel::read(gate, &mut [0]);
    }
    filter_calls(child.filter);
    kernel::execute(&child.command, &child.environment)
}

fn set_loopback_up() {
    let socket = must(kernel::numbers(nr::__NR_socket, [net::AF_INET as usize, net::SOCK_DGRAM as usize, 0, 0, 0]));
    // `struct ifreq`: the name, then the flags.
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16] = INTERFACE_UP;
    let set_flags = linux_raw_sys::ioctl::SIOCSIFFLAGS as usize;
    must(kernel::numbers(nr::__NR_ioctl, [socket, set_flags, &raw const request as usize, 0, 0]));
    kernel::close(socket);
}

fn enter_root(root: &CStr) {
    must(kernel::mount(NOTHING, c"/", NOTHING, nr::MS_SLAVE | nr::MS_REC, NOTHING));
    must(kernel::mount(root, root, NOTHING, nr::MS_BIND | nr::MS_REC, NOTHING));
    must(kernel::path(nr::__NR_chdir, root, [0, 0]));
}

fn mounts() {
    let read_only = nr::MS_RDONLY;
    must(kernel::mount(c"proc", c"proc", c"proc", 0, NOTHING));
    let dev_flags = nr::MS_NOSUID | nr::MS_STRICTATIME;
    must(kernel::mount(c"tmpfs", c"dev", c"tmpfs", dev_flags, c"mode=755,size=65536k"));
    kernel::mkdir(c"dev/pts");
    kernel::mkdir(c"dev/shm");
    kernel::mkdir(c"dev/mqueue");
    let terminals = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    must(kernel::mount(c"devpts", c"dev/pts", c"devpts", NO_PROGRAMS, terminals));
    must(kernel::mount(c"shm", c"dev/shm", c"tmpfs", HARDENED, c"mode=1777,size=65536k"));
    must(kernel::mount(c"mqueue", c"dev/mqueue", c"mqueue", HARDENED, NOTHING));
    must(kernel::mount(c"sysfs", c"sys", c"sysfs", HARDENED | read_only, NOTHING));
    must(kernel::mount(c"cgroup", c"sys/fs/cgroup", c"cgroup2", HARDENED | nr::MS_RELATIME | read_only, NOTHING));
}

fn devices() {
    let nodes = [
        (c"dev/null", 1, 3),
        (c"dev/zero", 1, 5),
        (c"dev/full", 1, 7),
        (c"dev/random", 1, 8),
        (c"dev/urandom", 1, 9),
        (c"dev/tty", 5, 0),
    ];
    for (name, major, minor) in nodes {
        must(kernel::path(nr::__NR_mknod, name, [(nr::S_IFCHR | 0o666) as usize, major << 8 | minor]));
    }
    let links = [
        (c"/proc/self/fd", c"dev/fd"),
        (c"/proc/self/fd/0", c"dev/stdin"),
        (c"/proc/self/fd/1", c"dev/stdout"),
        (c"/proc/self/fd/2", c"dev/stderr"),
        (c"pts/ptmx", c"dev/ptmx"),
    ];
    for (to, name) in links {
        must(kernel::paths(nr::__NR_symlink, to, name));
    }
}

fn hide() {
    let masked = [
        c"proc/acpi",
        c"proc/asound",
        c"proc/kcore",
        c"proc/keys",
        c"proc/latency_stats",
        c"proc/timer_list",
        c"proc/timer_stats",
        c"proc/sched_debug",
        c"sys/firmware",
        c"proc/scsi",
    ];
    const NOT_A_DIRECTORY: isize = -20;
    for path in masked {
        // A file is covered by /dev/null, a directory by nothing; what is not there needs no cover.
        if kernel::mount(c"dev/null", path, NOTHING, nr::MS_BIND, NOTHING) == NOT_A_DIRECTORY {
            must(kernel::mount(c"tmpfs", path, c"tmpfs", nr::MS_RDONLY, NOTHING));
        }
    }
    for path in [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"] {
        if kernel::mount(path, path, NOTHING, nr::MS_BIND | nr::MS_REC, NOTHING) == 0 {
            let flags = nr::MS_REMOUNT | nr::MS_BIND | nr::MS_RDONLY;
            must(kernel::mount(NOTHING, path, NOTHING, flags, NOTHING));
        }
    }
}

fn pivot() {
    let flags = nr::MS_REMOUNT | nr::MS_BIND | nr::MS_RDONLY;
    must(kernel::mount(NOTHING, c".", NOTHING, flags, NOTHING));
    must(kernel::paths(nr::__NR_pivot_root, c".", c"."));
    must(kernel::path(nr::__NR_umount2, c".", [nr::MNT_DETACH as usize, 0]));
    must(kernel::path(nr::__NR_chdir, c"/", [0, 0]));
}

fn become_user() {
    let files = [1024_u64; 2];
    let set_limit = [0, nr::RLIMIT_NOFILE as usize, &raw const files as usize, 0, 0];
    must(kernel::numbers(nr::__NR_prlimit64, set_limit));
    must(kernel::numbers(nr::__NR_prctl, [prctl::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]));
    for capability in (0..=CAPABILITY_LAST).filter(|capability| CAPABILITIES >> capability & 1 == 0) {
        must(kernel::numbers(nr::__NR_prctl, [prctl::PR_CAPBSET_DROP as usize, capability, 0, 0, 0]));
    }
    must(kernel::numbers(nr::__NR_setgroups, [0; 5]));
    // The header and, for each half of the sets: effective, permitted, inheritable.
    let header = [CAPABILITY_VERSION_3, 0];
    let set = CAPABILITIES as u32;
    let sets = [set, set, 0, 0, 0, 0];
    must(kernel::numbers(nr::__NR_capset, [&raw const header as usize, &raw const sets as usize, 0, 0, 0]));
    must(kernel::numbers(nr::__NR_umask, [0o022, 0, 0, 0, 0]));
}

/// Last of all: the filter need not allow what stands above.
fn filter_calls(filter: &[u8]) {
    const INSTRUCTION_BYTES: usize = 8;
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    if filter.is_empty() {
        return;
    }
    // `struct sock_fprog`: a count and an address.
    let program = [filter.len() / INSTRUCTION_BYTES, filter.as_ptr() as usize];
    must(kernel::numbers(nr::__NR_seccomp, [SECCOMP_SET_MODE_FILTER, 0, &raw const program as usize, 0, 0]));
}
