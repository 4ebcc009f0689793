//! Prints figures of the README, measured in a guest: memory of PID 1 with ten services and of a launcher, and the way to the
//! first exec.

use std::time::Duration;

use anyhow::{Context, Result};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::root::Root;
use qemu_tests::vm::{End, Ending};
use serde_json::json;

/// Fields of /proc/1/status and /proc/1/smaps_rollup that tell what PID 1 costs.
const LOOK: &str = "sleep 1; grep -E '^(Rss|Pss|Private_Clean|Private_Dirty):' /proc/1/smaps_rollup; \
    grep -E '^(VmRSS|VmHWM|Threads):' /proc/1/status; echo children $(ls /proc | grep -c '^[0-9]'); \
    own=$(readlink /proc/1/exe); for process in /proc/[0-9]*; do [ \"$(readlink $process/exe)\" = \"$own\" ] && echo $process; done | \
    sed 's/^/process of its own: /'; kill -USR2 1";

/// How many containers run when PID 1 is looked at: ten services, and the one that looks.
const RUNNING: u64 = 11;
/// What PID 1 may keep for each of them, in kB.
const PER_CONTAINER_KB: u64 = 8;

/// The same of a launcher, by a hook for which it waits.
const LOOK_AT_LAUNCHER: &str =
    "grep -E '^(Rss|Pss|Private_Clean|Private_Dirty):' /proc/$PPID/smaps_rollup | sed 's/^/launcher: /' > /dev/console";

fn main() -> Result<()> {
    let end = boot()?;
    let figures = |mark: &str| {
        for line in end.console.lines().filter_map(|line| line.strip_prefix(mark)) {
            println!("  {line}");
        }
    };
    println!("memory of PID 1, idle with ten services (kB):");
    figures("figure: ");
    per_container(&end)?;
    println!("memory of a launcher, while its container waits for it (kB):");
    figures("launcher: ");
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

/// The bar of memory that is kept: all that PID 1 has written to, and its processes, by the number of containers.
fn per_container(end: &End) -> Result<()> {
    let mut lines = end.console.lines().filter_map(|line| line.strip_prefix("figure: "));
    let dirty = lines.clone().find_map(|line| line.strip_prefix("Private_Dirty:")).context("no Private_Dirty")?;
    let dirty: u64 = dirty.trim().trim_end_matches(" kB").parse().context("Private_Dirty is no number")?;
    let others = lines.by_ref().filter(|line| line.starts_with("process of its own: ")).count().saturating_sub(1);
    let kept = dirty.div_ceil(RUNNING);
    let verdict = if kept <= PER_CONTAINER_KB { "holds" } else { "MISSED" };
    println!(
        "kept for each of {RUNNING} containers: {kept} kB of PID 1's, all of it shared out, at most {PER_CONTAINER_KB}: {verdict}; \
        processes of pidone beside it: {others}, for all of them"
    );
    Ok(())
}

fn boot() -> Result<End> {
    let hooks = json!({ "createRuntime": [{ "path": "/bin/sh", "args": ["sh", "-c", LOOK_AT_LAUNCHER] }] });
    let hooked = Container::shell("hooked", "true").edit_config(move |config| config["hooks"] = hooks.clone());
    let root = Root::busybox()?;
    let image = Image::new()?.edit(|tree| _ = tree.tree("", root.tree()));
    let mut image = image.onboot(Container::shell("first", "true")).onboot(hooked);
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
