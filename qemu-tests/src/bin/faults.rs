//! Lets every system call of every command fail in turn, and looks for what is left: see `qemu_tests::faults`.
//!
//! `faults [--every N] [--from N] [COMMAND...]`. `--every` takes only each Nth call, `--from` those from the Nth on.

use std::process::ExitCode;

use anyhow::{Context, Result};
use qemu_tests::bench::ground;
use qemu_tests::faults::commands::{Outcome, SUBJECTS, Stage, Tally, faults};

fn main() -> ExitCode {
    match ground::enter(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<ExitCode> {
    let (mut every, mut from) = (1, 0);
    let mut wanted = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).context("a number is wanted");
        match word.as_str() {
            "--every" => every = number()?,
            "--from" => from = number()?,
            _ => wanted.push(word),
        }
    }
    let stage = Stage::set()?;
    let mut bad = 0;
    let columns = ["calls", "faults", "told", "borne", "killed", "unmet", "BAD"];
    println!("{:<8}{}", "", columns.map(|column| format!("{column:>8}")).concat());
    for subject in SUBJECTS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == subject.name()) {
            continue;
        }
        if !stage.has(subject)? {
            eprintln!("SKIPPED: {}: pidone has no such command", subject.name());
            continue;
        }
        let calls = stage.calls(subject)?;
        let (mut tally, mut tried) = (Tally::default(), 0);
        for (at, (_, name)) in calls.iter().enumerate().skip(from).step_by(every) {
            for fault in faults(name) {
                let (outcome, words) = stage.judge(subject, at, fault)?;
                tally.add(outcome);
                tried += 1;
                if !outcome.is_good() {
                    println!("{outcome:?}: {words}");
                }
            }
        }
        let [told, borne, killed, unmet] =
            [Outcome::Told, Outcome::Borne, Outcome::Killed, Outcome::Unmet].map(|outcome| tally.of(outcome));
        let counts = [calls.len(), tried, told, borne, killed, unmet, tally.bad()];
        println!("{:<8}{}", subject.name(), counts.map(|count| format!("{count:>8}")).concat());
        bad += tally.bad();
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
