//! What was asked for: a mirror of config.json (runtime-spec 1.3) and runtime.json (LinuxKit), as far as it is honoured.
//!
//! Holding a value proves that the text was well-formed, that every name in it is known, that no string holds a NUL and
//! that no known field which pidone cannot honour is set to anything but its neutral value. It does not prove that the
//! values make sense together: that is `plan`'s part.
//!
//! Every string is a C string in the arena, since nearly all of them end in a system call.

use crate::abi::namespace::Namespace;
use crate::abi::syscall::Name;
pub use crate::record::{Named, Pair};
use crate::texts::CStr;

/// config.json: runtime-spec `config.md`.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// Version of the specification the text claims to follow.
    pub oci_version: Option<&'a CStr>,
    /// `root`.
    pub root: Root<'a>,
    /// `process`.
    pub process: Process<'a>,
    /// `hostname`.
    pub hostname: Option<&'a CStr>,
    /// `domainname`.
    pub domainname: Option<&'a CStr>,
    /// `mounts`, in the order given.
    pub mounts: &'a [Mount<'a>],
    /// `annotations`.
    pub annotations: &'a [Pair<'a>],
    /// `hooks`.
    pub hooks: Hooks<'a>,
    /// `linux`.
    pub linux: Linux<'a>,
}

/// `root`.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// Directory of the root file system, absolute or relative to the bundle. Required.
    pub path: Option<&'a CStr>,
    /// Whether the root is read-only inside the container.
    pub readonly: bool,
}

/// `process`.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Program and arguments. Required, at least one.
    pub args: &'a [&'a CStr],
    /// `NAME=value` strings.
    pub env: &'a [&'a CStr],
    /// Absolute working directory inside the container. Required.
    pub cwd: Option<&'a CStr>,
    /// `user`.
    pub user: User<'a>,
    /// `terminal`: whether it gets one.
    pub terminal: bool,
    /// `consoleSize`.
    pub console_size: ConsoleSize,
    /// `capabilities`; where it is absent, none are kept.
    pub capabilities: Capabilities,
    /// `rlimits`.
    pub rlimits: &'a [Rlimit],
    /// `noNewPrivileges`.
    pub no_new_privileges: bool,
    /// `oomScoreAdj`.
    pub oom_score_adj: Option<i64>,
    /// `apparmorProfile`.
    pub apparmor_profile: Option<&'a CStr>,
    /// `selinuxLabel`.
    pub selinux_label: Option<&'a CStr>,
    /// `scheduler`.
    pub scheduler: Option<&'a Scheduler>,
    /// `ioPriority`.
    pub io_priority: Option<&'a IoPriority>,
    /// `execCPUAffinity`: only for processes that come later.
    pub exec_affinity: Affinity<'a>,
}

/// `process.scheduler`.
#[derive(Clone, Copy, Debug)]
pub struct Scheduler {
    /// `policy`: its number. Required.
    pub policy: u8,
    /// `nice`: -20 to 19.
    pub nice: Option<i64>,
    /// `priority` of the real-time policies: 1 to 99.
    pub priority: Option<i64>,
    /// `flags`.
    pub flags: SchedulerFlags,
    /// `runtime` of SCHED_DEADLINE, in nanoseconds.
    pub runtime: u64,
    /// `deadline` of SCHED_DEADLINE, in nanoseconds.
    pub deadline: u64,
    /// `period` of SCHED_DEADLINE, in nanoseconds.
    pub period: u64,
}

/// `process.scheduler.flags`: `SCHED_FLAG_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedulerFlags(pub u32);

/// `process.ioPriority`.
#[derive(Clone, Copy, Debug)]
pub struct IoPriority {
    /// `class`: its position among the names, one less than its number. Required.
    pub class: u8,
    /// `priority`: 0 (highest) to 7; 0 where none is given.
    pub priority: u64,
}

