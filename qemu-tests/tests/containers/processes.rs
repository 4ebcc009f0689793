//! What a process gets: words, ids, capabilities, limits, a name.

use qemu_tests::container::{CAPABILITIES, Container};
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use serde_json::{Value, json};

use super::seen;

const CAPABILITY_CHOWN: u64 = 1;

const CAPABILITY_KILL: u64 = 1 << 5;

const CAPABILITY_NET_RAW: u64 = 1 << 13;

pub(super) fn processes(image: Image) -> Image {
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
