//! Containers are what their configuration says.

use qemu_tests::container::{CAPABILITIES, Container, Generation};
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use serde_json::{Value, json};

/// One boot with a container for every question.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let image = Image::new()?;
        let parts = [roots, processes, mounts, propagation, devices, resources, runtime, volumes, order, failures];
        let image = parts.into_iter().fold(image, |image, part| part(image));
        boot(image.onboot(leftovers()), "")
    })
}

const GENERATIONS: [(&str, Generation); 2] = [("seed", Generation::Seed), ("current", Generation::Current)];

fn roots(image: Image) -> Image {
    GENERATIONS.into_iter().fold(image, |image, (name, generation)| {
        let look = "mounts , write /written x , cat /written";
        let container = |kind| probe(&format!("{name}-{kind}"), look).generation(generation);
        // The machine's own root cannot be written to, so that nothing need be done for a read-only root in it.
        let overlay = container("ro-overlay").edit_config(|config| config["root"]["readonly"] = json!(true));
        image.onboot(container("rw")).onboot(container("ro").read_only()).onboot(overlay)
    })
}

#[test]
fn a_writable_root_of_either_generation_is_an_overlay_in_memory() {
    for (generation, _) in GENERATIONS {
        let name = format!("{generation}-rw");
        let root = seen().mount(&name, "/");
        assert_eq!(root.field("type"), "overlay", "{}", seen().about(&name));
        assert!(root.field("super").contains(&format!("-{name}/tmp/upper")), "{}", root.field("super"));
        assert_eq!((seen().one(&name, "write"), seen().one(&name, "cat")), ("/written ok".into(), "x".into()));
    }
}

#[test]
fn a_read_only_root_of_either_generation_cannot_be_written_to() {
    for (generation, _) in GENERATIONS {
        for name in [format!("{generation}-ro"), format!("{generation}-ro-overlay")] {
            assert!(seen().mount(&name, "/").options().contains(&"ro"), "{}", seen().about(&name));
            assert_eq!(seen().one(&name, "write"), "/written EROFS");
        }
    }
}

#[test]
fn the_default_mounts_have_their_type_flags_and_data() {
    for (target, kind, flags, data) in [
        ("/proc", "proc", "rw,nosuid,nodev,noexec,relatime", "rw"),
        ("/dev", "tmpfs", "rw,nosuid", "rw,size=65536k,mode=755"),
        ("/dev/pts", "devpts", "rw,nosuid,noexec,relatime", "rw,mode=620,ptmxmode=666"),
        ("/sys", "sysfs", "rw,nosuid,nodev,noexec,relatime", "rw"),
        ("/sys/fs/cgroup", "cgroup2", "ro,nosuid,nodev,noexec,relatime", "rw"),
    ] {
        let mount = seen().mount("current-rw", target);
        assert_eq!((mount.field("type"), mount.field("options")), (kind, flags), "{target}");
        assert!(data.split(',').all(|option| mount.super_options().contains(&option)), "{}", mount.field("super"));
    }
    for target in ["/dev", "/sys"] {
        assert!(seen().mount("current-ro", target).options().contains(&"ro"), "{target}");
    }
}

