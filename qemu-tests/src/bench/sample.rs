//! One measurement: some commands, one after the other, by `floor measure`.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::artifacts;

/// What some processes used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, user and system, in microseconds.
    pub cpu_us: u64,
    /// Wall time, in microseconds.
    pub wall_us: u64,
    /// The largest resident set of any of them, in kB.
    pub rss_kb: u64,
}

impl Usage {
    /// Both, one after the other.
    #[must_use]
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            cpu_us: self.cpu_us + other.cpu_us,
            wall_us: self.wall_us + other.wall_us,
            rss_kb: self.rss_kb.max(other.rss_kb),
        }
    }
}

/// Where the commands write.
const ERRORS: &str = "/run/errors";

/// The word for waiting for a container that `create` left behind.
pub fn reap() -> Vec<String> {
    vec!["reap".to_owned()]
}

/// Runs commands one after the other; all must succeed.
pub fn measure(commands: &[Vec<String>]) -> Result<Vec<Usage>> {
    let words = commands.join(&",".to_owned());
    let mut program = Command::new(artifacts::floor_binary()?);
    program.arg("measure").args(&words).stdin(Stdio::null()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    // Not a pipe: containers that stay would keep it open.
    let output = program.stderr(File::create(ERRORS)?).output()?;
    let (figures, errors) = (String::from_utf8_lossy(&output.stdout), fs::read_to_string(ERRORS)?);
    let usages: Vec<Usage> = figures
        .lines()
        .zip(commands)
        .map(|(line, command)| {
            let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
            let [wall_ns, cpu_us, rss_kb, code] = figures[..] else { anyhow::bail!("unexpected figures {line}") };
            ensure!(code == 0, "{}: exit code {code}: {}", command.join(" "), errors.trim());
            Ok(Usage { cpu_us, wall_us: wall_ns / 1000, rss_kb })
        })
        .collect::<Result<_>>()?;
    ensure!(usages.len() == commands.len(), "{} was not measured", commands.last().context("no command")?.join(" "));
    Ok(usages)
}
