//! The machine around the containers: modules, kernel settings, scripts, name, clock.

use std::process::Command;

use anyhow::{Context, Result, bail};
use qemu_tests::artifacts::busybox;
use qemu_tests::command;
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::tree::{Kind, Tree};
use qemu_tests::vm::{End, Ending, Vm};

/// An image whose only content is a script of `/etc/init.d`, which reports as the probe does.
fn scripted(script: &str) -> Result<Image> {
    let busybox = busybox()?;
    let image = Image::new()?.edit(|tree| {
        tree.host_file("bin/busybox", 0o755, busybox);
        tree.symlink("bin/sh", "busybox");
    });
    let prologue = "#!/bin/sh\nexec > /dev/ttyS1\nfor command in cat grep insmod ls mount readlink stat uname; do \
        eval \"$command() { busybox $command \\\"\\$@\\\"; }\"; done\nsay() { echo \"PROBE $*\"; }\n";
    Ok(image.file("etc/init.d/10-look", 0o755, format!("{prologue}{script}\n")))
}

fn run(image: Image, options: &str) -> Result<End> {
    image.vm()?.append("pidone.idle=poweroff").append(options).start()?.expect(Ending::PowerOff)
}

const LOADED: &str = "say loaded=\" $(echo $(cat /proc/modules | busybox cut -d' ' -f1)) \"";

#[test]
fn the_drivers_of_every_device_are_loaded_and_those_of_devices_behind_them() -> Result<()> {
    let image = scripted(&format!("{LOADED}\nsay link=$(ls /sys/class/net)\nsay disk=$(ls /dev/vda)"))?;
    let disk = tempfile::NamedTempFile::new()?;
    disk.as_file().set_len(1 << 20)?;
    let vm = image.vm()?.append("pidone.idle=poweroff").disk_image(disk.path());
    let end = vm.device("virtio-net-pci").start()?.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("disk"), ["/dev/vda"], "{}", end.console);
    assert!(end.probe("link")[0].contains("eth0"), "{}", end.console);
    Ok(())
}

#[test]
fn listed_modules_are_loaded_with_their_parameters_and_denied_ones_are_not() -> Result<()> {
    let image = scripted(&format!("{LOADED}\nsay links=$(ls /sys/class/net)\nsay loops=$(ls -d /dev/loop?)"))?;
    let image = image
        .file("etc/modules-load.d/here.conf", 0o644, "# a comment\nloop\n\ntun\n")
        .file("etc/modprobe.d/here.conf", 0o644, "blacklist tun\noptions dummy \\\n numdummies=3\n")
        .file("lib/modprobe.d/here.conf", 0o644, "options dummy numdummies=nonsense\n");
    let options = "pidone.modules=dummy,absent,br-netfilter module_blacklist=softdog dummy.numdummies=2";
    let end = run(image, options)?;
    if !end.probe("loaded")[0].trim().is_empty() {
        for module in ["loop", "dummy", "br_netfilter", "bridge", "stp"] {
            assert!(end.probe("loaded")[0].contains(&format!(" {module} ")), "{module}\n{}", end.console);
        }
        assert!(!end.probe("loaded")[0].contains(" tun "), "{}", end.console);
        assert!(end.console.contains("module tun: on the denylist"), "{}", end.console);
        assert!(end.console.contains("module absent: not among the modules of this kernel"), "{}", end.console);
        assert!(end.probe("links")[0].contains("dummy1") && !end.probe("links")[0].contains("dummy2"));
    }
    Ok(())
}

