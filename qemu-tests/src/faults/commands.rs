//! Which commands are made to fail, what comes before them, and what must hold after them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;

use super::remains::{self, Remains};
use super::tracer::{self, Ended, Fault};
use crate::artifacts;
use crate::bench::bundle::{self, Options};
use crate::bench::ground;

/// The container of all commands.
const ID: &str = "faults";

/// A command, and when it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Makes a container.
    Create,
    /// Starts one that was created.
    Start,
    /// Removes one that has ended.
    Delete,
    /// All of it.
    Run,
    /// A program more in one that runs.
    Exec,
    /// Ends one that runs.
    Kill,
}

/// All of them, in the order of a container's life.
pub const SUBJECTS: [Subject; 6] =
    [Subject::Create, Subject::Start, Subject::Delete, Subject::Run, Subject::Exec, Subject::Kill];

impl Subject {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Create => "create",
            Subject::Start => "start",
            Subject::Delete => "delete",
            Subject::Run => "run",
            Subject::Exec => "exec",
            Subject::Kill => "kill",
        }
    }

    /// Whether a failure alone must leave nothing, without anybody cleaning up.
    fn takes_back(self) -> bool {
        matches!(self, Subject::Create | Subject::Run)
    }
}

/// The product with a bundle of a program that ends, and one of a program that stays.
pub struct Stage {
    pidone: String,
    ends: PathBuf,
    stays: PathBuf,
    /// What is on the machine when there is no container.
    empty: Remains,
}

/// How a command bore a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It failed, said so, and nothing is left.
    Told,
    /// It went on, and all is well.
    Borne,
    /// It was killed, and nothing is left.
    Killed,
    /// It ended before the call was made: of two processes either may be first.
    Unmet,
    /// It went on although the call matters.
    Ignored,
    /// It failed and said nothing.
    Silent,
    /// It did not end.
    Hung,
    /// Something is left.
    Left,
}

impl Outcome {
    /// Whether it is as it should be.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Told | Outcome::Borne | Outcome::Killed | Outcome::Unmet)
    }
}

/// Calls whose failure may be borne: what they do is a courtesy, or done in another way, or found out by the next call.
const MAY_FAIL: &[&str] = &[
    "close",
    "getpid",
    "geteuid",
    "mkdirat",
    "openat",
    "openat2",
    "read",
    "getdents64",
    "newfstatat",
    "fstat",
    "statx",
    "unlinkat",
    "kill",
    "clock_gettime",
    "lseek",
    "exit_group",
    "flock",
    "faccessat",
    "faccessat2",
    "open_tree_attr",
    "capget",
    "getcwd",
    "wait4",
    "waitid",
    "pidfd_open",
    "ioctl",
    "getrandom",
    "poll",
    "ppoll",
    "prlimit64",
    "madvise",
    "getppid",
    "rt_sigprocmask",
    "close_range",
    "fcntl",
    "uname",
    "write",
    "readlinkat",
    "statfs",
    "umask",
    "socket",
    "connect",
    "rt_sigaction",
];

/// By which a container's process waits for the word to go on.
const WAITS: &[&str] = &["read", "accept4"];

impl Stage {
    /// Lays the bundles out, and brings the machine to where containers have been: the groups above theirs are there.
    pub fn set() -> Result<Stage> {
        let pidone = artifacts::pidone_binary()?.display().to_string();
        let options = Options { network: true, ..Options::default() };
        let ends = bundle::make("ends", &["/bin/true"], options)?;
        let stays = bundle::make("stays", &["/bin/sleep", "1000"], options)?;
        let mut stage = Stage { pidone, ends, stays, empty: Remains::new() };
        stage.quietly(&stage.make("create", &stage.ends))?;
        stage.quietly(&stage.on(&["delete", "--force", ID]))?;
        stage.empty = remains::look()?;
        Ok(stage)
    }

