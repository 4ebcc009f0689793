//! How containers end, and what is left of them.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use qemu_tests::root::Root;
use serde_json::json;

use super::seen;

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

pub(super) fn failures(image: Image) -> Image {
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
pub(super) fn leftovers() -> Container {
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