/// `process.execCPUAffinity`: lists such as `0-3,7`.
#[derive(Clone, Copy, Debug)]
pub struct Affinity<'a> {
    /// `initial`: before the process is in the container's control group.
    pub initial: Option<&'a CStr>,
    /// `final`: once it is.
    pub last: Option<&'a CStr>,
}

/// `hooks`.
#[derive(Clone, Copy, Debug)]
pub struct Hooks<'a> {
    /// `prestart`.
    pub prestart: &'a [Hook<'a>],
    /// `createRuntime`.
    pub create_runtime: &'a [Hook<'a>],
    /// `createContainer`.
    pub create_container: &'a [Hook<'a>],
    /// `startContainer`.
    pub start_container: &'a [Hook<'a>],
    /// `poststart`.
    pub poststart: &'a [Hook<'a>],
    /// `poststop`.
    pub poststop: &'a [Hook<'a>],
}

/// One of `hooks`.
#[derive(Clone, Copy, Debug)]
pub struct Hook<'a> {
    /// Absolute path of the program. Required.
    pub path: Option<&'a CStr>,
    /// `args`, the program's name first; the path alone when empty.
    pub args: &'a [&'a CStr],
    /// `NAME=value` strings.
    pub env: &'a [&'a CStr],
    /// `timeout` in seconds.
    pub timeout: Option<i64>,
}

/// `process.consoleSize`, in characters; 0 is unset.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// `process.user`.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// User id in the container.
    pub uid: u32,
    /// Group id in the container.
    pub gid: u32,
    /// File mode creation mask; 0022 when absent.
    pub umask: Option<u32>,
    /// Additional groups.
    pub additional_gids: &'a [u32],
}

/// `process.capabilities`: each a set of bits, bit N being capability N of capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `bounding`.
    pub bounding: u64,
    /// `effective`.
    pub effective: u64,
    /// `inheritable`.
    pub inheritable: u64,
    /// `permitted`.
    pub permitted: u64,
    /// `ambient`.
    pub ambient: u64,
}

/// One of `process.rlimits`.
#[derive(Clone, Copy, Debug)]
pub struct Rlimit {
    /// `RLIMIT_*` number of getrlimit(2); the specification's `type` is its name.
    pub resource: u8,
    /// Soft limit; all ones is infinity.
    pub soft: u64,
    /// Hard limit; all ones is infinity.
    pub hard: u64,
}

/// One of `mounts`, here and in runtime.json.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'a> {
    /// Where: absolute inside the container's root (relative is taken as absolute). Required.
    pub destination: Option<&'a CStr>,
    /// File system type; absent or `bind`/`none` with a bind option for a bind mount.
    pub kind: Option<&'a CStr>,
    /// What: a device, a path, or a name.
    pub source: Option<&'a CStr>,
    /// `options`, unparsed: a table in `plan` turns them into flags.
    pub options: &'a [&'a CStr],
    /// `uidMappings`: from the ids of the files to those that the mount shows.
    pub uid_mappings: &'a [IdMapping],
    /// `gidMappings`.
    pub gid_mappings: &'a [IdMapping],
}

