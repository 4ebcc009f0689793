//! The way down, from every side it can be asked for.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use qemu_tests::artifacts::busybox;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::tree::Tree;
use qemu_tests::virtiofs::{self, Server};
use qemu_tests::vm::{Ending, Vm};
use qemu_tests::{command, disk, initramfs};
use serde_json::json;

fn steady() -> Container {
    Container::probe("steady", "on-term-sleep 0")
}

fn ready(image: Image) -> Result<Vm> {
    let vm = image.vm()?.start()?;
    vm.wait_for_report("on-term-sleep=ready")?;
    Ok(vm)
}

#[test]
fn signals_of_the_contract_end_the_machine_each_in_its_way() -> Result<()> {
    // busybox: USR1 halt, USR2 power off, TERM reboot; systemd: RTMIN+3 halt, +4 power off, +5 reboot, +6 the next kernel,
    // of which there is none here.
    for (signal, ending) in [
        (10, Ending::Halt),
        (12, Ending::PowerOff),
        (15, Ending::Reset),
        (37, Ending::Halt),
        (38, Ending::PowerOff),
        (39, Ending::Reset),
        (40, Ending::Reset),
    ] {
        let words = format!("sleep 1 , signal 1 {signal} , sleep forever");
        let asker = Container::probe("asker", &words).pid_host().capabilities(&["CAP_KILL"]);
        let mut vm = ready(Image::new()?.service(steady()).service(asker))?;
        let end = vm.expect(ending)?;
        assert!(end.probe("on-term-sleep").contains(&"ended".into()), "signal {signal}: {}", end.report);
    }
    Ok(())
}

/// Asks for the end of the machine by a signal to PID 1.
fn asker(signal: u32) -> Container {
    Container::probe("asker", &format!("signal 1 {signal} , sleep forever")).pid_host().capabilities(&["CAP_KILL"])
}

#[test]
fn a_machine_that_cannot_switch_its_power_off_ends_by_a_reset_as_its_monitor_expects() -> Result<()> {
    for (machine, option, signal, ending) in [
        ("q35", "acpi=off", 12, Ending::Reset),
        ("q35", "acpi=off", 10, Ending::Halt),
        ("microvm,acpi=off", "reboot=t", 12, Ending::Reset),
    ] {
        let image = Image::new()?.service(asker(signal));
        let end = image.vm()?.machine(machine).append(option).start()?.expect(ending)?;
        assert_eq!(end.console.contains("its monitor is told"), signal == 12, "{machine}\n{}", end.console);
    }
    Ok(())
}

#[test]
fn a_machine_whose_acpi_knows_no_sleep_ends_by_a_reset() -> Result<()> {
    let print = "echo PROBE table=$(od -An -v -t x1 /sys/firmware/acpi/tables/FACP) >/dev/ttyS1";
    let printer = Container::shell("printer", print).with_report();
    let end = Image::new()?.onboot(printer).run("")?;
    let text = end.probe("table").concat();
    let bytes = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
    let table = bytes.collect::<Result<Vec<u8>, _>>()?;
    assert!(table.starts_with(b"FACP"), "{}", end.console);
    // The kernel takes tables from its initramfs in the place of the firmware's.
    let image = Image::new()?.file("kernel/firmware/acpi/facp.aml", 0o644, without_sleep(table)).service(asker(12));
    let end = image.vm()?.machine("q35,pic=off").append("reboot=t").start()?.expect(Ending::Reset)?;
    assert!(end.console.contains("its monitor is told"), "{}", end.console);
    Ok(())
}

