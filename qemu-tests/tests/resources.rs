//! Control groups hold what was asked for, network devices come with their addresses, and a launch that fails leaves
//! nothing behind.

use qemu_tests::container::{Container, Generation};
use qemu_tests::image::Image;
use qemu_tests::modules::USUAL;
use qemu_tests::observation::{Observation, Shared, boot_vm, probe, shared};
use qemu_tests::tree::Tree;
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

/// One boot with a container for every question, a disk, and two network cards.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [block, groups, devices, failures];
        let image =
            parts.into_iter().fold(Image::new()?.modules(&[USUAL, &["bfq"]].concat()), |image, part| part(image));
        let cards = ["-nic", "user,model=virtio-net-pci", "-nic", "user,model=virtio-net-pci"];
        boot_vm(image, |vm| vm.disk(&Tree::new(), 16).arguments(cards).append("pidone.modules=dummy"), Ending::PowerOff)
    })
}

/// A container that shows files of its group.
fn limited(name: &str, files: &[&str], resources: Value) -> Container {
    let words: Vec<String> = files.iter().map(|file| format!("cat /sys/fs/cgroup/{file}")).collect();
    probe(name, &words.join(" , ")).cgroup_new().resources(resources)
}

fn block(image: Image) -> Image {
    // The disk is 254:0, the first of the numbers that the kernel gives to whoever has none of his own.
    let limits = limited(
        "throttled",
        &["io.max"],
        json!({ "blockIO": {
        "throttleReadBpsDevice": [{ "major": 254, "minor": 0, "rate": 1_048_576 }],
        "throttleWriteBpsDevice": [{ "major": 254, "minor": 0, "rate": 2_097_152 }],
        "throttleReadIOPSDevice": [{ "major": 254, "minor": 0, "rate": 100 }],
        "throttleWriteIOPSDevice": [{ "major": 254, "minor": 0, "rate": 0 }],
    } }),
    );
    let alone = json!({ "blockIO": { "weight": 500 } });
    let weight = json!({ "blockIO": { "weight": 500, "weightDevice": [{ "major": 254, "minor": 0, "weight": 100 }] } });
    let absent = json!({ "blockIO": { "throttleReadBpsDevice": [{ "major": 7, "minor": 99, "rate": 1 }] } });
    image
        .onboot(probe("disk", "cat /sys/block/vda/dev"))
        .onboot(limits)
        .onboot(limited("weighed", &["io.weight"], alone))
        .onboot(
            Container::shell("bfq", "echo bfq > /sys/block/vda/queue/scheduler && echo PROBE bfq=on").capability_all(),
        )
        .onboot(limited("weighed-by-bfq", &["io.bfq.weight"], weight))
        .onboot(limited("no-such-disk", &["io.max"], absent))
}

#[test]
fn throttles_are_set_for_each_device() {
    assert_eq!(seen().one("disk", "cat"), "254:0");
    assert_eq!(
        seen().all("throttled", "cat"),
        ["254:0 rbps=1048576 wbps=2097152 riops=100 wiops=max"],
        "{}",
        seen().about("throttled")
    );
    let messages = seen().messages("-no-such-disk:");
    assert!(messages.iter().any(|message| message.contains(r"write 7:99\x20rbps=1 to io.max")), "{messages:#?}");
}

#[test]
fn weights_of_block_devices_are_in_the_kernels_own_range() {
    // The first before the kernel had BFQ, the second with it.
    for (name, expected) in [("weighed", &["default 4950"][..]), ("weighed-by-bfq", &["default 500", "254:0 100"])] {
        assert_eq!(seen().all(name, "cat"), expected, "{}\n{}", seen().about(name), seen().about("bfq"));
    }
}

