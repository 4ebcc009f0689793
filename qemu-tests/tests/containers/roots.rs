//! Roots of either generation, and what is mounted in them by default.

use qemu_tests::container::Generation;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use serde_json::json;

use super::seen;

const GENERATIONS: [(&str, Generation); 2] = [("seed", Generation::Seed), ("current", Generation::Current)];

pub(super) fn roots(image: Image) -> Image {
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
