//! Values that config.json must not have, and properties that nobody can honour.

use serde_json::{Value, json};

use super::{Refusal, mount, with};

pub(super) fn values() -> Vec<Refusal> {
    vec![
        with("no-process", "/process", Value::Null, "config.json: line 1, column 1: missing process"),
        with("no-root-field", "/root", Value::Null, "config.json: line 1, column 1: missing root"),
        with("no-arguments", "/process/args", json!([]), "config.json: line 3, column 16: process: missing args"),
        with(
            "type-of-cwd",
            "/process/cwd",
            json!(7),
            "config.json: line 16, column 16: process.cwd: expected a string",
        ),
        with("type-of-args", "/process/args", json!("/bin/probe"), "process.args: expected an array"),
        with("type-of-env", "/process/env", json!(["A=1", 2]), "process.env[1]: expected a string"),
        with("type-of-mounts", "/mounts", json!({}), "mounts: expected an array"),
        with("cwd-relative", "/process/cwd", json!("tmp"), "config.json: process.cwd: must be absolute"),
        with(
            "version",
            "/ociVersion",
            json!("2.0.0"),
            "config.json: ociVersion: this version of the specification is not supported, but 1.x is",
        ),
        with("root-outside", "/root/path", json!("../../../etc"), "config.json: root.path: must not contain `..`"),
        with(
            "namespace-unknown",
            "/linux/namespaces",
            json!([{ "type": "mnt" }]),
            "linux.namespaces[0].type: expected one of cgroup, ipc, mount, network, pid, user, uts, time",
        ),
        with(
            "namespace-twice",
            "/linux/namespaces",
            json!([{ "type": "mount" }, { "type": "mount" }]),
            "linux.namespaces[1].type: given twice",
        ),
        with(
            "namespace-relative",
            "/linux/namespaces",
            json!([{ "type": "network", "path": "run/x" }]),
            "config.json: linux.namespaces[0]: path: must be absolute",
        ),
        with(
            "hostname-of-machine",
            "/hostname",
            json!("mine"),
            "config.json: hostname: the container has no uts namespace of its own",
        ),
        with(
            "sysctl-of-machine",
            "/linux/sysctl",
            json!({ "kernel.panic": "1" }),
            "config.json: linux.sysctl[0]: belongs to no namespace: it would change the whole machine",
        ),
        with(
            "sysctl-without-namespace",
            "/linux/sysctl",
            json!({ "net.ipv4.ip_forward": "1" }),
            "config.json: linux.sysctl[0]: the container has no network namespace of its own",
        ),
        with(
            "sysctl-outside",
            "/linux/sysctl",
            json!({ "net/../../../etc/x": "1" }),
            "config.json: linux.sysctl[0]: not a name below /proc/sys",
        ),
        with(
            "rlimit-unknown",
            "/process/rlimits",
            json!([{ "type": "RLIMIT_X", "soft": 1, "hard": 1 }]),
            "process.rlimits[0].type: expected the name of a resource limit, such as RLIMIT_NOFILE",
        ),
        with(
            "rlimit-above",
            "/process/rlimits",
            json!([{ "type": "RLIMIT_NOFILE", "soft": 2, "hard": 1 }]),
            "config.json: process.rlimits[0]: soft: must not be more than hard",
        ),
        with(
            "score",
            "/process/oomScoreAdj",
            json!(1001),
            "config.json: process.oomScoreAdj: must be from -1000 to 1000",
        ),
        with(
            "device-type",
            "/linux/devices",
            json!([{ "type": "x", "path": "/dev/x" }]),
            "linux.devices[0].type: expected one of b, c, u, p",
        ),
        with(
            "device-outside",
            "/linux/devices",
            json!([{ "type": "p", "path": "/dev/../../x" }]),
            "config.json: linux.devices[0]: path: must be the path of a file, without `..`",
        ),
        with(
            "device-number",
            "/linux/devices",
            json!([{ "type": "c", "path": "/dev/x", "major": 1, "minor": -1 }]),
            "config.json: linux.devices[0]: minor: required, from 0 to 1048575",
        ),
        with(
            "rule-type",
            "/linux/resources/devices",
            json!([{ "allow": true, "type": "p" }]),
            "linux.resources.devices[0].type: expected one of a, b, c",
        ),
        with(
            "swap-below-memory",
            "/linux/resources/memory",
            json!({ "limit": 1000, "swap": 999 }),
            "config.json: linux.resources.memory.swap: must not be less than memory.limit, which it includes",
        ),
        with(
            "unified-outside",
            "/linux/resources/unified",
            json!({ "../cgroup.procs": "1" }),
            "config.json: linux.resources.unified[0]: must be a file's name, without `/` and `..`",
        ),
        with(
            "unified-move",
            "/linux/resources/unified",
            json!({ "cgroup.procs": "1" }),
            "config.json: linux.resources.unified[0]: of cgroup's own files, only cgroup.max.depth and cgroup.max.descendants",
        ),
        with(
            "group-outside",
            "/linux/cgroupsPath",
            json!("/a/../../b"),
            "config.json: linux.cgroupsPath: must not contain `..`",
        ),
        with(
            "group-of-all",
            "/linux/cgroupsPath",
            json!("/"),
            "config.json: linux.cgroupsPath: must not be the root of all groups",
        ),
        with(
            "group-of-systemd",
            "/linux/cgroupsPath",
            json!("system.slice:pidone:x"),
            "config.json: linux.cgroupsPath: the form slice:prefix:name needs --systemd-cgroup",
        ),
        with(
            "ids-unmapped",
            "/linux/namespaces",
            json!([{ "type": "user" }, { "type": "mount" }]),
            "config.json: linux.uidMappings: required with a user namespace",
        ),
        with(
            "propagation-unknown",
            "/linux/rootfsPropagation",
            json!("public"),
            "config.json: linux.rootfsPropagation: not a kind of propagation",
        ),
        with(
            "masked-relative",
            "/linux/maskedPaths",
            json!(["proc/kcore"]),
            "config.json: linux.maskedPaths[0]: must be absolute",
        ),
        mount(
            "mount-on-root",
            json!({ "destination": "/", "type": "tmpfs" }),
            "config.json: mounts[5]: destination: must not be the root itself",
        ),
        mount("mount-nowhere", json!({ "type": "tmpfs" }), "mounts[5]: missing destination"),
        mount(
            "mount-without-type",
            json!({ "destination": "/x" }),
            "config.json: mounts[5]: type: required unless it is a bind mount",
        ),
        mount(
            "bind-of-nothing",
            json!({ "destination": "/x", "type": "bind" }),
            "config.json: mounts[5]: source: required for a bind mount",
        ),
        mount(
            "bind-unknown",
            json!({ "destination": "/x", "type": "bind", "source": "/etc", "options": ["size=1m"] }),
            "config.json: mounts[5]: options: unknown for a bind mount",
        ),
        mount(
            "mount-of-two-minds",
            json!({ "destination": "/x", "type": "tmpfs", "options": ["shared", "private"] }),
            "config.json: mounts[5]: options: more than one kind of propagation",
        ),
    ]
}

