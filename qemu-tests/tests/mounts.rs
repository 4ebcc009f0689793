//! Mounts beyond the ordinary: ids that are mapped, attributes for all below, a tmpfs that begins with what it hides,
//! control groups that are given away.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot_vm, probe, shared};
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

/// One boot with a container for every question, and a disk: memory cannot map ids before Linux 6.3.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [mapped, recursive, copied_up, kinds, groups, labels];
        let image = parts.into_iter().fold(Image::new()?.onboot(disk()), |image, part| part(image));
        boot_vm(image, |vm| vm.disk(&disk_tree(), 32), Ending::PowerOff)
    })
}

/// The container that mounts the disk for all others.
fn disk() -> Container {
    let ext4 = json!({ "type": "ext4", "source": "/dev/vda", "destination": "/run/disk" });
    let below =
        json!({ "type": "bind", "source": "/run/disk/other", "destination": "/run/disk/below", "options": ["bind"] });
    probe("disk", "say mounted").runtime(json!({ "mounts": [ext4, below] }))
}

fn disk_tree() -> Tree {
    let mut tree = Tree::new();
    for (path, uid) in [("zero", 0), ("seven", 7), ("other/five", 5)] {
        tree.file(path, 0o644, path).owner(path, uid, uid);
    }
    tree.directory("below", 0o755).directory("open", 0o777).directory("lower", 0o755).file(
        "lower/below",
        0o644,
        "lower",
    );
    tree.directory("upper", 0o755).directory("work", 0o755);
    tree
}

/// More mounts, behind the builder's.
fn with_mounts(container: Container, mounts: Value) -> Container {
    container.edit_config(move |config| {
        config["mounts"].as_array_mut().unwrap().extend(mounts.as_array().unwrap().iter().cloned());
    })
}

fn mapping(inside: u32, outside: u32) -> Value {
    json!([{ "containerID": inside, "hostID": outside, "size": 10 }])
}

/// A container that looks at the disk, and leaves a file of its name there.
fn look(name: &str) -> Container {
    let m = "/tmp/m";
    let words = format!(
        "stat {m}/zero , stat {m}/seven , stat {m}/below/five , write {m}/open/{name} x , stat {m}/open/{name}"
    );
    probe(name, &words).tmpfs("/tmp")
}

fn mapped(image: Image) -> Image {
    let disk = |options: &[&str]| json!({ "destination": "/tmp/m", "source": "/run/disk", "options": options });
    let own = |options: &[&str]| {
        let mut mount = disk(options);
        mount["uidMappings"] = mapping(0, 1000);
        mount["gidMappings"] = mapping(0, 2000);
        json!([mount])
    };
    let user = |name: &str| look(name).user_new((0, 100_000, 65536), (0, 100_000, 65536));
    image
        .onboot(with_mounts(look("own").user(1003, 2003), own(&["rbind", "idmap"])))
        .onboot(with_mounts(look("own-below"), own(&["rbind", "ridmap"])))
        .onboot(with_mounts(look("own-unnamed"), own(&["bind"])))
        .onboot(with_mounts(user("theirs"), json!([disk(&["rbind", "ridmap"])])))
        .onboot(with_mounts(user("unmapped"), json!([disk(&["rbind"])])))
        .onboot(with_mounts(
            look("not-mappable"),
            json!([{ "destination": "/tmp/m", "source": "/proc",
            "options": ["bind", "idmap"], "uidMappings": mapping(0, 1000), "gidMappings": mapping(0, 1000) }]),
        ))
}

/// The owners that a container saw: of `zero`, `seven`, `below/five`, and what it made.
#[track_caller]
fn owners(name: &str) -> Vec<String> {
    let stats = seen().all(name, "stat");
    assert!(stats.len() >= 3, "{}", seen().about(name));
    let owner = |line: &String| {
        let field = |key: &str| line.split(' ').find_map(|field| field.strip_prefix(key)).unwrap_or("?").to_owned();
        format!("{}:{}", field("uid="), field("gid="))
    };
    stats.iter().map(owner).collect()
}

