//! Device nodes, and who may use them.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use serde_json::{Value, json};

use super::seen;

pub(super) fn devices(image: Image) -> Image {
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
