//! A machine that is looked after: its watchdog, its random seed.

use std::process::Command;

use anyhow::{Result, ensure};
use qemu_tests::image::Image;
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use qemu_tests::vm::{self, Ending};
use qemu_tests::{command, disk, oneshot};

fn machine() -> Result<vm::Builder> {
    let root = Root::probe()?;
    Image::new()?.edit(|tree| _ = tree.tree("", root.tree())).vm()
}

const WATCHDOG: &str = "pidone.modules=softdog pidone.watchdog=4 pidone.run --";

#[test]
fn a_watchdog_is_armed_with_its_time_and_petted() -> Result<()> {
    let script = "cd /sys/class/watchdog/watchdog0; cat state timeout; sleep 10; echo alive";
    let end = machine()?.append(WATCHDOG).append(&format!("sh -c \"{script}\"")).start()?.expect(Ending::PowerOff)?;
    let after = end.console.split("pidone: up").nth(1).unwrap_or_default();
    for line in ["active", "4", "alive"] {
        ensure!(after.lines().any(|found| found == line), "{line}\n{}", end.console);
    }
    Ok(())
}

#[test]
fn a_machine_whose_process_1_is_stuck_is_reset() -> Result<()> {
    let end = machine()?.append(WATCHDOG).append("probe stop-init , sleep forever").start()?.wait()?;
    ensure!(end.console.contains("PROBE stop-init=1 ok"), "{}", end.console);
    ensure!(end.ending == Ending::Reset, "{:?}\n{}", end.ending, end.console);
    Ok(())
}

#[test]
fn a_machine_without_a_watchdog_says_so_and_runs() -> Result<()> {
    let end = machine()?.append("pidone.watchdog=4 pidone.run -- true").start()?.expect(Ending::PowerOff)?;
    ensure!(end.console.contains("watchdog: open /dev/watchdog: ENOENT"), "{}", end.console);
    Ok(())
}

#[test]
fn a_seed_is_used_once() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("disk");
    let mut tree: Tree = Root::busybox()?.tree().clone();
    oneshot::mount_points(&mut tree);
    disk::write(tree.file("seed", 0o600, vec![b'x'; 512]), &image, 24)?;
    let boot = |flag: &str| -> Result<(String, Vec<u8>)> {
        let machine = Image::new()?.vm()?.disk_image(&image).append("root=/dev/vda pidone.seed=/seed").append(flag);
        let end = machine.append("pidone.run -- true").start()?.expect(Ending::PowerOff)?;
        let seed = command::output(Command::new("debugfs").args(["-R", "cat /seed"]).arg(&image))?;
        Ok((end.console, seed))
    };
    let (console, seed) = boot("ro")?;
    ensure!(console.contains("pidone.seed: replace it: EROFS") && seed == vec![b'x'; 512], "{console}");
    let (console, first) = boot("rw")?;
    ensure!(!console.contains("pidone.seed:") && first.len() == 512 && first != vec![b'x'; 512], "{console}");
    let (_, second) = boot("rw")?;
    ensure!(second.len() == 512 && second != first);
    Ok(())
}
