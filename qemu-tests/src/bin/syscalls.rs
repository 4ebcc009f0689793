//! Counts the system calls of a container's life, beside those of crun, runc and the floor: see `qemu_tests::bench::trace`.
//!
//! They are those of any container but a machine's first, which finds less prepared: each runtime has run one before.
//!
//! `syscalls [--check] [--trace]`. `--trace` prints pidone's own calls one by one. `--check` fails when `run` needs more than
//! 200, or more or less than one umount2(2).

use std::process::ExitCode;

use anyhow::{Result, bail};
use qemu_tests::bench::bundle::{self, Options};
use qemu_tests::bench::ground;
use qemu_tests::bench::runtime::Runtime;
use qemu_tests::bench::sample::measure;
use qemu_tests::bench::trace::{Call, GROUPS, by_group, trace};

/// What a container may cost: the floor needs some 115.
const CALLS_MAX: usize = 200;
const PROGRAM: &str = "/bin/true";

fn main() -> ExitCode {
    match ground::enter(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("syscalls: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<ExitCode> {
    let has = |word: &str| words.iter().any(|other| other == word);
    if let Some(word) = words.iter().find(|word| !["--check", "--trace"].contains(&word.as_str())) {
        bail!("unknown option {word}");
    }
    let mut runtimes = vec![Runtime::floor()?, Runtime::pidone()?];
    for name in ["crun", "runc"] {
        match Runtime::installed(name) {
            Some(peer) => runtimes.push(peer),
            None => eprintln!("SKIPPED: {name}: not installed (package {name})"),
        }
    }
    // A device filter is two calls, which crun may not make everywhere.
    let options = Options { all_devices: true, ..Options::default() };
    let bundle = bundle::make("calls", &[PROGRAM], options)?;
    for runtime in &runtimes {
        let command = runtime.run(runtime.name, &bundle, &[PROGRAM], options);
        // One that cannot is told of below.
        let _ = measure(&[command]);
    }
    let mut holds = true;
    for what in ["run", "create", "start", "delete"] {
        let mut columns = Vec::new();
        for runtime in &runtimes {
            let command = match what {
                "run" => runtime.run(runtime.name, &bundle, &[PROGRAM], options),
                "create" => runtime.create(runtime.name, &bundle, &[PROGRAM], options),
                "start" => runtime.start(runtime.name),
                _ => {
                    ground::await_end(runtime.name)?;
                    runtime.delete(runtime.name)
                }
            };
            match trace(&command, PROGRAM) {
                Ok(calls) => columns.push((runtime.name, calls)),
                Err(error) => eprintln!("SKIPPED: {what}: {}: {error:#}", runtime.name),
            }
        }
        table(what, &columns);
        let pidone = columns.iter().find(|(name, _)| *name == "pidone");
        if let Some((_, calls)) = pidone.filter(|_| has("--trace")) {
            list(calls);
        }
        if what == "run" {
            holds = pidone.is_some_and(|(_, calls)| bars(calls));
        }
    }
    Ok(if has("--check") && !holds { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(what: &str, columns: &[(&str, Vec<Call>)]) {
    let line = |title: &str, figures: &mut dyn Iterator<Item = usize>| {
        println!("  {title:<16}{}", figures.map(|figure| format!("{figure:>8}")).collect::<String>());
    };
    println!("{what:<18}{}", columns.iter().map(|(name, _)| format!("{name:>8}")).collect::<String>());
    let counts: Vec<_> = columns.iter().map(|(_, calls)| by_group(calls)).collect();
    for (group, _) in GROUPS {
        line(group, &mut counts.iter().map(|counts| counts.get(group).copied().unwrap_or(0)));
    }
    line("all", &mut columns.iter().map(|(_, calls)| calls.len()));
    line("of the parent", &mut columns.iter().map(|(_, calls)| calls.iter().filter(|call| call.process == 0).count()));
    line("umount2", &mut columns.iter().map(|(_, calls)| count(calls, "umount2")));
    line("execve", &mut columns.iter().map(|(_, calls)| count(calls, "execve")));
}

fn count(calls: &[Call], name: &str) -> usize {
    calls.iter().filter(|call| call.name == name).count()
}

fn list(calls: &[Call]) {
    for call in calls {
        println!("    {} {}", call.process, call.line);
    }
}

fn bars(calls: &[Call]) -> bool {
    let (all, umounts) = (calls.len(), count(calls, "umount2"));
    let holds = all <= CALLS_MAX && umounts == 1;
    let verdict = if holds { "holds" } else { "MISSED" };
    println!("run: {all} system calls, at most {CALLS_MAX}; umount2 {umounts} times, once: {verdict}");
    holds
}
