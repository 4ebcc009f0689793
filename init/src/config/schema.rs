//! What every object of config.json and runtime.json may hold, and where it goes: the names are runtime-spec 1.3's
//! (`config.md`, `config-linux.md`) and LinuxKit's (`moby/schema.go`).
//!
//! What is in none of the lists is unknown to the specification and skipped, as it demands.

use core::ffi::CStr;

use super::read::{Collection, Elements, Object, Read, Record, Slot};
use super::spec::{
    Affinity, Architectures, BlockIo, Capabilities, Comparison, ConsoleSize, Cpu, Device, DeviceLimit, DeviceRule,
    FilterFlags, Hook, Hooks, HugepageLimit, IdMapping, IntelRdt, Interface, IoPriority, Kept, Linux, Memory,
    MemoryPolicy, MemoryPolicyFlags, Mount, NamespaceEntry, NetDevice, Personality, Process, RdmaLimit, Resources,
    Rlimit, Root, Runtime, Scheduler, SchedulerFlags, Seccomp, Spec, SyscallRule, TimeOffset, TimeOffsets, User,
};
use crate::abi::namespace::Namespace;
use crate::abi::{scheduling, seccomp};

/// One object: its required and optional fields, each with the [`Slot`] it goes to; the fields refused unless empty, and
/// unless zero; those that only control groups of version 1 can have; `closed` if any other field is refused too.
macro_rules! object {
    (
        $(#[$closed:ident])? $object:ty {
            $(required $required:literal => $required_slot:ident($required_field:ident),)*
            $(optional $optional:literal => $optional_slot:ident($optional_field:ident),)*
            $(refused unless empty: $($empty:literal)*;)?
            $(refused unless zero: $($zero:literal)*;)?
            $(of version 1: $($old:literal)*;)?
        }
    ) => {
        impl<'a> Object<'a> for $object {
            fn fields(&self) -> &'static str {
                const KNOWN: usize = [$($required,)* $($optional,)*].len();
                const _: () = assert!(KNOWN <= 32, "the fields met are bits of a u32");
                concat!(
                    $("missing ", $required, "\0",)*
                    $($optional, "\0",)*
                    $($("!", $empty, "\0",)*)?
                    $($("?", $zero, "\0",)*)?
                    $($("^", $old, "\0",)*)?
                    object!(@closed $($closed)?),
                )
            }

            fn slot(&mut self, index: usize) -> Slot<'_, 'a> {
                let mut rest = index;
                $(
                    if rest == 0 {
                        return Slot::$required_slot(&mut self.$required_field);
                    }
                    rest = rest.wrapping_sub(1);
                )*
                $(
                    if rest == 0 {
                        return Slot::$optional_slot(&mut self.$optional_field);
                    }
                    rest = rest.wrapping_sub(1);
                )*
                let _ = rest;
                Slot::Nothing
            }
        }
    };
    (@closed) => { "" };
    (@closed closed) => { "*\0" };
}

/// Makes an object an element of lists.
macro_rules! record {
    ($record:ty, $blank:expr) => {
        impl<'a> Record<'a> for $record {
            const BLANK: Self = $blank;

            fn slot(&mut self) -> Slot<'_, 'a> {
                Slot::Object(self)
            }
        }
    };
}

object! {
    Spec<'a> {
        required "root" => optional_object(root),
        required "process" => optional_object(process),
        optional "ociVersion" => Text(oci_version),
        optional "hostname" => Text(hostname),
        optional "domainname" => Text(domainname),
        optional "mounts" => List(mounts),
        optional "annotations" => Pairs(annotations),
        optional "linux" => Object(linux),
        optional "hooks" => Object(hooks),
        refused unless empty: "windows" "solaris" "vm" "zos" "freebsd";
    }
}

object! {
    Kept<'a> {
        optional "ociVersion" => Text(version),
        optional "pid" => OptionalU32(pid),
        optional "startTime" => U64(start_time),
        optional "bundle" => Text(bundle),
        optional "rootfs" => Text(rootfs),
        optional "created" => Text(created),
        optional "owner" => Text(owner),
        optional "cgroup" => Text(cgroup),
        optional "poststart" => Flag(poststart),
        optional "annotations" => Pairs(annotations),
    }
}

object! {
    Root<'a> {
        required "path" => Text(path),
        optional "readonly" => Flag(readonly),
    }
}

