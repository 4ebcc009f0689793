//! What only the kernel can refuse, with as much as possible set up before.

use serde_json::{Value, json};

use super::{Refusal, mount, runtime, with};

/// What only the kernel can refuse, with as much as possible set up before.
pub(super) fn steps() -> Vec<Refusal> {
    let half = json!([
        { "destination": "/var/half", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "inner", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "/var/half/below", "type": "no-such-type", "source": "x" },
    ]);
    let busy = |fields: Value| {
        let mut all = json!({
            "cgroups": ["of-busy"],
            "mounts": [{ "destination": "/var/busy", "type": "tmpfs", "source": "tmpfs" }],
        });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    vec![
        mount(
            "source-missing",
            json!({ "destination": "/x", "type": "bind", "source": "/absent" }),
            "bind /absent on /x: ENOENT (no such file or directory)",
        ),
        mount(
            "type-missing",
            json!({ "destination": "/x", "type": "no-such-type", "source": "x" }),
            "mount no-such-type x on /x: ENODEV (",
        ),
        mount(
            "data-unknown",
            json!({ "destination": "/x", "type": "tmpfs", "options": ["no-such-option"] }),
            "mount tmpfs on /x (no-such-option): EINVAL (",
        ),
        with(
            "group-refused",
            "/linux/resources/cpu",
            json!({ "cpus": "999" }),
            "write 999 to cpuset.cpus of control group /onboot/0",
        ),
        with(
            "join-missing",
            "/linux/namespaces",
            json!([{ "type": "mount" }, { "type": "network", "path": "/run/absent" }]),
            "join the network namespace /run/absent: ENOENT (",
        ),
        with(
            "join-other",
            "/linux/namespaces",
            json!([{ "type": "mount" }, { "type": "network", "path": "/proc/self/ns/uts" }]),
            "config.json: linux.namespaces[1]: path: not a namespace of this type",
        ),
        runtime("half-mounted", json!({ "mounts": half }), "mount no-such-type x on /var/half/below: ENODEV ("),
        runtime(
            "folder-in-file",
            json!({ "mkdir": ["/etc/hostname/x"] }),
            "make directory /etc/hostname/x (0755): ENOTDIR (",
        ),
        runtime(
            "link-missing",
            busy(json!({ "interfaces": [
                { "name": "a0", "add": "veth", "peer": "left-behind0" },
                { "name": "a1", "add": "dummy", "createInRoot": true },
                { "name": "absent0" },
            ]})),
            "give interface absent0: moved from the machine: ENODEV (",
        ),
        runtime(
            "kind-missing",
            busy(json!({ "interfaces": [{ "name": "a0", "add": "no-such-kind" }] })),
            "give interface a0: new no-such-kind: EOPNOTSUPP (not supported): Unknown device type",
        ),
        runtime(
            "parent-missing",
            busy(json!({ "interfaces": [{ "name": "a0", "add": "macvlan", "createInRoot": true }] })),
            "give interface a0: new macvlan made outside and moved: EINVAL (",
        ),
        runtime(
            "bound-nowhere",
            busy(json!({ "bindNS": { "cgroup": "/run/refused/cgroup", "net": "/proc/refused/net" } })),
            "bind the network namespace on /proc/refused/net: ENOENT (",
        ),
        runtime(
            "bound-on-read-only",
            busy(json!({ "bindNS": { "ipc": "/run/refused/ipc", "net": "/containers/net" } })),
            "bind the network namespace on /containers/net: EROFS (",
        ),
        runtime(
            "bound-on-folder",
            busy(json!({ "bindNS": { "ipc": "/run/refused/ipc", "net": "/var/lib" } })),
            "bind the network namespace on /var/lib: EINVAL (",
        ),
        with("cwd-leaked", "/process/cwd", json!("/proc/self/fd/3"), "make directory /proc/self/fd/3 (0755): ELOOP ("),
        with("argument-too-long", "/process/args", json!(["/bin/probe", "x".repeat(200_000)]), "xxx...: E2BIG ("),
    ]
}
