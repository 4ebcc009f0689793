//! Runs a command with ptrace(2) and lets one of its system calls, or of its children's, fail.
//!
//! strace can inject faults, too, but counts the calls of each process apart: the third openat(2) of the container's process
//! could not be reached without hitting the third of the command.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use syscalls::Sysno;

/// A command that does nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the command writes. Not a pipe: a container that stays would keep it open.
const OUTPUT: &str = "/run/faults-output";

/// What happens at one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this error, without being made (but descriptors are closed).
    Error(Errno),
    /// Its caller is killed on entering it.
    Kill,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Fault::Error(errno) => write!(to, "{errno:?}"),
            Fault::Kill => write!(to, "SIGKILL"),
        }
    }
}

/// What became of a command.
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub output: String,
    /// Whether it had to be killed because nothing happened any more.
    pub hung: bool,
    /// Its calls up to the programs that were executed: which process made each (the command itself is 0), and its name.
    pub calls: Vec<(usize, &'static str)>,
    /// How many calls came before the first program of another process was executed.
    pub executed: Option<usize>,
}

/// Runs a command. `fault` says which call, counted over all processes, and what happens there.
///
/// # Errors
/// The command could not be started or traced.
pub fn run(command: &[String], fault: Option<(usize, Fault)>) -> Result<Ended> {
    // In a thread of its own: what it still traces when it ends is let go.
    thread::scope(|scope| scope.spawn(|| trace(command, fault)).join())
        .map_err(|_| anyhow::anyhow!("the tracer panicked"))?
}

/// A traced process.
struct Traced {
    /// In which order it appeared.
    number: usize,
    /// Whether it was seen to stop where it begins.
    begun: bool,
    /// Whether it is in a call.
    inside: bool,
    /// What its call is to return.
    answer: Option<Errno>,
}

fn trace(command: &[String], fault: Option<(usize, Fault)>) -> Result<Ended> {
    let (program, arguments) = command.split_first().context("no command")?;
    let output = File::create(OUTPUT)?;
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    // SAFETY: one system call between fork and exec, which allocates nothing.
    unsafe { process.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let first = Pid::from_raw(process.spawn()?.id() as i32);
    let (alive, silence) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || watch(first, &silence));
    let mut tracing = Tracing { traced: HashMap::new(), calls: Vec::new(), executed: None, fault };
    let code = tracing.follow(first, &alive);
    // One that was made this moment is stopped, and nobody else would let it go on.
    for pid in tracing.traced.keys() {
        let _ = kill(*pid, Signal::SIGCONT);
    }
    drop(alive);
    let hung = watchdog.join().unwrap_or(true);
    Ok(Ended {
        code: code?,
        output: fs::read_to_string(OUTPUT)?,
        hung,
        calls: tracing.calls,
        executed: tracing.executed,
    })
}

/// Kills the command when nothing has happened for long. Says whether it had to.
fn watch(first: Pid, silence: &mpsc::Receiver<()>) -> bool {
    loop {
        match silence.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return false,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = kill(first, Signal::SIGKILL);
                return true;
            }
        }
    }
}

struct Tracing {
    traced: HashMap<Pid, Traced>,
    calls: Vec<(usize, &'static str)>,
    executed: Option<usize>,
    fault: Option<(usize, Fault)>,
}

impl Tracing {
    /// Up to the end of the first process.
    fn follow(&mut self, first: Pid, alive: &mpsc::Sender<()>) -> Result<Option<i32>> {
        waitpid(first, None)?;
        let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
        ptrace::setoptions(first, follow | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC)?;
        self.entry(first).begun = true;
        ptrace::syscall(first, None)?;
        loop {
            let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
            let _ = alive.send(());
            match status {
                WaitStatus::Exited(pid, code) if pid == first => return Ok(Some(code)),
                WaitStatus::Signaled(pid, _, _) if pid == first => return Ok(None),
                // It may be gone by now; then it is told of next.
                WaitStatus::PtraceSyscall(pid) => drop(self.at_call(pid)),
                // The command may execute a safer copy of itself. Others execute the container's program, or a hook: no
                // longer ours.
                WaitStatus::PtraceEvent(pid, _, event)
                    if pid != first && event == ptrace::Event::PTRACE_EVENT_EXEC as i32 =>
                {
                    let _ = ptrace::detach(pid, None);
                    self.executed.get_or_insert(self.calls.len());
                    self.traced.remove(&pid);
                }
                WaitStatus::PtraceEvent(pid, ..) => {
                    // It is known from now on, so that it is let go whatever happens.
                    if let Ok(made) = ptrace::getevent(pid) {
                        self.entry(Pid::from_raw(made as i32));
                    }
                    let _ = ptrace::syscall(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => {
                    let entry = self.entry(pid);
                    let is_new = !core::mem::replace(&mut entry.begun, true);
                    let signal = Some(signal).filter(|signal| !(is_new && *signal == Signal::SIGSTOP));
                    let _ = ptrace::syscall(pid, signal);
                }
                _ => {}
            }
        }
    }

    fn entry(&mut self, pid: Pid) -> &mut Traced {
        let number = self.traced.len();
        self.traced.entry(pid).or_insert(Traced { number, begun: false, inside: false, answer: None })
    }

    fn at_call(&mut self, pid: Pid) -> nix::Result<()> {
        let entry = self.entry(pid);
        entry.inside = !entry.inside;
        let (inside, number) = (entry.inside, entry.number);
        if inside {
            let mut registers = ptrace::getregs(pid)?;
            let name = match registers.orig_rax {
                467 => "open_tree_attr",
                number => Sysno::new(number as usize).map_or("unknown", |call| call.name()),
            };
            let index = self.calls.len();
            self.calls.push((number, name));
            match self.fault.filter(|(at, _)| *at == index) {
                Some((_, Fault::Kill)) => kill(pid, Signal::SIGKILL)?,
                Some((_, Fault::Error(errno))) => {
                    // There is no such call, so nothing is done. But close(2) closes, whatever it says.
                    if name != "close" {
                        registers.orig_rax = u64::MAX;
                        ptrace::setregs(pid, registers)?;
                    }
                    self.entry(pid).answer = Some(errno);
                }
                None => {}
            }
        } else if let Some(errno) = self.entry(pid).answer.take() {
            let mut registers = ptrace::getregs(pid)?;
            registers.rax = (-(errno as i64)) as u64;
            ptrace::setregs(pid, registers)?;
        }
        ptrace::syscall(pid, None)
    }
}
