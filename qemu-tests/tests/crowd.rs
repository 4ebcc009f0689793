//! Many services at once: none is forgotten, and none is in another's way.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{self, Observation};
use qemu_tests::root::Root;
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

/// Services that write little, beside one that writes without a pause.
const QUIET: usize = 200;
const LINES: usize = 5;
const CROWD: usize = 1000;
/// Where the one root of them all is.
const ROOT: &str = "containers/root";

/// A container that looks at the machine and ends it. `device_all` lets it execute from the machine's /dev.
fn operator(script: &str) -> Container {
    let container = Container::shell("operator", script).pid_host().bind("/:/machine").bind("/run:/run");
    container.device_all("c").capability_all()
}

/// The image with so many services of one root, which holds nothing of its own in each bundle.
fn crowd(image: Image, count: usize, words: &[&str]) -> Result<Image> {
    let root = Root::probe()?.as_unpacked();
    let config = Container::new("one").args(words.iter().copied()).read_only().pid_host();
    let config = config.edit_config(|config| config["root"]["path"] = json!(format!("/{ROOT}"))).config_json();
    Ok(image.edit(|tree| {
        tree.tree(ROOT, &root);
        for number in 0..count {
            tree.file(&format!("containers/services/{}/config.json", name(number)), 0o644, config.clone());
        }
    }))
}

fn name(number: usize) -> String {
    format!("s{number:03}")
}

fn run(image: Image, memory_mib: u32, options: &str) -> Result<Observation> {
    let machine =
        |vm: qemu_tests::vm::Builder| vm.memory_mib(memory_mib).append(options).deadline(Duration::from_secs(600));
    observation::boot_vm(image, machine, Ending::PowerOff)
}

#[test]
fn one_that_floods_keeps_nobody_elses_lines_from_arriving() -> Result<()> {
    let script = format!(
        "until [ $(/machine/init status --json | grep -o '\"state\":\"ended\"' | wc -l) = {QUIET} ]; do sleep 1; done
        /machine/init status flood --json
        until grep -h dropped /log/flood.out.log*; do sleep 1; done; kill -USR2 1"
    );
    let flood = observation::probe("flood", "flood 100000").pid_host();
    let image = Image::new()?.service(flood).service(operator(&script).bind("/var/log:/log"));
    let words = ["/bin/probe", "numbers", &LINES.to_string(), "1000000"];
    let seen = run(crowd(image, QUIET, &words)?, 1024, "quiet pidone.log-size=64K")?;
    let expected: String = (0..LINES).map(|number| format!("number {number}\n")).collect();
    for number in 0..QUIET {
        let written = seen.output(&name(number));
        ensure!(written == expected, "{}: {written:?}", name(number));
    }
    // It went on until all had ended, and was cut down.
    let operator = seen.output("operator");
    ensure!(operator.contains("\"state\":\"running\""), "{}", seen.about("operator"));
    ensure!(operator.contains(" bytes dropped: too fast"), "{}", seen.about("operator"));
    Ok(())
}

/// What process 1 may occupy: what it does with ten services, 216 KiB of `CONTAINERS_MAX` slots, and 36 for code that it
/// needs for more than that.
const RESIDENT_KB: u64 = 116 + 216 + 36;

#[test]
fn a_thousand_services_run_at_once() -> Result<()> {
    let running = CROWD + 1;
    let script = format!(
        "until [ $(/machine/init status --json | grep -o '\"state\":\"running\"' | wc -l) -ge {running} ]; do sleep 1; done
        sleep 1; grep VmRSS: /proc/1/status
        cat /proc/[0-9]*/stat | awk '$4 == 1 {{ print \"child\", $2 }} $4 > 2 {{ print \"other\", $2 }}' | sort | uniq -c
        echo list; /machine/init status --json; kill -USR2 1"
    );
    let image = crowd(Image::new()?.service(operator(&script)), CROWD, &["/bin/sleep", "1000000"])?;
    let seen = run(image, 1536, "quiet loglevel=7")?;
    let about = || seen.about("operator");
    let (figures, list) = seen.output("operator").split_once("list\n").with_context(about)?;
    println!("{figures}");

    let list: Value = serde_json::from_str(list).with_context(about)?;
    let list = list.as_array().with_context(about)?;
    let is_up = |one: &&Value| one["state"] == "running" && one["restarts"] == 0;
    ensure!(list.iter().filter(is_up).count() == running, "{}", about());

    let resident = figures.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    let resident: u64 = resident.with_context(about)?.parse()?;
    ensure!(resident <= RESIDENT_KB, "{resident} kB");

    // Beside them the logger, and who looks; no process of pidone's stays for any of them.
    let counts: BTreeMap<&str, usize> = figures.lines().filter_map(child).collect();
    ensure!(counts == BTreeMap::from([("(pidone-logger)", 1), ("(sh)", 1), ("(sleep)", CROWD)]), "{figures}");

    let console = &seen.end.console;
    let ended = console.lines().filter(|line| line.contains(": killed by signal 15")).count();
    ensure!(ended >= CROWD, "{ended} have ended\n{console}");
    for complaint in ["not ended in time", "did not end", "oops", "Out of memory"] {
        ensure!(!console.contains(complaint), "{complaint}\n{console}");
    }
    Ok(())
}

/// Of a line of `uniq -c`: how many children of process 1 have that name.
fn child(line: &str) -> Option<(&str, usize)> {
    let mut words = line.split_whitespace();
    let count = words.next()?.parse().ok()?;
    (words.next()? == "child").then_some((words.next()?, count))
}
