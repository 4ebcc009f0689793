//! Ways out of a container that others have had, each tried and refused: an image, a volume or a configuration that
//! leads pidone to a file of the machine.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use serde_json::{Value, json};

/// One boot with a container for every trick, all on a root that one of them has prepared.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [targets, magic, links_for_dev, masks, directories, programs, terminals, races];
        let image = parts.into_iter().fold(Image::new()?.onboot(preparer()), |image, part| part(image));
        let look = "list /run/victim , list /run , cat /run/victim/secret , stat /dev/null , stat /dev/kmsg";
        let image = image.onboot(machine("afterwards", look));
        boot(image, "")
    })
}

/// The probe with the machine's /run, /dev and processes.
fn machine(name: &str, words: &str) -> Container {
    probe(name, words).bind("/run:/run").bind("/dev:/dev").pid_host().capability_all()
}

/// A hostile image at /run/x/evil, and what it would like to reach in /run/victim.
fn preparer() -> Container {
    let script = "mkdir -p /run/victim /run/x/evil /run/x/shared /run/x/evil-dev && echo secret > /run/victim/secret && cd /run/x/evil && \
        mkdir -p bin etc proc sys tmp run/victim data && cp /bin/busybox /bin/probe bin/ && cp bin/busybox bin/sh && \
        ln -s ../../../../run/victim up && ln -s /run/victim absolute && ln -s /proc/self/root/run/victim magic && \
        ln -s /proc/1/root/run/victim magic-of-1 && ln -s /proc/self/fd/5 descriptor && ln -s /proc/self/cwd/../../run/victim directory && \
        ln -s /run/victim/made/by/link dangling && echo hidden > etc/hidden && ln -s ../etc/hidden link-to-hidden && \
        ln -s ../../../../run/victim/secret etc/secret && ln -s ../run/x/evil-proc other-proc && \
        cp -a . ../evil-links && cd ../evil-links && rm -r proc sys && ln -s run/victim dev && ln -s /tmp proc && ln -s tmp sys && \
        ln -s /proc/self/root/run/victim/secret /run/x/evil-dev/null && ln -s ../../../victim/secret /run/x/evil-dev/ptmx && echo PROBE prepared=yes";
    // /run itself is not for programs.
    let memory = json!({ "mounts": [{ "destination": "/run/x", "type": "tmpfs", "source": "tmpfs" }] });
    Container::shell("preparer", script).bind("/run:/run").capability_all().runtime(memory)
}

/// The probe on the hostile image.
fn evil(name: &str, words: &str) -> Container {
    probe(name, words).edit_config(|config| config["root"]["path"] = json!("/run/x/evil"))
}

fn with_mounts(container: Container, mounts: Value) -> Container {
    container.edit_config(move |config| {
        config["mounts"].as_array_mut().unwrap().extend(mounts.as_array().unwrap().iter().cloned());
    })
}

fn tmpfs(target: &str) -> Value {
    json!([{ "destination": target, "type": "tmpfs", "source": "tmpfs" }])
}

/// Not started, and the reason.
#[track_caller]
fn assert_refused(name: &str, reason: &str) {
    assert!(!seen().spoke(name), "{}", seen().about(name));
    let messages = seen().messages(&format!("-{name}:"));
    assert!(messages.iter().any(|message| message.contains(reason)), "{messages:#?}");
}

fn targets(image: Image) -> Image {
    let bind = |target: &str| json!([{ "destination": target, "source": "/proc/version", "options": ["bind"] }]);
    image
        .onboot(with_mounts(evil("target-up", "mounts"), tmpfs("/up/made")))
        .onboot(with_mounts(evil("target-absolute", "mounts"), tmpfs("/absolute/made")))
        .onboot(with_mounts(evil("target-file", "mounts"), bind("/absolute/made-file")))
        .onboot(with_mounts(evil("target-dots", "mounts"), tmpfs("/tmp/../../../../run/victim/made")))
        .onboot(with_mounts(evil("target-dangling", "mounts"), tmpfs("/dangling")))
}

#[test]
fn links_in_the_target_of_a_mount_stay_in_the_root() {
    assert_eq!(seen().one("preparer", "prepared"), "yes", "{}", seen().about("preparer"));
    for name in ["target-up", "target-absolute", "target-dots"] {
        assert_eq!(seen().mount(name, "/run/victim/made").field("type"), "tmpfs", "{}", seen().about(name));
    }
    seen().mount("target-file", "/run/victim/made-file");
    let name = "target-dangling";
    assert_eq!(seen().mount(name, "/run/victim/made/by/link").field("type"), "tmpfs", "{}", seen().about(name));
}

