//! What a container's process is, how it is scheduled, where it is in time, and the hooks of its life.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use serde_json::{Value, json};

/// One boot with a container for every question.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [treatment, labels, programs, user_namespaces, hooks, failing_hooks];
        let image = parts.into_iter().fold(Image::new()?.edit(machine), |image, part| part(image));
        boot(image, "")
    })
}

/// The machine has a shell, and a profile of AppArmor's: `apparmor_parser -S -K data/apparmor-profile`.
fn machine(tree: &mut qemu_tests::tree::Tree) {
    qemu_tests::root::add_busybox(tree).unwrap();
    tree.file("profile", 0o644, include_bytes!("data/apparmor-profile.bin"));
    let script = "#!/bin/busybox sh\nbusybox mount -t securityfs securityfs /sys/kernel/security\n\
        busybox cat /profile > /sys/kernel/security/apparmor/.load\n";
    tree.file("etc/init.d/010-profile", 0o755, script);
    add_rootless(tree);
}

/// A container that somebody without privileges launches by the command line.
fn add_rootless(tree: &mut qemu_tests::tree::Tree) {
    let mut root = qemu_tests::tree::Tree::new();
    qemu_tests::root::add_busybox(&mut root).unwrap();
    for folder in ["proc", "dev", "sys"] {
        root.directory(folder, 0o755);
    }
    tree.tree("rootless/rootfs", &root);
    let script = "echo PROBE rootless.map=$(busybox cat /proc/self/uid_map); \
        echo PROBE rootless.groups=$(busybox cat /proc/self/setgroups); echo PROBE rootless.id=$(busybox id -u); \
        echo PROBE rootless.pid=$$";
    let own = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let kinds = ["user", "mount", "pid", "ipc", "uts", "time"].map(|kind| json!({ "type": kind }));
    let config = json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "process": { "args": ["/bin/busybox", "sh", "-c", script], "env": ["PATH=/bin"], "cwd": "/" },
        "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
        "linux": { "namespaces": kinds, "uidMappings": own, "gidMappings": own },
    });
    tree.file("rootless/config.json", 0o644, config.to_string());
    let launch =
        "#!/bin/sh\nexec /init --root /run/rootless/state run --cgroup-manager disabled --bundle /rootless mine\n";
    tree.file("rootless/launch", 0o755, launch);
    tree.file("etc/passwd", 0o644, "somebody:x:1000:1000::/:/bin/sh\n");
    tree.file("etc/group", 0o644, "somebody:x:1000:\n");
    let launch = "#!/bin/busybox sh\nbusybox mkdir -p /run/hooks /run/rootless\nbusybox chown 1000:1000 /run/rootless\n\
        busybox su somebody -c /rootless/launch > /run/hooks/rootless 2>&1\n";
    tree.file("etc/init.d/020-rootless", 0o755, launch);
}

/// A container that runs a shell script, with something more in its config.json.
fn shell(name: &str, script: &str, pointer: &'static str, value: Value) -> Container {
    Container::shell(name, script).edit_config(move |config| set(config, pointer, value.clone()))
}

fn set(config: &mut Value, pointer: &str, value: Value) {
    let place = pointer.split('/').skip(1).fold(config, |place, name| &mut place[name]);
    *place = value;
}

