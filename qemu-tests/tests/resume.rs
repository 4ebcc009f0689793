//! A machine that is saved and goes on as a copy of itself: the host says so by its generation id.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::root::Root;
use qemu_tests::vm::{self, Vm};
use serde_json::{Value, json};

/// How long the machine is nothing but a file.
const PAUSE: Duration = Duration::from_secs(10);

/// The system's clock and the hardware's, again and again.
const CLOCKS: &str = "while sleep 0.5; do echo clocks $(date +%s) $(cat /sys/class/rtc/rtc0/since_epoch); done";

fn machine(kernel: &Kernel, generation: u32) -> Result<vm::Builder> {
    let root = Root::busybox()?;
    let image = Image::new()?.kernel(kernel).modules(&[]).edit(|tree| _ = tree.tree("", root.tree()));
    let id = format!("vmgenid,guid=324e6eaf-d1d1-4bf6-bf41-{generation:012}");
    Ok(image.vm()?.device(&id).append("pidone.run --").append(&format!("sh -c \"{CLOCKS}\"")))
}

/// How many seconds the system's clock is behind the hardware's, as the last line says.
fn behind(vm: &Vm) -> Result<i64> {
    let text = vm.console.text();
    let line = text.lines().rfind(|line| line.starts_with("clocks ") && line.len() == 28);
    let mut numbers = line.with_context(|| text.clone())?.split(' ').skip(1).map(str::parse::<i64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(system)), Some(Ok(hardware))) => Ok(hardware - system),
        _ => bail!("{text}"),
    }
}

fn save(mut vm: Vm, file: &Path) -> Result<()> {
    vm.qmp("stop", Value::Null)?;
    vm.qmp("migrate", json!({ "uri": format!("exec:cat >{}", file.display()) }))?;
    migrated(&vm)?;
    vm.quit()?;
    vm.wait().map(drop)
}

fn migrated(vm: &Vm) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while vm.qmp("query-migrate", Value::Null)?["status"] != "completed" {
        ensure!(Instant::now() < deadline, "{}", vm.qmp("query-migrate", Value::Null)?);
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn the_clock_of_a_machine_resumed_from_a_snapshot_is_stepped() -> Result<()> {
    let Some(kernel) = Kernel::of_version("6.12") else { return Ok(()) };
    let directory = tempfile::tempdir_in("/tmp")?;
    let file = directory.path().join("saved");
    let mut vm = machine(&kernel, 1)?.start()?;
    vm.wait_for("\nclocks ")?;
    save(vm, &file)?;
    sleep(PAUSE);

    let mut vm = machine(&kernel, 2)?.arguments(["-incoming", &format!("exec:cat {}", file.display())]).start()?;
    // It was stopped when it was saved, and so it is now.
    migrated(&vm)?;
    vm.qmp("cont", Value::Null)?;
    vm.wait_for("pidone: resumed from a snapshot: clock set forward by ")?;
    for _ in 0..3 {
        vm.wait_for("\nclocks ")?;
    }
    let text = vm.console.text();
    let seconds = text.split("forward by ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    ensure!(seconds.is_some_and(|seconds| seconds + 2 >= PAUSE.as_secs()), "{text}");
    ensure!((-2..=2).contains(&behind(&vm)?), "{text}");
    ensure!(text.matches("resumed from").count() == 1, "{text}");
    vm.quit()?;
    vm.wait().map(drop)
}