/// `linux`.
#[derive(Clone, Copy, Debug)]
pub struct Linux<'a> {
    /// `namespaces`.
    pub namespaces: &'a [NamespaceEntry<'a>],
    /// `uidMappings`.
    pub uid_mappings: &'a [IdMapping],
    /// `gidMappings`.
    pub gid_mappings: &'a [IdMapping],
    /// `netDevices`, by the name on the machine.
    pub net_devices: Named<'a, NetDevice<'a>>,
    /// `sysctl`: dotted names and values.
    pub sysctl: &'a [Pair<'a>],
    /// `devices` to be made in the container's /dev.
    pub devices: &'a [Device<'a>],
    /// `maskedPaths`.
    pub masked_paths: &'a [&'a CStr],
    /// `readonlyPaths`.
    pub readonly_paths: &'a [&'a CStr],
    /// `rootfsPropagation`.
    pub rootfs_propagation: Option<&'a CStr>,
    /// `mountLabel`: the SELinux context of the container's file systems.
    pub mount_label: Option<&'a CStr>,
    /// `cgroupsPath`.
    pub cgroups_path: Option<&'a CStr>,
    /// `resources`.
    pub resources: Resources<'a>,
    /// `timeOffsets`.
    pub time_offsets: TimeOffsets,
    /// `personality.domain`: its position among the names.
    pub personality: Option<&'a Personality>,
    /// `memoryPolicy`.
    pub memory_policy: Option<&'a MemoryPolicy<'a>>,
    /// `intelRdt`.
    pub intel_rdt: Option<&'a IntelRdt<'a>>,
    /// `seccomp`.
    pub seccomp: Option<&'a Seccomp<'a>>,
}

/// `linux.timeOffsets`.
#[derive(Clone, Copy, Debug)]
pub struct TimeOffsets {
    /// `monotonic`.
    pub monotonic: TimeOffset,
    /// `boottime`.
    pub boottime: TimeOffset,
}

/// What a clock in the container is ahead of the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOffset {
    /// `secs`.
    pub seconds: Option<i64>,
    /// `nanosecs`.
    pub nanoseconds: u32,
}

/// `linux.personality`.
#[derive(Clone, Copy, Debug)]
pub struct Personality {
    /// `domain`: its position among the names. Required.
    pub domain: u8,
}

/// `linux.memoryPolicy`.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPolicy<'a> {
    /// `mode`: its number. Required.
    pub mode: u8,
    /// `nodes`: a list such as `0-3,7`.
    pub nodes: Option<&'a CStr>,
    /// `flags`.
    pub flags: MemoryPolicyFlags,
}

/// `linux.memoryPolicy.flags`: the first of the names is bit 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPolicyFlags(pub u32);

/// `linux.intelRdt`.
#[derive(Clone, Copy, Debug)]
pub struct IntelRdt<'a> {
    /// `closID`; the container's name when absent.
    pub class: Option<&'a CStr>,
    /// `l3CacheSchema`.
    pub l3_cache: Option<&'a CStr>,
    /// `memBwSchema`.
    pub memory_bandwidth: Option<&'a CStr>,
    /// `schemata`: lines.
    pub schemata: &'a [&'a CStr],
    /// `enableMonitoring`.
    pub monitoring: bool,
}

/// One of `linux.netDevices`.
#[derive(Clone, Copy, Debug)]
pub struct NetDevice<'a> {
    /// `name`: inside the container; absent for the same.
    pub name: Option<&'a CStr>,
}

/// One of `linux.namespaces`.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceEntry<'a> {
    /// `type`.
    pub kind: Namespace,
    /// A file of that namespace to join; absent for a new one.
    pub path: Option<&'a CStr>,
}

/// One of `linux.uidMappings` or `linux.gidMappings`.
#[derive(Clone, Copy, Debug)]
pub struct IdMapping {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// One of `linux.devices`.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// `b`, `c`, `u` or `p`. Required.
    pub kind: u8,
    /// Absolute path inside the container. Required.
    pub path: Option<&'a CStr>,
    /// Major number; required but for `p`.
    pub major: Option<i64>,
    /// Minor number; required but for `p`.
    pub minor: Option<i64>,
    /// Permissions; 0666 when absent.
    pub file_mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// `linux.resources`.
#[derive(Clone, Copy, Debug)]
pub struct Resources<'a> {
    /// `devices`: rules, the last that matches decides.
    pub devices: &'a [DeviceRule],
    /// `memory`.
    pub memory: Memory,
    /// `cpu`.
    pub cpu: Cpu<'a>,
    /// `pids`.
    pub pids: Pids,
    /// `blockIO`.
    pub block_io: BlockIo<'a>,
    /// `hugepageLimits`.
    pub hugepage_limits: &'a [HugepageLimit<'a>],
    /// `rdma`, by the name of the device.
    pub rdma: Named<'a, RdmaLimit>,
    /// `unified`: cgroup v2 file names and what to write.
    pub unified: &'a [Pair<'a>],
}