#[test]
fn a_mount_shows_its_own_mapping_of_ids() {
    assert_eq!(owners("own"), ["1000:2000", "1007:2007", "5:5", "1003:2003"]);
    assert_eq!(owners("own-unnamed")[..2], ["1000:2000", "1007:2007"]);
    // Nobody that the mapping does not know can make a file.
    assert_eq!(seen().one("own-below", "write"), "/tmp/m/open/own-below errno-75", "{}", seen().about("own-below"));
}

#[test]
fn a_recursive_mapping_holds_for_the_mounts_below() {
    assert_eq!(owners("own-below")[..3], ["1000:2000", "1007:2007", "1005:2005"]);
}

#[test]
fn without_a_mapping_of_its_own_a_mount_shows_the_containers() {
    assert_eq!(owners("theirs")[..3], ["0:0", "7:7", "5:5"]);
    assert_eq!(seen().one("theirs", "write"), "/tmp/m/open/theirs ok");
    assert_eq!(owners("unmapped")[..3], ["65534:65534", "65534:65534", "65534:65534"]);
}

#[test]
fn a_file_system_that_cannot_map_ids_is_refused_by_the_step() {
    let messages = seen().messages("-not-mappable:");
    let step = "bind /proc on /tmp/m showing user ids 0:1000:10 and group ids 0:1000:10: EINVAL";
    assert!(messages.iter().any(|message| message.contains(step)), "{messages:#?}");
}

/// An option, its effect on the mount itself and on the one below.
const RECURSIVE: [(&str, &str); 9] = [
    ("rro", "ro"),
    ("rnosuid", "nosuid"),
    ("rnodev", "nodev"),
    ("rnoexec", "noexec"),
    ("rnosymfollow", "nosymfollow"),
    ("rnoatime", "noatime"),
    ("rnodiratime", "nodiratime"),
    ("rrelatime", "relatime"),
    ("rnorelatime", "relatime"),
];
/// What the two mounts have in the first place is taken away.
const TAKEN: [(&str, &str); 8] = [
    ("rrw", "ro"),
    ("rsuid", "nosuid"),
    ("rdev", "nodev"),
    ("rexec", "noexec"),
    ("rsymfollow", "nosymfollow"),
    ("ratime", "noatime"),
    ("rdiratime", "nodiratime"),
    ("rstrictatime", "noatime"),
];
const ALL: &str = "ro,nosuid,nodev,noexec,nosymfollow,noatime,nodiratime";

fn recursive(image: Image) -> Image {
    let tmpfs = |target: &str, options: Vec<&str>| json!({ "type": "tmpfs", "source": "tmpfs", "destination": target, "options": options });
    let all = || ALL.split(',').collect::<Vec<_>>();
    let below = |target: &str| tmpfs(target, vec!["size=1m"]);
    let trees = probe("trees", "say made").runtime(json!({ "mounts": [
        below("/run/plain"), below("/run/plain/below"),
        tmpfs("/run/full", vec!["size=1m"]), tmpfs("/run/full/below", all()),
        { "destination": "/run/full", "type": "bind", "source": "/run/full", "options": ["rbind"] },
        { "destination": "/run/full", "options": vec!["remount", "bind"].into_iter().chain(all()).collect::<Vec<_>>() },
    ] }));
    let bind = |tree: &'static str| {
        move |(option, _): &(&str, &str)| {
            let options = ["rbind", option];
            json!({ "destination": format!("/m/{option}"), "source": format!("/run/{tree}"), "options": options })
        }
    };
    let mounts: Vec<Value> = RECURSIVE.iter().map(bind("plain")).chain(TAKEN.iter().map(bind("full"))).collect();
    let locked = json!([
        { "destination": "/tmp/m", "source": "/run/full", "options": ["rbind"] },
        { "destination": "/tmp/m", "options": ["remount", "bind", "nodev"] },
        { "destination": "/tmp/m/below", "options": ["remount", "bind", "ro"] },
    ]);
    let unlocking = json!([
        { "destination": "/tmp/m", "source": "/run/full", "options": ["rbind"] },
        { "destination": "/tmp/m/below", "options": ["remount", "bind", "suid"] },
    ]);
    let user = |name: &str| probe(name, "mounts").tmpfs("/tmp").user_new((0, 100_000, 65536), (0, 100_000, 65536));
    image
        .onboot(trees)
        .onboot(with_mounts(probe("recursive", "mounts"), Value::Array(mounts)))
        .onboot(with_mounts(user("locked"), locked))
        .onboot(with_mounts(user("unlocking"), unlocking))
}