/// ACPI's fixed description table as Firecracker has it: with "reduced hardware", and no register for sleep.
fn without_sleep(mut table: Vec<u8>) -> Vec<u8> {
    // The registers for sleep came with revision 5.
    table.resize(268, 0);
    table[244..].fill(0);
    table[4..8].copy_from_slice(&268_u32.to_le_bytes());
    table[8] = 5;
    // Newer than the firmware's.
    table[24] += 1;
    table[114] |= 0x10;
    table[9] = 0;
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

#[test]
fn a_kernel_that_was_put_in_place_is_what_comes_next() -> Result<()> {
    let kernel = Kernel::from_environment()?;
    let Some(compressed) = kernel.compressed() else {
        eprintln!("SKIPPED: there is no compressed form of this kernel");
        return Ok(());
    };
    let mut next = Vec::new();
    let seen = Container::probe("seen", "say next , cat /proc/cmdline");
    initramfs::write_to(&Image::new()?.onboot(seen).tree()?, &mut next)?;
    let line = "console=ttyS0 panic=-1 cryptomgr.notests no_timer_check pidone.idle=poweroff the-next";
    let words = format!("next-kernel /next/kernel /next/initramfs {line} , signal 1 40 , sleep forever");
    let asker = Container::probe("asker", &words).pid_host().capability_all().bind("/next:/next");
    let image = Image::new()?.service(steady()).service(asker.annotation("pidone.after", "steady"));
    let image =
        image.file("next/initramfs", 0o644, next).edit(|tree| _ = tree.host_file("next/kernel", 0o644, compressed));
    let end = image.vm()?.memory_mib(1024).start()?.wait()?;
    if end.probe("next-kernel") == ["/next/kernel ENOSYS"] {
        eprintln!("SKIPPED: this kernel starts no other");
        return Ok(());
    }
    let end = end.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("next-kernel"), ["/next/kernel ok"], "{}", end.console);
    assert!(end.probe("on-term-sleep").contains(&"ended".into()), "{}", end.report);
    assert_eq!(end.probe("say"), ["next"], "{}", end.console);
    assert!(end.probe("cat").concat().ends_with("the-next"), "{}", end.report);
    Ok(())
}

#[test]
fn the_power_button_powers_off() -> Result<()> {
    let mut vm = ready(Image::new()?.service(steady()))?;
    vm.power_button()?;
    let end = vm.expect(Ending::PowerOff)?;
    assert!(end.probe("on-term-sleep").contains(&"ended".into()), "{}", end.report);
    Ok(())
}

#[test]
fn ctrl_alt_delete_reboots() -> Result<()> {
    let mut vm = ready(Image::new()?.service(steady()))?;
    vm.ctrl_alt_delete()?;
    vm.expect(Ending::Reset)?;
    Ok(())
}

#[test]
fn a_service_may_take_its_grace_time_and_no_more() -> Result<()> {
    let slow = Container::probe("slow", "on-term-sleep 2");
    let stubborn = Container::probe("stubborn", "ignore-term");
    let image = Image::new()?.service(slow).service(stubborn);
    let mut vm = image.vm()?.append("pidone.grace=4").start()?;
    vm.wait_for_report("on-term-sleep=ready")?;
    vm.wait_for_report("ignore-term=ready")?;
    vm.power_button()?;
    let end = vm.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("on-term-sleep"), ["ready", "received", "ended"], "{}", end.report);
    Ok(())
}

#[test]
fn onshutdown_containers_run_in_order_when_the_services_have_ended() -> Result<()> {
    let image = Image::new()?
        .service(Container::probe("slow", "on-term-sleep 1"))
        .onshutdown(Container::probe("first", "say first"))
        .onshutdown(Container::probe("second", "say second"));
    let mut vm = ready(image)?;
    vm.power_button()?;
    let end = vm.expect(Ending::PowerOff)?;
    let order: Vec<&str> = end.report.lines().collect();
    let at = |text: &str| {
        order.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {}", end.report))
    };
    assert!(at("on-term-sleep=ended") < at("say=first") && at("say=first") < at("say=second"), "{}", end.report);
    Ok(())
}

#[test]
fn a_disk_is_unmounted_and_needs_no_recovery() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("disk");
    let mut tree = Tree::new();
    tree.directory("data", 0o755);
    disk::write(&tree, &image, 16)?;
    let container = Container::probe("writer", "write /disk/data/file kept , on-term-sleep 0")
        .capability_all()
        .runtime(json!({
            "mounts": [{ "destination": "/var/disk", "type": "ext4", "source": "/dev/vda" }],
        }))
        .bind("/var/disk:/disk");
    let mut vm = Image::new()?.service(container).vm()?.disk_image(&image).start()?;
    vm.wait_for_report("on-term-sleep=ready")?;
    vm.power_button()?;
    let end = vm.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("write"), ["/disk/data/file ok"]);
    assert!(look(&image, "cat /data/file")?.contains("kept"));
    assert!(!look(&image, "features")?.contains("needs_recovery"), "the disk was not unmounted\n{}", end.console);
    Ok(())
}

