//! Namespaces: new ones, the machine's, and those that a container left at a path.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use serde_json::{Value, json};

/// As in `/proc/PID/ns` and runtime.json's `bindNS`.
const BINDABLE: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// One boot with a container for every question.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [kinds, bound, users, living];
        let image = parts.into_iter().fold(Image::new()?, |image, part| part(image));
        boot(image, "")
    })
}

/// The namespaces that a container was in.
fn namespaces(name: &str) -> Vec<String> {
    let kinds = BINDABLE.iter().chain(&["time"]);
    kinds.map(|kind| seen().one(name, &format!("ns.{kind}"))).collect()
}

fn kinds(image: Image) -> Image {
    let script =
        "for kind in cgroup ipc mnt net pid user uts time; do echo PROBE ns.$kind=$(readlink /proc/1/ns/$kind); done";
    let all_new = probe("all-new", "ns , cgroup , mounts , hostname , write /proc/sys/kernel/domainname x")
        .net_new()
        .ipc_new()
        .uts_new()
        .cgroup_new()
        .time_new();
    let none_new = probe("none-new", "ns , mounts , stat /bin/probe , write /written x , list /containers")
        .edit_config(|config| config["linux"]["namespaces"] = json!([]));
    image
        .onboot(Container::shell("machine", script).pid_host().capability_all())
        .onboot(all_new)
        .onboot(none_new)
        .onboot(probe("builders", "ns"))
        .onboot(probe("by-path", "ns").edit_config(|config| {
            let kinds = [
                ("cgroup", "cgroup"),
                ("ipc", "ipc"),
                ("network", "net"),
                ("pid", "pid"),
                ("time", "time"),
                ("user", "user"),
                ("uts", "uts"),
            ];
            let entry = |(kind, file): (&str, &str)| json!({ "type": kind, "path": format!("/proc/1/ns/{file}") });
            config["linux"]["namespaces"] = kinds.into_iter().map(entry).chain([json!({ "type": "mount" })]).collect();
        }))
}

#[test]
fn a_new_namespace_is_another_than_the_machines() {
    let (machine, own) = (namespaces("machine"), namespaces("all-new"));
    for (machine, own) in machine.iter().zip(&own) {
        assert_eq!(own != machine, !machine.starts_with("user:"), "{machine} {own}");
    }
}

#[test]
fn what_is_not_in_the_list_is_shared_with_the_machine() {
    assert_eq!(namespaces("none-new"), namespaces("machine"), "{}", seen().about("none-new"));
    for (machine, own) in namespaces("machine").iter().zip(namespaces("builders")) {
        assert_eq!(*machine != own, machine.starts_with("mnt:") || machine.starts_with("pid:"), "{machine} {own}");
    }
}

#[test]
fn the_machines_namespaces_are_joined_by_their_paths_too() {
    for (machine, own) in namespaces("machine").iter().zip(namespaces("by-path")) {
        assert_eq!(*machine != own, machine.starts_with("mnt:"), "{machine} {own}");
    }
}

#[test]
fn a_container_in_the_machines_mount_namespace_has_its_own_root() {
    assert_eq!(seen().one("none-new", "write"), "/written ok");
    assert_eq!(seen().one("none-new", "list.error"), "ENOENT", "{}", seen().about("none-new"));
}

#[test]
fn a_cgroup_namespace_shows_the_containers_own_group_as_the_root() {
    assert_eq!(seen().one("all-new", "cgroup"), "/");
    assert_eq!(seen().mount("all-new", "/sys/fs/cgroup").field("root"), "/");
}

#[test]
fn a_container_in_the_machines_mount_namespace_takes_no_mount_of_the_machines_along() {
    let table = seen().all("after-files", "table");
    for path in ["/run/kept/net", "/run/kept-too/mnt", "/proc", "/dev/pts"] {
        let is_here = |line: &String| line.split(' ').nth(4) == Some(path);
        assert!(table.iter().any(is_here), "{path}: {table:#?}");
    }
    assert!(!table.iter().any(|line| line.contains("-files/") && !line.contains("-after-files/")), "{table:#?}");
}

/// Paths for all kinds below a folder.
fn paths(folder: &str) -> Value {
    Value::Object(BINDABLE.iter().map(|kind| ((*kind).to_owned(), json!(format!("{folder}/{kind}")))).collect())
}