#[test]
fn recursive_options_hold_for_the_mount_and_all_below() {
    for (option, effect) in RECURSIVE {
        for target in [format!("/m/{option}"), format!("/m/{option}/below")] {
            let mount = seen().mount("recursive", &target);
            assert!(mount.options().contains(&effect), "{target}: {:?}", mount.options());
        }
    }
    for (option, effect) in TAKEN {
        for target in [format!("/m/{option}"), format!("/m/{option}/below")] {
            let mount = seen().mount("recursive", &target);
            assert!(!mount.options().contains(&effect), "{target}: {:?}", mount.options());
        }
    }
}

#[test]
fn changing_a_mount_keeps_what_is_not_named_and_what_is_locked() {
    for target in ["/tmp/m", "/tmp/m/below"] {
        for option in ALL.split(',') {
            assert!(seen().mount("locked", target).options().contains(&option), "{}", seen().about("locked"));
        }
    }
    let messages = seen().messages("-unlocking:");
    assert!(messages.iter().any(|message| message.contains("set suid on /tmp/m/below: EPERM")), "{messages:#?}");
}

fn copied_up(image: Image) -> Image {
    let root = Root::probe().unwrap();
    let mut tree = root.tree().clone();
    tree.directory("srv/folder", 0o750).owner("srv/folder", 3, 4);
    tree.file("srv/folder/file", 0o640, vec![b'x'; 10_000]).owner("srv/folder/file", 5, 6);
    tree.file("srv/program", 0o4755, "p").symlink("srv/link", "../etc/../somewhere").directory("srv", 0o711);
    let look = "mounts , list /srv , stat /srv , stat /srv/folder , stat /srv/folder/file , stat /srv/program , \
        stat /srv/link , write /srv/new x";
    let mount = json!([
        { "destination": "/srv", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nodev", "mode=700"] },
        { "destination": "/made", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"] },
    ]);
    image
        .onboot(with_mounts(probe("copied-up", look).capabilities(&["CAP_DAC_OVERRIDE"]), mount).root(&Root::new(tree)))
}

#[test]
fn a_tmpfs_that_copies_up_begins_with_what_it_hides() {
    let name = "copied-up";
    assert_eq!(seen().mount(name, "/srv").field("type"), "tmpfs", "{}", seen().about(name));
    assert_eq!(seen().mount(name, "/made").field("type"), "tmpfs");
    assert_eq!(seen().all(name, "list"), ["folder", "link", "program"]);
    let stats: Vec<String> = seen().all(name, "stat");
    for (stat, expected) in stats.iter().zip([
        "/srv type=directory mode=0711 uid=0 gid=0",
        "/srv/folder type=directory mode=0750 uid=3 gid=4",
        "/srv/folder/file type=file mode=0640 uid=5 gid=6 size=10000",
        "/srv/program type=file mode=4755 uid=0 gid=0 size=1",
        "/srv/link type=symlink mode=0777 uid=0 gid=0",
    ]) {
        assert!(stat.starts_with(expected), "{stat}");
    }
    assert!(stats[4].ends_with("target=../etc/../somewhere"), "{}", stats[4]);
    assert_eq!(seen().all(name, "write"), ["/srv/new ok"]);
}

fn kinds(image: Image) -> Image {
    let overlay = "lowerdir=/run/disk/lower,upperdir=/run/disk/upper,workdir=/run/disk/work";
    let mounts = json!([
        { "destination": "/o", "type": "overlay", "source": "overlay", "options": overlay.split(',').collect::<Vec<_>>() },
        { "destination": "/deep/er/file", "type": "bind", "source": "/run/disk/zero", "options": ["bind", "ro"] },
        { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] },
        // `source` is optional.
        { "destination": "/proc-too", "type": "proc" },
    ]);
    let words = "mounts , list /o , write /o/new x , cat /deep/er/file , write /deep/er/file x";
    image.onboot(with_mounts(probe("kinds", words).ipc_new(), mounts))
}

#[test]
fn every_kind_of_file_system_is_mounted() {
    let kinds =
        ["/o overlay", "/dev/mqueue mqueue", "/proc-too proc", "/dev/pts devpts", "/sys sysfs", "/deep/er/file ext4"];
    for (target, kind) in kinds.iter().filter_map(|pair| pair.split_once(' ')) {
        assert_eq!(seen().mount("kinds", target).field("type"), kind, "{}", seen().about("kinds"));
    }
    assert_eq!(seen().all("kinds", "list"), ["below"]);
    assert_eq!(seen().one("kinds", "cat"), "zero");
    assert_eq!(seen().all("kinds", "write"), ["/o/new ok", "/deep/er/file EROFS"]);
}

fn groups(image: Image) -> Image {
    let look = "mounts , stat /sys/fs/cgroup , stat /sys/fs/cgroup/cgroup.procs , stat /sys/fs/cgroup/cgroup.threads , \
        stat /sys/fs/cgroup/memory.max , write /sys/fs/cgroup/memory.max 1000000 , \
        write /sys/fs/cgroup/cgroup.subtree_control +pids";
    let user = |name: &str| probe(name, look).user_new((0, 100_000, 65536), (0, 100_000, 65536)).cgroup_new();
    let writable = |config: &mut Value| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let group = mounts.iter_mut().find(|mount| mount["destination"] == "/sys/fs/cgroup").unwrap();
        group["options"].as_array_mut().unwrap().retain(|option| option != "ro");
    };
    image
        .onboot(user("given").edit_config(writable))
        .onboot(user("not-given"))
        .onboot(probe("whole-tree", "mounts , stat /sys/fs/cgroup/onboot"))
}