fn treatment(image: Image) -> Image {
    let statistics = "read -r line < /proc/self/stat; set -- ${line##*) }; echo PROBE nice=${17}; \
        echo PROBE priority=${38}; echo PROBE policy=${39}";
    let fifo = json!({ "policy": "SCHED_FIFO", "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"] });
    let deadline = json!({ "policy": "SCHED_DEADLINE", "runtime": 10000000, "deadline": 20000000, "period": 20000000 });
    let treated = shell("batch", statistics, "/process/scheduler", json!({ "policy": "SCHED_BATCH", "nice": -5 }));
    let io = json!({ "class": "IOPRIO_CLASS_BE", "priority": 3 });
    let policy = json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] });
    let offsets = json!({ "monotonic": { "secs": 1000000, "nanosecs": 5 }, "boottime": { "secs": 2000000 } });
    let clocks = "while read -r line; do echo PROBE offset=$line; done < /proc/self/timens_offsets; \
        read -r up rest < /proc/uptime; echo PROBE uptime=$up; echo PROBE time=$(readlink /proc/self/ns/time)";
    image
        .onboot(treated)
        .onboot(shell("fifo", statistics, "/process/scheduler", fifo))
        .onboot(shell("deadline", statistics, "/process/scheduler", deadline))
        .onboot(shell("io", "echo PROBE io=$(busybox ionice -p $$)", "/process/ioPriority", io))
        .onboot(shell(
            "personality",
            "echo PROBE machine=$(uname -m)",
            "/linux/personality",
            json!({ "domain": "LINUX32" }),
        ))
        .onboot(shell(
            "memory",
            "read -r line < /proc/self/numa_maps; echo PROBE map=$line",
            "/linux/memoryPolicy",
            policy,
        ))
        .onboot(shell("clocks", clocks, "/linux/timeOffsets", offsets.clone()).time_new())
        .onboot(shell("mapped-clocks", clocks, "/linux/timeOffsets", offsets).time_new().user_new(IDS, IDS))
        .onboot(Container::shell("machine", clocks))
        .onboot(shell("rdt", ":", "/linux/intelRdt", json!({ "closID": "x" })))
}

/// Inside from 0, outside from 100000.
const IDS: (u32, u32, u32) = (0, 100_000, 65_536);

#[test]
fn a_process_is_scheduled_as_asked_for() {
    for (name, nice, priority, policy) in [("batch", "-5", "0", "3"), ("fifo", "0", "10", "1073741825")] {
        assert_eq!(seen().one(name, "nice"), nice, "{}", seen().about(name));
        assert_eq!(seen().one(name, "priority"), priority);
        // The kernel shows the flag that children do not inherit it as a bit of the policy, or not at all.
        assert!([policy, "1"].contains(&&*seen().one(name, "policy")), "{}", seen().about(name));
    }
    assert_eq!(seen().one("deadline", "policy"), "6", "{}", seen().about("deadline"));
}

#[test]
fn input_and_output_memory_and_personality_are_as_asked_for() {
    assert_eq!(seen().one("io", "io"), "best-effort: prio 3", "{}", seen().about("io"));
    assert_eq!(seen().one("personality", "machine"), "i686");
    assert!(seen().one("memory", "map").contains(" bind=static:0 "), "{}", seen().about("memory"));
}

#[test]
fn a_containers_clocks_are_ahead_by_what_was_asked_for() {
    for name in ["clocks", "mapped-clocks"] {
        let offsets: Vec<String> = seen().all(name, "offset").iter().map(|line| line.replace('\t', " ")).collect();
        let words: Vec<Vec<&str>> = offsets.iter().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [["monotonic", "1000000", "5"], ["boottime", "2000000", "0"]], "{}", seen().about(name));
        let uptime: f64 = seen().one(name, "uptime").parse().unwrap();
        assert!((2_000_000.0..2_100_000.0).contains(&uptime), "{uptime}");
        assert_ne!(seen().one(name, "time"), seen().one("machine", "time"));
    }
    assert!(seen().one("machine", "uptime").parse::<f64>().unwrap() < 100_000.0);
}

#[test]
fn a_machine_without_resctrl_refuses_it_by_name() {
    let expected = "linux.intelRdt: no resctrl file system is mounted";
    assert!(seen().messages("-rdt:").iter().any(|message| message.contains(expected)), "{}", seen().about("rdt"));
}

fn labels(image: Image) -> Image {
    let script = "read -r label < /proc/self/attr/current; echo PROBE label=$label; \
        echo x 2> /dev/null > /forbidden && echo PROBE forbidden=written || echo PROBE forbidden=refused";
    image
        .onboot(shell("confined", script, "/process/apparmorProfile", json!("pidone-test")))
        .onboot(shell("unconfined", script, "/process/apparmorProfile", json!("unconfined")))
        .onboot(shell("unknown-profile", script, "/process/apparmorProfile", json!("no-such-profile")))
        .onboot(shell("labelled", script, "/process/selinuxLabel", json!("system_u:system_r:svirt_lxc_net_t:s0")))
}

#[test]
fn a_program_is_confined_by_the_profile_that_was_asked_for() {
    assert_eq!(seen().one("confined", "label"), "pidone-test (enforce)", "{}", seen().about("confined"));
    assert_eq!(seen().one("confined", "forbidden"), "refused");
    assert_eq!(seen().one("unconfined", "label"), "unconfined");
    assert_eq!(seen().one("unconfined", "forbidden"), "written");
}