fn bound(image: Image) -> Image {
    let keeper = probe("keeper", "ns , write /flag kept")
        .net_new()
        .ipc_new()
        .uts_new()
        .hostname("kept")
        .cgroup_new()
        .runtime(json!({ "bindNS": paths("/run/kept") }));
    let mut user_keeper = probe("user-keeper", "ns , write /flag kept-too");
    user_keeper = user_keeper.net_new().ipc_new().uts_new().hostname("kept-too").cgroup_new();
    let user_keeper = user_keeper
        .user_new(IDS, IDS)
        .user(5, 6)
        .tmpfs("/tmp:mode=1777")
        .runtime(json!({ "bindNS": paths("/run/kept-too") }));
    let files = "for keeper in kept kept-too; do for kind in cgroup ipc mnt net pid user uts; do \
        echo PROBE $keeper=$kind:[$(stat -L -c %i /run/$keeper/$kind)]; done; done";
    // Files of mount namespaces are only seen in the machine's own.
    let files = Container::shell("files", files)
        .bind("/run:/run")
        .edit_config(|config| config["linux"]["namespaces"] = json!([]));
    // The group that the joined namespace shows as the root has gone with its container.
    let without_groups = |config: &mut Value| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["type"] != "cgroup");
    };
    let joiner = probe("joiner", "ns , hostname")
        .edit_config(without_groups)
        .net_path("/run/kept/net")
        .ipc_path("/run/kept/ipc")
        .uts_path("/run/kept/uts")
        .cgroup_path("/run/kept/cgroup");
    // The mount namespace brings its root and its own /proc, which knows nobody here.
    let join = |folder: &'static str, kinds: &'static [&str]| {
        move |config: &mut Value| {
            let entry = |kind: &&str| {
                let file = if *kind == "mount" {
                    "mnt"
                } else if *kind == "network" {
                    "net"
                } else {
                    kind
                };
                json!({ "type": kind, "path": format!("/run/{folder}/{file}") })
            };
            config["linux"]["namespaces"] = kinds.iter().map(entry).collect();
        }
    };
    let all_but_pid = &["user", "mount", "network", "ipc", "uts", "cgroup"];
    image
        .onboot(keeper)
        .onboot(user_keeper)
        .onboot(files)
        .onboot(Container::shell("after-files", "sed 's/^/PROBE table=/' /proc/1/mountinfo").pid_host())
        .onboot(joiner)
        .onboot(probe("mount-joiner", "cat /flag , hostname").edit_config(join("kept", &["mount", "uts"])))
        .onboot(
            probe("user-joiner", "cat /flag , hostname , write /tmp/joined x , stat /tmp/joined , stat /bin/probe")
                .user(5, 6)
                .edit_config(join("kept-too", all_but_pid)),
        )
}

#[test]
fn all_seven_kinds_are_bound_at_the_paths_asked_for() {
    for (keeper, folder) in [("keeper", "kept"), ("user-keeper", "kept-too")] {
        let own: Vec<String> = BINDABLE.iter().map(|kind| seen().one(keeper, &format!("ns.{kind}"))).collect();
        assert_eq!(seen().all("files", folder), own, "{}\n{}", seen().about(keeper), seen().about("files"));
    }
    assert_ne!(seen().one("user-keeper", "ns.user"), seen().one("keeper", "ns.user"));
}

#[test]
fn a_later_container_joins_namespaces_by_their_paths() {
    for kind in ["net", "ipc", "uts", "cgroup"] {
        let key = format!("ns.{kind}");
        assert_eq!(seen().one("joiner", &key), seen().one("keeper", &key), "{}", seen().about("joiner"));
    }
    for kind in ["mnt", "pid"] {
        let key = format!("ns.{kind}");
        assert_ne!(seen().one("joiner", &key), seen().one("keeper", &key));
    }
    assert_eq!(seen().one("joiner", "hostname"), "kept");
}

#[test]
fn a_joined_mount_namespace_brings_its_root_and_all_that_was_written_there() {
    assert_eq!(seen().all("mount-joiner", "cat"), ["kept"], "{}", seen().about("mount-joiner"));
    let messages = seen().messages("mount-joiner");
    assert!(messages.iter().any(|message| message.contains("those of the joined mount namespace")), "{messages:#?}");
}

#[test]
fn a_user_namespace_is_joined_with_all_others_that_belong_to_it() {
    assert_eq!(seen().one("user-joiner", "hostname"), "kept-too", "{}", seen().about("user-joiner"));
    let stats = seen().all("user-joiner", "stat");
    assert!(stats[0].starts_with("/tmp/joined type=file mode=0644 uid=5 gid=6"), "{stats:#?}");
    assert!(stats[1].contains("uid=65534 gid=65534"), "{stats:#?}");
}

