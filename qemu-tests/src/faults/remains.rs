//! What is on the machine: mounts, control groups, processes, interfaces, files of state.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{WaitOptions, wait};

use crate::bench::ground;

/// Processes that were told to end may take this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that a container could leave, a line each.
pub type Remains = BTreeSet<String>;

/// Looks.
pub fn look() -> Result<Remains> {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    let mut remains = Remains::new();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        remains.insert(format!("mount {} on {}", fields.get(3).unwrap_or(&""), fields.get(4).unwrap_or(&"")));
    }
    below(Path::new(ground::GROUPS), &mut |path| {
        if path.is_dir() {
            remains.insert(format!("control group {}", path.display()));
        }
    });
    below(Path::new("/run/pidone"), &mut |path| _ = remains.insert(format!("file {}", path.display())));
    for name in names("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        remains.insert(format!("process {name}"));
    }
    for name in names("/sys/class/net") {
        remains.insert(format!("interface {name}"));
    }
    Ok(remains)
}

/// What is there now and was not there before; what goes by itself is waited for.
pub fn left_since(before: &Remains) -> Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let left: Vec<String> = look()?.difference(before).cloned().collect();
        if left.is_empty() || begun.elapsed() > PATIENCE {
            return Ok(left);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn below(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        each(&path);
        if path.is_dir() && !path.is_symlink() {
            below(&path, each);
        }
    }
}
