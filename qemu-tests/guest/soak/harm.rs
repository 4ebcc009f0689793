//! Those who make the machine's life hard.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// pidone, and a bundle whose program ends at once.
const PIDONE: &str = "/init";
const BUNDLE: &str = "/soak/bundle";

/// Longer than any command takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was done.
#[derive(Default)]
pub(super) struct Harm {
    pub(super) containers: u64,
    pub(super) killed: u64,
    /// What should have succeeded.
    pub(super) failures: Vec<String>,
}

impl Harm {
    pub(super) fn and(mut self, other: Harm) -> Harm {
        self.containers += other.containers;
        self.killed += other.killed;
        self.failures.extend(other.failures);
        self
    }
}

/// Numbers that repeat with their seed (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u32) -> Random {
        Random(u64::from(seed) * 2 + 1)
    }

    /// Another sequence, for another thread.
    pub(super) fn split(&mut self) -> Random {
        Random(self.below(u64::MAX) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Containers of the command line, one after the other; every third command is killed somewhere on its way.
pub(super) fn containers(number: u32, over: &AtomicBool, mut random: Random) -> Harm {
    let mut harm = Harm::default();
    while !over.load(Ordering::SeqCst) {
        let id = format!("soak-{number}-{}", harm.containers);
        harm.containers += 1;
        match random.below(3) {
            0 => harm.expect(&["run", "--bundle", BUNDLE, &id]),
            1 => {
                harm.expect(&["create", "--bundle", BUNDLE, &id]);
                harm.expect(&["start", &id]);
                harm.expect(&["delete", "--force", &id]);
            }
            _ => harm.cut_short(&id, &mut random),
        }
    }
    harm
}

impl Harm {
    /// A command that has to succeed, in time.
    fn expect(&mut self, words: &[&str]) {
        let failure = match finish(words) {
            Ok(None) => return,
            Ok(Some(failure)) => failure,
            Err(error) => error.to_string(),
        };
        self.failures.push(format!("{}: {failure}", words.join(" ")));
    }

    /// A command that is killed. What is left of it, another has to remove.
    fn cut_short(&mut self, id: &str, random: &mut Random) {
        let started = command(&["create", "--bundle", BUNDLE, id]);
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        if let Ok(mut started) = started {
            let _ = started.kill();
            let _ = started.wait();
            self.killed += 1;
        }
        if fs::exists(format!("/run/pidone/{id}")).unwrap_or_default() {
            self.expect(&["delete", "--force", id]);
        }
    }
}

/// Runs a command to its end: what was wrong with it, if anything.
fn finish(words: &[&str]) -> std::io::Result<Option<String>> {
    let mut child = command(words)?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            let stuck = process_ids().filter_map(|id| place(&id)).collect::<Vec<_>>().join(", ");
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!("stuck, with {stuck}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take().filter(|_| !status.success()) {
        errors.read_to_string(&mut said)?;
    }
    Ok((!status.success()).then(|| format!("{status}: {}", said.trim_end())))
}

fn command(words: &[&str]) -> std::io::Result<Child> {
    Command::new(PIDONE).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

/// A process of user space, and where in the kernel it waits.
fn place(id: &str) -> Option<String> {
    let words = fs::read(format!("/proc/{id}/cmdline")).ok().filter(|words| !words.is_empty())?;
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let field = |name| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
    let (stat, stack) = (field("stat"), field("stack"));
    let stat: Vec<&str> = stat.rsplit(") ").next()?.split(' ').take(2).collect();
    Some(format!("{id} ({words}) {} in {}", stat.join(" "), stack.lines().take(3).collect::<Vec<_>>().join(" ")))
}

/// Kills, stops and lets go children of PID 1: launchers and cleaners, services, whoever it is at that moment.
pub(super) fn processes(over: &AtomicBool, mut random: Random) -> Harm {
    let mut harm = Harm::default();
    let own = std::process::id().to_string();
    while !over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20 + random.below(100)));
        let children: Vec<String> = process_ids().filter(|id| *id != own && is_victim(id)).collect();
        let Some(Ok(victim)) = children.get(random.below(children.len().max(1) as u64) as usize).map(|id| id.parse())
        else {
            continue;
        };
        match random.below(3) {
            0 => {
                harm.killed += 1;
                signal(victim, libc::SIGKILL);
            }
            _ => {
                signal(victim, libc::SIGSTOP);
                std::thread::sleep(Duration::from_millis(random.below(50)));
                signal(victim, libc::SIGCONT);
            }
        }
    }
    harm
}

/// A child of PID 1 that is not a container of the command line: those are to succeed.
fn is_victim(id: &str) -> bool {
    let group = fs::read_to_string(format!("/proc/{id}/cgroup")).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(1)) == Some("1") && !group.contains("soak-")
}

pub(super) fn process_ids() -> impl Iterator<Item = String> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: sending a signal touches no memory.
    unsafe { libc::kill(pid, signal) };
}