#[test]
fn a_packed_module_is_loaded_by_a_kernel_that_unpacks_it_and_named_by_one_that_does_not() -> Result<()> {
    // Debian's 6.12 unpacks xz alone; its 6.1 nothing.
    let Some(kernel) = Kernel::of_version("6.12") else { return Ok(()) };
    let image = scripted(LOADED)?.kernel(&kernel).modules(&["loop", "tun", "dummy"]);
    let mut tree = image.tree()?;
    repack(&mut tree, "tun", ".ko.xz", &["zstd", "-c"], ".ko.zst")?;
    repack(&mut tree, "dummy", ".ko.xz", &["gzip", "-c"], ".ko.gz")?;
    let options = "pidone.idle=poweroff pidone.modules=loop,tun,dummy";
    let end = Vm::new(&kernel).initramfs(&tree).append(options).start()?.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("loaded")[0].trim(), "loop", "{}", end.console);
    for file in ["tun.ko.zst", "dummy.ko.gz"] {
        let report = format!("{file}: load, by a kernel that can unpack it: EINVAL");
        assert_eq!(end.console.matches(&report).count(), 1, "{report}\n{}", end.console);
    }

    let kernel = Kernel::from_environment()?;
    let mut tree = scripted(LOADED)?.kernel(&kernel).modules(&["tun"]).tree()?;
    if !tree.iter().any(|(path, _)| path.ends_with("/tun.ko")) {
        return Ok(());
    }
    repack(&mut tree, "tun", ".ko", &["xz", "--check=crc32", "-c"], ".ko.xz")?;
    let options = "pidone.idle=poweroff pidone.modules=tun";
    let end = Vm::new(&kernel).initramfs(&tree).append(options).start()?.expect(Ending::PowerOff)?;
    assert!(end.console.contains("tun.ko.xz: load, by a kernel that can unpack it: EOPNOTSUPP"), "{}", end.console);
    Ok(())
}

/// Packs a module in another way, and says so in the list of all.
fn repack(tree: &mut Tree, module: &str, from: &str, pack: &[&str], to: &str) -> Result<()> {
    let find = |end: &str| tree.iter().find(|(path, _)| path.ends_with(end)).map(|(path, _)| path.to_owned());
    let (old, new) = (format!("/{module}{from}"), format!("/{module}{to}"));
    let (list, file) = (find("/modules.dep").context("modules.dep")?, find(&old).context(old.clone())?);
    let unpack = if from == ".ko" { "cat" } else { "xz -dc" };
    let directory = tempfile::tempdir()?;
    let packed = directory.path().join("packed");
    let Some(Kind::File(content)) = tree.get(&file).map(|node| &node.kind) else { bail!("{file} is no file") };
    std::fs::write(&packed, content.read()?)?;
    let script = format!("{unpack} <{} | {}", packed.display(), pack.join(" "));
    let content = command::output(Command::new("sh").args(["-c", &script]))?;
    let text = tree.text(&list)?.replace(&old, &new);
    tree.remove(&file).file(&file.replace(&old, &new), 0o644, content).file(&list, 0o644, text);
    Ok(())
}

#[test]
fn the_kernel_gets_a_module_at_the_moment_it_misses_it() -> Result<()> {
    let image = scripted(
        "mount -t overlay -o lowerdir=/etc:/bin overlay /mnt && say overlay=$(ls /mnt/busybox)\n\
         busybox ip link add v0 type veth && say veth=$(ls -d /sys/class/net/v0)\n\
         mount -t nonsense none /mnt || say nonsense=refused\n\
         say helper=$(cat /proc/sys/kernel/modprobe)\n\
         [ ! -d /lib/modules ] || /init modprobe -q -- fs-iso9660; say alias=$?\n\
         /init modprobe nonsense; say unknown=$?",
    )?;
    let end = run(image, "")?;
    assert_eq!(end.probe("overlay"), ["/mnt/busybox"], "{}", end.console);
    assert_eq!(end.probe("veth"), ["/sys/class/net/v0"], "{}", end.console);
    assert_eq!(end.probe("nonsense"), ["refused"]);
    assert_eq!((end.probe("alias"), end.probe("unknown")), (vec!["0".into()], vec!["1".into()]), "{}", end.console);
    // The kernel's question for a module that is nowhere is answered in silence, a person's is not.
    assert!(!end.console.contains("fs-nonsense"), "{}", end.console);
    Ok(())
}