object! {
    Process<'a> {
        required "args" => List(args),
        required "cwd" => Text(cwd),
        optional "env" => List(env),
        optional "user" => Object(user),
        optional "terminal" => Flag(terminal),
        optional "consoleSize" => Object(console_size),
        optional "capabilities" => optional_object(capabilities),
        optional "rlimits" => List(rlimits),
        optional "noNewPrivileges" => Flag(no_new_privileges),
        optional "oomScoreAdj" => OptionalI64(oom_score_adj),
        optional "apparmorProfile" => Text(apparmor_profile),
        optional "selinuxLabel" => Text(selinux_label),
        optional "scheduler" => optional_object(scheduler),
        optional "ioPriority" => optional_object(io_priority),
        optional "execCPUAffinity" => Object(exec_affinity),
        refused unless empty:
            "commandLine"
            ;
    }
}

object! {
    ConsoleSize {
        required "height" => U32(height),
        required "width" => U32(width),
    }
}

object! {
    User<'a> {
        optional "uid" => Id(uid),
        optional "gid" => Id(gid),
        optional "umask" => OptionalU32(umask),
        optional "additionalGids" => List(additional_gids),
        refused unless empty: "username";
    }
}

object! {
    Scheduler {
        required "policy" => policy(policy),
        optional "nice" => OptionalI64(nice),
        optional "priority" => OptionalI64(priority),
        optional "flags" => List(flags),
        optional "runtime" => U64(runtime),
        optional "deadline" => U64(deadline),
        optional "period" => U64(period),
    }
}

object! {
    IoPriority {
        required "class" => io_class(class),
        required "priority" => U64(priority),
    }
}

object! {
    Affinity<'a> {
        optional "initial" => Text(initial),
        optional "final" => Text(last),
    }
}

object! {
    Hooks<'a> {
        optional "prestart" => List(prestart),
        optional "createRuntime" => List(create_runtime),
        optional "createContainer" => List(create_container),
        optional "startContainer" => List(start_container),
        optional "poststart" => List(poststart),
        optional "poststop" => List(poststop),
    }
}

object! {
    Hook<'a> {
        required "path" => Text(path),
        optional "args" => List(args),
        optional "env" => List(env),
        optional "timeout" => OptionalI64(timeout),
    }
}
record!(Hook<'a>, Hook { path: None, args: &[], env: &[], timeout: None });

object! {
    #[closed]
    TimeOffsets {
        optional "monotonic" => Object(monotonic),
        optional "boottime" => Object(boottime),
    }
}

object! {
    TimeOffset {
        optional "secs" => OptionalI64(seconds),
        optional "nanosecs" => U32(nanoseconds),
    }
}

object! {
    Personality {
        required "domain" => personality(domain),
        refused unless empty: "flags";
    }
}

object! {
    MemoryPolicy<'a> {
        required "mode" => memory_policy(mode),
        optional "nodes" => Text(nodes),
        optional "flags" => List(flags),
    }
}

object! {
    IntelRdt<'a> {
        optional "closID" => Text(class),
        optional "l3CacheSchema" => Text(l3_cache),
        optional "memBwSchema" => Text(memory_bandwidth),
        optional "schemata" => List(schemata),
        optional "enableMonitoring" => Flag(monitoring),
        refused unless empty: "enableCMT" "enableMBM";
    }
}

/// A name of a list of `abi::scheduling`, to its number.
macro_rules! one_of {
    ($($slot:ident $list:path,)*) => {
        impl<'r, 'a> Slot<'r, 'a> {
            $(
                fn $slot(number: &'r mut u8) -> Slot<'r, 'a> {
                    Slot::OneOf(number, $list)
                }
            )*
        }
    };
}
one_of! {
    policy scheduling::POLICIES,
    io_class scheduling::IO_CLASSES,
    personality scheduling::PERSONALITIES,
    memory_policy scheduling::MEMORY_POLICIES,
    action seccomp::ACTIONS,
    operator seccomp::OPERATORS,
}

impl<'a> Collection<'a> for SchedulerFlags {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        collect_flags(&mut self.0, scheduling::SCHEDULING_FLAGS, elements)
    }
}

impl<'a> Collection<'a> for MemoryPolicyFlags {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        collect_flags(&mut self.0, scheduling::MEMORY_POLICY_FLAGS, elements)
    }
}

/// A set of names of a list of `abi::scheduling`: the first is bit 0.
fn collect_flags<'a>(set: &mut u32, list: &'static CStr, elements: &mut dyn Elements<'a>) -> Read<bool> {
    for _ in 0..elements.count() {
        let mut bit = 0;
        elements.next(Slot::OneOf(&mut bit, list))?;
        *set |= 1_u32.wrapping_shl(bit.into());
    }
    Ok(true)
}