    /// Whether the product has a command.
    pub fn has(&self, subject: Subject) -> Result<bool> {
        let output = Command::new(&self.pidone).arg(subject.name()).stdin(Stdio::null()).output()?;
        Ok(!String::from_utf8_lossy(&output.stderr).contains("unknown command"))
    }

    /// The calls of a command that nothing happens to.
    pub fn calls(&self, subject: Subject) -> Result<Vec<(usize, &'static str)>> {
        let ended = self.play(subject, None)?;
        ensure!(ended.code == Some(0), "{}: exit code {:?}: {}", subject.name(), ended.code, ended.output.trim());
        self.clean()?;
        Ok(ended.calls)
    }

    /// Lets one call of a command fail, and judges.
    pub fn judge(&self, subject: Subject, at: usize, fault: Fault) -> Result<(Outcome, String)> {
        let ended = self.play(subject, Some((at, fault)))?;
        let (process, name) = ended.calls.get(at).copied().unwrap_or((0, "never reached"));
        let mut outcome = judge(&ended, name, fault);
        if outcome == Outcome::Ignored && ended.calls.len() <= at {
            outcome = Outcome::Unmet;
        }
        // What cannot let go of its file goes on in a copy instead, or executes one.
        let goes_on_in_copy = ended.calls.iter().skip(at).any(|call| *call == (0, "memfd_create"));
        if outcome == Outcome::Ignored && goes_on_in_copy {
            outcome = Outcome::Borne;
        }
        if subject == Subject::Create && ended.code == Some(0) {
            let has_started = self.ended(&self.on(&["start", ID]))?.success();
            // Of a process that ends while it waits for its start, `create` may no longer hear.
            let ends_waiting = process != 0 && WAITS.contains(&name);
            outcome = match has_started {
                false if ends_waiting => Outcome::Borne,
                false => Outcome::Ignored,
                true => outcome,
            };
        }
        let mut words = format!("{} call {at}, {name} of process {process}: {fault}", subject.name());
        // Once the program has run, what cannot be taken back is kept for `delete`.
        let has_run = subject == Subject::Run && ended.executed.is_some_and(|executed| executed <= at);
        if outcome == Outcome::Told && subject.takes_back() && !has_run {
            let left = remains::left_since(&self.empty)?;
            if !left.is_empty() {
                (outcome, words) = (Outcome::Left, format!("{words}: left at once: {}", left.join(", ")));
            }
        }
        let left = self.clean()?;
        if !left.is_empty() {
            (outcome, words) = (Outcome::Left, format!("{words}: left after delete --force: {}", left.join(", ")));
        }
        if !outcome.is_good() {
            words = format!("{words} (exit code {:?}, said {:?})", ended.code, ended.output.trim());
        }
        Ok((outcome, words))
    }

    fn play(&self, subject: Subject, fault: Option<(usize, Fault)>) -> Result<Ended> {
        let bundle = if matches!(subject, Subject::Exec | Subject::Kill) { &self.stays } else { &self.ends };
        if !matches!(subject, Subject::Create | Subject::Run) {
            self.quietly(&self.make("create", bundle))?;
            if subject != Subject::Start {
                self.quietly(&self.on(&["start", ID]))?;
            }
            if subject == Subject::Delete {
                ground::await_end(ID)?;
            }
        }
        let command = match subject {
            Subject::Create | Subject::Run => self.make(subject.name(), bundle),
            Subject::Start | Subject::Delete => self.on(&[subject.name(), ID]),
            Subject::Exec => self.on(&["exec", ID, "/bin/true"]),
            Subject::Kill => self.on(&["kill", ID, "KILL"]),
        };
        tracer::run(&command, fault)
    }

