//! The base system: what the first container finds.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::modules;
use qemu_tests::vm::{End, Ending, Vm};

/// A container that looks at the machine itself: its mounts, processes and files, as seen from the machine's root.
fn observer(words: &str) -> Container {
    // The root is the machine's own: /proc/1/root would be another way, with the same result.
    Container::probe("observer", words).pid_host().capability_all().bind("/:/machine")
}

fn mounts(end: &End, target: &str) -> Vec<String> {
    let prefix = format!("{target} type=");
    end.probe("mount").into_iter().filter(|mount| mount.starts_with(&prefix)).collect()
}

/// The machine's own mounts, read from PID 1's list.
fn machine_mounts(end: &End) -> Vec<String> {
    end.probe("cat")
}

#[test]
fn every_mount_of_the_table_is_there_with_its_flags() -> Result<()> {
    let end = Image::new()?.onboot(observer("cat /proc/1/mountinfo")).run("")?;
    let lines = machine_mounts(&end);
    let nodev_nosuid_noexec = ["nosuid", "nodev", "noexec", "relatime"];
    let table: [(&str, &str, &[&str], &[&str]); 12] = [
        ("/proc", "proc", &nodev_nosuid_noexec, &[]),
        ("/run", "tmpfs", &nodev_nosuid_noexec, &["mode=755"]),
        ("/tmp", "tmpfs", &nodev_nosuid_noexec, &[]),
        ("/var", "tmpfs", &nodev_nosuid_noexec, &["mode=755"]),
        ("/dev", "devtmpfs", &["nosuid", "noexec", "relatime"], &[]),
        ("/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"], &[]),
        ("/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec"], &[]),
        ("/dev/pts", "devpts", &["nosuid", "noexec"], &["gid=5", "mode=620"]),
        ("/sys", "sysfs", &["nosuid", "nodev", "noexec"], &[]),
        ("/sys/kernel/security", "securityfs", &["nosuid", "nodev", "noexec"], &[]),
        ("/sys/fs/bpf", "bpf", &["nodev"], &[]),
        ("/sys/fs/cgroup", "cgroup2", &["nosuid", "nodev", "noexec"], &[]),
    ];
    for (target, kind, options, superblock) in table {
        // id parent device root target options optional... - type source super
        let line =
            lines.iter().find(|line| line.split(' ').nth(4) == Some(target) && line.contains(&format!(" - {kind} ")));
        let line = line.unwrap_or_else(|| panic!("no {kind} on {target}:\n{}", lines.join("\n")));
        let words: Vec<&str> = line.split(' ').collect();
        for option in options {
            assert!(words[5].split(',').any(|word| word == *option), "{option} is missing: {line}");
        }
        for option in superblock {
            assert!(words[words.len() - 1].split(',').any(|word| word == *option), "{option} is missing: {line}");
        }
        assert!(line.contains(" shared:"), "{target} is not shared: {line}");
    }
    let root = lines.iter().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
    assert!(root.contains(" shared:"), "/ is not shared: {root}");
    Ok(())
}