/// One of `linux.resources.devices`.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// `a`, `b` or `c`; absent is `a`, all.
    pub kind: Option<u8>,
    /// Major number; absent or -1 is any.
    pub major: Option<i64>,
    /// Minor number; absent or -1 is any.
    pub minor: Option<i64>,
    /// Which of read (1), write (2), mknod (4).
    pub access: u8,
}

/// `linux.resources.memory`, in bytes; -1 is unlimited.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// `limit`.
    pub limit: Option<i64>,
    /// `reservation`.
    pub reservation: Option<i64>,
    /// `swap`: memory and swap together.
    pub swap: Option<i64>,
    /// `checkBeforeUpdate`: a limit below what is in use is refused.
    pub check_before_update: bool,
}

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug)]
pub struct Pids {
    /// `limit`; -1 is unlimited.
    pub limit: Option<i64>,
}

/// `linux.resources.blockIO`.
#[derive(Clone, Copy, Debug)]
pub struct BlockIo<'a> {
    /// `weight`: 10 to 1000.
    pub weight: Option<u16>,
    /// `weightDevice`.
    pub weight_device: &'a [DeviceLimit],
    /// `throttleReadBpsDevice`, `throttleWriteBpsDevice`, `throttleReadIOPSDevice`, `throttleWriteIOPSDevice`.
    pub throttles: [&'a [DeviceLimit]; 4],
}

/// One of `weightDevice` or of the throttles of `linux.resources.blockIO`.
#[derive(Clone, Copy, Debug)]
pub struct DeviceLimit {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// `weight`: 10 to 1000. Required in `weightDevice`.
    pub weight: Option<u16>,
    /// `rate`: bytes or operations a second. Required in a throttle.
    pub rate: Option<u64>,
}

/// One of `linux.resources.rdma`.
#[derive(Clone, Copy, Debug)]
pub struct RdmaLimit {
    /// `hcaHandles`.
    pub handles: Option<u32>,
    /// `hcaObjects`.
    pub objects: Option<u32>,
}

/// `linux.resources.cpu`.
#[derive(Clone, Copy, Debug)]
pub struct Cpu<'a> {
    /// `shares`: 2 to 262144.
    pub shares: Option<u64>,
    /// `quota` in microseconds a period; -1 or 0 is none.
    pub quota: Option<i64>,
    /// `burst` in microseconds.
    pub burst: Option<u64>,
    /// `period` in microseconds.
    pub period: Option<u64>,
    /// `cpus`: a list such as `0-3,7`.
    pub cpus: Option<&'a CStr>,
    /// `mems`: a list of memory nodes.
    pub mems: Option<&'a CStr>,
    /// `idle`: 1 for SCHED_IDLE.
    pub idle: Option<i64>,
}

/// One of `linux.resources.hugepageLimits`.
#[derive(Clone, Copy, Debug)]
pub struct HugepageLimit<'a> {
    /// Page size as in the cgroup's file names: `2MB`.
    pub page_size: &'a CStr,
    /// Bytes.
    pub limit: u64,
}

/// runtime.json: LinuxKit `moby/schema.go`. A missing file is the default value.
#[derive(Clone, Copy, Debug)]
pub struct Runtime<'a> {
    /// Control groups to make, below /sys/fs/cgroup.
    pub cgroups: &'a [&'a CStr],
    /// Mounts in the machine's mount namespace, before the container exists.
    pub mounts: &'a [Mount<'a>],
    /// Directories to make; a relative one is below the bundle's `rootfs`.
    pub mkdir: &'a [&'a CStr],
    /// Interfaces for the container's network namespace.
    pub interfaces: &'a [Interface<'a>],
    /// Where to bind each namespace of the container.
    pub bind_namespaces: BoundNamespaces<'a>,
    /// containerd's namespace: meaningless here, kept for those who look.
    pub namespace: Option<&'a CStr>,
}

