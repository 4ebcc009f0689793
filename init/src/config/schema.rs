//! What every object of config.json and runtime.json may hold, and where it goes: the names are runtime-spec 1.3's
//! (`config.md`, `config-linux.md`) and LinuxKit's (`moby/schema.go`).
//!
//! What is in none of the lists is unknown to the specification and skipped, as it demands.

use super::spec::{
    Affinity, BlockIo, BoundNamespaces, Capabilities, Comparison, ConsoleSize, Cpu, Device, DeviceLimit, DeviceRule,
    Hook, Hooks, HugepageLimit, IdMapping, IntelRdt, Interface, IoPriority, Kept, Linux, Memory, MemoryPolicy, Mount,
    NamespaceEntry, NetDevice, Personality, Pids, Process, RdmaLimit, Resources, Rlimit, Root, Runtime, Scheduler,
    Seccomp, Spec, SyscallRule, TimeOffset, TimeOffsets, User,
};
use crate::record::object;

object! {
    Spec<'a> {
        required "root" => Object(root),
        required "process" => Object(process),
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
        optional "onlyGroup" => Flag(only_group),
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
        optional "capabilities" => Object(capabilities),
        optional "rlimits" => List(rlimits),
        optional "noNewPrivileges" => Flag(no_new_privileges),
        optional "oomScoreAdj" => OptionalI64(oom_score_adj),
        optional "apparmorProfile" => Text(apparmor_profile),
        optional "selinuxLabel" => Text(selinux_label),
        optional "scheduler" => Optional(scheduler),
        optional "ioPriority" => Optional(io_priority),
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
        required "policy" => Policy(policy),
        optional "nice" => OptionalI64(nice),
        optional "priority" => OptionalI64(priority),
        optional "flags" => SchedulerFlags(flags.0),
        optional "runtime" => U64(runtime),
        optional "deadline" => U64(deadline),
        optional "period" => U64(period),
    }
}

object! {
    IoPriority {
        required "class" => IoClass(class),
        optional "priority" => U64(priority),
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
        required "domain" => Personality(domain),
        refused unless empty: "flags";
    }
}

object! {
    MemoryPolicy<'a> {
        required "mode" => MemoryPolicy(mode),
        optional "nodes" => Text(nodes),
        optional "flags" => MemoryPolicyFlags(flags.0),
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

object! {
    Capabilities {
        optional "bounding" => Capabilities(bounding),
        optional "effective" => Capabilities(effective),
        optional "inheritable" => Capabilities(inheritable),
        optional "permitted" => Capabilities(permitted),
        optional "ambient" => Capabilities(ambient),
    }
}

object! {
    Rlimit {
        required "type" => Rlimit(resource),
        required "soft" => U64(soft),
        required "hard" => U64(hard),
    }
}

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

object! {
    Linux<'a> {
        optional "namespaces" => List(namespaces),
        optional "uidMappings" => List(uid_mappings),
        optional "gidMappings" => List(gid_mappings),
        optional "netDevices" => Named(net_devices),
        optional "sysctl" => Pairs(sysctl),
        optional "devices" => List(devices),
        optional "maskedPaths" => List(masked_paths),
        optional "readonlyPaths" => List(readonly_paths),
        optional "rootfsPropagation" => Text(rootfs_propagation),
        optional "mountLabel" => Text(mount_label),
        optional "cgroupsPath" => Text(cgroups_path),
        optional "resources" => Object(resources),
        optional "timeOffsets" => Object(time_offsets),
        optional "personality" => Optional(personality),
        optional "memoryPolicy" => Optional(memory_policy),
        optional "intelRdt" => Optional(intel_rdt),
        optional "seccomp" => Optional(seccomp),
    }
}

object! {
    NamespaceEntry<'a> {
        required "type" => Namespace(kind),
        optional "path" => Text(path),
    }
}

object! {
    IdMapping {
        required "containerID" => Id(container_id),
        required "hostID" => Id(host_id),
        required "size" => U32(size),
    }
}

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

object! {
    Resources<'a> {
        optional "devices" => List(devices),
        optional "memory" => Object(memory),
        optional "cpu" => Object(cpu),
        optional "pids" => Object(pids),
        optional "blockIO" => Object(block_io),
        optional "hugepageLimits" => List(hugepage_limits),
        optional "rdma" => Named(rdma),
        optional "unified" => Pairs(unified),
        of version 1: "?network";
    }
}

object! {
    Pids {
        optional "limit" => OptionalI64(limit),
    }
}

object! {
    BlockIo<'a> {
        optional "weight" => OptionalU16(weight),
        optional "weightDevice" => List(weight_device),
        optional "throttleReadBpsDevice" => List(throttles[0]),
        optional "throttleWriteBpsDevice" => List(throttles[1]),
        optional "throttleReadIOPSDevice" => List(throttles[2]),
        optional "throttleWriteIOPSDevice" => List(throttles[3]),
        of version 1: "?leafWeight";
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

object! {
    NetDevice<'a> {
        optional "name" => Text(name),
    }
}

object! {
    RdmaLimit {
        optional "hcaHandles" => OptionalU32(handles),
        optional "hcaObjects" => OptionalU32(objects),
    }
}

object! {
    DeviceRule {
        required "allow" => Flag(allow),
        optional "type" => RuleKind(kind),
        optional "major" => OptionalI64(major),
        optional "minor" => OptionalI64(minor),
        optional "access" => Access(access),
    }
}

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

// In the order of [`Namespace::ALL`], by the names of [`Namespace::proc_name`].
object! {
    #[closed]
    BoundNamespaces<'a> {
        optional "cgroup" => Text(0[0]),
        optional "ipc" => Text(0[1]),
        optional "mnt" => Text(0[2]),
        optional "net" => Text(0[3]),
        optional "pid" => Text(0[4]),
        optional "user" => Text(0[5]),
        optional "uts" => Text(0[6]),
    }
}

object! {
    Seccomp<'a> {
        required "defaultAction" => Action(default_action),
        optional "defaultErrnoRet" => OptionalU16(default_errno),
        optional "architectures" => Architectures(architectures.0),
        optional "flags" => FilterFlags(flags.0),
        optional "listenerPath" => Text(listener_path),
        optional "listenerMetadata" => Text(listener_metadata),
        optional "syscalls" => List(syscalls),
    }
}

object! {
    SyscallRule<'a> {
        required "names" => List(names),
        required "action" => Action(action),
        optional "errnoRet" => OptionalU16(errno),
        optional "args" => List(arguments),
    }
}

object! {
    Comparison {
        required "index" => U32(index),
        required "value" => U64(value),
        required "op" => Operator(operator),
        optional "valueTwo" => U64(value_two),
    }
}
