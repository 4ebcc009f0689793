//! Measures container cycles of pidone, its peers and the floor: see `qemu_tests::bench`.
//!
//! `bench [--check] [--rounds N] [--crowd N]`. `--check` fails when a bar is missed. `--crowd` says how many containers are
//! alive at most (0: none). The whole is kept as target/bench.json.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use qemu_tests::bench::cases::{self, CASES, CROWDS};
use qemu_tests::bench::report::Report;
use qemu_tests::bench::runtime::Runtime;
use qemu_tests::bench::{filter, ground, launch};
use qemu_tests::cache;
use serde_json::json;

/// What the command line says.
struct Arguments {
    check: bool,
    rounds: usize,
    crowd: usize,
}

fn main() -> ExitCode {
    match ground::enter(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<ExitCode> {
    let arguments = read(&words)?;
    let mut report = Report::default();
    let runtimes = runtimes(&mut report)?;
    let names: Vec<&'static str> = runtimes.iter().map(|runtime| runtime.name).collect();
    for runtime in &runtimes {
        println!("{:<8} {}", runtime.name, runtime.version());
    }
    println!(
        "{} rounds, every runtime in turn; ms: median and least; ratios to the floor: median CPU, least wall; most memory",
        arguments.rounds
    );
    println!("  {:<8}{:>8} {:>7} {:>8} {:>7} {:>7} {:>7}", "", "CPU", "least", "wall", "least", "CPU", "wall");
    for case in CASES {
        if case.options.all_devices && may_lift_limits()? {
            // The default is what matters.
        } else if case.options.seccomp && !filter::is_there() {
            report.skipped.push(format!("{}: no package golang-github-containers-common", case.name));
        } else if case.options.limits && !["cpu", "memory", "pids"].iter().all(|name| controllers_have(name)) {
            report
                .skipped
                .push(format!("{}: this machine's control groups of version 2 have no controllers", case.name));
        } else {
            report.case(case, &names, &cases::run_case(case, &runtimes, arguments.rounds)?);
        }
    }
    crowds(&mut report, &runtimes, arguments.crowd);
    match launch::measure() {
        Ok(costs) => report.launch(costs),
        Err(error) => report.skipped.push(format!("launch: {}", error.to_string().lines().next().unwrap_or_default())),
    }
    finish(&arguments, report)
}

/// Whether we have CAP_SYS_RESOURCE, without which crun can load no device filter.
fn may_lift_limits() -> Result<bool> {
    const SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("no capabilities")?;
    Ok(u64::from_str_radix(effective.trim(), 16)? >> SYS_RESOURCE & 1 == 1)
}

fn controllers_have(name: &str) -> bool {
    ground::controllers().split_whitespace().any(|controller| controller == name)
}

fn read(words: &[String]) -> Result<Arguments> {
    let mut arguments = Arguments { check: false, rounds: 40, crowd: 1000 };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).context("a number is wanted");
        match word.as_str() {
            "--check" => arguments.check = true,
            "--rounds" => arguments.rounds = number()?,
            "--crowd" => arguments.crowd = number()?,
            _ => bail!("unknown option {word}"),
        }
    }
    Ok(arguments)
}

fn runtimes(report: &mut Report) -> Result<Vec<Runtime>> {
    let mut runtimes = vec![Runtime::floor()?, Runtime::pidone()?];
    for name in ["crun", "runc"] {
        match Runtime::installed(name) {
            Some(peer) => runtimes.push(peer),
            None => report.skipped.push(format!("{name}: not installed (package {name})")),
        }
    }
    Ok(runtimes)
}

fn crowds(report: &mut Report, runtimes: &[Runtime], most: usize) {
    if most == 0 {
        return;
    }
    let headings: String = CROWDS.iter().map(|crowd| format!("{crowd:>10}")).collect();
    println!("create and start beside so many containers alive, median CPU, ms\n  {:<8}{headings}", "");
    for runtime in runtimes {
        match cases::run_crowd(runtime, most) {
            Ok(crowds) => report.crowd(runtime.name, &crowds),
            Err(error) => {
                let error = format!("{error:#}");
                report.skipped.push(format!("crowd: {}: {}", runtime.name, error.lines().next().unwrap_or_default()));
                let _ = ground::clear();
            }
        }
    }
}

fn finish(arguments: &Arguments, mut report: Report) -> Result<ExitCode> {
    println!("bars (median CPU)");
    let bars = report.bars();
    for bar in &bars {
        bar.print();
    }
    for skipped in &report.skipped {
        eprintln!("SKIPPED: {skipped}");
    }
    let whole = json!({
        "rounds": arguments.rounds,
        "cases": report.json,
        "bars": bars.iter().map(|bar| bar.json()).collect::<Vec<_>>(),
        "skipped": report.skipped,
        "kernel": kernel()?,
    });
    let path = cache::repository().join("target/bench.json");
    fs::write(&path, serde_json::to_vec_pretty(&whole)?)?;
    println!("kept as {}", path.display());
    let missed = bars.iter().any(|bar| bar.holds() == Some(false));
    Ok(if arguments.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn kernel() -> Result<String> {
    let text = qemu_tests::command::text(Command::new("uname").arg("-r"))?;
    Ok(text.trim().to_owned())
}