/// runtime.json's `bindNS`: files, in the order of [`Namespace::ALL`].
#[derive(Clone, Copy, Debug)]
pub struct BoundNamespaces<'a>(pub [Option<&'a CStr>; 7]);

/// One of runtime.json's `interfaces`.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Name inside the container. Required.
    pub name: Option<&'a CStr>,
    /// Kind of link to make; absent to move an existing one.
    pub add: Option<&'a CStr>,
    /// Name of the other end of a veth pair, which stays outside. Implies `add: veth`.
    pub peer: Option<&'a CStr>,
    /// Make it outside and move it in, rather than make it inside.
    pub create_in_root: bool,
}

/// What the command line keeps of a container.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Version of the specification that it follows.
    pub version: Option<&'a CStr>,
    /// Its first process.
    pub pid: Option<u32>,
    /// When that started, in the kernel's clock ticks: which process of that id is meant.
    pub start_time: u64,
    /// The bundle's directory.
    pub bundle: Option<&'a CStr>,
    /// The root's directory.
    pub rootfs: Option<&'a CStr>,
    /// When it was created: RFC 3339.
    pub created: Option<&'a CStr>,
    /// Who created it.
    pub owner: Option<&'a CStr>,
    /// Its control group; none if it has none.
    pub cgroup: Option<&'a CStr>,
    /// Whether hooks are to be run once its program is.
    pub poststart: bool,
    /// Whether it leaves nothing but its control group, and need not be planned again to be cleaned up.
    pub only_group: bool,
    /// `annotations`.
    pub annotations: &'a [Pair<'a>],
}

impl Kept<'_> {
    /// Its first process; 0 if there is none.
    pub fn pid(&self) -> i32 {
        self.pid.unwrap_or_default() as i32
    }
}

/// `linux.seccomp`.
#[derive(Clone, Copy, Debug)]
pub struct Seccomp<'a> {
    /// `defaultAction`: its position in [`crate::abi::seccomp::ACTIONS`]. Required.
    pub default_action: u8,
    /// `defaultErrnoRet`.
    pub default_errno: Option<u16>,
    /// `architectures`, as bits, in the order of [`crate::abi::seccomp::ARCHITECTURES`].
    pub architectures: Architectures,
    /// `flags`, as bits, in the order of [`crate::abi::seccomp::FLAGS`].
    pub flags: FilterFlags,
    /// `listenerPath`.
    pub listener_path: Option<&'a CStr>,
    /// `listenerMetadata`.
    pub listener_metadata: Option<&'a CStr>,
    /// `syscalls`.
    pub syscalls: &'a [SyscallRule<'a>],
}

/// `linux.seccomp.architectures`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Architectures(pub u32);

/// `linux.seccomp.flags`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterFlags(pub u32);

/// One of `linux.seccomp.syscalls`.
#[derive(Clone, Copy, Debug)]
pub struct SyscallRule<'a> {
    /// `names`, at least one.
    pub names: &'a [Name],
    /// `action`, as [`Seccomp::default_action`]. Required.
    pub action: u8,
    /// `errnoRet`.
    pub errno: Option<u16>,
    /// `args`: conditions, of which all must hold.
    pub arguments: &'a [Comparison],
}

/// One of `linux.seccomp.syscalls[].args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// `index`: which argument, from 0.
    pub index: u32,
    /// `value`: what it is compared with; the mask of `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// `valueTwo`: what it is compared with after a mask.
    pub value_two: u64,
    /// `op`: its position in [`crate::abi::seccomp::OPERATORS`]. Required.
    pub operator: u8,
}
