//! Prints figures of the README, measured in a guest: memory of PID 1 with ten services, and its way to the first exec.

use std::time::Duration;

use anyhow::{Context, Result};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::vm::{End, Ending};

/// Fields of /proc/1/status and /proc/1/smaps_rollup that tell what PID 1 costs.
const LOOK: &str = "sleep 1; grep -E '^(Rss|Pss|Private_Clean|Private_Dirty):' /proc/1/smaps_rollup; \
    grep -E '^(VmRSS|VmHWM|Threads):' /proc/1/status; echo children $(ls /proc | grep -c '^[0-9]'); kill -USR2 1";

fn main() -> Result<()> {
    let end = boot()?;
    println!("memory of PID 1, idle with ten services (kB):");
    for line in end.console.lines().filter(|line| line.starts_with("figure: ")) {
        println!("  {}", line.trim_start_matches("figure: "));
    }
    println!(
        "pidone's boot, from its own timeline (ms since the kernel's start, under emulation or KVM as available):"
    );
    let timeline = end.console.lines().filter_map(|line| Some(line.split_once("pidone: timing: ")?.1));
    // What comes after the machine is up is its end.
    for line in timeline.filter(|line| !(line.contains(" service ") && line.contains("ended"))) {
        println!("  {line}");
    }
    let started = milliseconds(&end, " pidone")?;
    let executed = milliseconds(&end, " onboot 000-first")? + executed_after(&end, "onboot 000-first")?;
    println!("from the kernel starting pidone to the first container's exec: {:.1} ms", executed - started);
    Ok(())
}

fn boot() -> Result<End> {
    let mut image = Image::new()?.onboot(Container::shell("first", "true"));
    for number in 0..10 {
        image = image.service(Container::shell(&format!("idle{number}"), "exec sleep 1000"));
    }
    let look = format!("({LOOK}) 2>&1 | sed 's/^/figure: /' > /dev/console");
    let image =
        image.service(Container::shell("look", &look).pid_host().capability_all().bind("/dev:/dev").device_all("c"));
    image
        .vm()?
        .append("quiet loglevel=7 pidone.timing")
        .deadline(Duration::from_secs(60))
        .start()?
        .wait()?
        .expect(Ending::PowerOff)
}

/// The time at the beginning of the timeline's line that goes on like this.
fn milliseconds(end: &End, what: &str) -> Result<f64> {
    let mut lines = end.console.lines().filter_map(|line| Some(line.split_once("timing: ")?.1));
    let time = lines.find_map(|line| Some(line.split_once(what)?.0)).context("the timeline lacks a line")?;
    time.trim().parse().context("a time is not a number")
}

fn executed_after(end: &End, what: &str) -> Result<f64> {
    let line = end.console.lines().find(|line| line.contains("timing: ") && line.contains(what));
    let after = line.and_then(|line| line.split_once("executed after ")).context("the container was not executed")?.1;
    after.split(' ').next().unwrap_or_default().parse().context("a time is not a number")
}