fn groups(image: Image) -> Image {
    let huge = limited(
        "huge",
        &["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"],
        json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4_194_304 }] }),
    );
    let none = |version: &'static str| move |config: &mut Value| config["ociVersion"] = json!(version);
    let pids = |name: &str| limited(name, &["pids.max"], json!({ "pids": { "limit": 0 } }));
    let memory = json!({ "memory": { "limit": 33_554_432, "swap": 33_554_432, "checkBeforeUpdate": true } });
    let crowded = |name: &str| {
        limited(name, &["memory.max"], memory.clone()).cgroups_path("/crowded").edit_config(|config| {
            config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "cgroup");
        })
    };
    let idle = json!({ "cpu": { "shares": 2, "quota": 20_000, "period": 100_000, "burst": 10_000, "idle": 1 } });
    let rdma = json!({ "rdma": { "mlx5_1": { "hcaHandles": 3 } } });
    image
        .onboot(huge)
        .onboot(pids("pids-zero").edit_config(none("1.3.0")))
        .onboot(pids("pids-zero-before").edit_config(none("1.2.1")))
        .onboot(limited(
            "unlimited",
            &["memory.max", "memory.swap.max", "pids.max", "cpu.max"],
            json!({ "memory": { "limit": -1, "swap": -1 }, "pids": { "limit": -1 }, "cpu": { "quota": -1 } }),
        ))
        .onboot(limited("checked", &["memory.max", "memory.swap.max"], memory.clone()))
        .onboot(limited("idle", &["cpu.weight", "cpu.idle", "cpu.max", "cpu.max.burst"], idle))
        .onboot(limited("no-such-adapter", &["rdma.max"], rdma))
        // Somebody is in the group and uses more than the limit.
        .onboot(
            Container::shell(
                "crowd",
                "mkdir /sys/fs/cgroup/crowded && (echo 0 > /sys/fs/cgroup/crowded/cgroup.procs; \
            head -c 50000000 /dev/zero > /run/crowd)",
            )
            .capability_all()
            .bind("/run:/run")
            .edit_config(|config| {
                for mount in config["mounts"].as_array_mut().unwrap() {
                    mount["options"].as_array_mut().unwrap().retain(|option| option != "ro");
                }
            }),
        )
        .onboot(crowded("crowded"))
        .onboot(Container::shell("uncrowd", "rm /run/crowd").bind("/run:/run"))
}

#[test]
fn the_values_in_a_running_containers_group_are_those_asked_for() {
    for (name, expected) in [
        ("huge", &["4194304", "4194304"][..]),
        ("pids-zero", &["1"]),
        ("pids-zero-before", &["max"]),
        ("unlimited", &["max", "max", "max", "max 100000"]),
        ("checked", &["33554432", "0"]),
        ("idle", &["0", "1", "20000 100000", "10000"]),
    ] {
        assert_eq!(seen().all(name, "cat"), expected, "{}", seen().about(name));
    }
}

#[test]
fn a_limit_below_what_is_used_is_refused_if_that_is_to_be_checked() {
    let messages = seen().messages("-crowded:");
    let check = "check that control group /crowded uses at most 33554432 bytes: EBUSY";
    assert!(messages.iter().any(|message| message.contains(check)), "{messages:#?}\n{}", seen().about("crowd"));
}

#[test]
fn an_adapter_that_is_not_there_is_refused_by_its_name() {
    let messages = seen().messages("-no-such-adapter:");
    assert!(
        messages.iter().any(|message| message.contains("mlx5_1") || message.contains("linux.resources.rdma")),
        "{messages:#?}"
    );
}

fn devices(image: Image) -> Image {
    let make = "ip link add dummy7 type dummy && ip address add 10.7.0.2/24 brd + dev dummy7 && \
        ip -6 address add fd07::2/64 dev dummy7 && ip address add 169.254.7.7/16 scope link dev dummy7 && \
        ip link set dummy7 up mtu 1400 && ip link add dummy8 type dummy && ip address add 10.8.0.2/32 dev dummy8 && ip link add dummy9 type dummy && echo PROBE made=yes";
    let with = |name: &str, devices: Value| {
        probe(name, "links").net_new().edit_config(move |config| config["linux"]["netDevices"] = devices.clone())
    };
    let interfaces = |name: &str, list: Value| probe(name, "links").net_new().runtime(json!({ "interfaces": list }));
    let seed = |name: &str| {
        interfaces(name, json!([{ "name": "eth1" }, { "name": "inside7", "add": "dummy" }]))
            .generation(Generation::Seed)
    };
    image
        .onboot(Container::shell("maker", make).capabilities(&["CAP_NET_ADMIN", "CAP_NET_RAW"]))
        // The second one makes the launch fail when the first has been moved already: it comes back.
        .onboot(with("half", json!({ "dummy7": { "name": "in0" }, "absent": {} })))
        .onboot(probe("after-half", "links"))
        // The name is taken in the container, by another that was moved there.
        .onboot(with("taken", json!({ "dummy7": { "name": "in0" }, "dummy8": { "name": "in0" } })))
        .onboot(with("no-program", json!({ "dummy7": {} })).args(["/absent"]))
        .onboot(interfaces("plain-no-program", json!([{ "name": "dummy9" }])).args(["/absent"]))
        .onboot(probe("after-failures", "links"))
        .onboot(with("given", json!({ "dummy7": { "name": "in%d" }, "dummy8": {} })))
        .onboot(probe("after-given", "links"))
        .onboot(with("card", json!({ "eth0": { "name": "wan" } })))
        .onboot(seed("seed"))
        .onboot(seed("seed-read-only").read_only())
}

