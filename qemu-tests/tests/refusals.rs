//! What cannot be done is refused in one line that says what and where; it leaves nothing behind, and the boot goes on.

use std::collections::BTreeSet;

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::root::Root;
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

/// A bundle that is not to run, and what its one error line must say.
struct Refusal {
    name: &'static str,
    container: Container,
    line: &'static str,
}

/// One boot with all of them, between two looks at the machine.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let mut image = Image::new()?.onboot(survey("before"));
        for refusal in refusals() {
            image = image.onboot(refusal.container);
        }
        let image = links(sizes(image)).onboot(survey("after"));
        let image = without_files(image)
            .service(probe("service", "say runs"))
            .service(must_not_run("service-refused").hostname("x"));
        // The module makes a link of its own when it is loaded, which is not to be taken for left behind.
        boot(image, "pidone.modules=dummy")
    })
}

fn must_not_run(name: &str) -> Container {
    probe(name, "say must-not-run")
}

/// A bundle with another value at a place of its config.json: `/process/cwd`.
fn with(name: &'static str, place: &'static str, value: Value, line: &'static str) -> Refusal {
    let container = must_not_run(name).edit_config(move |config| {
        let (parent, field) = place.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[field] = value.clone();
    });
    Refusal { name, container, line }
}

/// A bundle with other bytes for config.json, from those that would be right.
fn raw(name: &'static str, change: impl FnOnce(String) -> String, line: &'static str) -> Refusal {
    let good = String::from_utf8(must_not_run(name).config_json()).unwrap();
    Refusal { name, container: Container::new(name).raw_config(change(good)), line }
}

fn runtime(name: &'static str, fields: Value, line: &'static str) -> Refusal {
    Refusal { name, container: must_not_run(name).net_new().runtime(fields), line }
}

fn raw_runtime(name: &'static str, text: impl Into<Vec<u8>>, line: &'static str) -> Refusal {
    Refusal { name, container: must_not_run(name).raw_runtime(text), line }
}

fn mount(name: &'static str, mount: Value, line: &'static str) -> Refusal {
    let container = must_not_run(name).edit_config(move |config| {
        config["mounts"].as_array_mut().unwrap().push(mount.clone());
    });
    Refusal { name, container, line }
}

fn refusals() -> Vec<Refusal> {
    [texts(), values(), unsupported(), runtimes(), steps()].into_iter().flatten().collect()
}