    /// `delete --force`, and what is left after it. That is then removed by hand, so that the next fault is judged alone.
    fn clean(&self) -> Result<Vec<String>> {
        let _ = self.quietly(&self.on(&["delete", "--force", ID]));
        let left = remains::left_since(&self.empty)?;
        if !left.is_empty() {
            for process in left.iter().filter_map(|line| line.strip_prefix("process ")) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.parse()?), nix::sys::signal::SIGKILL);
            }
            let _ = std::fs::remove_dir_all(Path::new("/run/pidone").join(ID));
            for group in left.iter().filter_map(|line| line.strip_prefix("control group ")).rev() {
                let _ = std::fs::write(Path::new(group).join("cgroup.kill"), "1");
                for _ in 0..200 {
                    let _ = remains::look()?;
                    if std::fs::remove_dir(group).is_ok() {
                        break;
                    }
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
        Ok(left)
    }

    fn make(&self, what: &str, bundle: &Path) -> Vec<String> {
        self.on(&[what, "--bundle", &bundle.display().to_string(), ID])
    }

    fn on(&self, words: &[&str]) -> Vec<String> {
        [&[self.pidone.as_str()], words].concat().into_iter().map(str::to_owned).collect()
    }

    fn quietly(&self, command: &[String]) -> Result<()> {
        let status = self.ended(command)?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    }

    /// How a command ends that nobody hears.
    fn ended(&self, command: &[String]) -> Result<ExitStatus> {
        let (program, arguments) = command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        for _ in 0..1000 {
            if let Some(status) = process.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        process.kill()?;
        process.wait()?;
        bail!("{command:?}: does not end")
    }
}

fn judge(ended: &Ended, name: &str, fault: Fault) -> Outcome {
    let told = !ended.output.trim().is_empty();
    match (ended.hung, fault, ended.code) {
        (true, ..) => Outcome::Hung,
        // `run` ends as the container's first process does.
        (_, Fault::Kill, None | Some(137)) => Outcome::Killed,
        (_, Fault::Error(errno), Some(0)) if errno != Errno::EINTR && !MAY_FAIL.contains(&name) => Outcome::Ignored,
        (_, _, Some(0)) => Outcome::Borne,
        (_, _, Some(_)) if told => Outcome::Told,
        (_, _, _) => Outcome::Silent,
    }
}

/// The errors that a call is likely to meet.
pub fn faults(name: &str) -> Vec<Fault> {
    let errors: &[Errno] = match name {
        // The first two do not return, the others cannot fail.
        "exit" | "exit_group" | "umask" | "getpid" | "geteuid" | "rt_sigprocmask" => &[],
        "close" => &[Errno::EIO],
        "openat" | "openat2" => &[Errno::EACCES, Errno::EMFILE],
        "read" | "sendto" | "recvfrom" | "accept4" => &[Errno::EIO, Errno::EINTR],
        "write" | "mkdirat" | "mknodat" | "symlinkat" | "renameat" => &[Errno::ENOSPC],
        "clone" | "clone3" | "fork" | "vfork" => &[Errno::EAGAIN, Errno::ENOSPC],
        "socket" | "socketpair" | "pipe2" | "dup3" | "pidfd_open" => &[Errno::EMFILE, Errno::ENOMEM],
        "mmap" => &[Errno::ENOMEM],
        "wait4" | "waitid" | "recvmsg" | "rt_sigtimedwait" => &[Errno::EINTR],
        _ => &[Errno::EPERM, Errno::ENOMEM],
    };
    errors.iter().map(|errno| Fault::Error(*errno)).chain([Fault::Kill]).collect()
}

/// Counts of outcomes, for a table.
#[derive(Default)]
pub struct Tally {
    counts: BTreeMap<Outcome, usize>,
}

impl Tally {
    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        *self.counts.entry(outcome).or_default() += 1;
    }

    /// How many of a kind.
    pub fn of(&self, outcome: Outcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or(0)
    }

    /// How many that are not as they should be.
    pub fn bad(&self) -> usize {
        self.counts.iter().filter(|(outcome, _)| !outcome.is_good()).map(|(_, count)| count).sum()
    }
}