#[test]
fn links_nodes_folders_and_limits_are_those_of_the_contract() -> Result<()> {
    let words = "stat /machine/dev/null , stat /machine/dev/console , stat /machine/dev/kmsg , stat /machine/dev/fd , \
        stat /machine/dev/stdin , stat /machine/dev/kcore , stat /machine/var/run , stat /machine/var/tmp , stat /machine/var/empty , \
        stat /machine/tmp , stat /machine/etc/resolv.conf , stat /machine/run/resolvconf/resolv.conf , cat /proc/1/limits";
    let end = Image::new()?.onboot(observer(words)).run("")?;
    let stat = end.probe("stat");
    let expect = |beginning: &str| {
        assert!(stat.iter().any(|line| line.starts_with(beginning)), "{beginning}:\n{}", stat.join("\n"));
    };
    expect("/machine/dev/null type=character mode=0666 uid=0 gid=0 size=0 device=1:3");
    expect("/machine/dev/console type=character mode=0600 uid=0 gid=0 size=0 device=5:1");
    expect("/machine/dev/kmsg type=character");
    expect("/machine/var/tmp type=directory mode=1777");
    expect("/machine/var/empty type=directory mode=0555");
    expect("/machine/tmp type=directory mode=1777");
    expect("/machine/run/resolvconf/resolv.conf type=file");
    for (link, target) in [
        ("/machine/dev/fd", "/proc/self/fd"),
        ("/machine/dev/stdin", "/proc/self/fd/0"),
        ("/machine/dev/kcore", "/proc/kcore"),
        ("/machine/var/run", "/run"),
        ("/machine/etc/resolv.conf", "/run/resolvconf/resolv.conf"),
    ] {
        let found = stat.iter().any(|line| {
            line.starts_with(&format!("{link} type=symlink")) && line.ends_with(&format!("target={target}"))
        });
        assert!(found, "{link}:\n{}", stat.join("\n"));
    }
    let limits = end.probe("cat").join("\n");
    assert!(
        limits.lines().any(|line| line.starts_with("Max open files            1048576              1048576")),
        "{limits}"
    );
    assert!(
        limits.lines().any(|line| line.starts_with("Max processes             unlimited            unlimited")),
        "{limits}"
    );
    Ok(())
}

#[test]
fn loopback_is_up_for_both_families() -> Result<()> {
    let end = Image::new()?
        .onboot(Container::probe("look", "links , ping 127.0.0.1").capabilities(&["CAP_NET_RAW"]))
        .run("")?;
    assert!(end.probe("link").iter().any(|link| link.starts_with("lo up=1")), "{}", end.report);
    let addresses = end.probe("address");
    assert!(addresses.contains(&"lo 127.0.0.1/8".into()) && addresses.contains(&"lo ::1/128".into()), "{addresses:?}");
    assert_eq!(end.probe("ping"), ["127.0.0.1 ok"]);
    Ok(())
}

#[test]
fn every_controller_is_enabled_for_containers() -> Result<()> {
    let words = "cat /sys/fs/cgroup/cgroup.controllers , say then , cat /machine/sys/fs/cgroup/cgroup.subtree_control";
    let end = Image::new()?.onboot(observer(words)).run("")?;
    let lines = end.probe("cat");
    let enabled: Vec<&str> = lines.last().map(|line| line.split(' ').collect()).unwrap_or_default();
    for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
        assert!(enabled.contains(&controller), "{controller}: {lines:?}");
    }
    Ok(())
}

#[test]
fn a_disk_is_a_root_as_good_as_an_initramfs() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let image = Image::new()?.onboot(Container::probe("look", "mounts , say from-disk")).tree()?;
    // A small initramfs only because the disk's driver is a module.
    let mut first = qemu_tests::tree::Tree::new();
    first.host_file("bin/busybox", 0o755, qemu_tests::artifacts::busybox()?);
    let script = "#!/bin/busybox sh\nexport PATH=/bin\nbusybox mkdir /proc /new /dev\nbusybox mount -t proc proc /proc\nbusybox --install -s /bin\n\
        modprobe virtio_pci\nmodprobe virtio_blk\nmount -t devtmpfs dev /dev\nmount -t ext4 -o ro /dev/vda /new\numount /proc /dev\n\
        exec switch_root /new /init\n";
    first.file("init", 0o755, script);
    modules::add(&mut first, &kernel, &["virtio_pci", "virtio_blk"])?;
    let mut vm = Vm::new(&kernel).initramfs(&first).disk(&image, 128).append("pidone.idle=poweroff").start()?;
    let end = vm.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("say"), ["from-disk"]);
    assert_eq!(mounts(&end, "/").len(), 1, "{}", end.report);
    Ok(())
}
