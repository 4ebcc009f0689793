//! A machine with a hard life: services that crash, and a one-shot that makes trouble (`guest/soak`).

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::container::Container;
use crate::image::Image;
use crate::oneshot;
use crate::root::Root;
use crate::tree::Tree;
use crate::vm::{End, Ending};

/// Ends soon, again and again, until the machine is told to be calm.
const CRASHES: &str =
    "n=0; while [ ! -e /run/soak/calm ]; do n=$((n + 1)); [ $n = 5 ] && exit 3; sleep 0.05; done; exec sleep 100000";

/// Runs it for that long; the numbers repeat with the seed.
pub fn run(seconds: u32, seed: u32) -> Result<End> {
    let mut image = Image::new()?;
    for number in 0..4 {
        image = image.service(service(&format!("crash{number}"), CRASHES));
        image = image.service(service(&format!("steady{number}"), "exec sleep 100000"));
    }
    let root = Root::probe()?;
    image = image.edit(|tree| {
        tree.tree("", root.tree());
        bundle(tree, &root);
    });
    let machine = image.vm()?.memory_mib(1024).deadline(Duration::from_secs(u64::from(seconds) * 2 + 300));
    let command =
        format!("quiet loglevel=4 pidone.log=error pidone.run -- probe --to /dev/ttyS1 soak {seconds} {seed}");
    machine.append(&command).start()?.expect(Ending::PowerOff)
}

/// What was counted: a name, how many before, how many after.
pub fn counts(end: &End) -> Vec<(String, u64, u64)> {
    let lines = end.report.lines().filter_map(|line| line.strip_prefix("PROBE soak.")?.split_once('='));
    let count = |(name, values): (&str, &str)| {
        let (before, after) = values.split_once(' ')?;
        Some((name.to_owned(), before.parse().ok()?, after.parse().ok()?))
    };
    lines.filter_map(count).collect()
}

/// An error that names what is more than before, or what failed.
pub fn verdict(end: &End) -> Result<()> {
    let lost = end.probe("soak.lost").pop().context("it was not carried through")?;
    ensure!(lost.is_empty(), "not as before: {lost}: {:?}\n{}", counts(end), end.console);
    let failures = end.probe("soak.failures").concat();
    ensure!(failures == "0", "{failures} commands failed, the first: {}", end.probe("soak.failed").concat());
    Ok(())
}

fn service(name: &str, script: &str) -> Container {
    let settings = [("restart", "always"), ("restart-delay", "20ms"), ("restart-delay-max", "200ms")];
    settings.iter().fold(Container::shell(name, script).bind("/run:/run:ro"), |container, (key, value)| {
        container.annotation(&format!("pidone.{key}"), value)
    })
}

fn bundle(tree: &mut Tree, root: &Root) {
    let container = Container::new("true").args(["/bin/true"]).net_new().read_only();
    tree.file("soak/bundle/config.json", 0o644, container.config_json());
    let mut inside = root.tree().clone();
    oneshot::mount_points(&mut inside);
    tree.tree("soak/bundle/rootfs", &inside);
}