object! {
    Capabilities {
        optional "bounding" => List(bounding),
        optional "effective" => List(effective),
        optional "inheritable" => List(inheritable),
        optional "permitted" => List(permitted),
        optional "ambient" => List(ambient),
    }
}

object! {
    Rlimit {
        required "type" => Rlimit(resource),
        required "soft" => U64(soft),
        required "hard" => U64(hard),
    }
}
record!(Rlimit, Rlimit { resource: 0, soft: 0, hard: 0 });

object! {
    Mount<'a> {
        required "destination" => Text(destination),
        optional "type" => Text(kind),
        optional "source" => Text(source),
        optional "options" => List(options),
        optional "uidMappings" => List(uid_mappings),
        optional "gidMappings" => List(gid_mappings),
    }
}
record!(
    Mount<'a>,
    Mount { destination: None, kind: None, source: None, options: &[], uid_mappings: &[], gid_mappings: &[] }
);

object! {
    Linux<'a> {
        optional "namespaces" => List(namespaces),
        optional "uidMappings" => List(uid_mappings),
        optional "gidMappings" => List(gid_mappings),
        optional "netDevices" => named(net_devices),
        optional "sysctl" => Pairs(sysctl),
        optional "devices" => List(devices),
        optional "maskedPaths" => List(masked_paths),
        optional "readonlyPaths" => List(readonly_paths),
        optional "rootfsPropagation" => Text(rootfs_propagation),
        optional "mountLabel" => Text(mount_label),
        optional "cgroupsPath" => Text(cgroups_path),
        optional "resources" => Object(resources),
        optional "timeOffsets" => Object(time_offsets),
        optional "personality" => optional_object(personality),
        optional "memoryPolicy" => optional_object(memory_policy),
        optional "intelRdt" => optional_object(intel_rdt),
        optional "seccomp" => optional_object(seccomp),
    }
}

object! {
    NamespaceEntry<'a> {
        required "type" => Namespace(kind),
        optional "path" => Text(path),
    }
}
record!(NamespaceEntry<'a>, NamespaceEntry { kind: Namespace::Mount, path: None });

object! {
    IdMapping {
        required "containerID" => Id(container_id),
        required "hostID" => Id(host_id),
        required "size" => U32(size),
    }
}
record!(IdMapping, IdMapping { container_id: 0, host_id: 0, size: 0 });

object! {
    Device<'a> {
        required "type" => DeviceKind(kind),
        required "path" => Text(path),
        optional "major" => OptionalI64(major),
        optional "minor" => OptionalI64(minor),
        optional "fileMode" => OptionalU32(file_mode),
        optional "uid" => OptionalId(uid),
        optional "gid" => OptionalId(gid),
    }
}
record!(Device<'a>, Device { kind: 0, path: None, major: None, minor: None, file_mode: None, uid: None, gid: None });

object! {
    Resources<'a> {
        optional "devices" => List(devices),
        optional "memory" => Object(memory),
        optional "cpu" => Object(cpu),
        optional "pids" => Object(pids_limit),
        optional "blockIO" => Object(block_io),
        optional "hugepageLimits" => List(hugepage_limits),
        optional "rdma" => named(rdma),
        optional "unified" => Pairs(unified),
        of version 1: "?network";
    }
}

/// `pids`, of which one field is kept.
impl<'a> Object<'a> for Option<i64> {
    fn fields(&self) -> &'static str {
        "limit\0"
    }

    fn slot(&mut self, _: usize) -> Slot<'_, 'a> {
        Slot::OptionalI64(self)
    }
}

impl<'a> Object<'a> for BlockIo<'a> {
    fn fields(&self) -> &'static str {
        "weight\0weightDevice\0throttleReadBpsDevice\0throttleWriteBpsDevice\0throttleReadIOPSDevice\0\
            throttleWriteIOPSDevice\0^?leafWeight\0"
    }

    fn slot(&mut self, index: usize) -> Slot<'_, 'a> {
        match index {
            0 => Slot::OptionalU16(&mut self.weight),
            1 => Slot::List(&mut self.weight_device),
            _ => match self.throttles.get_mut(index - 2) {
                Some(throttle) => Slot::List(throttle),
                None => Slot::Nothing,
            },
        }
    }
}