#[test]
fn a_group_is_given_to_a_user_namespace_that_may_write_it_and_only_what_the_kernel_lists() {
    let owned = |name: &str| owners(name).iter().map(|owner| owner.starts_with("0:")).collect::<Vec<_>>();
    assert_eq!(owned("given"), [true, true, true, false], "{}", seen().about("given"));
    assert_eq!(owned("not-given"), [false, false, false, false], "{}", seen().about("not-given"));
    let written = seen().all("given", "write");
    assert_eq!(written[0], "/sys/fs/cgroup/memory.max EACCES");
    assert_eq!(seen().all("not-given", "write")[0], "/sys/fs/cgroup/memory.max EROFS");
    for name in ["given", "not-given"] {
        assert_eq!(seen().mount(name, "/sys/fs/cgroup").field("root"), "/");
    }
}

#[test]
fn without_a_namespace_of_its_own_the_machines_groups_are_shown() {
    assert!(seen().one("whole-tree", "stat").starts_with("/sys/fs/cgroup/onboot type=directory"));
    assert!(seen().mount("whole-tree", "/sys/fs/cgroup").options().contains(&"ro"));
}

fn labels(image: Image) -> Image {
    image.onboot(probe("labelled", "mounts").edit_config(|config| {
        config["linux"]["mountLabel"] = json!("system_u:object_r:container_file_t:s0:c1,c2");
    }))
}

#[test]
fn a_label_that_the_kernel_does_not_know_is_refused_by_the_step() {
    let messages = seen().messages("-labelled:");
    let label = r"context=\x22system_u:object_r:container_file_t:s0:c1,c2\x22): EINVAL";
    assert!(
        messages.iter().any(|message| message.contains("mount tmpfs on /dev") && message.contains(label)),
        "{messages:#?}"
    );
}