#[test]
fn a_label_that_cannot_be_given_is_an_error_by_name() {
    let unknown = seen().messages("-unknown-profile:");
    assert!(unknown.iter().any(|line| line.contains("/attr/apparmor/exec: ENOENT")), "{unknown:#?}");
    let labelled = seen().messages("-labelled:");
    assert!(labelled.iter().any(|line| line.contains("process.selinuxLabel: the kernel does not")), "{labelled:#?}");
    assert!(!seen().spoke("unknown-profile") && !seen().spoke("labelled"));
}

fn programs(image: Image) -> Image {
    let with = |name: &str, passwd: &'static str, script: &'static str| {
        let root = qemu_tests::root::Root::busybox().unwrap();
        let mut tree = root.tree().clone();
        if let Some(target) = passwd.strip_prefix("-> ") {
            tree.symlink("etc/passwd", target);
        } else {
            tree.file("etc/passwd", 0o644, passwd);
        }
        tree.file("first/script", 0o644, "echo PROBE ran=first\n");
        tree.file("second/script", 0o755, "echo PROBE ran=$0; echo PROBE argument=$1; echo PROBE home=$HOME\n");
        let container = Container::new(name).root(&qemu_tests::root::Root::new(tree));
        container.args(script.split(' '))
    };
    let users = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
    let path = |container: Container, path: &'static str| {
        container.edit_config(move |config| config["process"]["env"] = json!([format!("PATH={path}")]))
    };
    let home_of =
        |name: &str, passwd: &'static str| with(name, passwd, "").args(["/bin/sh", "-c", "echo PROBE home=$HOME"]);
    image
        .onboot(path(with("script", users, "script one"), "/nowhere:/first:/second").user(1000, 1000))
        .onboot(path(with("no-permission", users, "script"), "/first:/nowhere"))
        .onboot(home_of("home-of-root", users))
        .onboot(home_of("home-of-stranger", users).user(5, 5))
        .onboot(home_of("home-given", users).env("HOME", "/given"))
        .onboot(home_of("home-of-device", "-> /dev/zero"))
        .onboot(home_of("home-of-hostile", "x:x:0:0::relative:\n\n\n:::::::::"))
}

#[test]
fn a_program_is_found_as_execvpe_finds_it() {
    assert_eq!(seen().one("script", "ran"), "/second/script", "{}", seen().about("script"));
    assert_eq!(seen().one("script", "argument"), "one");
    let refused = seen().messages("-no-permission:");
    assert!(refused.iter().any(|line| line.contains("EACCES")), "{refused:#?}");
}

#[test]
fn home_is_what_the_containers_own_passwd_says() {
    for (name, home) in [
        ("script", "/home/alice"),
        ("home-of-root", "/root"),
        ("home-of-stranger", "/"),
        ("home-given", "/given"),
        ("home-of-device", "/"),
        ("home-of-hostile", "/"),
    ] {
        assert_eq!(seen().one(name, "home"), home, "{}", seen().about(name));
    }
}

fn user_namespaces(image: Image) -> Image {
    let paths = json!({ "user": "/run/pod/user", "net": "/run/pod/net", "uts": "/run/pod/uts" });
    let pod = probe("pod", "ns").net_new().uts_new().user_new(IDS, IDS).runtime(json!({ "bindNS": paths }));
    let member = probe("member", "ns , ids , mounts , hostname")
        .user_path("/run/pod/user")
        .net_path("/run/pod/net")
        .uts_new()
        .hostname("member")
        .ipc_new()
        .cgroup_new()
        .user(5, 6);
    let misplaced = probe("misplaced", "ns").net_path("/run/pod/uts");
    let file = probe("no-namespace", "ns").net_path("/profile");
    image.onboot(pod).onboot(member).onboot(misplaced).onboot(file)
}

