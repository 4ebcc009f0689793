//! The harness holds its own promises: endings are told apart, and the same tree gives the same bytes.

use std::time::Duration;

use anyhow::Result;
use qemu_tests::artifacts::{busybox, probe_binary};
use qemu_tests::kernel::Kernel;
use qemu_tests::tree::{DeviceKind, Tree};
use qemu_tests::vm::{Ending, Vm};
use qemu_tests::{initramfs, modules};

/// A tree whose `/init` is a shell script.
fn scripted(script: &str) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.host_file("bin/busybox", 0o755, busybox()?);
    tree.device("dev/console", 0o600, DeviceKind::Character, 5, 1);
    let prologue = "#!/bin/busybox sh\nexport PATH=/bin\nbusybox mkdir -p /proc /sys\nbusybox mount -t proc proc /proc\n\
        busybox --install -s /bin\nmount -t sysfs sysfs /sys\nmount -t devtmpfs dev /dev\n";
    tree.file("init", 0o755, format!("{prologue}{script}\n"));
    Ok(tree)
}

#[test]
fn a_guest_that_powers_off_is_seen_to_power_off() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let mut vm =
        Vm::new(&kernel).initramfs(&scripted("echo HELLO; echo PROBE x=1 > /dev/ttyS1; poweroff -f")?).start()?;
    vm.wait_for("HELLO")?;
    let end = vm.expect(Ending::PowerOff)?;
    assert_eq!(end.exit_code, Some(0));
    assert_eq!(end.probe("x"), ["1"]);
    Ok(())
}

#[test]
fn a_guest_that_reboots_is_seen_to_reset() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    Vm::new(&kernel).initramfs(&scripted("reboot -f")?).start()?.expect(Ending::Reset)?;
    Ok(())
}

#[test]
fn a_guest_that_halts_is_seen_to_halt() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    Vm::new(&kernel).initramfs(&scripted("halt -f")?).start()?.expect(Ending::Halt)?;
    Ok(())
}

#[test]
fn a_panic_is_seen_with_and_without_the_panic_driver() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    Vm::new(&kernel).initramfs(&scripted("exit 7")?).start()?.expect(Ending::Panic)?;

    let mut tree = scripted("modprobe pvpanic-pci; exit 7")?;
    modules::add(&mut tree, &kernel, &["pvpanic-pci"])?;
    let end = Vm::new(&kernel).initramfs(&tree).start()?.expect(Ending::Panic)?;
    assert_eq!(end.exit_code, Some(1), "QEMU itself reports the panic\n{}", end.console);
    Ok(())
}

#[test]
fn a_guest_that_never_ends_meets_its_deadline() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let mut vm = Vm::new(&kernel).initramfs(&scripted("sleep 1000")?).deadline(Duration::from_secs(3)).start()?;
    vm.expect(Ending::Deadline)?;
    Ok(())
}

#[test]
fn keys_buttons_and_typing_reach_the_guest() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let script = "modprobe button; modprobe evdev; trap 'echo GOT-INT' INT; echo 0 > /proc/sys/kernel/ctrl-alt-del\n\
        echo READY; read line; echo GOT-$line; for event in /dev/input/event*; do cat $event > /dev/null & done\n\
        echo WAITING; while :; do sleep 0.2; done";
    let mut tree = scripted(script)?;
    modules::add(&mut tree, &kernel, &["button", "evdev"])?;
    let mut vm = Vm::new(&kernel).initramfs(&tree).start()?;
    vm.wait_for("READY")?;
    vm.type_text("typed\n")?;
    vm.wait_for("GOT-typed")?;
    vm.wait_for("WAITING")?;
    vm.ctrl_alt_delete()?;
    vm.wait_for("GOT-INT")?;
    vm.quit()?;
    vm.expect(Ending::HostQuit)?;
    Ok(())
}

#[test]
fn a_guest_boots_from_a_disk() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let mut disk = scripted("echo FROM-DISK; poweroff -f")?;
    for path in ["new", "proc", "sys"] {
        disk.directory(path, 0o755);
    }
    let mut first = scripted(
        "modprobe virtio_pci; modprobe virtio_blk; mkdir /new; mount -t ext4 /dev/vda /new; \
        umount /proc /sys; exec switch_root /new /init",
    )?;
    modules::add(&mut first, &kernel, &["virtio_pci", "virtio_blk", "ext4"])?;
    let mut vm = Vm::new(&kernel).initramfs(&first).disk(&disk, 32).start()?;
    vm.wait_for("FROM-DISK")?;
    vm.expect(Ending::PowerOff)?;
    Ok(())
}

#[test]
fn the_same_tree_gives_the_same_initramfs() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let bytes = || -> Result<Vec<u8>> {
        let mut tree = scripted("poweroff -f")?;
        modules::add(&mut tree, &kernel, modules::USUAL)?;
        let mut bytes = Vec::new();
        initramfs::write_to(&tree, &mut bytes)?;
        Ok(bytes)
    };
    assert!(bytes()? == bytes()?);
    Ok(())
}

#[test]
fn the_probe_reports_from_inside_a_guest() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let commands = "mounts , ns , caps , ids , limits , links , fds , devices /dev/null /dev/none , sysctl kernel.ostype , \
        stat /dev/null , write /sys/x y , orphans 200 , zombies , storm 50 , ping 127.0.0.1 , exit 7";
    let script = format!("ip link set lo up; probe --to /dev/ttyS1 {commands}; echo CODE=$?; poweroff -f");
    let mut tree = scripted(&script)?;
    tree.host_file("bin/probe", 0o755, probe_binary()?);
    let mut vm = Vm::new(&kernel).initramfs(&tree).start()?;
    vm.wait_for("CODE=7")?;
    let end = vm.expect(Ending::PowerOff)?;
    assert!(end.probe("mount").iter().any(|mount| mount.starts_with("/proc type=proc source=proc")), "{}", end.report);
    assert_eq!(end.probe("caps.effective"), ["000001ffffffffff"]);
    assert_eq!(end.probe("device"), ["/dev/null ok", "/dev/none ENOENT"]);
    assert_eq!(end.probe("sysctl.kernel.ostype"), ["Linux"]);
    assert_eq!(end.probe("stat"), ["/dev/null type=character mode=0666 uid=0 gid=0 size=0 device=1:3"]);
    assert_eq!(end.probe("write"), ["/sys/x EACCES"]);
    assert_eq!((end.probe("orphans.alive"), end.probe("orphans.left")), (vec!["200".into()], vec!["0".into()]));
    assert_eq!((end.probe("zombies"), end.probe("storm.lost")), (vec!["0".into()], vec!["0".into()]));
    assert_eq!(end.probe("ping"), ["127.0.0.1 ok"]);
    Ok(())
}