#[test]
fn kernel_settings_are_written_in_the_order_of_their_files() -> Result<()> {
    let image = scripted(
        "say forward=$(cat /proc/sys/net/ipv4/ip_forward)\nsay dot=$(cat /proc/sys/net/ipv4/conf/lo/forwarding)\n\
         say last=$(cat /proc/sys/kernel/panic_on_oops)",
    )?;
    let image = image
        .file("etc/sysctl.d/20-b.conf", 0o644, "net.ipv4.ip_forward = 1\nkernel.panic_on_oops=0\n")
        .file(
            "etc/sysctl.d/10-a.conf",
            0o644,
            "# no\n; no\nnet/ipv4/ip_forward=0\nkernel.absent=1\n-kernel.gone=1\nx\n",
        )
        .file("etc/sysctl.conf", 0o644, "kernel.panic_on_oops=1\nkernel.../../../etc/hostname=evil\n");
    let end = run(image, "")?;
    assert_eq!((end.probe("forward"), end.probe("last")), (vec!["1".into()], vec!["1".into()]), "{}", end.console);
    assert!(end.console.contains("sysctl kernel.absent: write: ENOENT"), "{}", end.console);
    assert!(end.console.contains("sysctl x: no value"), "{}", end.console);
    assert!(end.console.contains("not a path below /proc/sys"), "{}", end.console);
    assert!(!end.console.contains("kernel.gone"), "{}", end.console);
    Ok(())
}

#[test]
fn scripts_run_in_order_and_their_failures_are_reported_and_change_nothing() -> Result<()> {
    let image = scripted("say first=$HOME:$PATH\nexit 7")?
        .file("etc/init.d/20-garbage", 0o755, "no program")
        .file("etc/init.d/30-plain", 0o644, "#!/bin/sh\necho PROBE plain=ran > /dev/ttyS1\n")
        .file("etc/init.d/40-killed", 0o755, "#!/bin/sh\nkill -9 $$\n")
        .file("etc/init.d/50-last", 0o755, "#!/bin/sh\necho PROBE last=ran > /dev/ttyS1\n")
        .edit(|tree| {
            tree.directory("etc/init.d/25-folder", 0o755).symlink("etc/init.d/26-dead", "/nowhere");
        });
    let end = run(image, "")?;
    assert_eq!(end.probe("first"), ["/:/usr/sbin:/usr/bin:/sbin:/bin"], "{}", end.console);
    assert_eq!(end.probe("last"), ["ran"], "{}", end.console);
    assert!(end.probe("plain").is_empty());
    for report in [
        "/etc/init.d/10-look: exited with 7",
        "/etc/init.d/20-garbage: execute: ENOEXEC",
        "/etc/init.d/30-plain: execute: EACCES",
        "/etc/init.d/40-killed: ended by signal 9",
    ] {
        assert_eq!(end.console.matches(report).count(), 1, "{report}\n{}", end.console);
    }
    assert!(!end.console.contains("25-folder") && !end.console.contains("26-dead"), "{}", end.console);
    Ok(())
}

const LOOK_AROUND: &str = "say name=$(cat /proc/sys/kernel/hostname)\n\
    say resolver=$(stat -c %a:%s /run/resolvconf/resolv.conf):$(stat -c %a /run/resolvconf)\nsay year=$(busybox date +%Y)";

#[test]
fn the_machine_has_the_name_of_its_image_and_a_resolver_file_and_the_time() -> Result<()> {
    let end = run(scripted(LOOK_AROUND)?, "pidone.hostname=other")?;
    assert_eq!(end.probe("name"), ["pidone-test"], "{}", end.console);
    assert_eq!(end.probe("resolver"), ["644:0:755"], "{}", end.console);
    assert!(end.probe("year")[0].parse::<u32>()? >= 2024);
    Ok(())
}

#[test]
fn an_image_without_a_name_takes_the_operators_or_that_of_its_first_link() -> Result<()> {
    let unnamed =
        |name: &'static str| -> Result<Image> { Ok(scripted(LOOK_AROUND)?.file("etc/hostname", 0o644, name)) };
    assert_eq!(run(unnamed("\n")?, "pidone.hostname=box")?.probe("name"), ["box"]);
    let vm = unnamed("not a name\n")?.vm()?.append("pidone.idle=poweroff");
    let end = vm.device("virtio-net-pci,mac=52:54:00:ab:cd:ef").start()?.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("name"), ["linuxkit-525400abcdef"], "{}", end.console);
    assert!(end.console.contains("hostname not\\x20a\\x20name: EINVAL"), "{}", end.console);
    Ok(())
}