#[test]
fn a_container_makes_namespaces_inside_a_user_namespace_that_it_joins() {
    let about = seen().about("member");
    for kind in ["user", "net"] {
        assert_eq!(seen().one("member", &format!("ns.{kind}")), seen().one("pod", &format!("ns.{kind}")), "{about}");
    }
    // The numbers of namespaces that are gone come again.
    for kind in ["uts", "ipc", "cgroup"] {
        assert_ne!(seen().one("member", &format!("ns.{kind}")), seen().one("pod", &format!("ns.{kind}")), "{about}");
    }
    assert_eq!(seen().one("member", "pid"), "1");
    assert_eq!(seen().one("member", "hostname"), "member");
    assert_eq!(seen().mount("member", "/proc").field("type"), "proc");
    // It was PID 1's own child, whose end was seen.
    assert!(seen().messages("-member:").iter().any(|line| line.contains("ended")), "{about}");
}

#[test]
fn somebody_without_privileges_is_root_in_his_own_container() {
    let map = recorded("rootless.map");
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "1000", "1"]);
    assert_eq!((recorded("rootless.groups"), recorded("rootless.id")), ("deny".into(), "0".into()));
    assert_eq!(recorded("rootless.pid"), "1");
}

#[test]
fn a_file_that_is_no_namespace_of_the_type_is_refused_before_anything_is_done() {
    for name in ["misplaced", "no-namespace"] {
        let messages = seen().messages(&format!("-{name}:"));
        let expected = "path: not a namespace of this type";
        assert!(messages.iter().any(|line| line.contains(expected)), "{name}: {messages:#?}");
    }
}

/// What a hook says of itself, at the end of a file of the machine.
const RECORD: &str = "state=$(busybox cat); busybox mkdir -p /run/hooks; { echo PROBE $0=$*; echo PROBE $0.state=$state; \
    echo PROBE $0.env=$KEY$HOME; for kind in mnt net pid; do echo PROBE $0.$kind=$(busybox readlink /proc/self/ns/$kind); \
    done; pid=${state##*\\\"pid\\\":}; echo PROBE $0.process=$(busybox readlink /proc/${pid%%,*}/ns/pid); \
    echo PROBE order=$0; } >> /run/hooks/";

fn hook(name: &str, moment: &str) -> Value {
    json!({
        "path": "/bin/busybox",
        "args": ["sh", "-c", format!("{RECORD}{name}"), moment, "one", "two words"],
        "env": ["KEY=value"],
    })
}

fn hooks(image: Image) -> Image {
    let script = "state=$(cat); echo PROBE startContainer.state=$state; \
        for kind in mnt net pid; do echo PROBE startContainer.$kind=$(readlink /proc/self/ns/$kind); done";
    let hooked =
        probe("hooked", "ns , sleep 2").net_new().annotation("org.example", "a \"b\"").edit_config(move |config| {
            let list = |moment: &str| json!([hook("all", moment)]);
            config["hooks"] = json!({
                "prestart": list("prestart"),
                "createRuntime": list("createRuntime"),
                "createContainer": list("createContainer"),
                "startContainer": [{ "path": "/bin/busybox", "args": ["sh", "-c", script] }],
                "poststart": list("poststart"),
                "poststop": list("poststop"),
            });
        });
    // The namespace of processes that this one joins is the machine's, by its path: the launcher must not be moved.
    let joined = probe("hooked-joiner", "ns").pid_path("/proc/1/ns/pid").edit_config(|config| {
        config["hooks"] = json!({ "createRuntime": [hook("joined", "createRuntime")] });
    });
    image.onboot(hooked).onboot(joined).onboot(
        Container::shell(
            "machine-ns",
            "for kind in mnt net pid; do echo PROBE $kind=$(readlink /proc/1/ns/$kind); done",
        )
        .pid_host()
        .capability_all(),
    )
}

fn failing_hooks(image: Image) -> Image {
    let failing = |name: &'static str, moment: &'static str, script: &'static str| {
        probe(name, "ns , sleep 30").edit_config(move |config| {
            config["hooks"] = json!({ "poststop": [hook("failed", name)] });
            let hook = json!({ "path": "/bin/busybox", "args": ["sh", "-c", script], "timeout": 2 });
            config["hooks"][moment] = json!([hook]);
        })
    };
    let report = Container::shell("report", "sleep 2; cat /hooks/*").bind("/run/hooks:/hooks");
    image
        .onboot(failing("fails-create-runtime", "createRuntime", "exit 3"))
        .onboot(failing("fails-create-container", "createContainer", "exit 3"))
        .onboot(failing("fails-start-container", "startContainer", "exit 3"))
        .onboot(failing("fails-poststart", "poststart", "exit 3"))
        .onboot(failing("lasts-prestart", "prestart", "busybox sleep 1000"))
        .onboot(probe("fails-poststop", "ns").edit_config(|config| {
            let fails = json!({ "path": "/bin/busybox", "args": ["sh", "-c", "exit 3"] });
            config["hooks"] = json!({ "poststop": [fails, hook("after-failure", "poststop")] });
        }))
        .onboot(report)
}