pub(super) fn unsupported() -> Vec<Refusal> {
    vec![
        with(
            "hooks",
            "/hooks",
            json!({ "prestart": [{ "path": "bin/true" }] }),
            "hooks.prestart[0]: path: must be absolute",
        ),
        with("terminal", "/process/terminal", json!(true), "process.terminal: nobody is there to take it"),
        with(
            "mount-label",
            "/linux/mountLabel",
            json!("x"),
            r"(nosuid,strictatime,mode=755,size=65536k,context=\x22x\x22): EINVAL",
        ),
        with(
            "intel-rdt",
            "/linux/intelRdt",
            json!({ "closID": "x" }),
            "linux.intelRdt: no resctrl file system is mounted on /sys/fs/resctrl",
        ),
        with(
            "rdma",
            "/linux/resources/rdma",
            json!({ "mlx5_1": {} }),
            "linux.resources.rdma[0]: needs hcaHandles or hcaObjects",
        ),
        with(
            "network-class",
            "/linux/resources/network",
            json!({ "classID": 1 }),
            "linux.resources.network: only control groups of version 1 have it",
        ),
        with(
            "kernel-memory",
            "/linux/resources/memory",
            json!({ "kernel": 1000 }),
            "linux.resources.memory.kernel: only control groups of version 1 have it",
        ),
        with("windows", "/windows", json!({ "layerFolders": ["C:\\"] }), "windows: not supported yet"),
        mount(
            "mapped-mount",
            json!({ "destination": "/x", "type": "bind", "source": "/etc", "options": ["bind", "idmap"] }),
            "config.json: mounts[5]: options: idmap needs uidMappings and gidMappings, or a new user namespace",
        ),
    ]
}