/// A link's lines in a container: itself, and its addresses.
fn link(name: &str, link: &str) -> (Vec<String>, Vec<String>) {
    let own = |line: &String| line.split(' ').next() == Some(link);
    (
        seen().all(name, "link").into_iter().filter(own).collect(),
        seen().all(name, "address").into_iter().filter(own).collect(),
    )
}

#[test]
fn a_network_device_is_moved_renamed_set_up_and_keeps_its_lasting_addresses() {
    assert_eq!(seen().one("maker", "made"), "yes", "{}", seen().about("maker"));
    let (links, addresses) = link("given", "in0");
    assert!(links.len() == 1 && links[0].contains("up=1"), "{}", seen().about("given"));
    for address in ["in0 10.7.0.2/24", "in0 fd07::2/64"] {
        assert!(addresses.iter().any(|line| line == address), "{addresses:?}");
    }
    assert!(!addresses.iter().any(|line| line.contains("169.254.")), "{addresses:?}");
    let (links, addresses) = link("given", "dummy8");
    assert!(links.len() == 1 && links[0].contains("up=1"), "{}", seen().about("given"));
    assert!(addresses.contains(&"dummy8 10.8.0.2/32".to_owned()), "{addresses:?}");
    assert!(link("after-given", "dummy7").0.is_empty() && link("after-given", "in0").0.is_empty());
    assert!(link("card", "wan").0.len() == 1, "{}", seen().about("card"));
}

#[test]
fn devices_of_a_container_whose_launch_failed_come_back_with_their_addresses() {
    for name in ["after-half", "after-failures"] {
        let (links, addresses) = link(name, "dummy7");
        assert_eq!(
            links.len(),
            1,
            "{name}: {}\n{}\n{}",
            seen().about(name),
            seen().about("half"),
            seen().about("no-program")
        );
        for address in ["dummy7 10.7.0.2/24", "dummy7 fd07::2/64"] {
            assert!(addresses.iter().any(|line| line == address), "{name}: {addresses:?}");
        }
    }
    for (name, failed) in [("dummy8", "taken"), ("dummy9", "plain-no-program")] {
        assert_eq!(link("after-failures", name).0.len(), 1, "{}", seen().about(failed));
    }
    let refused = |name: &str, text: &str| {
        let messages = seen().messages(&format!("-{name}:"));
        assert!(messages.iter().any(|message| message.contains(text)), "{messages:#?}");
        assert!(!messages.iter().any(|message| message.contains("clean up")), "{messages:#?}");
    };
    refused("half", "give interface absent: moved from the machine, where it is absent, with its addresses: ENODEV");
    refused("taken", "give interface in0: moved from the machine, where it is dummy8, with its addresses: EEXIST");
    refused("no-program", "ENOENT");
    refused("plain-no-program", "ENOENT");
}

#[test]
fn interfaces_of_bundles_of_2017_are_given_too() {
    for name in ["seed", "seed-read-only"] {
        for wanted in ["eth1", "inside7"] {
            assert_eq!(link(name, wanted).0.len(), 1, "{}", seen().about(name));
        }
    }
}

fn failures(image: Image) -> Image {
    let fails = probe("fails", "say must-not-run").net_new().args(["/absent"]).runtime(json!({
        "mounts": [
            { "destination": "/run/left/deep/mount", "type": "tmpfs", "source": "tmpfs" },
            { "destination": "/run/left/file", "type": "bind", "source": "/proc/version", "options": ["bind"] },
            { "destination": "/run/there/mount", "type": "tmpfs", "source": "tmpfs" },
        ],
        "mkdir": ["/run/left-too/a/b"],
        "bindNS": { "net": "/run/left-net/deep/net" },
    }));
    let early = probe("fails-early", "say must-not-run").runtime(json!({ "mounts": [
        { "destination": "/run/left-early/mount", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "/run/left-early/other", "type": "no-such-type", "source": "x" },
    ] }));
    image
        .onboot(probe("before-failures", "say before").runtime(json!({ "mkdir": ["/run/there"] })))
        .onboot(fails)
        .onboot(early)
        .onboot(probe("after-all", "list /run").bind("/run:/run"))
}

#[test]
fn a_launch_that_fails_leaves_no_directory_that_it_made() {
    let names = seen().all("after-all", "list");
    assert!(names.contains(&"there".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("left")), "{names:?}\n{}", seen().about("fails"));
    assert!(!seen().spoke("fails") && !seen().spoke("fails-early"));
}