fn recorded(key: &str) -> String {
    seen().one("report", key)
}

#[test]
fn every_hook_is_run_once_in_the_order_of_the_lifecycle() {
    let order = seen().all("report", "order");
    let expected = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    let all: Vec<&str> = order.iter().map(String::as_str).filter(|name| expected.contains(name)).collect();
    assert!(all.windows(5).any(|window| window == expected), "{order:#?}");
    for moment in ["prestart", "createContainer", "poststart"] {
        assert_eq!(recorded(moment), "one two words");
        assert_eq!(recorded(&format!("{moment}.env")), "value");
    }
}

#[test]
fn a_hook_reads_the_state_as_its_namespace_sees_it() {
    let state =
        |text: String| -> Value { serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) };
    for (moment, status) in [("prestart", "creating"), ("createContainer", "creating"), ("poststart", "running")] {
        let state = state(recorded(&format!("{moment}.state")));
        assert_eq!(state["status"], status);
        assert_eq!(state["annotations"]["org.example"], "a \"b\"");
        assert!(state["bundle"].as_str().unwrap().starts_with("/containers/onboot/"), "{state}");
        assert!(state["id"].as_str().unwrap().ends_with("hooked"), "{state}");
        assert!(state["ociVersion"].is_string());
        assert_eq!(state["pid"] == 1, moment == "createContainer", "{moment} {state}");
    }
    let start = state(seen().one("hooked", "startContainer.state"));
    assert_eq!((start["status"].as_str(), start["pid"].as_u64()), (Some("created"), Some(1)));
}

#[test]
fn a_hook_is_run_in_its_namespaces() {
    for kind in ["mnt", "net", "pid"] {
        let own = seen().one("hooked", &format!("ns.{kind}"));
        let machine = seen().one("machine-ns", kind);
        assert_eq!(recorded(&format!("prestart.{kind}")), machine);
        assert_eq!(recorded(&format!("poststart.{kind}")), machine);
        assert_eq!(recorded(&format!("createContainer.{kind}")), own);
        assert_eq!(seen().one("hooked", &format!("startContainer.{kind}")), own);
    }
    // The process that it is told of is the container's.
    assert_eq!(recorded("prestart.process"), seen().one("hooked", "ns.pid"));
}

#[test]
fn a_hook_that_fails_ends_the_container_and_poststop_hooks_follow() {
    for (name, field, why) in [
        ("fails-create-runtime", "createRuntime", "ECANCELED"),
        ("fails-create-container", "createContainer", "ECANCELED"),
        ("fails-start-container", "startContainer", "ECANCELED"),
        ("fails-poststart", "poststart", "ECANCELED"),
        ("lasts-prestart", "prestart", "ETIMEDOUT"),
    ] {
        let messages = seen().messages(&format!("-{name}:"));
        let told = |line: &String| line.contains(&format!("run hooks.{field} /bin/busybox")) && line.contains(why);
        assert!(messages.iter().any(told), "{name}: {messages:#?}");
        // Its program runs while the last kind of hooks does.
        assert!(name == "fails-poststart" || !seen().spoke(name), "{}", seen().about(name));
        let state: Value = serde_json::from_str(&recorded(&format!("{name}.state"))).unwrap();
        assert_eq!((&state["status"], &state["pid"]), (&json!("stopped"), &Value::Null));
    }
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning() {
    let messages = seen().messages("-fails-poststop:");
    let told = |line: &String| line.contains("run hooks.poststop") && line.contains("ECANCELED");
    assert!(messages.iter().any(told), "{messages:#?}");
    assert_eq!(seen().all("report", "order").iter().filter(|name| *name == "poststop").count(), 2);
}