#[test]
fn a_disk_in_a_file_on_a_disk_is_let_go_of_before_that_is_unmounted() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (image, inner) = (directory.path().join("disk"), directory.path().join("inner"));
    disk::write(&Tree::new(), &inner, 8)?;
    let mut tree = Tree::new();
    tree.host_file("inner", 0o644, &inner);
    disk::write(&tree, &image, 32)?;
    let script = "#!/bin/sh\nb=/bin/busybox\n$b mkdir /var/disk /var/inner\n$b mount -t ext4 /dev/vda /var/disk\n\
        $b losetup /dev/loop0 /var/disk/inner\n$b mount -t ext4 /dev/loop0 /var/inner && echo deep >/var/inner/file\n";
    let busybox = busybox()?;
    let machine = Image::new()?.file("etc/init.d/10-mount", 0o755, script).edit(|tree| {
        tree.host_file("bin/busybox", 0o755, busybox).symlink("bin/sh", "busybox");
    });
    let machine = machine.vm()?.disk_image(&image).append("pidone.modules=loop pidone.idle=poweroff");
    let end = machine.start()?.expect(Ending::PowerOff)?;
    assert!(!look(&image, "features")?.contains("needs_recovery"), "the disk was not unmounted\n{}", end.console);
    look(&image, &format!("dump /inner {}", inner.display()))?;
    assert!(look(&inner, "cat /file")?.contains("deep"), "{}", end.console);
    assert!(!look(&inner, "features")?.contains("needs_recovery"), "the inner one was not\n{}", end.console);
    assert!(!end.console.contains("still in use"), "{}", end.console);
    Ok(())
}

/// What debugfs(8) says of a disk.
fn look(disk: &Path, request: &str) -> Result<String> {
    command::text(Command::new("debugfs").args(["-R", request]).arg(disk))
}

#[test]
fn a_server_that_has_gone_holds_up_neither_the_machine_nor_its_disks() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let (image, folder) = (directory.path().join("disk"), directory.path().join("folder"));
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("file"), "far away")?;
    let Some(far) = Server::start(&folder, directory.path(), "far")? else { return Ok(()) };
    let Some(farther) = Server::start(&folder, directory.path(), "farther")? else { return Ok(()) };
    disk::write(&Tree::new(), &image, 16)?;
    let mount = |to: &str, kind: &str, from: &str| json!({ "destination": to, "type": kind, "source": from });
    let mounts = [
        mount("/var/far", "virtiofs", "far"),
        mount("/var/disk", "ext4", "/dev/vda"),
        mount("/var/disk/farther", "virtiofs", "farther"),
    ];
    let writer = Container::probe("writer", "write /disk/file kept , on-term-sleep 0")
        .capability_all()
        .runtime(json!({ "mounts": mounts, "mkdir": ["/var/disk/farther"] }))
        .bind("/var/disk:/disk");
    // It waits for the server in the kernel, where nothing can kill it; the disk is in its namespace, too.
    let script = "echo more >/disk/more; echo PROBE stuck=soon >/dev/ttyS1; while cat /far/file >/dev/null; do :; done";
    let stuck = Container::shell("stuck", script).bind("/var/disk:/disk").bind("/var/far:/far").with_report();
    let stuck = stuck.annotation("pidone.after", "writer");
    let machine = Image::new()?.service(writer).service(stuck).vm()?.disk_image(&image);
    let machine = virtiofs::share(machine, &[&far, &farther]);
    let mut vm = machine.append("pidone.timing pidone.grace=1").start()?;
    vm.wait_for_report("on-term-sleep=ready")?;
    vm.wait_for_report("stuck=soon")?;
    far.fall_silent()?;
    farther.fall_silent()?;
    std::thread::sleep(Duration::from_secs(1));
    vm.power_button()?;
    let asked = Instant::now();
    vm.wait_for(" unmounting\n")?;
    vm.wait_for(" end\n")?;
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}\n{}", asked.elapsed(), vm.console.text());
    // QEMU itself waits for them when the machine ends.
    far.go_on()?;
    farther.go_on()?;
    let end = vm.expect(Ending::PowerOff)?;
    let [kept, more] = ["cat /file", "cat /more"].map(|request| look(&image, request));
    assert!(kept?.contains("kept") && more?.contains("more"), "{}", end.console);
    assert!(!look(&image, "features")?.contains("needs_recovery"), "the disk was not unmounted\n{}", end.console);
    Ok(())
}

#[test]
fn a_panic_ends_the_machine_as_the_kernel_was_told() -> Result<()> {
    let container = Container::shell("x", "sleep 1; echo c > /proc/sysrq-trigger").capability_all().pid_host();
    Image::new()?.service(container).vm()?.start()?.expect(Ending::Panic)?;
    Ok(())
}