const IDS: (u32, u32, u32) = (0, 100_000, 65_536);

fn users(image: Image) -> Image {
    let words = "ids , cat /proc/self/uid_map , cat /proc/self/gid_map , caps , write /var/tmp/by-user x , stat /var/tmp/by-user , \
        devices /dev/null /dev/zero , mounts , stat /bin/probe , ns , write /proc/sys/kernel/panic 1";
    let mapped = |name: &str| probe(name, words).bind("/var/tmp:/var/tmp").capability_all();
    image
        .onboot(mapped("mapped").user_new(IDS, (0, 200_000, 1000)).user(5, 6).additional_gids(&[7]))
        .onboot(mapped("mapped-root").user_new(IDS, IDS).net_new().ipc_new().uts_new().cgroup_new().hostname("mapped"))
        .onboot(probe("unmapped", "stat /var/tmp/by-user").bind("/var/tmp:/var/tmp"))
}

#[test]
fn ids_are_mapped_as_asked() {
    assert_eq!(
        ["uid", "gid", "groups"].map(|key| seen().one("mapped", key)),
        ["5", "6", "7"],
        "{}",
        seen().about("mapped")
    );
    let maps: Vec<String> =
        seen().all("mapped", "cat").iter().map(|map| map.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(maps, ["0 100000 65536", "0 200000 1000"]);
    let own = seen().all("mapped", "stat");
    assert!(own[0].starts_with("/var/tmp/by-user type=file mode=0644 uid=5 gid=6"), "{own:#?}");
    let outside = seen().one("unmapped", "stat");
    assert!(outside.starts_with("/var/tmp/by-user type=file mode=0644 uid=100005 gid=200006"), "{outside}");
}

#[test]
fn a_mapped_container_has_devices_and_file_systems_but_no_power_over_the_machine() {
    for name in ["mapped", "mapped-root"] {
        assert_eq!(seen().all(name, "device"), ["/dev/null ok", "/dev/zero ok"], "{}", seen().about(name));
        for (target, kind) in [
            ("/proc", "proc"),
            ("/sys", "sysfs"),
            ("/dev", "tmpfs"),
            ("/dev/pts", "devpts"),
            ("/sys/fs/cgroup", "cgroup2"),
        ] {
            assert_eq!(seen().mount(name, target).field("type"), kind);
        }
        let written = seen().all(name, "write");
        assert!(written.contains(&"/proc/sys/kernel/panic EACCES".into()), "{written:#?}");
    }
    assert_ne!(seen().one("mapped-root", "caps.effective"), "0000000000000000");
}

/// A namespace of processes lives as long as its first process: one that is older than all containers.
fn living(image: Image) -> Image {
    let script = "#!/bin/busybox sh\nbusybox unshare -p -f busybox sleep 1000 &\nbusybox sleep 1\nbusybox mkdir -p /run/living\n\
        : > /run/living/pid\nbusybox mount --bind /proc/$!/ns/pid_for_children /run/living/pid\n";
    let script_of = |tree: &mut qemu_tests::tree::Tree| {
        qemu_tests::root::add_busybox(tree).unwrap();
        tree.file("etc/init.d/010-living", 0o755, script);
    };
    let joiner =
        Container::shell("pid-joiner", "probe ids , ns; cat /proc/1/cmdline; echo; exit 5").pid_path("/run/living/pid");
    let second = probe("pid-joiner-too", "ids , ns").pid_path("/run/living/pid").user_new(IDS, IDS);
    image.edit(script_of).onboot(joiner).onboot(second)
}

#[test]
fn a_namespace_of_processes_is_joined_by_its_path() {
    for name in ["pid-joiner", "pid-joiner-too"] {
        assert_ne!(seen().one(name, "pid"), "1", "{}", seen().about(name));
        assert_ne!(seen().one(name, "ns.pid"), seen().one("machine", "ns.pid"));
    }
    assert_eq!(seen().one("pid-joiner", "ns.pid"), seen().one("pid-joiner-too", "ns.pid"));
    assert!(seen().output("pid-joiner").contains("sleep"), "{}", seen().about("pid-joiner"));
    // Its end is seen from outside all the same.
    assert!(seen().messages("pid-joiner:").iter().any(|message| message.contains("ended with code 5")));
}