object! {
    DeviceLimit {
        required "major" => U32(major),
        required "minor" => U32(minor),
        optional "weight" => OptionalU16(weight),
        optional "rate" => OptionalU64(rate),
        of version 1: "?leafWeight";
    }
}
record!(DeviceLimit, DeviceLimit { major: 0, minor: 0, weight: None, rate: None });

object! {
    NetDevice<'a> {
        optional "name" => Text(name),
    }
}
record!(NetDevice<'a>, NetDevice { name: None });

object! {
    RdmaLimit {
        optional "hcaHandles" => OptionalU32(handles),
        optional "hcaObjects" => OptionalU32(objects),
    }
}
record!(RdmaLimit, RdmaLimit { handles: None, objects: None });

object! {
    DeviceRule {
        required "allow" => Flag(allow),
        optional "type" => RuleKind(kind),
        optional "major" => OptionalI64(major),
        optional "minor" => OptionalI64(minor),
        optional "access" => Access(access),
    }
}
record!(DeviceRule, DeviceRule { allow: false, kind: None, major: None, minor: None, access: 0 });

object! {
    Memory {
        optional "limit" => OptionalI64(limit),
        optional "reservation" => OptionalI64(reservation),
        optional "swap" => OptionalI64(swap),
        optional "checkBeforeUpdate" => Flag(check_before_update),
        of version 1: "?kernel" "?kernelTCP" "?disableOOMKiller" "!swappiness" "+useHierarchy";
    }
}

object! {
    Cpu<'a> {
        optional "shares" => OptionalU64(shares),
        optional "quota" => OptionalI64(quota),
        optional "burst" => OptionalU64(burst),
        optional "period" => OptionalU64(period),
        optional "cpus" => Text(cpus),
        optional "mems" => Text(mems),
        optional "idle" => OptionalI64(idle),
        of version 1: "?realtimeRuntime" "?realtimePeriod";
    }
}

object! {
    HugepageLimit<'a> {
        required "pageSize" => Word(page_size),
        required "limit" => U64(limit),
    }
}
record!(HugepageLimit<'a>, HugepageLimit { page_size: c"", limit: 0 });

object! {
    #[closed]
    Runtime<'a> {
        optional "cgroups" => List(cgroups),
        optional "mounts" => List(mounts),
        optional "mkdir" => List(mkdir),
        optional "interfaces" => List(interfaces),
        optional "bindNS" => Object(bind_namespaces),
        optional "namespace" => Text(namespace),
    }
}

object! {
    #[closed]
    Interface<'a> {
        required "name" => Text(name),
        optional "add" => Text(add),
        optional "peer" => Text(peer),
        optional "createInRoot" => Flag(create_in_root),
    }
}
record!(Interface<'a>, Interface { name: None, add: None, peer: None, create_in_root: false });

/// `bindNS`: in the order of [`Namespace::ALL`], by the names of [`Namespace::proc_name`].
impl<'a> Object<'a> for [Option<&'a CStr>; 7] {
    fn fields(&self) -> &'static str {
        "cgroup\0ipc\0mnt\0net\0pid\0user\0uts\0*\0"
    }

    fn slot(&mut self, index: usize) -> Slot<'_, 'a> {
        self.get_mut(index).map_or(Slot::Nothing, Slot::Text)
    }
}

object! {
    Seccomp<'a> {
        required "defaultAction" => action(default_action),
        optional "defaultErrnoRet" => OptionalU16(default_errno),
        optional "architectures" => List(architectures),
        optional "flags" => List(flags),
        optional "listenerPath" => Text(listener_path),
        optional "listenerMetadata" => Text(listener_metadata),
        optional "syscalls" => List(syscalls),
    }
}

object! {
    SyscallRule<'a> {
        required "names" => List(names),
        required "action" => action(action),
        optional "errnoRet" => OptionalU16(errno),
        optional "args" => List(arguments),
    }
}
record!(SyscallRule<'a>, SyscallRule { names: &[], action: 0, errno: None, arguments: &[] });

object! {
    Comparison {
        required "index" => U32(index),
        required "value" => U64(value),
        required "op" => operator(operator),
        optional "valueTwo" => U64(value_two),
    }
}
record!(Comparison, Comparison { index: 0, value: 0, value_two: 0, operator: 0 });

impl<'a> Collection<'a> for Architectures {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        collect_flags(&mut self.0, seccomp::ARCHITECTURES, elements)
    }
}

impl<'a> Collection<'a> for FilterFlags {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        collect_flags(&mut self.0, seccomp::FLAGS, elements)
    }
}