fn texts() -> Vec<Refusal> {
    let first = |with: &'static str| move |good: String| good.replacen('{', &format!("{{{with},"), 1);
    let deep = format!("\"x\": {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let padding = format!("\"annotations\": {{ \"a\": \"{}\" }}", "x".repeat(1024 * 1024));
    vec![
        raw("empty", |_| String::new(), "config.json: line 1, column 1: unexpected end of the text"),
        raw("truncated", |good| good[..good.len() / 2].into(), "mounts[1].options[4]: unexpected end of the text"),
        raw(
            "truncated-in-a-string",
            |good| good[..good.find("must-not").unwrap() + 3].into(),
            "config.json: line 11, column 17: process.args[2]: unexpected end of the text",
        ),
        raw("not-json", |_| "hello".into(), "config.json: line 1, column 1: expected a value"),
        raw("behind-the-end", |good| good + "x", "more after the end"),
        raw(
            "deep",
            move |good| good.replacen('{', &format!("{{{deep},"), 1),
            "[0][0]: nested too deep, at most 32 levels",
        ),
        raw(
            "twice",
            first("\"hostname\": \"\", \"hostname\": \"\""),
            "config.json: line 1, column 18: hostname: given twice",
        ),
        raw(
            "twice-below",
            |good| good.replacen("\"cwd\": \"/\"", "\"cwd\": \"/\", \"cwd\": \"/tmp\"", 1),
            "config.json: line 16, column 21: process.cwd: given twice",
        ),
        raw(
            "too-large",
            move |good| good.replacen('{', &format!("{{{padding},"), 1),
            "read config.json: too many bytes: 1048577, at most 1048576",
        ),
        raw("nul", |good| good.replacen("must-not-run", r"must\u0000not", 1), "process.args[2]: NUL in a string"),
        raw(
            "half-a-character",
            |good| good.replacen("must-not-run", r"\ud800", 1),
            "process.args[2]: lone surrogate in a string",
        ),
        raw(
            "control-character",
            |good| good.replacen("must-not-run", "must\nnot", 1),
            "process.args[2]: control character in a string",
        ),
        raw(
            "number-too-large",
            |good| good.replacen("\"uid\": 0", "\"uid\": 4294967296", 1),
            "process.user.uid: expected an integer from 0 to 4294967294",
        ),
        raw(
            "number-broken",
            |good| good.replacen("\"uid\": 0", "\"uid\": 01", 1),
            "process.user.uid: malformed number",
        ),
        raw(
            "fraction",
            |good| good.replacen("\"uid\": 0", "\"uid\": 0.5", 1),
            "process.user.uid: expected an integer from 0 to 4294967294",
        ),
    ]
}

fn values() -> Vec<Refusal> {
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

fn unsupported() -> Vec<Refusal> {
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

fn runtimes() -> Vec<Refusal> {
    let interfaces = |list: Value| json!({ "interfaces": list });
    vec![
        raw_runtime(
            "runtime-truncated",
            "{\"mounts\": [",
            "runtime.json: line 1, column 13: mounts[0]: unexpected end of the text",
        ),
        raw_runtime(
            "runtime-unknown",
            "{\"restart\": \"always\"}",
            "runtime.json: line 1, column 2: restart: unknown field",
        ),
        raw_runtime(
            "runtime-twice",
            "{\"mkdir\": [], \"mkdir\": []}",
            "runtime.json: line 1, column 15: mkdir: given twice",
        ),
        raw_runtime(
            "runtime-type",
            "{\n  \"mkdir\": [\"/a\", 5]\n}",
            "runtime.json: line 2, column 19: mkdir[1]: expected a string",
        ),
        raw_runtime(
            "runtime-too-large",
            format!("{{\"mkdir\": [\"/{}\"]}}", "x".repeat(256 * 1024)),
            "read runtime.json: too many bytes: 262145, at most 262144",
        ),
        raw_runtime(
            "runtime-kind",
            "{\"bindNS\": {\"time\": \"/run/x\"}}",
            "runtime.json: line 1, column 13: bindNS.time: unknown field",
        ),
        runtime(
            "folder-outside",
            json!({ "mkdir": ["a", "../../../../var/escaped"] }),
            "runtime.json: mkdir[1]: a path must not contain `..`",
        ),
        runtime(
            "mount-outside",
            json!({ "mounts": [{ "destination": "../../x", "type": "tmpfs" }] }),
            "runtime.json: mounts[3]: a path must not contain `..`",
        ),
        runtime(
            "groups-outside",
            json!({ "cgroups": ["../x"] }),
            "runtime.json: cgroups[0]: must be a path without `..`",
        ),
        runtime(
            "bound-outside",
            json!({ "bindNS": { "net": "/run/../../etc/x" } }),
            "runtime.json: bindNS: a path must not contain `..`",
        ),
        runtime(
            "link-name-long",
            interfaces(json!([{ "name": "sixteen-letters-" }])),
            "runtime.json: interfaces[0]: name: must be 1 to 15 bytes without slash, colon, percent sign and space",
        ),
        runtime("link-name-missing", interfaces(json!([{ "add": "dummy" }])), "interfaces[0]: missing name"),
        runtime(
            "link-name-odd",
            interfaces(json!([{ "name": "eth%d", "add": "dummy" }])),
            "runtime.json: interfaces[0]: name: must be 1 to 15 bytes without slash, colon, percent sign and space",
        ),
        runtime(
            "link-twice",
            interfaces(json!([{ "name": "a", "add": "dummy" }, { "name": "a", "add": "dummy" }])),
            "runtime.json: interfaces[1]: name: another interface has it already",
        ),
        runtime(
            "pair-of-one",
            interfaces(json!([{ "name": "eth0", "add": "veth" }])),
            "runtime.json: interfaces[0]: peer: required for a veth",
        ),
        runtime(
            "pair-of-dummies",
            interfaces(json!([{ "name": "eth0", "add": "dummy", "peer": "x" }])),
            "runtime.json: interfaces[0]: peer: only a veth has one",
        ),
        Refusal {
            name: "link-of-machine",
            container: must_not_run("link-of-machine").runtime(interfaces(json!([{ "name": "eth0", "add": "dummy" }]))),
            line: "runtime.json: interfaces: the container has no network namespace of its own",
        },
    ]
}

/// What only the kernel can refuse, with as much as possible set up before.
fn steps() -> Vec<Refusal> {
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

/// pidone's messages about `NNN-name` and no other.
fn messages_about(name: &str) -> Vec<String> {
    let (ending, mut messages) = (format!("-{name}:"), seen().messages(name));
    let is_number = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    messages.retain(|message| message.split(' ').any(|word| word.strip_suffix(&ending).is_some_and(is_number)));
    messages
}

#[test]
fn a_refusal_is_one_line_that_says_what_is_wrong_and_where() {
    for refusal in refusals() {
        let messages = messages_about(refusal.name);
        let [reason, not_started] = &messages[..] else { panic!("{}: {messages:#?}", refusal.name) };
        assert!(reason.contains(refusal.line), "{}: {reason}\nwanted: {}", refusal.name, refusal.line);
        let is_placed =
            reason.contains("config.json: ") || reason.contains("runtime.json: ") || reason.contains(": step ");
        assert!(is_placed, "{reason}");
        assert!(not_started.ends_with(": not started"), "{not_started}");
    }
}

#[test]
fn what_is_refused_does_not_run() {
    for refusal in refusals() {
        assert!(!seen().spoke(refusal.name), "{}", seen().about(refusal.name));
    }
}

/// Bundles that lack more than a field; their names are behind all others.
fn without_files(image: Image) -> Image {
    let long = "l".repeat(61);
    image.edit(|tree| {
        tree.directory("containers/onboot/900-no-config/rootfs", 0o755);
        tree.directory("containers/onboot/901-folder/config.json", 0o755);
        tree.directory(&format!("containers/onboot/902-{long}"), 0o755);
        tree.file("containers/onboot/903-file", 0o644, "not a bundle");
    })
}

#[test]
fn a_bundle_without_its_files_is_named() {
    for (name, line) in [
        ("900-no-config", "read config.json: ENOENT ("),
        ("901-folder", "read config.json: EISDIR ("),
        ("902-", "not started: too many bytes in the name: 65, at most 64"),
    ] {
        let messages = seen().messages(name);
        assert!(messages.iter().any(|message| message.contains(line)), "{name}: {messages:#?}");
    }
    assert!(seen().messages("903-file").is_empty());
}

#[test]
fn a_service_is_refused_as_any_other_container() {
    let messages = seen().messages("service-refused");
    let expected = [
        "container service-refused: config.json: hostname: the container has no uts namespace of its own",
        "service service-refused: not started",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn the_rest_of_the_boot_goes_on_after_refusals() {
    assert_eq!(seen().one("service", "say"), "runs");
}

/// Looks at the machine from beside it.
fn survey(name: &str) -> Container {
    let script = "sed 's/^[0-9]* [0-9]* [0-9:]* //; s/\\(shared\\|master\\):[0-9]*/\\1/g; s/^/PROBE left=mount /' /proc/1/mountinfo; \
        (cd /groups; find . -type d | sed 's/^/PROBE left=group /'); \
        ls /sys/class/net | sed 's/^/PROBE left=link /'; \
        (cd /machine; find run var tmp etc dev containers/onboot/*/tmp containers/onboot/*/rootfs | sed 's/^/PROBE left=file /'); \
        for id in /proc/[0-9]*; do echo PROBE left=process $(tr '\\0' ' ' < $id/cmdline); done 2>/dev/null";
    Container::shell(name, script).pid_host().capability_all().bind("/:/machine").bind("/sys/fs/cgroup:/groups")
}

#[test]
fn nothing_is_left_of_what_was_refused() {
    let survey = |name: &str| -> BTreeSet<String> {
        let is_own =
            |line: &String| ["-before", "-after", "file run/log", "process "].iter().any(|own| line.contains(own));
        seen().all(name, "left").into_iter().filter(|line| !is_own(line)).collect()
    };
    let (before, after) = (survey("before"), survey("after"));
    for kind in ["mount", "group", "link", "file"] {
        assert!(before.iter().any(|line| line.starts_with(kind)), "no {kind}: {}", seen().about("before"));
    }
    // Empty folders that something was to be mounted or made in.
    let is_folder = |line: &&String| ["file run/refused", "file var/half", "file var/busy"].contains(&line.as_str());
    let more: Vec<_> = after.difference(&before).filter(|line| !is_folder(line)).collect();
    assert!(more.is_empty(), "left behind: {more:#?}");
    let fewer: Vec<_> = before.difference(&after).collect();
    assert!(fewer.is_empty(), "taken along: {fewer:#?}");
}

fn links(image: Image) -> Image {
    let mut tree = Root::probe().unwrap().tree().clone();
    tree.symlink("up", "../../../../../../var/lib");
    tree.symlink("absolute", "/var/lib");
    tree.symlink("dangling", "/nowhere/at/all");
    tree.symlink("loop", "loop");
    tree.directory("var/lib", 0o755).file("var/lib/own", 0o644, "of the container\n");
    let root = Root::new(tree);
    let landed = probe(
        "links-inside",
        "mounts , list /var/lib , list /var/lib/by-bind , stat /var/lib/device , cwd , cat /var/lib/own",
    )
    .root(&root)
    .tmpfs("/up/by-tmpfs:size=1m")
    .tmpfs("/dangling/x")
    .mount(json!({ "destination": "/absolute/by-bind", "type": "bind", "source": "/etc", "options": ["rbind", "ro"] }))
    .bind("/etc/hostname:/up/by-file")
    .cwd("/absolute/cwd")
    .masked_path("/up/own")
    .edit_config(|config| {
        config["linux"]["devices"] = json!([{ "path": "/absolute/device", "type": "c", "major": 1, "minor": 3 }]);
    });
    image.onboot(landed).onboot(must_not_run("link-loop").root(&root).tmpfs("/loop/x"))
}

fn sizes(image: Image) -> Image {
    let mut large = probe("large", "env");
    for number in 0..900 {
        large = large.env(&format!("VARIABLE_{number}"), &format!("{number}{}", "x".repeat(1000)));
    }
    image.onboot(large)
}

#[test]
fn links_in_an_image_lead_nowhere_but_into_the_image() {
    let name = "links-inside";
    assert_eq!(seen().mount(name, "/var/lib/by-tmpfs").field("type"), "tmpfs", "{}", seen().about(name));
    // What is missing on the way is made there, too.
    assert_eq!(seen().mount(name, "/nowhere/at/all/x").field("type"), "tmpfs");
    assert!(seen().mount(name, "/var/lib/by-bind").options().contains(&"ro"));
    seen().mount(name, "/var/lib/by-file");
    assert!(seen().one(name, "stat").starts_with("/var/lib/device type=character"), "{}", seen().about(name));
    assert_eq!(seen().one(name, "cwd"), "/var/lib/cwd");
    // What was masked through a link is the container's own file.
    assert!(seen().all(name, "cat").is_empty() && seen().all(name, "cat.error").is_empty(), "{}", seen().about(name));
}

#[test]
fn a_link_that_leads_to_itself_is_refused() {
    let messages = messages_about("link-loop");
    assert!(messages.iter().any(|message| message.contains("/loop/x: ELOOP (")), "{messages:#?}");
    assert!(!seen().spoke("link-loop"), "{}", seen().about("link-loop"));
}

#[test]
fn nearly_a_mebibyte_of_environment_is_handed_on() {
    assert_eq!(
        seen().one("large", "env.VARIABLE_899"),
        format!("899{}", "x".repeat(1000)),
        "{:.2000}",
        seen().about("large")
    );
    // With PATH and HOME.
    assert_eq!(seen().output("large").lines().count(), 902);
}

#[test]
fn a_container_that_cannot_be_started_has_failed_too() {
    let image = Image::new().unwrap().onboot(Container::new("fails").raw_config("{"));
    let builder = image.onboot(Container::shell("second", "true")).vm().unwrap().append("pidone.fail=poweroff");
    let console = builder.start().unwrap().expect(Ending::PowerOff).unwrap().console;
    assert!(console.contains("000-fails: not started") && console.contains("000-fails failed"), "{console}");
    assert!(!console.contains("001-second"), "{console}");
}