#[test]
fn nothing_of_the_machine_was_touched() {
    assert_eq!(seen().all("afterwards", "cat"), ["secret"], "{}", seen().about("afterwards"));
    let names = seen().all("afterwards", "list");
    // What is in /run/victim comes first.
    assert_eq!(names[0], "secret", "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("made") || name.starts_with("escaped")), "{names:?}");
    let stats = seen().all("afterwards", "stat");
    assert!(stats[0].ends_with("type=character mode=0666 uid=0 gid=0 size=0 device=1:3"), "{stats:?}");
    assert!(stats[1].contains("device=1:11"), "{stats:?}");
}

fn magic(image: Image) -> Image {
    image
        .onboot(with_mounts(evil("magic-root", "mounts"), tmpfs("/magic/made")))
        .onboot(with_mounts(evil("magic-of-1", "mounts"), tmpfs("/magic-of-1/made")))
        .onboot(with_mounts(evil("magic-itself", "mounts"), tmpfs("/proc/self/root/run/victim/made")))
        .onboot(with_mounts(evil("magic-descriptor", "mounts"), tmpfs("/descriptor/made")))
        .onboot(with_mounts(evil("magic-directory", "mounts"), tmpfs("/directory/made")))
        .onboot(evil("magic-mask", "say ran , cat /magic/secret").masked_path("/magic/secret"))
        .onboot(evil("magic-read-only", "say ran").readonly_path("/magic-of-1"))
        .onboot(evil("magic-device", "say ran").edit_config(|config| {
            config["linux"]["devices"] = json!([{ "path": "/magic/made", "type": "c", "major": 1, "minor": 3 }]);
        }))
}

#[test]
fn magic_links_of_proc_lead_nowhere() {
    for name in [
        "magic-root",
        "magic-of-1",
        "magic-itself",
        "magic-descriptor",
        "magic-directory",
        "magic-mask",
        "magic-device",
    ] {
        assert_refused(name, "ELOOP");
    }
    assert_refused("magic-read-only", "ELOOP");
}

fn links_for_dev(image: Image) -> Image {
    let all = |container: Container| {
        container.edit_config(|config| {
            config["root"]["path"] = json!("/run/x/evil-links");
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
            mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/sys"));
            mounts.retain(|mount| mount["destination"] != "/proc");
        })
    };
    let proc = json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
    let sys = json!([{ "destination": "/sys", "type": "sysfs", "source": "sysfs" }]);
    image
        .onboot(all(probe("dev-link", "stat /dev/null , stat /run/victim/null , stat /run/victim/ptmx")))
        .onboot(with_mounts(all(probe("proc-link", "mounts")), proc).masked_path("/proc/kcore"))
        .onboot(with_mounts(all(probe("sys-link", "mounts")), sys))
}

#[test]
fn an_image_whose_dev_is_a_link_gets_its_devices_in_itself() {
    for stat in &seen().all("dev-link", "stat")[..2] {
        assert!(stat.contains("type=character mode=0666") && stat.ends_with("device=1:3"), "{stat}");
    }
}

#[test]
fn proc_and_sys_are_not_mounted_on_links() {
    assert_refused("proc-link", "mount proc on /proc: ENOTDIR");
    assert_refused("sys-link", "mount sysfs on /sys: ENOTDIR");
}

fn masks(image: Image) -> Image {
    let dev = json!([{ "destination": "/dev", "type": "bind", "source": "/run/x/evil-dev", "options": ["bind"] }]);
    let own_dev = |config: &mut Value| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    };
    let swap = "mv /dev/null /dev/null.kept && echo not-null > /dev/null";
    let back = "mv /dev/null.kept /dev/null";
    let masked = |name: &str| evil(name, "stat /etc/hidden , cat /etc/hidden").masked_path("/etc/hidden");
    image
        .onboot(with_mounts(masked("mask-evil-dev").edit_config(own_dev), dev))
        .onboot(evil("mask-link", "cat /etc/hidden").masked_path("/link-to-hidden"))
        .onboot(evil("mask-outside", "cat /etc/secret").masked_path("/etc/secret"))
        .onboot(Container::shell("swap", swap).bind("/dev:/dev").capability_all())
        .onboot(masked("mask-swapped"))
        .onboot(Container::shell("swap-back", back).bind("/dev:/dev").capability_all())
}

#[test]
fn a_mask_is_the_machines_null_device_whatever_the_image_has_in_dev() {
    assert!(seen().one("mask-evil-dev", "stat").ends_with("device=1:3"), "{}", seen().about("mask-evil-dev"));
    assert!(seen().all("mask-evil-dev", "cat").is_empty());
    assert!(seen().all("mask-link", "cat").is_empty(), "{}", seen().about("mask-link"));
    assert_eq!(seen().one("mask-outside", "cat.error"), "ENOENT", "{}", seen().about("mask-outside"));
}

#[test]
fn a_null_device_that_was_swapped_masks_nothing() {
    assert_refused("mask-swapped", "hide /etc/hidden if it exists: ENODEV");
}