#[test]
fn the_machine_is_not_seen_from_a_container() {
    for (generation, _) in GENERATIONS {
        let targets: Vec<String> = seen().all(&format!("{generation}-rw"), "mount");
        let known = ["/ ", "/proc ", "/dev ", "/dev/pts ", "/sys ", "/sys/fs/cgroup "];
        let others: Vec<_> =
            targets.iter().filter(|line| !known.iter().any(|target| line.starts_with(target))).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

const CAPABILITY_CHOWN: u64 = 1;
const CAPABILITY_KILL: u64 = 1 << 5;
const CAPABILITY_NET_RAW: u64 = 1 << 13;

fn processes(image: Image) -> Image {
    let capabilities = |sets: Value| move |config: &mut Value| config["process"]["capabilities"] = sets.clone();
    let words = "args , env , cwd , ids , caps , limits , fds , hostname , say a&b<c> , cgroup";
    let set = probe("set", words)
        .user(1000, 1001)
        .additional_gids(&[5, 27])
        .edit_config(|config| config["process"]["user"]["umask"] = json!(0o077))
        .env("GREETING", "a & b < c > \u{2028} \"d\" \\ \u{e4}")
        .cwd("/var/tmp/made/for/it")
        .edit_config(capabilities(json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
            "effective": ["CAP_KILL"],
            "inheritable": ["CAP_KILL", "CAP_NET_RAW"],
            "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
            "ambient": ["CAP_NET_RAW"],
        })))
        .rlimit("RLIMIT_NOFILE", 100, 200)
        .rlimit("RLIMIT_CORE", 0, u64::MAX)
        .rlimit("RLIMIT_NPROC", 50, 60)
        .no_new_privileges()
        .oom_score_adj(321)
        .uts_new()
        .hostname("inside")
        .annotation("org.example.note", "a & b");
    let root_of_some = probe("root-of-some", "caps")
        .edit_config(capabilities(json!({ "bounding": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"] })));
    let every = probe("every-capability", "caps , sysctl kernel.cap_last_cap").capability_all();
    // Without a slash it is looked for in the container's PATH.
    let found = Container::new("found-by-path").args(["probe", "say", "found"]).edit_config(|config| {
        config["process"]["env"] = json!(["PATH=/nowhere:/bin"]);
    });
    image.onboot(set).onboot(probe("unset", words)).onboot(root_of_some).onboot(every).onboot(found)
}

#[test]
fn arguments_environment_and_directory_reach_the_program() {
    let arguments = seen().all("set", "arg");
    assert_eq!(arguments[..3], ["/bin/probe", "args", ","], "{}", seen().about("set"));
    assert_eq!(seen().one("set", "say"), "a&b<c>");
    assert_eq!(seen().one("set", "env.GREETING"), "a & b < c > \u{2028} \"d\" \\ \u{e4}");
    assert_eq!(seen().one("set", "env.PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!((seen().one("set", "cwd"), seen().one("unset", "cwd")), ("/var/tmp/made/for/it".into(), "/".into()));
    assert_eq!(seen().one("found-by-path", "say"), "found");
}

#[test]
fn user_groups_and_umask_are_taken() {
    let ids = |name: &str| ["uid", "euid", "gid", "egid", "groups", "umask"].map(|key| seen().one(name, key));
    assert_eq!(ids("set"), ["1000", "1000", "1001", "1001", "5,27", "0077"], "{}", seen().about("set"));
    assert_eq!(ids("unset"), ["0", "0", "0", "0", "", "0022"], "{}", seen().about("unset"));
}

#[test]
fn the_five_capability_sets_are_what_the_kernel_makes_of_those_asked_for() {
    let sets = |name: &str| {
        let set = |key| u64::from_str_radix(&seen().one(name, key), 16).unwrap();
        ["caps.bounding", "caps.permitted", "caps.effective", "caps.inheritable", "caps.ambient"].map(set)
    };
    // capabilities(7): another user than root keeps the ambient ones when it executes a program.
    let (all, two) = (CAPABILITY_CHOWN | CAPABILITY_KILL | CAPABILITY_NET_RAW, CAPABILITY_KILL | CAPABILITY_NET_RAW);
    assert_eq!(sets("set"), [all, CAPABILITY_NET_RAW, CAPABILITY_NET_RAW, two, CAPABILITY_NET_RAW]);
    // Root gets what is bounding or inheritable.
    let both = CAPABILITY_CHOWN | CAPABILITY_KILL;
    assert_eq!(sets("root-of-some"), [both, both, both, CAPABILITY_KILL, 0]);
    assert_eq!(sets("unset"), [0; 5]);
    let known = seen().one("every-capability", "sysctl.kernel.cap_last_cap").parse::<u32>().unwrap();
    let every = (1 << CAPABILITIES.len().min(known as usize + 1)) - 1;
    assert_eq!(sets("every-capability"), [every, every, every, every, 0]);
}

#[test]
fn limits_scores_and_the_ban_on_new_privileges_hold() {
    let values = |name: &str| {
        ["limit.nofile", "limit.core", "limit.nproc", "no_new_privs", "oom_score_adj"].map(|key| seen().one(name, key))
    };
    assert_eq!(values("set"), ["100:200", "0:unlimited", "50:60", "1", "321"]);
    let [nofile, _, nproc, no_new_privileges, score] = values("unset");
    assert_eq!((nofile.as_str(), nproc.as_str()), ("1048576:1048576", "unlimited:unlimited"));
    assert_eq!((no_new_privileges.as_str(), score.as_str()), ("0", "0"));
}

#[test]
fn a_host_name_of_its_own_is_the_containers_alone() {
    assert_eq!(
        (seen().one("set", "hostname"), seen().one("unset", "hostname")),
        ("inside".into(), "pidone-test".into())
    );
}

#[test]
fn nothing_of_pidones_own_leaks_into_a_container() {
    for name in ["set", "unset"] {
        let descriptors = seen().all(name, "fd");
        let [input, output, errors] = &descriptors[..] else { panic!("{descriptors:#?}") };
        assert_eq!(input, "0 /dev/null");
        // Two pipes, to the logger.
        assert!(output.starts_with("1 pipe:[") && errors.starts_with("2 pipe:["), "{output} {errors}");
        assert_ne!(output.split_once(' ').unwrap().1, errors.split_once(' ').unwrap().1);
        assert_eq!((seen().one(name, "pid"), seen().one(name, "ppid")), ("1".into(), "0".into()));
    }
    let names: Vec<&str> = seen().output("unset").lines().filter_map(|line| line.strip_prefix("PROBE env.")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("PATH=") && names[1].starts_with("HOME="), "{names:?}");
}

#[test]
fn a_container_is_in_the_control_group_of_its_section_and_name() {
    let group = seen().one("set", "cgroup");
    assert!(group.starts_with("/onboot/0") && group.ends_with("-set"), "{group}");
    assert_eq!(seen().one("limited", "cgroup"), "/limits/of/one");
}

fn mounts(image: Image) -> Image {
    let words = "mounts , stat /m/fine , write /m/ro/x y , write /m/file-ro y , cat /m/file , stat /m/made-file , \
        write /m/small/x y , stat /m/relative , write /dev/shm/x y , cat /etc/passwd , stat /etc/passwd , \
        stat /proc/kcore , list /proc/irq , write /proc/irq/x y , write /proc/sys/kernel/domainname x , write /etc/x y , stat /m/link/there";
    let container = probe("mounts", words)
        .capability_all()
        .tmpfs("/m/fine:noatime,nodiratime,nosymfollow,nosuid,nodev,noexec,sync,size=1m,mode=711")
        .tmpfs("/m/ro:ro,size=1m")
        .tmpfs("/m/late:noatime,strictatime,ro,rw,nosuid,suid")
        .tmpfs("/m/small:size=64k,nr_inodes=1")
        .tmpfs("m/relative:mode=700")
        .mount(
            json!({ "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "mode=1777"] }),
        )
        .mount(json!({ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid"] }))
        .bind("/etc/hostname:/m/file")
        .bind("/etc/hostname:/m/file-ro:ro")
        .bind("/etc/hostname:/m/new/folder/made-file")
        .bind("/dev:/m/dev-ro:ro")
        .bind("/dev:/m/dev-rro:rro")
        .mount(json!({ "destination": "/m/dev-alone", "type": "bind", "source": "/dev", "options": ["bind"] }))
        .bind("/var/lib:/m/shared")
        .bind("/var/lib:/m/private:rprivate")
        .bind("/var/lib:/m/slave:rslave")
        .bind("/var/lib:/m/unbindable:runbindable")
        // Links inside of the root are followed inside of the root.
        .tmpfs("/m/link/there:mode=750")
        .masked_path("/etc/passwd")
        .masked_path("/proc/kcore")
        .masked_path("/proc/irq")
        .masked_path("/proc/absent")
        .readonly_path("/proc/sys")
        .readonly_path("/etc")
        .readonly_path("/absent")
        .edit_config(|config| {
            let more = json!([
                { "destination": "/m/again", "type": "tmpfs", "source": "first", "options": ["size=1m"] },
                { "destination": "/m/again", "options": ["remount", "bind", "ro", "noexec"] },
                { "destination": "/m/resized", "type": "tmpfs", "source": "first", "options": ["size=1m"] },
                { "destination": "/m/resized", "type": "tmpfs", "options": ["remount", "size=2m"] },
            ]);
            let list = config["mounts"].as_array_mut().unwrap();
            list.extend(more.as_array().unwrap().clone());
        });
    image.onboot(container)
}

#[test]
fn every_mount_option_is_honoured() {
    let options = |target: &str| seen().mount("mounts", target).field("options").to_owned();
    assert_eq!(
        options("/m/fine"),
        "rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow",
        "{}",
        seen().about("mounts")
    );
    let fine = seen().mount("mounts", "/m/fine");
    assert!(["sync", "size=1024k", "mode=711"].iter().all(|option| fine.super_options().contains(option)));
    assert_eq!(options("/m/ro"), "ro,relatime");
    assert!(seen().all("mounts", "write").contains(&"/m/ro/x EROFS".into()));
    assert_eq!(options("/m/late"), "rw");
    assert_eq!(options("/m/again"), "ro,noexec,relatime");
    assert!(seen().mount("mounts", "/m/resized").super_options().contains(&"size=2048k"));
    assert_eq!(seen().mount("mounts", "/m/relative").super_options().iter().filter(|o| **o == "mode=700").count(), 1);
    assert_eq!(seen().mount("mounts", "/dev/mqueue").field("type"), "mqueue");
    assert!(seen().all("mounts", "write").contains(&"/dev/shm/x ok".into()));
}

#[test]
fn binds_are_of_files_or_folders_alone_or_with_all_below_and_read_only_as_far_as_asked() {
    assert!(seen().all("mounts", "cat").contains(&"pidone-test".into()), "{}", seen().about("mounts"));
    assert!(seen().all("mounts", "write").contains(&"/m/file-ro EROFS".into()));
    seen().mount("mounts", "/m/new/folder/made-file");
    let is_read_only = |target: &str| seen().mount("mounts", target).options().contains(&"ro");
    assert!(is_read_only("/m/dev-ro") && !is_read_only("/m/dev-ro/pts"));
    assert!(is_read_only("/m/dev-rro") && is_read_only("/m/dev-rro/pts"));
    assert!(!is_read_only("/m/dev-alone"));
    let all = seen().all("mounts", "mount");
    assert!(!all.iter().any(|mount| mount.starts_with("/m/dev-alone/")), "{all:#?}");
}

#[test]
fn the_propagation_of_a_mount_is_the_one_asked_for() {
    let propagation = |target: &str| seen().mount("mounts", target).field("propagation").to_owned();
    assert!(propagation("/m/shared").starts_with("shared:"), "{}", propagation("/m/shared"));
    assert_eq!(propagation("/m/private"), "private");
    assert!(propagation("/m/slave").starts_with("master:"), "{}", propagation("/m/slave"));
    assert_eq!(propagation("/m/unbindable"), "unbindable");
}

#[test]
fn masked_paths_are_empty_and_readonly_paths_cannot_be_written_to() {
    let stats = seen().all("mounts", "stat");
    for masked in ["/etc/passwd", "/proc/kcore"] {
        let null = format!("{masked} type=character mode=0666 uid=0 gid=0 size=0 device=1:3");
        assert!(stats.contains(&null), "{stats:#?}");
    }
    assert!(seen().all("mounts", "list").is_empty(), "{:#?}", seen().all("mounts", "list"));
    let written = seen().all("mounts", "write");
    for path in ["/proc/irq/x", "/proc/sys/kernel/domainname", "/etc/x"] {
        assert!(written.contains(&format!("{path} EROFS")), "{written:#?}");
    }
}

fn propagation(image: Image) -> Image {
    let kinds = ["shared", "rslave", "private", "unbindable"];
    let image = kinds
        .into_iter()
        .fold(image, |image, kind| image.onboot(probe(&format!("root-{kind}"), "mounts").rootfs_propagation(kind)));
    let sharer = |folder: &str| {
        let script = format!("mkdir /lib/{folder} && mount -t tmpfs tmpfs /lib/{folder} && touch /lib/{folder}/flag");
        Container::shell(&format!("sharer-{folder}"), &script).capability_all().bind("/var/lib:/lib")
    };
    image
        .onboot(sharer("let-out").rootfs_propagation("shared"))
        .onboot(sharer("kept-in"))
        .onboot(probe("sharee", "list /lib/let-out , list /lib/kept-in").bind("/var/lib:/lib"))
}

#[test]
fn the_propagation_of_the_root_is_the_one_asked_for() {
    let propagation = |name: &str| seen().mount(name, "/").field("propagation").to_owned();
    assert!(propagation("root-shared").starts_with("shared:"), "{}", seen().about("root-shared"));
    assert_eq!(propagation("root-unbindable"), "unbindable");
    assert_eq!(propagation("root-private"), "private");
    for name in ["root-rslave", "current-rw", "seed-ro"] {
        assert!(!propagation(name).contains("shared:"), "{name} {}", propagation(name));
    }
}

#[test]
fn a_mount_made_in_a_container_is_seen_outside_if_its_root_is_shared() {
    assert_eq!(seen().all("sharee", "list"), ["flag"], "{}\n{}", seen().about("sharer"), seen().about("sharee"));
    assert!(seen().messages("sharer").iter().all(|message| message.contains("ended with code 0")));
}

fn devices(image: Image) -> Image {
    let default = "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty";
    let stats = |paths: &str| paths.split(' ').map(|path| format!("stat {path} , ")).collect::<String>();
    let words = format!(
        "{} {} say end",
        stats(default),
        stats(
            "/dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx /dev/custom /dev/below/block /dev/pipe /dev/unbuffered"
        )
    );
    let nodes = probe("nodes", &words).edit_config(|config| {
        config["linux"]["devices"] = json!([
            { "path": "/dev/custom", "type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 7, "gid": 8 },
            { "path": "/dev/below/block", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600, "uid": 0, "gid": 0 },
            { "path": "/dev/pipe", "type": "p" },
            { "path": "/dev/unbuffered", "type": "u", "major": 4, "minor": 65, "fileMode": 0o604, "uid": 0, "gid": 0 },
        ]);
    });
    let kmsg = |name: &str, rules: Value| {
        let script = "for node in null zero custom; do \
            (exec 3<>/dev/$node) 2>/dev/null && echo PROBE both=$node; (exec 3</dev/$node) 2>/dev/null && echo PROBE read=$node; \
            done; mknod /tmp/kmsg c 1 11 && echo PROBE made=c; (exec 3</tmp/kmsg) 2>/dev/null && echo PROBE read=made";
        Container::shell(name, script).capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]).edit_config(move |config| {
            config["linux"]["devices"] = json!([{ "path": "/dev/custom", "type": "c", "major": 1, "minor": 11 }]);
            config["linux"]["resources"]["devices"] = rules.clone();
        })
    };
    let one = |access: &str| json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": access });
    let nothing = json!({ "allow": false, "access": "rwm" });
    let of_linuxkit = Container::shell("rules-of-linuxkit", "(exec 3<>/dev/kmsg) && echo PROBE both=kmsg")
        .capabilities(&["CAP_SYSLOG"])
        .device("/dev/kmsg", "c", 1, 11, 0o600);
    image
        .onboot(nodes)
        .onboot(kmsg("rules-none", json!([])))
        .onboot(kmsg("rules-read", json!([nothing, one("r")])))
        .onboot(kmsg("rules-both", json!([nothing, one("rw")])))
        .onboot(kmsg("rules-all", json!([{ "allow": true, "type": "a", "access": "rwm" }])))
        .onboot(kmsg("rules-last", json!([one("rwm"), { "allow": false, "type": "c", "major": 1, "access": "w" }])))
        .onboot(of_linuxkit)
}

#[test]
fn device_nodes_have_their_kind_number_mode_and_owner() {
    let stats = seen().all("nodes", "stat");
    for (path, number) in
        [("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0")]
    {
        let expected = format!("/dev/{path} type=character mode=0666 uid=0 gid=0 size=0 device={number}");
        assert!(stats.contains(&expected), "{path}: {stats:#?}\n{}", seen().about("nodes"));
    }
    for expected in [
        "/dev/custom type=character mode=0640 uid=7 gid=8 size=0 device=1:11",
        "/dev/below/block type=block mode=0600 uid=0 gid=0 size=0 device=7:3",
        "/dev/pipe type=fifo mode=0666 uid=0 gid=0 size=0 device=0:0",
        "/dev/unbuffered type=character mode=0604 uid=0 gid=0 size=0 device=4:65",
    ] {
        assert!(stats.contains(&expected.to_owned()), "{expected}: {stats:#?}");
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        let expected = format!("/dev/{link} type=symlink");
        let found = stats.iter().find(|line| line.starts_with(&expected));
        assert!(found.is_some_and(|line| line.ends_with(&format!(" target={target}"))), "{link}: {stats:#?}");
    }
}

#[test]
fn devices_can_be_used_as_far_as_the_rules_allow() {
    let uses = |name: &str| (seen().all(name, "both"), seen().all(name, "read"));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    for (name, both, read) in [
        ("rules-none", &["null", "zero"][..], &["null", "zero"][..]),
        ("rules-read", &["null", "zero"], &["null", "zero", "custom", "made"]),
        ("rules-both", &["null", "zero", "custom"], &["null", "zero", "custom", "made"]),
        ("rules-all", &["null", "zero", "custom"], &["null", "zero", "custom", "made"]),
        // The defaults stand behind all rules.
        ("rules-last", &["null", "zero"], &["null", "zero", "custom", "made"]),
    ] {
        assert_eq!(uses(name), (words(both), words(read)), "{}", seen().about(name));
        assert_eq!(seen().all(name, "made"), ["c"], "{}", seen().about(name));
    }
    assert_eq!(seen().all("rules-of-linuxkit", "both"), ["kmsg"], "{}", seen().about("rules-of-linuxkit"));
}

fn resources(image: Image) -> Image {
    let files = LIMITS.iter().map(|(file, _)| format!("cat /sys/fs/cgroup/limits/of/one/{file} , "));
    let words = format!("{} cgroup", files.collect::<String>());
    let limited = probe("limited", &words).cgroups_path("/limits/of/one").resources(json!({
        "memory": { "limit": 64 << 20, "reservation": 16 << 20, "swap": 96 << 20 },
        "cpu": { "shares": 512, "quota": 50_000, "period": 200_000, "cpus": "0", "mems": "0" },
        "pids": { "limit": 64 },
        "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 << 20 }],
        "unified": { "memory.high": "33554432", "cgroup.max.depth": "3" },
    }));
    let bomb = "for i in $(seq 30); do sleep 5 & done; echo PROBE bomb=survived";
    let bounded = Container::shell("bounded", bomb).resources(json!({ "pids": { "limit": 8 } }));
    let greedy =
        Container::shell("greedy", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo PROBE greedy=survived")
            .resources(json!({ "memory": { "limit": 16 << 20, "swap": 16 << 20 } }));
    let sysctl =
        probe("sysctl", "sysctl net.ipv4.ip_forward , sysctl kernel.shm_rmid_forced , sysctl kernel.domainname")
            .net_new()
            .ipc_new()
            .uts_new()
            .sysctl("net.ipv4.ip_forward", "1")
            .sysctl("kernel.shm_rmid_forced", "1")
            .sysctl("kernel.domainname", "example.org");
    let machines = "sysctl net.ipv4.ip_forward , sysctl kernel.shm_rmid_forced , sysctl kernel.domainname";
    image.onboot(limited).onboot(bounded).onboot(greedy).onboot(sysctl).onboot(probe("sysctl-of-machine", machines))
}

/// Control files, and what they say of the container `limited`.
const LIMITS: [(&str, &str); 11] = [
    ("memory.max", "67108864"),
    ("memory.low", "16777216"),
    ("memory.swap.max", "33554432"),
    ("memory.high", "33554432"),
    // 10 to the power of (9² + 125 * 9) / 612 - 7 / 34, rounded up
    ("cpu.weight", "59"),
    ("cpu.max", "50000 200000"),
    ("cpuset.cpus", "0"),
    ("cpuset.mems", "0"),
    ("pids.max", "64"),
    ("hugetlb.2MB.max", "4194304"),
    ("cgroup.max.depth", "3"),
];

#[test]
fn limits_are_read_back_from_the_control_group() {
    let read = seen().all("limited", "cat");
    assert_eq!(read, LIMITS.map(|(_, value)| value), "{}", seen().about("limited"));
}

#[test]
fn limits_are_in_force() {
    assert!(seen().all("bounded", "bomb").is_empty(), "{}", seen().about("bounded"));
    assert!(seen().errors("bounded").contains("can't fork"), "{}", seen().about("bounded"));
    assert!(seen().all("greedy", "greedy").is_empty(), "{}", seen().about("greedy"));
}

#[test]
fn kernel_parameters_are_set_in_the_containers_own_namespaces_only() {
    let parameters = |name: &str| {
        ["net.ipv4.ip_forward", "kernel.shm_rmid_forced", "kernel.domainname"]
            .map(|key| seen().one(name, &format!("sysctl.{key}")))
    };
    assert_eq!(parameters("sysctl"), ["1", "1", "example.org"], "{}", seen().about("sysctl"));
    assert_eq!(parameters("sysctl-of-machine"), ["0", "0", "(none)"]);
}

fn runtime(image: Image) -> Image {
    let maker = probe("runtime", "stat /made/by/runtime , stat /shared , list /groups , mounts")
        .bind("/sys/fs/cgroup:/groups")
        .bind("/var/shared:/shared")
        .runtime(json!({
            "mkdir": ["/var/absolute/folder", "made/by/runtime"],
            "mounts": [
                { "destination": "/var/shared", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=710", "noexec"] },
                { "destination": "relative", "type": "tmpfs", "source": "tmpfs", "options": ["size=2m"] },
            ],
            "cgroups": ["extra/inner", "/other"],
            "namespace": "services.linuxkit",
        }));
    image.onboot(maker).onboot(
        probe("after-runtime", "stat /v/shared , stat /v/absolute/folder , list /groups/extra")
            .bind("/var:/v")
            .bind("/sys/fs/cgroup:/groups"),
    )
}

#[test]
fn runtime_folders_mounts_and_groups_are_made_for_it_and_for_others() {
    let stats = seen().all("runtime", "stat");
    assert!(stats[0].starts_with("/made/by/runtime type=directory mode=0755"), "{}", seen().about("runtime"));
    assert!(stats[1].starts_with("/shared type=directory mode=0710"), "{stats:#?}");
    let groups = seen().all("runtime", "list");
    assert!(groups.contains(&"extra".into()) && groups.contains(&"other".into()), "{groups:?}");
    let relative = seen().mount("runtime", "/relative");
    assert!(relative.super_options().contains(&"size=2048k"), "{}", relative.field("super"));
    let stats = seen().all("after-runtime", "stat");
    assert!(stats[0].starts_with("/v/shared type=directory mode=0710"), "{}", seen().about("after-runtime"));
    assert!(stats[1].starts_with("/v/absolute/folder type=directory"), "{stats:#?}");
    assert!(seen().all("after-runtime", "list").contains(&"inner".into()));
}

fn volumes(image: Image) -> Image {
    let mut tree = Tree::new();
    tree.file("from-image", 0o644, "given\n");
    let volume = "/containers/volumes/data/merged:/data";
    let meet = |name: &str, other: &str| {
        let script = format!(
            "touch /meet/{name}; for i in $(seq 300); do [ -e /meet/{other} ] && echo PROBE met={other} && exit; sleep 0.1; done"
        );
        Container::shell(name, &script).bind("/containers/volumes/meet/merged:/meet")
    };
    image
        .volume("data", Some(&Root::new(tree)))
        .volume("meet", None)
        .onboot(
            probe("volume-writer", "cat /data/from-image , write /data/from-image changed , write /data/new kept")
                .bind(volume),
        )
        .onboot(
            probe("volume-reader", "cat /data/from-image , cat /data/new , write /data/x y")
                .bind(&format!("{volume}:ro")),
        )
        .service(meet("meet-a", "meet-b"))
        .service(meet("meet-b", "meet-c"))
        .service(meet("meet-c", "meet-a"))
}

#[test]
fn a_volume_is_writable_over_its_image_and_shared() {
    assert_eq!(seen().all("volume-writer", "cat"), ["given"], "{}", seen().about("volume-writer"));
    assert_eq!(seen().all("volume-reader", "cat"), ["changed", "kept"], "{}", seen().about("volume-reader"));
    assert_eq!(seen().one("volume-reader", "write"), "/data/x EROFS");
}

#[test]
fn services_run_at_the_same_time() {
    for (name, other) in [("meet-a", "meet-b"), ("meet-b", "meet-c"), ("meet-c", "meet-a")] {
        assert_eq!(seen().all(name, "met"), [other], "{}", seen().about(name));
    }
}

fn order(image: Image) -> Image {
    let turn = |name: &str, end: &str| {
        let script = format!("echo {name}-in >> /data/order; sleep 0.3; echo {name}-out >> /data/order; {end}");
        Container::shell(name, &script).bind("/containers/volumes/meet/merged:/data")
    };
    image
        .onboot(turn("turn-z", "exit 3"))
        .onboot(turn("turn-y", "kill -9 $$").pid_host())
        .onboot(turn("turn-x", "exit 0"))
        .onboot(Container::shell("turns", "cat /data/order").bind("/containers/volumes/meet/merged:/data"))
}

#[test]
fn onboot_containers_run_in_the_order_of_their_names_and_never_two_at_once() {
    let order: Vec<&str> = seen().output("turns").split_whitespace().collect();
    let expected = ["turn-z-in", "turn-z-out", "turn-y-in", "turn-y-out", "turn-x-in", "turn-x-out"];
    assert_eq!(order, expected, "{}", seen().about("turn"));
}

#[test]
fn how_a_container_ended_is_in_the_log() {
    for (name, how) in [
        ("turn-z", "ended with code 3"),
        ("turn-y", "killed by signal 9"),
        ("turn-x", "ended with code 0"),
        ("greedy", "killed by signal 9"),
    ] {
        let messages = seen().messages(name);
        assert!(messages.iter().any(|message| message.contains(&format!("-{name}: {how}"))), "{messages:#?}");
    }
}

fn failures(image: Image) -> Image {
    let says_if_it_runs = |name: &str| probe(name, "say must-not-run");
    let mut scripted = Root::probe().unwrap().tree().clone();
    scripted.file("bin/script", 0o755, "#!/bin/no-such-interpreter\n");
    scripted.file("bin/nonsense", 0o755, "neither a program nor a script\n");
    let scripted = Root::new(scripted);
    let leave = "cd /groups/nested/one; mkdir -p a/b; sleep 1000 & echo $! > a/b/cgroup.procs && echo PROBE moved=yes";
    let leaves_groups =
        Container::shell("leaves-groups", leave).cgroups_path("/nested/one").bind("/sys/fs/cgroup:/groups");
    image
        .onboot(says_if_it_runs("no-root").edit_config(|config| config["root"]["path"] = json!("absent")))
        .onboot(Container::new("no-program").args(["/bin/absent"]))
        .onboot(Container::new("no-program-in-path").args(["absent"]))
        .onboot(Container::new("not-executable").args(["/etc/passwd"]))
        .onboot(Container::new("a-folder").args(["/etc"]))
        .onboot(Container::new("no-interpreter").args(["/bin/script"]).root(&scripted))
        .onboot(Container::new("nonsense").args(["/bin/nonsense"]).root(&scripted))
        .onboot(says_if_it_runs("full").tmpfs("/full:size=4k,nr_inodes=2").tmpfs("/full/one").tmpfs("/full/two"))
        .onboot(says_if_it_runs("full-outside").runtime(json!({ "mounts": [
            { "destination": "/var/full", "type": "tmpfs", "source": "tmpfs", "options": ["nr_inodes=2"] },
            { "destination": "/var/full/one", "type": "tmpfs", "source": "tmpfs" },
            { "destination": "/var/full/two", "type": "tmpfs", "source": "tmpfs" },
        ]})))
        .onboot(
            Container::shell("fills", "head -c 1000000 /dev/zero > /tmp/x || echo PROBE full=yes")
                .tmpfs("/tmp:size=64k"),
        )
        .onboot(leaves_groups)
        .onboot(Container::shell("leaves-orphan", "sleep 1000 & sleep 1000 & exit 0").pid_host())
}

#[test]
fn what_cannot_be_started_is_named_with_the_reason() {
    for (name, words) in [
        ("no-root", &["open root", "absent", "ENOENT"][..]),
        ("no-program", &["execute /bin/absent", "ENOENT"]),
        ("no-program-in-path", &["execute absent", "ENOENT"]),
        ("not-executable", &["execute /etc/passwd", "EACCES"]),
        ("a-folder", &["execute /etc", "EACCES"]),
        ("no-interpreter", &["execute /bin/script", "ENOENT"]),
        ("nonsense", &["execute /bin/nonsense", "ENOEXEC"]),
        ("full", &["mount tmpfs", "on /full/two", "ENOSPC"]),
        ("full-outside", &["mount tmpfs", "on /var/full/two", "ENOSPC"]),
    ] {
        let messages = seen().messages(name);
        let is_reason =
            |message: &String| message.contains(": step ") && words.iter().all(|word| message.contains(word));
        assert!(messages.iter().any(is_reason), "{name}: {messages:#?}");
        assert!(!seen().spoke(name), "{}", seen().about(name));
    }
}

#[test]
fn a_full_file_system_is_the_programs_own_affair() {
    assert_eq!(seen().one("fills", "full"), "yes", "{}", seen().about("fills"));
}

/// Looks at the machine from beside it, when all others have ended.
fn leftovers() -> Container {
    let script = "cd /proc; for id in [0-9]*; do [ $id = $$ ] || echo PROBE process=$(tr '\\0' ' ' < $id/cmdline); done; \
        sed 's/^/PROBE table=/' 1/mountinfo; \
        for path in /groups/onboot/*/ /groups/limits/*/ /groups/limits/of/*/ /groups/nested/*/; do echo PROBE group=$path; done; \
        for path in /machine/containers/onboot/*/tmp/* /machine/containers/onboot/*/rootfs/written; do echo PROBE file=$path; done";
    Container::shell("leftovers", script).pid_host().capability_all().bind("/:/machine").bind("/sys/fs/cgroup:/groups")
}

#[test]
fn nothing_is_left_of_a_container_that_has_ended() {
    // A pattern that nothing matches stands for itself.
    let others = |key: &str| -> Vec<String> {
        let all = seen().all("leftovers", key).into_iter();
        all.filter(|line| !line.contains("-leftovers") && !line.contains('*')).collect()
    };
    assert_eq!(seen().one("leaves-groups", "moved"), "yes", "{}", seen().about("leaves-groups"));
    assert!(!seen().all("leftovers", "table").is_empty(), "{}", seen().about("leftovers"));
    let is_left = |line: &String| line.contains("/containers/onboot/") || line.contains("/var/full");
    let mounts: Vec<String> = others("table").into_iter().filter(is_left).collect();
    assert!(mounts.is_empty(), "mounts: {mounts:#?}");
    // The group itself was asked for by its path; its parents are not pidone's to remove.
    assert_eq!(others("group"), ["/groups/limits/of/"], "control groups");
    assert!(others("file").is_empty(), "files: {:#?}", others("file"));
    let is_known = |line: &String| line.is_empty() || line.starts_with("/init") || line.starts_with("tr ");
    let processes: Vec<String> = others("process").into_iter().filter(|line| !is_known(line)).collect();
    assert!(processes.is_empty(), "processes: {processes:#?}");
}
