//! What a leak would show in.

use std::fs;
use std::path::Path;

/// Counts of things in the machine.
pub(super) struct Counts {
    values: Vec<(&'static str, u64)>,
}

/// How much more there may be of what the kernel keeps in caches of its own, in kB.
const SLAB_SLACK_KB: u64 = 4096;
/// The kernel counts resident memory of a process in batches.
const RESIDENT_SLACK_KB: u64 = 8;

impl Counts {
    /// What there is now.
    pub(super) fn now() -> Counts {
        // Caches that go when they are asked to are no leak.
        let _ = fs::write("/proc/sys/vm/drop_caches", "3");
        let values = vec![
            ("mounts", lines("/proc/1/mountinfo")),
            ("cgroups", directories(Path::new("/sys/fs/cgroup"))),
            ("descriptors", entries("/proc/1/fd")),
            ("processes", processes()),
            ("states", entries("/run/pidone")),
            ("interfaces", lines("/proc/net/dev")),
            ("slab", field("/proc/meminfo", "SUnreclaim:")),
            ("resident", field("/proc/1/status", "VmRSS:")),
        ];
        Counts { values }
    }

    /// Each thing with its count here and there.
    pub(super) fn beside<'c>(&'c self, other: &'c Counts) -> impl Iterator<Item = (&'static str, u64, u64)> + 'c {
        self.values.iter().zip(&other.values).map(|((name, before), (_, after))| (*name, *before, *after))
    }

    /// The names of what has changed: more or fewer things, more memory.
    pub(super) fn lost(&self, after: &Counts) -> Vec<&'static str> {
        let changed = |name: &str, before: u64, after: u64| match name {
            "slab" => after > before + SLAB_SLACK_KB,
            "resident" => after > before + RESIDENT_SLACK_KB,
            _ => after != before,
        };
        self.beside(after)
            .filter(|(name, before, after)| changed(name, *before, *after))
            .map(|(name, ..)| name)
            .collect()
    }
}

fn lines(path: &str) -> u64 {
    fs::read_to_string(path).unwrap_or_default().lines().count() as u64
}

fn entries(path: &str) -> u64 {
    fs::read_dir(path).map_or(0, |entries| entries.count() as u64)
}

fn directories(path: &Path) -> u64 {
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    below.map(|entry| 1 + directories(&entry.path())).sum()
}

/// Without the kernel's own, which have no memory.
fn processes() -> u64 {
    super::harm::process_ids().filter(|id| fs::read_link(format!("/proc/{id}/exe")).is_ok()).count() as u64
}

fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