fn directories(image: Image) -> Image {
    let paths = (3..16).map(|number| format!("/proc/self/fd/{number}")).chain([
        "/descriptor".to_owned(),
        "/magic".to_owned(),
        "/directory".to_owned(),
        "/proc/self/cwd/../..".to_owned(),
        "/proc/1/root/run".to_owned(),
    ]);
    paths
        .enumerate()
        .fold(image, |image, (number, path)| {
            image.onboot(evil(&format!("directory-{number}"), "cwd , list .").cwd(&path))
        })
        .onboot(evil("descriptors", "fds"))
}

#[test]
fn no_directory_outside_the_root_becomes_the_working_directory() {
    for number in 0..18 {
        let name = format!("directory-{number}");
        assert!(!seen().spoke(&name), "{}", seen().about(&name));
        assert!(seen().messages(&format!("-{name}:")).iter().any(|message| message.contains("not started")), "{name}");
    }
}

#[test]
fn no_descriptor_of_pidone_is_left_in_the_program() {
    let open = seen().all("descriptors", "fd");
    let numbers: Vec<&str> = open.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers, ["0", "1", "2"], "{open:?}");
}

fn programs(image: Image) -> Image {
    // Whoever may write to the file that PID 1 runs has the machine (CVE-2019-5736): the kernel uses it as its modprobe.
    let overwrite = "(exec 3<>/proc/1/exe) 2>/dev/null && echo PROBE opened=1; \
        (echo x > /proc/1/exe) 2>/dev/null && echo PROBE written=1; cmp /proc/1/exe /run/x/copy && echo PROBE same=yes";
    image
        .onboot(Container::shell("copy", "cp /proc/1/exe /run/x/copy").bind("/run:/run").pid_host().capability_all())
        .onboot(Container::shell("overwrite", overwrite).bind("/run:/run").pid_host().capability_all())
}

#[test]
fn pidones_own_file_cannot_be_written_through_proc() {
    assert!(
        seen().all("overwrite", "opened").is_empty() && seen().all("overwrite", "written").is_empty(),
        "{}",
        seen().about("overwrite")
    );
    assert_eq!(seen().one("overwrite", "same"), "yes", "{}", seen().about("overwrite"));
}

fn terminals(image: Image) -> Image {
    let own_dev = |config: &mut Value| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    };
    let dev = json!([
        { "destination": "/dev", "type": "bind", "source": "/run/x/evil-dev", "options": ["bind"] },
        { "destination": "/dev/ptmx", "type": "devpts", "source": "devpts", "options": ["newinstance"] },
    ]);
    let pts = "stat /dev/ptmx , stat /dev/pts/ptmx , devices /dev/ptmx , list /dev/pts , mounts";
    image
        .onboot(evil("terminals", pts))
        // A multiplexer that the container keeps open is its own: the machine's has other terminals.
        .onboot(with_mounts(evil("terminals-evil", "mounts , list /run/victim").edit_config(own_dev), dev))
}

#[test]
fn the_terminals_of_a_container_are_its_own() {
    let stats = seen().all("terminals", "stat");
    assert!(stats[0].ends_with("target=pts/ptmx") && stats[1].contains("device=5:2"), "{stats:?}");
    assert_eq!(seen().all("terminals", "device"), ["/dev/ptmx ok"]);
    assert_eq!(seen().all("terminals", "list"), ["ptmx"]);
    // A link out of the /dev of a volume is followed inside the root.
    assert_eq!(seen().mount("terminals-evil", "/victim/secret").field("type"), "devpts");
}

/// Somebody exchanges a directory in a volume for a link out of it, over and over, while containers start that have mounts
/// and masks there.
fn races(image: Image) -> Image {
    let racer = "mkdir -p /shared/a /shared/real && ln -s /../../../../../../run/victim /shared/link; \
        end=$(($(date +%s) + 8)); while [ $(date +%s) -lt $end ]; do mv /shared/a /shared/b; mv /shared/link /shared/a; mv /shared/a /shared/link; mv /shared/b /shared/a; done";
    let image = image.service(Container::shell("racer", racer).bind("/run/x/shared:/shared"));
    (0..12).fold(image, |image, number| {
        let mounts = json!([
            { "destination": "/shared", "type": "bind", "source": "/run/x/shared", "options": ["bind", "rw"] },
            { "destination": format!("/shared/a/made-{number}"), "type": "tmpfs", "source": "tmpfs" },
            { "destination": format!("/shared/a/made-file-{number}"), "source": "/proc/version", "options": ["bind"] },
        ]);
        let container = with_mounts(evil(&format!("race-{number}"), "say ran"), mounts);
        image.service(container.masked_path("/shared/a/real").edit_config(move |config| {
            config["linux"]["devices"] = json!([{ "path": format!("/shared/a/made-device-{number}"), "type": "p" }]);
        }))
    })
    .onshutdown(machine("after-races", "list /run/victim"))
}

#[test]
fn a_target_that_is_exchanged_while_a_container_starts_leads_nowhere_either() {
    assert_eq!(seen().all("after-races", "list"), ["secret"], "{}", seen().about("after-races"));
}
